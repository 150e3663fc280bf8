/** Windows of convolutions and pools: kernels, strides, dilations, pads and the sizes that they need. */
import type { ModelAttr } from '../support/onnx.ts';
import type { Choice } from './covering.ts';
import type { Net } from './net.ts';

export const windowDimensions = {
  rank: [1, 2, 3],
  batch: [1, 2, 3],
  kernel: [1, 2, 3, 5, 7, 'mixed'],
  stride: [1, 2, 3, 'mixed'],
  dilation: [1, 2, 'mixed'],
  pads: ['none', 'one', 'uneven', 'large', 'SAME_UPPER', 'SAME_LOWER', 'VALID'],
  size: [0, 1, 4, 9],
  open: ['fixed', 'batch', 'space'],
} as const;

export interface Window {
  readonly kernel: readonly number[];
  readonly attrs: Record<string, ModelAttr>;
  readonly batch: number | string;
  readonly space: readonly (number | string)[];
  /** The approximate number of positions of a result. */
  readonly positions: number;
}

type Drawn = Choice<typeof windowDimensions>;

/** A kernel fits into its axis without pads, so that every choice is a model. */
export function windowOf(net: Net, c: Drawn, { dilates = true, most = 1 << 30, transposed = false } = {}): Window {
  const axes = Array.from({ length: c.rank }, (_, i) => i);
  const each = (value: number | 'mixed', mixed: readonly number[]) =>
    axes.map((i) => (value === 'mixed' ? mixed[i] : value));
  const kernel = each(c.rank === 3 && c.kernel !== 'mixed' ? Math.min(c.kernel, 3) : c.kernel, [3, 1, 2]);
  const strides = each(c.stride, [2, 1, 3]);
  const dilations = dilates ? each(c.dilation, [1, 2, 1]) : axes.map(() => 1);
  const reach = kernel.map((k, i) => (k - 1) * dilations[i] + 1);
  const room = [c.size, Math.min(c.size, most) + 1, 2];
  const sizes = axes.map((i) => reach[i] + Math.min(room[i], most));
  const isAuto = /^[SV]/.test(c.pads);
  const pads = axes.map((i) => ({ one: 1, uneven: i, large: kernel[i] - 1 })[c.pads as 'one'] ?? 0);
  const ends = axes.map((i) => ({ one: 1, uneven: i + 1, large: kernel[i] - 1 })[c.pads as 'one'] ?? 0);
  const fits = (pad: number, i: number) => Math.min(pad, kernel[i] - 1);
  const attrs: Record<string, ModelAttr> = {
    kernel_shape: kernel,
    strides,
    ...(dilates && { dilations }),
    ...(isAuto ? { auto_pad: c.pads } : { pads: [...pads.map(fits), ...ends.map(fits)] }),
  };
  const batch = c.open === 'fixed' ? c.batch : net.symbol('N', [c.batch, c.batch + 1]);
  const space =
    c.open === 'space' ? sizes.map((size, i) => net.symbol(`S${i}`, [size, size + 1])) : (sizes as readonly number[]);
  const positions = sizes.reduce(
    (n, size, i) => n * (transposed ? size * strides[i] + reach[i] : Math.ceil((size + 2) / strides[i])),
    c.batch,
  );
  return { kernel, attrs, batch, space, positions };
}
