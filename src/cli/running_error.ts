/**
 * How far a value that somebody else computed may be off: every operator once by its meaning, and once more for what roundings
 * may add up to. A float carries a bound on its absolute error; an integer that was made of such a float carries the two
 * integers between which it lies. Integers of integers carry nothing: they are what they are.
 */
import { UnskewError } from '../diagnostics/index.ts';
import { inferTypes } from '../ir/builder.ts';
import {
  evaluateNode,
  type ITensor,
  isOp,
  isPlainProduct,
  type Node,
  newArray,
  nnLogSoftmax,
  opOf,
  qnnDynamicQuantize,
  qnnSoftmax,
  type TensorType,
} from '../ir/index.ts';
import { softmaxNear } from '../ir/ops/qnn_softmax.op.ts';
import {
  type Engine,
  isIncreasing,
  LEAST_NORMAL,
  LEAST_NUMBER,
  largestInLane,
  magnitude,
  OF_ARITHMETIC,
  OF_QUOTIENT,
  ofProduct,
  ofSoftmax,
  productTerms,
  roundingOf,
  u,
} from './float_bounds.ts';
import { isNormalization, normalizationRounding } from './normalization_bounds.ts';

/** A tensor, and where it is not exact its error: `error` of floats, from `low` to `high` of what is no float. */
export interface Bounded {
  readonly tensor: ITensor;
  /** One for each element; infinite where nothing is known. */
  readonly error?: Float64Array;
  readonly low?: ITensor;
  readonly high?: ITensor;
  /** What it may be as well: see `sampled`. */
  readonly samples?: readonly ITensor[];
}

const SAMPLES = 3;
/** Samples are few; what they move is the whole bound of every operator. */
const SAFETY = 2;
/** The most that a unit in the last place of a binary32 number is of the number. */
const OF_LAST_PLACE = 2 ** -23;

type Operands = readonly (Bounded | null)[];
type Side = 'low' | 'high';

export const isExact = (b: Bounded | null): boolean => b === null || (b.error === undefined && b.low === undefined);
const isNumber = ({ dtype }: ITensor): boolean => dtype === 'f32' || dtype === 'f64';

/** The results of a node whose operands may be off, on an engine that rounds where it likes. */
export function evaluateBounded(node: Node, operands: Operands, engine: Engine): Bounded[] {
  const tensors = operands.map((o) => o?.tensor ?? null);
  const results = evaluateNode(node, tensors);
  const open = operands.flatMap((o, at) => (isExact(o) ? [] : [at]));
  const roundings = results.map((y) => (isNumber(y) ? ownRounding(node, operands, y, engine) : undefined));
  if (open.length === 0 && roundings.every((r) => r === undefined))
    return results.map((tensor) => (isOp(node, qnnSoftmax) ? softmaxOf(node, tensors, tensor, engine) : { tensor }));
  const samples = sampled(node, operands, roundings);
  return results.map((tensor, i): Bounded => {
    const own = samples.map((sample) => sample[i]);
    const ends = open.length === 0 ? [] : endsAt(node, operands, open, results, i);
    if (!isNumber(tensor)) {
      const range = between(tensor, ends, own);
      return range.low ? { ...range, samples: own } : range;
    }
    const error = nearest(widened(node, operands, tensor, ends, roundings[i]), tensor, own);
    return { tensor, error, samples: own };
  });
}

/** What the operator itself rounds, for every element; undefined where it is exact. */
function ownRounding(node: Node, operands: Operands, y: ITensor, engine: Engine): Float64Array | undefined {
  const isOnce = engine === 'once' || (engine === 'compiled' && isSoftmax(node));
  if (isOnce && (isPlainProduct(node) || isSoftmax(node)))
    return Float64Array.from(y.data as Float32Array, (v) => OF_ARITHMETIC * Math.abs(v));
  if (isPlainProduct(node))
    return engine === 'grouped' ? groupedRounding(node, operands, y) : productRounding(node, operands, y);
  if (isSoftmax(node)) return softmaxRounding(node, y);
  if (engine === 'onnxruntime' && isNormalization(node))
    return normalizationRounding(
      node,
      operands.map((o) => o?.tensor ?? null),
      y,
    );
  return roundingOf(
    node,
    operands.map((o) => o?.tensor ?? null),
    y,
    engine,
  );
}

const isSoftmax = ({ op }: Node): boolean => /^nn\.(log_)?softmax$/.test(op);

/**
 * Some of the results that the roundings before and in this node may lead to: every element moved up or down by what it may
 * be off, by a hash that is the same in every run, and carried through the operators themselves.
 */
function sampled(node: Node, operands: Operands, roundings: readonly (Float64Array | undefined)[]): ITensor[][] {
  return Array.from({ length: SAMPLES }, (_, k) => {
    const given = operands.map((o) => o?.samples?.[k] ?? o?.tensor ?? null);
    return evaluateNode(node, given).map((y, i) => moved(y, roundings[i], k));
  });
}

function moved(y: ITensor, rounding: Float64Array | undefined, k: number): ITensor {
  if (rounding === undefined) return y;
  const data = (y.data as Float32Array).map((v, i) => {
    const up = Math.imul((i + 1) ^ (k << 20), 0x9e3779b1) & 0x8000;
    return v + (up ? 1 : -1) * rounding[i];
  });
  return { ...y, data } as ITensor;
}

/**
 * The smaller of an error that was added up and of what samples show, which does not grow with the depth of a network as
 * the former does: SAFETY times the distance of the samples, or the root mean square of all distances if that is more, and one
 * unit in the last place: samples that all round to one number do not show that another one would round to its neighbour.
 */
function nearest(error: Float64Array, y: ITensor, samples: readonly ITensor[]): Float64Array {
  const center = y.data as Float32Array;
  const distance = new Float64Array(center.length);
  for (const { data } of samples)
    for (let i = 0; i < distance.length; i++) {
      const d = Math.abs((data as Float32Array)[i] - center[i]);
      distance[i] = Math.max(distance[i], Number.isNaN(d) ? 0 : d);
    }
  const mean = Math.sqrt(
    distance.reduce((sum, d) => sum + (Number.isFinite(d) ? d * d : 0), 0) / Math.max(1, distance.length),
  );
  return error.map((e, i) => Math.min(e, SAFETY * Math.max(distance[i], mean) + Math.abs(center[i]) * OF_LAST_PLACE));
}

/** The results at the ends of what the operands may be. */
function endsAt(node: Node, operands: Operands, open: readonly number[], results: readonly ITensor[], i: number) {
  if (isPlainProduct(node) || isSoftmax(node)) return [];
  if (isOp(node, qnnDynamicQuantize)) return dynamicEnds(results, operands[0] as Bounded, i);
  return variants(node, operands, open).map((v) => v?.[i]);
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
  return [undefined]; // samples alone tell
}

/** Whether all float operands may be doubles: then an error is not lost in the rounding of the operand itself. */
function takesDoubles(node: Node, operands: Operands): boolean {
  const types = operands.map((o) => o && { ...o.tensor, dtype: o.tensor.dtype === 'f32' ? 'f64' : o.tensor.dtype });
  try {
    inferTypes(opOf(node), types as (TensorType | null)[], node.attrs, node.loc);
    return true;
  } catch (error) {
    if (error instanceof UnskewError) return false;
    throw error;
  }
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

/** The largest distance of an end and the rounding together. What is the same on both sides (NaN, infinities) is near. */
function widened(
  node: Node,
  operands: Operands,
  center: ITensor,
  ends: readonly (ITensor | undefined)[],
  rounding?: Float64Array,
): Float64Array {
  const a = center.data as Float32Array;
  const error = isPlainProduct(node)
    ? productError(node, operands, a.length)
    : isSoftmax(node)
      ? softmaxError(node, operands[0] as Bounded, center)
      : new Float64Array(a.length);
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
function between(tensor: ITensor, ends: readonly (ITensor | undefined)[], samples: readonly ITensor[] = []): Bounded {
  const values = tensor.data as ArrayLike<number | bigint>;
  const [low, high] = [newArray(tensor.dtype, values.length), newArray(tensor.dtype, values.length)];
  const known = ends.some((t) => t === undefined) ? samples : (ends as readonly ITensor[]);
  let same = true;
  for (let i = 0; i < values.length; i++) {
    let [least, most] = [values[i], values[i]];
    for (const other of known) {
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

const productOf = (node: Node, bias: Bounded | null | undefined) => (p: ITensor, q: ITensor) =>
  evaluateNode(node, [p, q, ...(bias ? [null] : [])])[0].data as Float64Array;

/** Σ a·b: of the sum, and of the addition of a bias. */
function productRounding(node: Node, [a, b, bias]: Operands, y: ITensor): Float64Array {
  const [left, right] = [(a as Bounded).tensor, (b as Bounded).tensor];
  const terms = productTerms(node, left, right);
  const factorOf = ofProduct(node, left, right);
  const values = y.data as Float32Array;
  // a primitive may begin with the bias, so that it is one of the terms
  const all = [magnitude(left), magnitude(right), ...(bias ? [magnitude(bias.tensor)] : [])];
  const magnitudes = evaluateNode(node, all)[0].data as Float64Array;
  return magnitudes.map((m, i) => factorOf(i) * m + 2 ** -23 * Math.abs(values[i]) + terms * LEAST_NUMBER);
}

/**
 * fl(fl(sa·sb)·fl(Σ q·r)) + b against the sum of dequantized factors in binary64: these are rounded by 2u together, the product
 * three times, the sum with a bias once, and what it is compared with once.
 */
function groupedRounding(node: Node, [a, b, bias]: Operands, y: ITensor): Float64Array {
  const [left, right] = [a as Bounded, b as Bounded].map(({ tensor }) => magnitude(tensor));
  const sizes = productOf(node, bias)(left, right);
  const largest = bias ? magnitude(bias.tensor).data.reduce((most, v) => Math.max(most, v), 0) : 0;
  const values = y.data as Float32Array;
  return sizes.map((size, i) => u * (2 * size + (bias ? 5 : 4) * Math.abs(values[i]) + 3 * largest));
}

/** Σ a·b: what the errors of the factors and of the bias add. */
function productError(node: Node, [a, b, bias]: Operands, length: number): Float64Array {
  const [left, right] = [a as Bounded, b as Bounded];
  const [x, w] = [magnitude(left.tensor), magnitude(right.tensor)];
  const sum = productOf(node, bias);
  const as = (error: Float64Array, { shape }: ITensor): ITensor<'f64'> => ({ dtype: 'f64', shape, data: error });
  const error = new Float64Array(length).fill(bias?.error ? bias.error.reduce((m, e) => Math.max(m, e), 0) : 0);
  const add = (more: Float64Array) => more.forEach((e, i) => void (error[i] += Number.isNaN(e) ? Infinity : e));
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
  return error;
}

const axisOf = ({ attrs }: Node, { shape }: ITensor): number => ((attrs.axis as number) + shape.length) % shape.length;

/** The exponential of x − max, which is rounded in units of itself: of a small y that is u·|ln y|. */
function softmaxRounding(node: Node, y: ITensor): Float64Array {
  const factor = ofSoftmax(y.shape[axisOf(node, y)]);
  const isLog = isOp(node, nnLogSoftmax);
  return Float64Array.from(y.data as Float32Array, (v) =>
    isLog ? factor * (1 + Math.abs(v)) : (factor - u * Math.log(v || 1)) * v + LEAST_NORMAL,
  );
}

/** eˣ / Σ eˣ: errors of the row scale every result by at most e^±2e. */
function softmaxError(node: Node, x: Bounded, y: ITensor): Float64Array {
  if (x.error === undefined) return new Float64Array(y.data.length);
  const most = largestInLane(x.error, y.shape, axisOf(node, y));
  if (isOp(node, nnLogSoftmax)) return most.map((e) => 2 * e);
  return most.map((e, i) => (y.data as Float32Array)[i] * Math.expm1(2 * e));
}

/** Up to 1.30 ONNX Runtime rounds the quotients of QLinearSoftmax to binary32 before it rounds them to integers. */
function softmaxOf(node: Node, [x, sx, zx, sy, zy]: readonly (ITensor | null)[], y: ITensor, engine: Engine): Bounded {
  if (engine !== 'onnxruntime') return { tensor: y };
  const near = [1 - OF_QUOTIENT, 1 + OF_QUOTIENT];
  return between(
    y,
    near.map((factor) => softmaxNear({ x, sx, zx, sy, zy } as never, node.attrs as never, factor)),
  );
}

/** The ends of y, of the scale or of the zero point, of a source that may be off. */
function dynamicEnds([y, scale, zp]: readonly ITensor[], x: Bounded, i: number): readonly ITensor[] {
  const most = (x.error ?? new Float64Array(1)).reduce((m, e) => Math.max(m, e), 0);
  const s = (scale.data as Float32Array)[0];
  const ofScale = (2 * most) / 255 + 2 ** -22 * s;
  if (i === 1) return [-1, 1].map((sign) => ({ ...scale, data: Float32Array.of(s + sign * ofScale) }) as ITensor);
  const steps = 1 + Math.min(255, Math.floor(most / s + (255 * ofScale) / s));
  const tensor = i === 0 ? y : zp;
  const reach = i === 0 ? 2 * steps : steps;
  const data = tensor.data as Uint8Array;
  const clamp = (v: number) => Math.min(255, Math.max(0, v));
  return [-1, 1].map((sign) => ({ ...tensor, data: data.map((q) => clamp(q + sign * reach)) }) as ITensor);
}
