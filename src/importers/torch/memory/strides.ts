/**
 * The layout of a tensor in memory: strides in elements, as far as they are known, and when PyTorch's reshape is a
 * view.
 */
import { bindDim, type Dim, mulDims, type Shape, symbolsIn } from '../../../ir/index.ts';

/** One for each axis; undefined where the layout is not known. */
export type Strides = readonly Dim[] | undefined;

export function rowMajor(shape: Shape): readonly Dim[] {
  const strides: Dim[] = [];
  let step: Dim = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step = mulDims(shape[axis], step);
  }
  return strides;
}

/** [N, C, spatial…] with the channels innermost. */
export function channelsLast(shape: Shape): Strides {
  if (shape.length < 4) return undefined;
  const order = [0, ...shape.map((_, axis) => axis).slice(2), 1];
  const packed = rowMajor(order.map((axis) => shape[axis]));
  return shape.map((_, axis) => packed[order.indexOf(axis)]);
}

/** Sizes that symbols may have: a layout is certain when it is the same for each. */
const samples = [1, 2, 1009];

/** The answer where it is the same for all sizes that the symbols may have. */
function forAllSizes<T>(dims: readonly Dim[], answer: (number: (dim: Dim) => number) => T): T | undefined {
  const symbols = [...new Set(dims.flatMap(symbolsIn))];
  if (symbols.length === 0) return answer(Number);
  const answers = samples.map((size) => {
    const bindings = new Map(symbols.map((symbol, i) => [symbol, size === 1 ? 1 : size + 4 * i]));
    return answer((dim) => Number(bindDim(dim, bindings)));
  });
  return answers.every((other) => other === answers[0]) ? answers[0] : undefined;
}

/** True when the elements lie like those of a new tensor of the shape; undefined when their layout is not known. */
export function isPacked(shape: Shape, strides: Strides, like: Strides = rowMajor(shape)): boolean | undefined {
  if (strides === undefined || like === undefined) return undefined;
  return forAllSizes([...shape, ...strides, ...like], (number) => {
    const sizes = shape.map(number);
    if (sizes.includes(0)) return true;
    return sizes.every((size, axis) => size === 1 || number(strides[axis]) === number(like[axis]));
  });
}

/**
 * True when PyTorch takes the order of the axes for channels-last (`suggest_memory_format`), gaps or not: the strides
 * grow from the channels over the last spatial axis to the batch. Results of elementwise operators lie like that,
 * without gaps.
 */
export function isLastOrder(shape: Shape, strides: Strides): boolean | undefined {
  if (strides === undefined) return undefined;
  if (shape.length !== 4 && shape.length !== 5) return false;
  const order = [
    1,
    ...shape
      .map((_, axis) => axis)
      .slice(2)
      .reverse(),
    0,
  ];
  return forAllSizes([...shape, ...strides], (number) => {
    let least = 0;
    for (const axis of order) {
      const [size, stride] = [number(shape[axis]), number(strides[axis])];
      if (size === 0 || stride < least || (axis === 0 && least === number(strides[1]))) return false;
      least = stride * Math.max(size, 1);
    }
    return true;
  });
}

/**
 * The strides of the same elements under another shape, when it has strides (then `reshape` is a view); `copy` when it
 * has not; undefined when it is not known. Neighbouring axes i, i+1 are one run when stride[i] = size[i+1]·stride[i+1];
 * every run has to be a product of sizes of the target.
 */
export function stridesOfView(shape: Shape, strides: Strides, target: Shape): readonly Dim[] | 'copy' | undefined {
  if (strides === undefined) return undefined;
  let found: readonly Dim[] | undefined;
  const isView = forAllSizes([...shape, ...strides, ...target], (number) => {
    found = regrouped(shape, strides, target, number);
    return found !== undefined;
  });
  return isView === undefined ? undefined : isView && found ? found : 'copy';
}

function regrouped(
  shape: Shape,
  strides: readonly Dim[],
  target: Shape,
  number: (dim: Dim) => number,
): readonly Dim[] | undefined {
  if (shape.some((dim) => number(dim) === 0)) return rowMajor(target);
  const result: Dim[] = target.map(() => 1);
  let at = target.length - 1;
  let run = 1; // elements of the run of axes
  let base: Dim = strides.at(-1) ?? 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    run *= number(shape[axis]);
    const isOpen = axis > 0 && (number(shape[axis - 1]) === 1 || number(strides[axis - 1]) === run * number(base));
    if (isOpen) continue;
    let filled: Dim = 1;
    while (at >= 0 && (number(filled) < run || number(target[at]) === 1)) {
      result[at] = mulDims(filled, base);
      filled = mulDims(filled, target[at--]);
    }
    if (number(filled) !== run) return undefined;
    run = 1;
    if (axis > 0) base = strides[axis - 1];
  }
  for (; at >= 0 && number(target[at]) === 1; at--) result[at] = base;
  return at < 0 ? result : undefined;
}
