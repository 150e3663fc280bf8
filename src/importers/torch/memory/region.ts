/**
 * The part of a storage that a view shows: steps from the base, each with its inverse. `take` returns the part of a
 * tensor; `put` returns the tensor with the part replaced: put(x, take(x)) = x, take(put(x, p)) = p.
 */

import {
  addDims,
  isStatic,
  nnConcat,
  nnExpand,
  nnGather,
  nnReshape,
  nnSlice,
  nnTranspose,
  nnWhere,
  type Shape,
  type Value,
} from '../../../ir/index.ts';
import { type ITensor, sizeOf, stridesOf, tensor } from '../../../tensors/index.ts';
import type { TypedEmitter } from '../../kit/typed_emitter.ts';
import type { Strides } from './strides.ts';

/** The receiver of nodes, for either front end. */
export interface Builder {
  readonly emit: TypedEmitter['emit'];
  constant(value: ITensor, name: string): Value;
  refuse(message: string): never;
}

export interface Step {
  /** Steps of the same text are the same. */
  readonly text: string;
  /** True when elements of the part share one of the base: only one number for all of them can be written. */
  readonly overlaps: boolean;
  /** Positions along an axis, when the step only selects these. */
  readonly along?: { readonly axis: number; readonly positions: readonly number[] };
  take(b: Builder, x: Value): Value;
  put(b: Builder, x: Value, part: Value): Value;
}

export interface Region {
  readonly shape: Shape;
  readonly strides: Strides;
  readonly steps: readonly Step[];
}

/** The end of every axis. */
export const FAR = 2 ** 31 - 1;
/** The largest number of elements of a view that are listed one by one. */
const MOST_PLACES = 2 ** 22;

export const reshape = (b: Builder, x: Value, shape: Shape): Value => {
  const same = shape.length === x.type.shape.length && shape.every((dim, i) => dim === x.type.shape[i]);
  return same ? x : b.emit(nnReshape, { x }, { shape });
};

const slice = (b: Builder, x: Value, axis: number, start: number, end: number, step = 1): Value =>
  b.emit(nnSlice, { x }, { starts: [start], ends: [end], axes: [axis], steps: [step] });

const further = (region: Region, shape: Shape, strides: Strides, step: Step): Region => ({
  shape,
  strides,
  steps: [...region.steps, step],
});

/** The same elements, in the same order, under another shape. */
export function reshaped(region: Region, shape: Shape, strides: Strides): Region {
  if (String(shape) === String(region.shape)) return { ...region, strides };
  return further(region, shape, strides, {
    text: `reshape [${shape}]`,
    overlaps: false,
    take: (b, x) => reshape(b, x, shape),
    put: (b, x, part) => reshape(b, part, x.type.shape),
  });
}

export function permuted(region: Region, perm: readonly number[]): Region {
  if (perm.every((axis, i) => axis === i)) return region;
  const back = perm.map((_, axis) => perm.indexOf(axis));
  const of = <T>(list: readonly T[]): readonly T[] => perm.map((axis) => list[axis]);
  return further(region, of(region.shape), region.strides && of(region.strides), {
    text: `permute [${perm}]`,
    overlaps: false,
    take: (b, x) => b.emit(nnTranspose, { x }, { perm }),
    put: (b, _x, part) => b.emit(nnTranspose, { x: part }, { perm: back }),
  });
}

/** Positions start, start + step, … below end along an axis, 0 ≤ start; both counted as Python does. */
export function sliced(region: Region, axis: number, start: number, end: number, step = 1): Region | undefined {
  const size = region.shape[axis];
  if (typeof size === 'string') return slicedSymbol(region, axis, size, start, end, step);
  const clamp = (at: number) => Math.min(Math.max(at < 0 ? at + size : at, 0), size);
  const [first, last] = [clamp(start), clamp(end)];
  const count = Math.max(0, Math.ceil((last - first) / step));
  const positions = Array.from({ length: count }, (_, i) => first + i * step);
  if (count === size) return region;
  const shape = region.shape.map((dim, i) => (i === axis ? count : dim));
  const strides = region.strides?.map((stride, i) =>
    i === axis && typeof stride === 'number' ? stride * step : stride,
  );
  const isKnown = step === 1 || typeof (region.strides?.[axis] ?? '') === 'number';
  return further(region, shape, isKnown ? strides : undefined, {
    text: `slice ${axis} ${first} ${last} ${step}`,
    overlaps: false,
    along: { axis, positions },
    take: (b, x) => slice(b, x, axis, first, count === 0 ? first : last, step),
    put: (b, x, part) =>
      count === 0
        ? x
        : step === 1
          ? joined(b, axis, [
              first > 0 && slice(b, x, axis, 0, first),
              part,
              last < size && slice(b, x, axis, last, FAR),
            ])
          : spread(b, x, part, axis, size, positions),
  });
}

/** Slices an axis of unknown size: its first element, its last one, or all but one of these. */
function slicedSymbol(
  region: Region,
  axis: number,
  size: string,
  start: number,
  end: number,
  step: number,
): Region | undefined {
  if (start === 0 && end >= FAR && step === 1) return region;
  const count =
    step !== 1
      ? undefined
      : (start === 0 && end === 1) || (start === -1 && end >= FAR)
        ? 1
        : (start === 0 && end === -1) || (start === 1 && end >= FAR)
          ? addDims(size, -1)
          : undefined;
  if (count === undefined) return undefined;
  const shape = region.shape.map((dim, i) => (i === axis ? count : dim));
  return further(region, shape, region.strides, {
    text: `slice ${axis} ${start} ${end}`,
    overlaps: false,
    take: (b, x) => slice(b, x, axis, start, end),
    put(b, x, part) {
      const whole = joined(b, axis, [
        start !== 0 && slice(b, x, axis, 0, start),
        part,
        end < FAR && slice(b, x, axis, end, FAR),
      ]);
      return String(whole.type.shape) === String(x.type.shape)
        ? whole
        : b.refuse(`a write into a part of the axis ${axis} of size ${size} needs known sizes`);
    },
  });
}

function joined(b: Builder, axis: number, parts: readonly (Value | false)[]): Value {
  const given = parts.filter((part): part is Value => part !== false);
  return given.length === 1 ? given[0] : b.emit(nnConcat, { xs: given }, { axis });
}

/** x with the positions along an axis replaced by the part's. */
function spread(b: Builder, x: Value, part: Value, axis: number, size: number, positions: readonly number[]): Value {
  if (positions.length === 0) return x;
  const from = Array<number>(size).fill(0);
  const isHit = Array<number>(size).fill(0);
  positions.forEach((at, i) => {
    from[at] = i;
    isHit[at] = 1;
  });
  const wide = b.emit(nnGather, { x: part, indices: b.constant(tensor('s64', from), 'from') }, { axis });
  if (!isHit.includes(0)) return wide;
  const shape = [size, ...x.type.shape.slice(axis + 1).map(() => 1)];
  return b.emit(nnWhere, { cond: b.constant(tensor('bool', isHit, shape), 'written'), a: wide, b: x });
}

/** Positions of known numbers along an axis, in any order. */
export const placedAlong = (b: Builder, x: Value, part: Value, axis: number, positions: readonly number[]): Value => {
  const size = x.type.shape[axis];
  return typeof size === 'number'
    ? spread(b, x, part, axis, size, positions)
    : b.refuse(`a write to positions along the axis ${axis} of size ${size} needs known sizes`);
};

export const selected = (region: Region, axis: number, index: number): Region | undefined => {
  const one = sliced(region, axis, index, index === -1 ? FAR : index + 1);
  const without = <T>(list: readonly T[]): readonly T[] => list.filter((_, i) => i !== axis);
  return one && reshaped(one, without(one.shape), one.strides && without(one.strides));
};

/** Sizes from the right, as `expand` has them; a size of 1 is repeated. */
export function expanded(region: Region, shape: Shape): Region {
  const lead = shape.length - region.shape.length;
  const isRepeated = shape.map((dim, i) => i < lead || region.shape[i - lead] !== dim);
  if (!isRepeated.includes(true)) return region;
  const { strides } = region;
  const axes = isRepeated.flatMap((repeated, i) => (repeated && shape[i] !== 1 ? [i] : []));
  return further(region, shape, strides && shape.map((_, i) => (isRepeated[i] ? 0 : strides[i - lead])), {
    text: `expand [${shape}]`,
    overlaps: axes.length > 0,
    take: (b, x) => b.emit(nnExpand, { x }, { shape }),
    put: (b, x, part) =>
      reshape(
        b,
        axes.reduce((y, axis) => slice(b, y, axis, 0, 1), part),
        x.type.shape,
      ),
  });
}

/** Any elements of a tensor of known sizes: by their places in memory order of the region. */
export function strided(
  region: Region,
  shape: readonly number[],
  strides: readonly number[],
  offset: number,
): Region | undefined {
  if (!isStatic(region.shape) || !shape.every((size) => Number.isSafeInteger(size) && size >= 0)) return undefined;
  if (sizeOf(shape) > MOST_PLACES) return undefined;
  const count = sizeOf(region.shape);
  const places = placesOf(shape, strides, offset);
  if (places.some((at) => at < 0 || at >= count)) return undefined;
  return further(region, shape, undefined, {
    text: `strided [${shape}] [${strides}] ${offset}`,
    overlaps: new Set(places).size !== places.length,
    take: (b, x) =>
      reshape(
        b,
        b.emit(
          nnGather,
          { x: reshape(b, x, [count]), indices: b.constant(tensor('s64', places), 'places') },
          { axis: 0 },
        ),
        shape,
      ),
    put: (b, x, part) =>
      reshape(b, spread(b, reshape(b, x, [count]), reshape(b, part, [places.length]), 0, count, places), x.type.shape),
  });
}

function placesOf(shape: readonly number[], strides: readonly number[], offset: number): readonly number[] {
  const packed = stridesOf(shape);
  return Array.from({ length: sizeOf(shape) }, (_, i) =>
    shape.reduce((at, size, axis) => at + (Math.floor(i / packed[axis]) % size) * strides[axis], offset),
  );
}

/** The diagonals of two axes, which become one last axis. */
export function diagonal(region: Region, offset: number, first: number, second: number): Region | undefined {
  const { shape } = region;
  if (!isStatic(shape) || !(first in shape) || !(second in shape) || first === second) return undefined;
  const steps = stridesOf(shape);
  const rest = shape.map((_, axis) => axis).filter((axis) => axis !== first && axis !== second);
  const [down, right] = [Math.max(0, -offset), Math.max(0, offset)];
  const length = Math.max(0, Math.min(shape[first] - down, shape[second] - right));
  const of = (list: readonly number[], last: number) => [...rest.map((axis) => list[axis]), last];
  const part = strided(
    region,
    of(shape, length),
    of(steps, steps[first] + steps[second]),
    length === 0 ? 0 : down * steps[first] + right * steps[second],
  );
  const strides = region.strides && isStatic(region.strides) ? region.strides : undefined;
  return part && { ...part, strides: strides && of(strides, strides[first] + strides[second]) };
}

/** Windows of a size along an axis, `step` apart: their elements are the last axis. */
export function windows(region: Region, axis: number, size: number, step: number): Region | undefined {
  const { shape, strides } = region;
  if (!isStatic(shape) || !(step >= 1) || !(size >= 0) || !(axis in shape)) return undefined;
  const steps = stridesOf(shape);
  const count = Math.floor((shape[axis] - size) / step) + 1;
  if (count < 1) return undefined;
  const part = strided(
    region,
    [...shape.map((dim, i) => (i === axis ? count : dim)), size],
    [...steps.map((s, i) => (i === axis ? s * step : s)), steps[axis]],
    0,
  );
  const known = strides && isStatic(strides) ? strides : undefined;
  return part && { ...part, strides: known && [...known.map((s, i) => (i === axis ? s * step : s)), known[axis]] };
}

/** True when two regions of one storage certainly have no element in common. */
export function areApart(a: Region, b: Region): boolean {
  const at = a.steps.findIndex((step, i) => step.text !== b.steps[i]?.text);
  const [x, y] = [a.steps[at]?.along, b.steps[at]?.along];
  return x !== undefined && y !== undefined && x.axis === y.axis && !x.positions.some((p) => y.positions.includes(p));
}

export const areSame = (a: Region, b: Region): boolean =>
  a.steps.length === b.steps.length && a.steps.every((step, i) => step.text === b.steps[i].text);

export const whole = (shape: Shape, strides: Strides): Region => ({ shape, strides, steps: [] });
