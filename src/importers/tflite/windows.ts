/**
 * Windows with the paddings of TensorFlow: SAME gives ⌈input/stride⌉ positions, the smaller half of the padding first; VALID has none.
 *
 *   total = max((output − 1)·stride + (kernel − 1)·dilation + 1 − input, 0)
 */
import type { Shape } from '../../ir/index.ts';
import type { OperatorContext } from './operator_context.ts';

/** As options have it: the height first. */
export interface WindowOptions {
  readonly padding: 'SAME' | 'VALID' | undefined;
  readonly strideH: number;
  readonly strideW: number;
  readonly dilationH?: number;
  readonly dilationW?: number;
}

/** Attributes of windows in the IR: all begins of pads, then all ends. */
export interface Windows {
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
}

/** The windows over the spatial axes of an input of which the sizes are known, for a kernel of the sizes `kernel`. */
export function windowsOf(
  ctx: OperatorContext,
  options: WindowOptions,
  spatial: Shape,
  kernel: readonly number[],
): Windows {
  const { strideH, strideW, dilationH = 1, dilationW = 1 } = options;
  return paddedWindows(ctx, options, spatial, {
    kernel,
    strides: [strideH, strideW],
    dilations: [dilationH, dilationW],
  });
}

/** Windows over any number of axes, with an entry for each. */
export function paddedWindows(
  ctx: OperatorContext,
  options: Pick<WindowOptions, 'padding'>,
  spatial: Shape,
  { kernel, strides, dilations }: Omit<Windows, 'pads'> & { readonly kernel: readonly number[] },
): Windows {
  const wrong = [...strides, ...dilations].find((step) => !(step > 0));
  if (wrong !== undefined) ctx.refuse(`a stride or dilation of ${wrong}`);
  if (isValid(ctx, options)) return { strides, dilations, pads: Array<number>(2 * kernel.length).fill(0) };
  const totals = kernel.map((size, i) => {
    const extent = (size - 1) * dilations[i] + 1;
    const input = spatial[i];
    if (typeof input !== 'number')
      return strides[i] === 1 ? extent - 1 : ctx.unsupported('SAME padding of an open size');
    return Math.max((Math.ceil(input / strides[i]) - 1) * strides[i] + extent - input, 0);
  });
  return { strides, dilations, pads: halved(totals) };
}

/** The windows of a transposed convolution; the wanted size of the output says how much of the end is cut. */
export function transposedWindows(
  ctx: OperatorContext,
  options: Pick<WindowOptions, 'padding'>,
  [input, output]: readonly [readonly number[], readonly number[]],
  { kernel, strides, dilations }: Omit<Windows, 'pads'> & { readonly kernel: readonly number[] },
): Windows & { readonly outputPadding: readonly number[] } {
  const wholes = kernel.map((size, i) => (input[i] - 1) * strides[i] + (size - 1) * dilations[i] + 1);
  const isCut = !isValid(ctx, options);
  const pads = [...halved(wholes.map((whole, i) => (isCut ? Math.max(whole - output[i], 0) : 0)))];
  // the end of the output that no tap reaches, or taps beyond it
  const axes = kernel.length;
  const room = wholes.map((whole, i) => output[i] - (whole - pads[i] - pads[i + axes]));
  for (const [i, size] of room.entries()) if (size < 0) pads[i + axes] -= size;
  return { strides, dilations, pads, outputPadding: room.map((size) => Math.max(size, 0)) };
}

export function isValid(ctx: OperatorContext, { padding }: Pick<WindowOptions, 'padding'>): boolean {
  return padding === undefined ? ctx.refuse('the padding is neither SAME nor VALID') : padding === 'VALID';
}

/** Begins and ends of the total padding of each axis. */
export const halved = (totals: readonly number[]): readonly number[] => [
  ...totals.map((total) => Math.floor(total / 2)),
  ...totals.map((total) => Math.ceil(total / 2)),
];
