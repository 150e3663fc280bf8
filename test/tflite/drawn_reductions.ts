/** Reductions drawn at random, with what they give: integers by exact arithmetic. */
import type { TfliteProfile } from '../../src/importers/tflite/profiles.ts';
import { dtypes, type ITensor, sizeOf, tensor } from '../../src/tensors/index.ts';
import { type Draw, once, pick } from '../fuzz/draw.ts';
import { between, type Case, constant, negativeOrNot, read, shapeOf } from './drawn.ts';

/** x·m/2^31 to the nearest integer, ties up, then over 2^−shift, ties away from zero: gemmlowp, in whole numbers. */
function twice(x: bigint, mantissa: bigint, shift: bigint): bigint {
  const shifted = shift > 0n ? x << shift : x;
  const sum = shifted * mantissa + (1n << 30n);
  const high = sum >> 31n;
  if (shift >= 0n) return high;
  const divisor = 1n << -shift;
  const [size, sign] = high < 0n ? [-high, -1n] : [high, 1n];
  return sign * ((size + divisor / 2n) / divisor);
}

/** The mantissa and the shift of a positive factor. */
function fixedOf(factor: number): { mantissa: bigint; shift: bigint } {
  let shift = 0;
  let q = factor;
  for (; q >= 1; q /= 2) shift++;
  for (; q < 0.5; q *= 2) shift--;
  const mantissa = Math.floor(q * 2 ** 31 + 0.5);
  return mantissa === 2 ** 31
    ? { mantissa: 2n ** 30n, shift: BigInt(shift + 1) }
    : { mantissa: BigInt(mantissa), shift: BigInt(shift) };
}

interface Ends {
  readonly sx: number;
  readonly zx: number;
  readonly sy: number;
  readonly zy: number;
}

/** The result before saturation, of all elements of one position. */
export function endOf(kind: 'MEAN' | 'SUM', profile: TfliteProfile, dtype: string, q: readonly number[], ends: Ends) {
  const { sx, zx, sy, zy } = ends;
  const count = q.length;
  const sum = q.reduce((a, b) => a + b, 0);
  const step = Math.fround;
  if (profile === 'xnnpack' && dtype !== 's16') {
    const ratio = step(sx / sy);
    const m = kind === 'SUM' ? ratio : step(ratio * step(1 / count));
    return nearestEven(step(step(sum * m) + step(step(-zx * count * m) + zy)));
  }
  if (kind === 'SUM' && dtype !== 'u8') {
    const m = step(sx / sy);
    const v = step(step(sum * m) + step(step(-zx * m) * count));
    return Math.sign(v) * Math.floor(Math.abs(v) + 0.5) + zy;
  }
  const { mantissa, shift } = fixedOf(sx / sy);
  const centred = BigInt(sum - zx * count);
  if (kind === 'SUM') return Number(twice(centred, mantissa, shift)) + zy;
  const bits = BigInt(Math.min(Math.floor(Math.log2(count)), 32, 31 + Number(shift)));
  return Number(twice(centred, (mantissa << bits) / BigInt(count), shift - bits)) + zy;
}

function nearestEven(v: number): number {
  const floor = Math.floor(v);
  const rest = v - floor;
  return rest === 0.5 ? floor + (Math.abs(floor) % 2) : rest > 0.5 ? floor + 1 : floor;
}

/** Axes, the shape that they leave, and the elements behind each position of it. */
function drawnAxes(draw: Draw, shape: readonly number[]) {
  const rank = shape.length;
  const chosen = [...shape.keys()].filter(() => once(draw, 2));
  const axes = rank === 4 && once(draw, 3) ? [1, 2] : chosen.length > 0 ? chosen : [draw(rank)];
  const keepDims = once(draw, 2);
  const left = keepDims
    ? shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
    : shape.filter((_, axis) => !axes.includes(axis));
  const behind = (x: ITensor, p: readonly number[]): number[] => {
    const kept = keepDims ? p : p.slice();
    let next = 0;
    const fixed = shape.map((_, axis) => (keepDims ? kept[axis] : axes.includes(axis) ? 0 : kept[next++]));
    const values: number[] = [];
    const walk = (i: number, position: readonly number[]): void => {
      if (i === axes.length) values.push(read(x, position));
      else for (let at = 0; at < shape[axes[i]]; at++) walk(i + 1, position.with(axes[i], at));
    };
    walk(0, fixed);
    return values;
  };
  const options = { number: 27, fields: [[0, keepDims] as const] };
  return { axes: axes.map((axis) => negativeOrNot(draw, axis, rank)), left, behind, options };
}

function positionsOf(shape: readonly number[]): readonly (readonly number[])[] {
  return Array.from({ length: sizeOf(shape) }, (_, i) => {
    let rest = i;
    const position = shape.map(() => 0);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position[axis] = rest % shape[axis];
      rest = Math.floor(rest / shape[axis]);
    }
    return position;
  });
}

/** MEAN or SUM of bytes or words; many sums lie in the middle of two results. */
export function drawnMean(draw: Draw, kind: 'MEAN' | 'SUM', profile: TfliteProfile): Case {
  const dtype = pick(draw, ['u8', 's8', 's16'] as const);
  const { min: low, max: high } = dtypes[dtype];
  const shape = shapeOf(draw, 5);
  const value = tensor(
    dtype,
    Array.from({ length: sizeOf(shape) }, () => between(draw, low, high)),
    shape,
  );
  const { axes, left, behind, options } = drawnAxes(draw, shape);
  const sy = Math.fround(once(draw, 2) ? 2 ** -4 : (1 + draw(1000) / 1000) / 16);
  const sx = Math.fround(once(draw, 2) ? sy * pick(draw, [0.25, 0.5, 1, 2]) : (1 + draw(1000) / 1000) / 16);
  const zero = () => pick(draw, [low, high, 0, between(draw, low, high)]);
  const ends = { sx, zx: zero(), sy, zy: zero() };
  const results = positionsOf(left).map((p) =>
    Math.min(Math.max(endOf(kind, profile, dtype, behind(value, p), ends), low), high),
  );
  return {
    test: {
      name: kind,
      options,
      operands: [{ value, scale: sx, zeroPoint: ends.zx }, constant(axes)],
      results: [{ dtype, shape: left, scale: sy, zeroPoint: ends.zy }],
    },
    expected: [tensor(dtype, results, left)],
  };
}

type Fold = (values: readonly number[]) => number;
const folds: Readonly<Record<string, Fold>> = {
  REDUCE_MAX: (values) => values.reduce((a, b) => (a > b ? a : b)),
  REDUCE_MIN: (values) => values.reduce((a, b) => (a < b ? a : b)),
  REDUCE_ANY: (values) => (values.some((v) => v !== 0) ? 1 : 0),
  REDUCE_ALL: (values) => (values.every((v) => v !== 0) ? 1 : 0),
  REDUCE_PROD: (values) => values.reduce((a, b) => a * b, 1) | 0,
  SUM: (values) => values.reduce((a, b) => a + b, 0),
  MEAN: (values) => Math.trunc(values.reduce((a, b) => a + b, 0) / values.length),
};

/** Reductions of integers as they are, and of truth values. */
export const drawnFolds: Record<string, (draw: Draw) => Case> = Object.fromEntries(
  Object.entries(folds).map(([name, fold]) => [
    name,
    (draw: Draw): Case => {
      const isLogical = name === 'REDUCE_ANY' || name === 'REDUCE_ALL';
      const types = isLogical
        ? (['bool'] as const)
        : name.length > 4 && name !== 'REDUCE_PROD'
          ? wide
          : (['s32'] as const);
      const dtype = pick(draw, types);
      const shape = shapeOf(draw, 4);
      const numbers = Array.from({ length: sizeOf(shape) }, () =>
        isLogical ? draw(2) : name === 'REDUCE_PROD' ? draw(5) - 2 : dtype === 'u8' ? draw(256) : draw(200) - 100,
      );
      const value = tensor(dtype, numbers, shape);
      const { axes, left, behind, options } = drawnAxes(draw, shape);
      const results = positionsOf(left).map((p) => fold(behind(value, p)));
      const quantization = dtype === 'u8' || dtype === 's8' ? { scale: 0.5, zeroPoint: 3 } : {};
      return {
        test: {
          name,
          options,
          operands: [{ value, ...quantization }, constant(axes)],
          results: [{ dtype, shape: left, ...quantization }],
        },
        expected: [tensor(dtype, results, left)],
      };
    },
  ]),
);

const wide = ['u8', 's8', 's16', 's32', 'f32'] as const;

/** ARG_MAX and ARG_MIN: the first of equal extremes. */
export function drawnArgument(draw: Draw, name: 'ARG_MAX' | 'ARG_MIN'): Case {
  const shape = shapeOf(draw, 5);
  const value = tensor(
    'u8',
    Array.from({ length: sizeOf(shape) }, () => draw(4)),
    shape,
  );
  const axis = draw(shape.length);
  const left = shape.toSpliced(axis, 1);
  const results = positionsOf(left).map((p) => {
    const line = Array.from({ length: shape[axis] }, (_, i) => read(value, p.toSpliced(axis, 0, i)));
    return line.indexOf(name === 'ARG_MAX' ? Math.max(...line) : Math.min(...line));
  });
  return {
    test: {
      name,
      options: { number: name === 'ARG_MAX' ? 40 : 57, fields: [[0, 2, 'int8']] },
      operands: [{ value, scale: 0.5, zeroPoint: 3 }, { ...constant([negativeOrNot(draw, axis, shape.length)], []) }],
      results: [{ dtype: 's32', shape: left }],
    },
    expected: [tensor('s32', results, left)],
  };
}
