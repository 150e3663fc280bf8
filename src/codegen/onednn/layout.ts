/** The layout of a tensor in memory: row major, channels last, or blocked as oneDNN chose. */
import { sizeOf, stridesOf, type ValueId } from '../../ir/index.ts';
import type { MemoryDesc } from './binding.ts';

export type PlainLayout = 'row-major' | 'channels-last';
export type BufferLayout = PlainLayout | MemoryDesc;

/** The one name of a layout: channels last is row major where there is one channel, one position, or no spatial axis. */
export function normalized(layout: PlainLayout, shape: readonly number[]): PlainLayout {
  const trivial = shape.length < 3 || shape[1] === 1 || sizeOf(shape.slice(2)) === 1;
  return trivial ? 'row-major' : layout;
}

/** Axes from the slowest to the fastest. */
export const axisOrder = (layout: PlainLayout, rank: number): readonly number[] =>
  layout === 'row-major' || rank < 3
    ? Array.from({ length: rank }, (_, i) => i)
    : [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];

/** Strides, in elements, by logical axis. */
export function plainStrides(layout: PlainLayout, shape: readonly number[]): number[] {
  const order = axisOrder(layout, shape.length);
  const physical = stridesOf(order.map((axis) => shape[axis]));
  const strides = new Array<number>(shape.length);
  order.forEach((axis, i) => {
    strides[axis] = physical[i];
  });
  return strides;
}

/** A list by logical axis, in memory order. */
export const inMemoryOrder = <T>(layout: PlainLayout, byAxis: readonly T[]): T[] =>
  axisOrder(layout, byAxis.length).map((axis) => byAxis[axis]);

export const isPlain = (layout: BufferLayout): layout is PlainLayout => typeof layout === 'string';

/** The plain layout that has these strides, where there is one; axes of size 1 have any. */
export function layoutOfStrides(strides: readonly number[], dims: readonly number[]): PlainLayout | undefined {
  return (['row-major', 'channels-last'] as const).find((layout) =>
    plainStrides(layout, dims).every((s, axis) => dims[axis] === 1 || s === strides[axis]),
  );
}

/** The plain layout a descriptor amounts to, or the descriptor itself when it is blocked or strided otherwise. */
export const layoutOfDesc = (desc: MemoryDesc): BufferLayout =>
  (desc.strides && layoutOfStrides(desc.strides, desc.dims)) ?? desc;

/** A tensor in memory as lanes along an axis: the elements of one lie `inner` apart. */
export interface Lanes {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
}

export function lanesOf(layout: PlainLayout, shape: readonly number[], axis: number): Lanes {
  const sizes = inMemoryOrder(layout, shape);
  const at = axisOrder(layout, shape.length).indexOf(axis);
  return { outer: sizeOf(sizes.slice(0, at)), length: sizes[at], inner: sizeOf(sizes.slice(at + 1)) };
}

/** The place of a value among the channels of a concatenation, which is written part by part. */
export interface Home {
  readonly whole: ValueId;
  /** The channels in front. */
  readonly before: number;
}
