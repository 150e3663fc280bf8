/** The ends of float operators: dequantize in front, quantize behind. */
import type { Net } from '../net.ts';
import { contents, eight, magnitudes, zeroPoints, zerosOf } from '../parameters.ts';

export const lengths = [1, 3, 15, 16, 17, 31, 33, 65] as const;
/** Scales of results, relative to the scales of operands. */
export const ratios = [1, 2, 0.5, 1 / 3, 0.02, 20] as const;

export const shared = {
  x: eight,
  y: eight,
  zx: zeroPoints,
  zy: zeroPoints,
  scales: magnitudes,
  ratio: ratios,
  data: contents,
  end: ['quantized', 'float'],
  open: ['fixed', 'batch'],
} as const;

export interface Ends {
  readonly x: 'u8' | 's8';
  readonly y: 'u8' | 's8';
  readonly zx: (typeof zeroPoints)[number];
  readonly zy: (typeof zeroPoints)[number];
  readonly end: 'quantized' | 'float';
}

/** The dequantized input. */
export const source = (
  net: Net,
  c: Ends & { readonly data: (typeof contents)[number] },
  dims: readonly (number | string)[],
  scale: number,
) => net.dequantize(net.input(c.x, dims, c.data), { dtype: c.x, scales: [scale], zeros: zerosOf(c.x, c.zx) });

/** The result: quantized, or as it is. */
export function finish(net: Net, c: Ends, y: string, scale: number): void {
  if (c.end === 'float') {
    net.output(y, 'f32');
    return;
  }
  const zeros = zerosOf(c.y, c.zy);
  net.output(net.quantize(y, { dtype: c.y, scales: [Math.fround(scale)], zeros }), zeros ? c.y : 'u8');
}

export const batchOf = (net: Net, open: 'fixed' | 'batch', size = 2) =>
  open === 'batch' ? net.symbol('N', [size, size + 1]) : size;
