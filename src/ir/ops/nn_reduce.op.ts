/** Reductions over some axes: https://onnx.ai/onnx/operators/onnx__ReduceSum.html and its siblings. */

import { exp, exp64, log64, productOfRun, sumOfRun } from '../../numerics/index.ts';
import { type DType, doublesOf, dtypes, fromDoubles, type ITensor, isBig, newArray } from '../../tensors/index.ts';
import { attr, defineOp, tensorOf } from '../define_op.ts';
import type { OnnxForm } from '../onnx_form.ts';
import type { Shape } from '../types.ts';
import { normalizeAxes, normalizeAxis } from './broadcast.ts';
import { lanesOf } from './lanes.ts';
import { numeric } from './operand_types.ts';

const floats = tensorOf('f32', 'f64');

/** Without attribute, or with none, all axes are reduced. */
const axesOf = (axes: readonly number[], rank: number): number[] =>
  axes.length === 0
    ? Array.from({ length: rank }, (_, a) => a)
    : axes.map((a) => (a < 0 ? a + rank : a)).sort((a, b) => a - b);

const reducedShape = (shape: Shape, axes: readonly number[], keepdims: boolean): Shape =>
  keepdims
    ? shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim))
    : shape.filter((_, axis) => !axes.includes(axis));

type Lane = (values: Float64Array, from: number, to: number, dtype: DType) => number;
type BigLane = (values: BigInt64Array | BigUint64Array, from: number, to: number, dtype: DType) => bigint;

/** With `big`, integers are reduced as well. */
function reduction<const N extends string, D extends DType>(
  name: N,
  opType: string,
  doc: string,
  operand: { readonly dtypes: readonly D[]; readonly presence: 'required' },
  lane: Lane,
  big?: BigLane,
  { wider = 'modular', axesSince = 18 }: { readonly wider?: OnnxForm['wider']; readonly axesSince?: number } = {},
) {
  return defineOp({
    name: `nn.reduce_${name}` as const,
    doc: `${doc} over \`axes\` (all when empty), in binary64, summed as numerics/partial_sums.ts says, rounded once${big ? '; integers wrap' : ''}.`,
    operands: { x: operand },
    attrs: { axes: attr.ints([]), keepdims: attr.bool(true) },
    results: { y: { like: 'x' } },
    infer({ x }, { axes, keepdims }, refuse) {
      const { dtype, shape } = x as { dtype: D; shape: Shape };
      normalizeAxes(axes, shape.length, refuse);
      return { dtype, shape: reducedShape(shape, axesOf(axes, shape.length), keepdims) };
    },
    evaluate(operands, { axes }, [type]) {
      const x = operands.x as ITensor;
      const { tensor, count, length } = lanesOf(x, axesOf(axes, x.shape.length));
      const { shape } = type;
      if (big && isBig(tensor)) {
        const data = newArray(tensor.dtype, count);
        for (let i = 0; i < count; i++) data[i] = big(tensor.data, i * length, (i + 1) * length, x.dtype);
        return { dtype: x.dtype, shape, data } as ITensor;
      }
      const values = doublesOf(tensor);
      const y = new Float64Array(count);
      for (let i = 0; i < count; i++) y[i] = lane(values, i * length, (i + 1) * length, x.dtype);
      return fromDoubles(x.dtype, y, shape);
    },
    onnx: { opType, inputs: ['data'], inputsSince: { axes: axesSince }, wider },
  });
}

const sumOf =
  (term?: (x: number) => number): Lane =>
  (values, from, to) =>
    sumOfRun(values, from, to, term);
const bigFold =
  (start: (dtype: DType) => bigint, join: (soFar: bigint, value: bigint) => bigint): BigLane =>
  (values, from, to, dtype) => {
    let result = start(dtype);
    for (let i = from; i < to; i++) result = join(result, values[i]);
    return result;
  };
const fold =
  (start: (dtype: DType) => number, join: (soFar: number, value: number) => number): Lane =>
  (values, from, to, dtype) => {
    let result = start(dtype);
    for (let i = from; i < to; i++) result = join(result, values[i]);
    return result;
  };
const isFloat = (dtype: DType): boolean => dtypes[dtype].kind === 'float';
const lowest = (dtype: DType): number => (isFloat(dtype) ? -Infinity : dtypes[dtype].min);
const highest = (dtype: DType): number => (isFloat(dtype) ? Infinity : dtypes[dtype].max);
const bigLowest = (dtype: DType): bigint => (dtype === 's64' ? -(1n << 63n) : 0n);
const bigHighest = (dtype: DType): bigint => (dtype === 's64' ? (1n << 63n) - 1n : (1n << 64n) - 1n);

/** The product: of integers of up to 32 bits modulo 2^32. */
const product: Lane = (values, from, to, dtype) => {
  if (isFloat(dtype)) return productOfRun(values, from, to);
  let result = 1;
  for (let i = from; i < to; i++) result = Math.imul(result, values[i]);
  return result;
};

/** ln Σ eˣ, the maximum taken out so that nothing overflows; eˣ of f32 is that of the operator. */
const logSumExp: Lane = (values, from, to, dtype) => {
  const max = fold(() => -Infinity, Math.max)(values, from, to, 'f64');
  if (Math.abs(max) === Infinity) return max;
  const power = dtype === 'f32' ? (d: number) => exp(Math.fround(d)) : exp64;
  return max + log64(sumOfRun(values, from, to, (x) => power(x - max)));
};

export const nnReduceSum = reduction(
  'sum',
  'ReduceSum',
  'Σ x',
  numeric,
  sumOf(),
  bigFold(
    () => 0n,
    (a, b) => a + b,
  ),
  { axesSince: 13 },
);
export const nnReduceProd = reduction(
  'prod',
  'ReduceProd',
  'Π x',
  numeric,
  product,
  bigFold(
    () => 1n,
    (a, b) => BigInt.asIntN(64, a * b),
  ),
);
export const nnReduceMax = reduction(
  'max',
  'ReduceMax',
  'max x (NaN if any is)',
  numeric,
  fold(lowest, Math.max),
  bigFold(bigLowest, (a, b) => (a > b ? a : b)),
  { wider: 'ordered' },
);
export const nnReduceMin = reduction(
  'min',
  'ReduceMin',
  'min x (NaN if any is)',
  numeric,
  fold(highest, Math.min),
  bigFold(bigHighest, (a, b) => (a < b ? a : b)),
  { wider: 'ordered' },
);
export const nnReduceMean = reduction(
  'mean',
  'ReduceMean',
  'Σ x / n',
  floats,
  (values, from, to) => sumOfRun(values, from, to) / (to - from),
);
export const nnReduceL1 = reduction('l1', 'ReduceL1', 'Σ |x|', floats, sumOf(Math.abs));
export const nnReduceL2 = reduction('l2', 'ReduceL2', '√Σ x²', floats, (values, from, to) =>
  Math.sqrt(sumOfRun(values, from, to, (x) => x * x)),
);
export const nnReduceSumSquare = reduction(
  'sum_square',
  'ReduceSumSquare',
  'Σ x²',
  floats,
  sumOf((x) => x * x),
);
export const nnReduceLogSum = reduction('log_sum', 'ReduceLogSum', 'ln Σ x', floats, (values, from, to) =>
  log64(sumOfRun(values, from, to)),
);
export const nnReduceLogSumExp = reduction('log_sum_exp', 'ReduceLogSumExp', 'ln Σ eˣ', floats, logSumExp);

/** `better(value, best)`: whether a later element takes over. */
function argument<const N extends string>(
  name: N,
  opType: string,
  doc: string,
  better: <T extends number | bigint>(value: T, best: T) => boolean,
) {
  return defineOp({
    name: `nn.${name}` as const,
    doc: `${doc} along one axis, as s64; of several the first or, with selectLast, the last. NaN is never chosen over a number before it.`,
    operands: { x: numeric },
    attrs: { axis: attr.int(0), keepdims: attr.bool(true), selectLast: attr.bool(false) },
    results: { y: ['s64'] },
    infer({ x }, { axis, keepdims }, refuse) {
      const normal = normalizeAxis(axis, x.shape.length, refuse);
      const shape = reducedShape(x.shape, [normal], keepdims);
      const isAsked = shape.every((dim) => typeof dim === 'number' && dim > 0);
      if (x.shape[normal] === 0 && isAsked) refuse.limit(`axis ${axis} is empty`, 'x');
      return { dtype: 's64', shape };
    },
    evaluate({ x }, { axis, selectLast }, [type]) {
      const { tensor, count, length } = lanesOf<ITensor>(x, axesOf([axis], x.shape.length));
      const values = isBig(tensor) ? (tensor.data as ArrayLike<number | bigint>) : doublesOf(tensor);
      const data = new BigInt64Array(count);
      for (let lane = 0; lane < count; lane++) {
        let best = lane * length;
        for (let i = best + 1; i < (lane + 1) * length; i++) {
          if (better(values[i], values[best]) || (selectLast && values[i] === values[best])) best = i;
        }
        data[lane] = BigInt(best - lane * length);
      }
      return { dtype: 's64', shape: type.shape, data };
    },
    onnx: {
      opType,
      inputs: ['data'],
      attributes: { selectLast: { name: 'select_last_index', since: 12 } },
      wider: 'positions',
    },
  });
}

export const nnArgMax = argument('arg_max', 'ArgMax', 'The position of the maximum', (value, best) => value > best);
export const nnArgMin = argument('arg_min', 'ArgMin', 'The position of the minimum', (value, best) => value < best);
