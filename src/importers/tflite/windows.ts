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
  const [strides, dilations] = [
    [strideH, strideW],
    [dilationH, dilationW],
  ];
  const wrong = [...strides, ...dilations].find((step) => !(step > 0));
  if (wrong !== undefined) ctx.refuse(`a stride or dilation of ${wrong}`);
  if (isValid(ctx, options)) return { strides, dilations, pads: [0, 0, 0, 0] };
  const totals = kernel.map((size, i) => {
    const extent = (size - 1) * dilations[i] + 1;
    const input = spatial[i];
    if (typeof input !== 'number')
      return strides[i] === 1 ? extent - 1 : ctx.unsupported('SAME padding of an open size');
    return Math.max((Math.ceil(input / strides[i]) - 1) * strides[i] + extent - input, 0);
  });
  return { strides, dilations, pads: halved(totals) };
}

export function isValid(ctx: OperatorContext, { padding }: WindowOptions): boolean {
  return padding === undefined ? ctx.refuse('the padding is neither SAME nor VALID') : padding === 'VALID';
}

/** Begins and ends of the total padding of each axis. */
export const halved = (totals: readonly number[]): readonly number[] => [
  ...totals.map((total) => Math.floor(total / 2)),
  ...totals.map((total) => Math.ceil(total / 2)),
];
