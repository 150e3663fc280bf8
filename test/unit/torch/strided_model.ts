/** A model of PyTorch's storage, written for the tests alone: numbers in a buffer, and tensors that are strided views of it. */

export interface Strided {
  readonly memory: number[];
  sizes: readonly number[];
  strides: readonly number[];
  offset: number;
}

export const count = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

export const packed = (sizes: readonly number[]): number[] => sizes.map((_, axis) => count(sizes.slice(axis + 1)));

export const made = (sizes: readonly number[], values: readonly number[]): Strided => ({
  memory: [...values],
  sizes,
  strides: packed(sizes),
  offset: 0,
});

/** The positions of the elements, in row-major order of the tensor. */
export function places({ sizes, strides, offset }: Strided): number[] {
  let all = [offset];
  sizes.forEach((size, axis) => {
    all = all.flatMap((at) => Array.from({ length: size }, (_, i) => at + i * strides[axis]));
  });
  return all;
}

export const read = (x: Strided): number[] => places(x).map((at) => x.memory[at]);
export const overlaps = (x: Strided): boolean => new Set(places(x)).size !== places(x).length;

export function write(x: Strided, values: readonly number[]): void {
  places(x).forEach((at, i) => {
    x.memory[at] = values[i];
  });
}

const view = (x: Strided, change: Partial<Strided>): Strided => ({ ...x, ...change });
const dropped = <T>(list: readonly T[], axis: number): T[] => list.filter((_, i) => i !== axis);
const changed = <T>(list: readonly T[], axis: number, item: T): T[] => list.map((old, i) => (i === axis ? item : old));

export const sliced = (x: Strided, axis: number, start: number, length: number, step = 1): Strided =>
  view(x, {
    sizes: changed(x.sizes, axis, length),
    strides: changed(x.strides, axis, x.strides[axis] * step),
    offset: x.offset + start * x.strides[axis],
  });

export const selected = (x: Strided, axis: number, index: number): Strided =>
  view(x, {
    sizes: dropped(x.sizes, axis),
    strides: dropped(x.strides, axis),
    offset: x.offset + index * x.strides[axis],
  });

export const permuted = (x: Strided, perm: readonly number[]): Strided =>
  view(x, { sizes: perm.map((i) => x.sizes[i]), strides: perm.map((i) => x.strides[i]) });

export const inserted = (x: Strided, axis: number, size: number, stride: number): Strided => {
  const at = <T>(list: readonly T[], item: T): T[] => [...list.slice(0, axis), item, ...list.slice(axis)];
  return view(x, { sizes: at(x.sizes, size), strides: at(x.strides, stride) });
};

export const squeezed = (x: Strided): Strided => {
  const kept = x.sizes.flatMap((size, i) => (size === 1 ? [] : [i]));
  return permuted(x, kept);
};

export const diagonal = (x: Strided, a: number, b: number): Strided => {
  const rest = x.sizes.map((_, i) => i).filter((i) => i !== a && i !== b);
  return view(x, {
    sizes: [...rest.map((i) => x.sizes[i]), Math.min(x.sizes[a], x.sizes[b])],
    strides: [...rest.map((i) => x.strides[i]), x.strides[a] + x.strides[b]],
  });
};

export const windows = (x: Strided, axis: number, size: number, step: number): Strided =>
  view(x, {
    sizes: [...changed(x.sizes, axis, Math.floor((x.sizes[axis] - size) / step) + 1), size],
    strides: [...changed(x.strides, axis, x.strides[axis] * step), x.strides[axis]],
  });

/** The same elements under another shape: a view when some strides give their places, undefined when none do. */
export function regrouped(x: Strided, sizes: readonly number[]): Strided | undefined {
  const all = places(x);
  const steps = packed(sizes);
  const strides = sizes.map((size, axis) => (size > 1 ? all[steps[axis]] - all[0] : steps[axis]));
  const candidate = view(x, { sizes, strides });
  return String(places(candidate)) === String(all) ? candidate : undefined;
}

export const copied = (x: Strided, sizes = x.sizes): Strided => made(sizes, read(x));
