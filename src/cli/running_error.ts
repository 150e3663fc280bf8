/**
 * How far a value that somebody else computed may be off: every operator once by its meaning, and once more for what roundings
 * may add up to. A float carries a bound on its absolute error; an integer that was made of such a float carries the two
 * integers between which it lies. Integers of integers carry nothing: they are what they are.
 */
import { evaluateNode, type ITensor, type Node, newArray, type OperandSpecs } from '../ir/index.ts';
import { softmaxNear } from '../ir/ops/qnn_softmax.op.ts';
import {
  type Engine,
  isIncreasing,
  isProduct,
  LEAST_NORMAL,
  largestInLane,
  magnitude,
  OF_QUOTIENT,
  ofSoftmax,
  ofSum,
  opOf,
  productTerms,
  roundingOf,
} from './float_bounds.ts';

/** A tensor, and where it is not exact its error: `error` of floats, from `low` to `high` of what is no float. */
export interface Bounded {
  readonly tensor: ITensor;
  /** One for each element; infinite where nothing is known. */
  readonly error?: Float64Array;
  readonly low?: ITensor;
  readonly high?: ITensor;
}

type Operands = readonly (Bounded | null)[];
type Side = 'low' | 'high';

export const isExact = (b: Bounded | null): boolean => b === null || (b.error === undefined && b.low === undefined);
const isNumber = ({ dtype }: ITensor): boolean => dtype === 'f32' || dtype === 'f64';

/** The results of a node whose operands may be off, on an engine that rounds where it likes. */
export function evaluateBounded(node: Node, operands: Operands, engine: Engine): Bounded[] {
  const tensors = operands.map((o) => o?.tensor ?? null);
  const results = evaluateNode(node, tensors);
  const open = operands.flatMap((o, at) => (isExact(o) ? [] : [at]));
  return results.map((tensor, i): Bounded => {
    if (node.op === 'qnn.dynamic_quantize' && open.length > 0) return dynamic(results, operands[0] as Bounded, i);
    if (isNumber(tensor) && isProduct(node)) return { tensor, error: ofProduct(node, operands, tensor) };
    if (/^nn\.(log_)?softmax$/.test(node.op))
      return { tensor, error: softmaxError(node, operands[0] as Bounded, tensor) };
    if (node.op === 'qnn.softmax' && engine === 'onnxruntime' && open.length === 0)
      return between(
        tensor,
        [1 - OF_QUOTIENT, 1 + OF_QUOTIENT].map((near) => quotients(node, tensors, near)),
      );
    const ends = open.length === 0 ? [] : variants(node, operands, open).map((v) => v?.[i]);
    if (!isNumber(tensor)) return between(tensor, ends);
    const rounding = roundingOf(node, tensors, tensor, engine);
    return rounding === undefined && ends.length === 0
      ? { tensor }
      : { tensor, error: widened(tensor, ends, rounding) };
  });
}

type Results = readonly ITensor[] | undefined;

/** The results at the ends of the operands: at both ends together where the operator is monotone, else at all combinations. */
function variants(node: Node, operands: Operands, open: readonly number[]): readonly Results[] {
  const wide = takesDoubles(node, operands);
  const at = (sides: (operand: number) => Side): Results => {
    const ends = operands.map((o, i) => o && end(o, sides(i), wide));
    return ends.some((t) => t === undefined) ? undefined : evaluateNode(node, ends as (ITensor | null)[]);
  };
  if (isIncreasing(node, open)) return [at(() => 'low'), at(() => 'high')];
  if (opOf(node).traits.includes('elementwise') && open.length <= 3)
    return Array.from({ length: 2 ** open.length }, (_, bits) =>
      at((i) => ((bits >> open.indexOf(i)) & 1 ? 'high' : 'low')),
    );
  return sampled(node, operands);
}

/** Where no rule is known (normalizations): what some perturbations by the errors of the operands do, four times. */
function sampled(node: Node, operands: Operands): readonly Results[] {
  if (operands.some((o) => o?.low || o?.error?.includes(Infinity))) return [undefined];
  let state = 1;
  const sign = () => ((state = Math.imul(state, 0x2c1b3c6d) + 0x9e3779b9) & 0x10000 ? 4 : -4);
  const wide = takesDoubles(node, operands);
  return Array.from({ length: 8 }, () => {
    const moved = operands.map(
      (o) => o && (o.error && wide ? asDouble(o.tensor, (i) => sign() * o.error![i]) : end(o, 'low', wide)),
    );
    return evaluateNode(node, moved as (ITensor | null)[]);
  });
}

/** Whether all float operands may be doubles: then an error is not lost in the rounding of the operand itself. */
function takesDoubles(node: Node, operands: Operands): boolean {
  const declared = Object.values(opOf(node).operands as OperandSpecs);
  return operands.every(
    (o, i) => o?.tensor.dtype !== 'f32' || (declared[i] ?? declared.at(-1))?.dtypes.includes('f64'),
  );
}

/** An operand at one of its ends; undefined where its error is not known. */
function end({ tensor, error, low, high }: Bounded, side: Side, wide: boolean): ITensor | undefined {
  if (low && high) return side === 'low' ? low : high;
  if (error?.includes(Infinity)) return undefined;
  const sign = side === 'low' ? -1 : 1;
  if (wide && tensor.dtype === 'f32') return asDouble(tensor, (i) => (error ? sign * error[i] : 0));
  if (error === undefined) return tensor;
  // A unit in the last place more, so that rounding takes nothing away
  const x = tensor.data as Float32Array;
  return { ...tensor, data: x.map((v, i) => v + sign * (error[i] + Math.abs(v) * 2 ** -23)) } as ITensor;
}

const asDouble = ({ data, shape }: ITensor, add: (i: number) => number): ITensor<'f64'> => ({
  dtype: 'f64',
  shape,
  data: Float64Array.from(data as Float32Array, (x, i) => x + add(i)),
});

/** The largest distance of a variant and the rounding together. What is the same on both sides (NaN, infinities) is near. */
function widened(center: ITensor, ends: readonly (ITensor | undefined)[], rounding?: Float64Array): Float64Array {
  const a = center.data as Float32Array;
  const error = new Float64Array(a.length);
  for (const other of ends) {
    const b = other?.data as Float64Array | undefined;
    for (let i = 0; i < error.length; i++) {
      const distance = b && Object.is(a[i], b[i]) ? 0 : b ? Math.abs(a[i] - b[i]) : Infinity;
      error[i] = Math.max(error[i], Number.isNaN(distance) ? Infinity : distance);
    }
  }
  return rounding ? error.map((e, i) => e + rounding[i]) : error;
}

/** The least and the largest of what an integer or a bool may be. */
function between(tensor: ITensor, ends: readonly (ITensor | undefined)[]): Bounded {
  const values = tensor.data as ArrayLike<number | bigint>;
  const [low, high] = [newArray(tensor.dtype, values.length), newArray(tensor.dtype, values.length)];
  let same = true;
  for (let i = 0; i < values.length; i++) {
    let [least, most] = [values[i], values[i]];
    for (const other of ends) {
      if (other === undefined) return { tensor, error: new Float64Array(values.length).fill(Infinity) };
      const v = (other.data as ArrayLike<number | bigint>)[i];
      if (v < least) least = v;
      if (v > most) most = v;
    }
    [low[i], high[i]] = [least as never, most as never];
    same &&= least === most;
  }
  if (same) return { tensor };
  return { tensor, low: { ...tensor, data: low } as ITensor, high: { ...tensor, data: high } as ITensor };
}

/** Σ a·b: the roundings of the sum, and what the errors of the factors and of the bias add. */
function ofProduct(node: Node, [a, b, bias]: Operands, y: ITensor): Float64Array {
  const [left, right] = [a as Bounded, b as Bounded];
  const [x, w] = [magnitude(left.tensor), magnitude(right.tensor)];
  const sum = (p: ITensor, q: ITensor) => evaluateNode(node, [p, q, ...(bias ? [null] : [])])[0].data as Float64Array;
  const as = (error: Float64Array, { shape }: ITensor): ITensor<'f64'> => ({ dtype: 'f64', shape, data: error });
  const factor = ofSum(productTerms(node, left.tensor, right.tensor));
  const error = sum(x, w).map((m, i) => factor * m + 2 ** -23 * Math.abs((y.data as Float32Array)[i]));
  const add = (more: Float64Array) => more.forEach((e, i) => void (error[i] += e));
  if (left.error)
    add(
      sum(
        as(left.error, x),
        right.error
          ? as(
              w.data.map((v, i) => v + right.error![i]),
              w,
            )
          : w,
      ),
    );
  if (right.error) add(sum(x, as(right.error, w)));
  const most = bias?.error ? Math.max(...bias.error) : 0;
  return most > 0 ? error.map((e) => e + most) : error;
}

/** eˣ / Σ eˣ: errors of the row scale every result by at most e^±2e. */
function softmaxError({ op, attrs }: Node, x: Bounded, y: ITensor): Float64Array {
  const axis = ((attrs.axis as number) + y.shape.length) % y.shape.length;
  const factor = ofSoftmax(y.shape[axis]);
  const moved = x.error ? largestInLane(x.error, y.shape, axis) : new Float64Array(y.data.length);
  const values = y.data as Float32Array;
  if (op === 'nn.log_softmax') return moved.map((e, i) => 2 * e + factor * (1 + Math.abs(values[i])));
  return moved.map((e, i) => values[i] * (Math.expm1(2 * e) + factor) + LEAST_NORMAL);
}

/** Up to 1.30 ONNX Runtime rounds the quotients of QLinearSoftmax to binary32 before it rounds them to integers. */
const quotients = (node: Node, [x, sx, zx, sy, zy]: readonly (ITensor | null)[], near: number): ITensor =>
  softmaxNear({ x, sx, zx, sy, zy } as never, node.attrs as never, near);

/** y, scale and zero point of a source that may be off by at most `most`. */
function dynamic([y, scale, zp]: readonly ITensor[], x: Bounded, i: number): Bounded {
  const most = (x.error ?? new Float64Array(1)).reduce((m, e) => Math.max(m, e), 0);
  const s = (scale.data as Float32Array)[0];
  const ofScale = (2 * most) / 255 + 2 ** -22 * s;
  if (i === 1) return { tensor: scale, error: Float64Array.of(ofScale) };
  const steps = 1 + Math.floor(most / s + (255 * ofScale) / s);
  const tensor = i === 0 ? y : zp;
  const clamp = (v: number) => Math.min(255, Math.max(0, v));
  const data = tensor.data as Uint8Array;
  const reach = i === 0 ? 2 * steps : steps;
  return {
    tensor,
    low: { ...tensor, data: data.map((q) => clamp(q - reach)) } as ITensor,
    high: { ...tensor, data: data.map((q) => clamp(q + reach)) } as ITensor,
  };
}
