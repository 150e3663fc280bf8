/**
 * Bounds the error of a value that another engine computed: each operator is evaluated once by its meaning, and once
 * more with the roundings that may add up. A float carries a bound on its absolute error; an integer that was made from
 * such a float carries the two integers between which it lies. Integers that were made from integers are exact and
 * carry nothing.
 */
import { assert, UnskewError } from '../diagnostics/index.ts';
import {
  byteTypes,
  evaluateNode,
  type ITensor,
  inferTypes,
  isOp,
  isPlainProduct,
  isTensorOf,
  type Node,
  type NodeOf,
  newArray,
  nnCos,
  nnLogSoftmax,
  nnSin,
  nnSoftmax,
  oneOf,
  opOf,
  qnnDynamicQuantize,
  qnnSoftmax,
  softmaxNear,
  type TensorType,
  tensorOfType,
} from '../ir/index.ts';
import {
  type Engine,
  isIncreasing,
  LEAST_NORMAL,
  LEAST_NUMBER,
  largestInLane,
  OF_ARITHMETIC,
  OF_QUOTIENT,
  ofSoftmax,
  roundingOf,
} from './float_bounds.ts';
import { areFloats, type Floats, floatsOf, inDoubles, largestOf, magnitude } from './floats.ts';
import { isNormalization, normalizationRounding } from './normalization_bounds.ts';
import { evaluateInDoubles, ofProduct, productTerms, u } from './sum_bounds.ts';

/** A tensor and, when it is not exact, its error: `error` for floats, from `low` to `high` for other types. */
export interface Bounded {
  readonly tensor: ITensor;
  /** One for each element; infinite where nothing is known. */
  readonly error?: Float64Array;
  readonly low?: ITensor;
  readonly high?: ITensor;
  /** Other values that the tensor may have: see `sampled`. */
  readonly samples?: readonly ITensor[];
}

const SAMPLES = 3;
/** The factor for the small number of samples: they decide the whole bound of every operator. */
const SAFETY = 2;
/** The most that a unit in the last place of a binary32 number is of the number. */
const OF_LAST_PLACE = 2 ** -23;

type Operands = readonly (Bounded | null)[];
type Side = 'low' | 'high';

export const isExact = (b: Bounded | null): boolean => b === null || (b.error === undefined && b.low === undefined);

/** The results of a node whose operands may be off, on an engine that rounds where it likes. */
export function evaluateBounded(node: Node, operands: Operands, engine: Engine): Bounded[] {
  const tensors = operands.map((o) => o?.tensor ?? null);
  const results = evaluateNode(node, tensors);
  const open = operands.flatMap((o, at) => (isExact(o) ? [] : [at]));
  const roundings = results.map((y) => (areFloats(y) ? ownRounding(node, operands, y, engine) : undefined));
  if (open.length === 0 && roundings.every((r) => r === undefined))
    return isOp(node, qnnSoftmax)
      ? [softmaxOf(node, tensors, results[0], engine)]
      : results.map((tensor) => ({ tensor }));
  const samples = sampled(node, operands, roundings);
  return results.map((tensor, i): Bounded => {
    const own = samples.map((sample) => sample[i]);
    const ends = open.length === 0 ? [] : endsAt(node, operands, open, results, i);
    if (!areFloats(tensor)) {
      const range = between(tensor, ends, own);
      return range.low ? { ...range, samples: own } : range;
    }
    const most = widened(node, operands, tensor, ends, roundings[i]);
    // samples of a wave may all lie near one another by chance
    const error = isPeriodic(node) ? most : nearest(most, tensor, own);
    return { tensor, error, samples: own };
  });
}

/** Bounds the rounding of the operator itself, for every element; undefined when the operator is exact. */
function ownRounding(node: Node, operands: Operands, y: Floats, engine: Engine): Float64Array | undefined {
  const isOnce = engine === 'once' || (engine === 'compiled' && isSoftmax(node));
  // Products round each sum, alike where the operands are.
  const roundsOnce = isPlainProduct(node) ? operands.every(isExact) : isSoftmax(node);
  if (isOnce && roundsOnce) return inDoubles(y, (v) => OF_ARITHMETIC * Math.abs(v)).data;
  if (isPlainProduct(node))
    return engine === 'grouped' ? groupedRounding(node, operands, y) : productRounding(node, operands, y);
  if (isSoftmax(node)) return softmaxRounding(node, y);
  const tensors = operands.map((o) => o?.tensor ?? null);
  if (engine === 'onnxruntime' && isNormalization(node)) return normalizationRounding(node, tensors, y);
  return roundingOf(node, tensors, y, engine);
}

type Softmax = NodeOf<typeof nnSoftmax | typeof nnLogSoftmax>;
const isSoftmax = (node: Node): node is Softmax => isOp(node, nnSoftmax, nnLogSoftmax);

/**
 * Some results that the roundings before and in this node may lead to: every element moves up or down by its largest
 * error, by a hash that is the same in every run, and the moved elements pass through the operators themselves.
 */
function sampled(node: Node, operands: Operands, roundings: readonly (Float64Array | undefined)[]): ITensor[][] {
  return Array.from({ length: SAMPLES }, (_, k) => {
    const given = operands.map((o) => o?.samples?.[k] ?? o?.tensor ?? null);
    return evaluateNode(node, given).map((y, i) => moved(y, roundings[i], k));
  });
}

function moved(y: ITensor, rounding: Float64Array | undefined, k: number): ITensor {
  if (rounding === undefined) return y;
  const floats = floatsOf(y);
  const data = floats.data.map((v, i) => {
    const up = Math.imul((i + 1) ^ (k << 20), 0x9e3779b1) & 0x8000;
    return v + (up ? 1 : -1) * rounding[i];
  });
  return { ...floats, data };
}

/**
 * The smaller of two bounds: the error that was added up, and the one that samples show, which does not grow with the
 * depth of a network. The latter is SAFETY times the distance of the samples, or the root mean square of all distances
 * if larger, plus one unit in the last place: samples that all round to one number do not show that another one would
 * round to its neighbour.
 */
function nearest(error: Float64Array, { data: center }: Floats, samples: readonly ITensor[]): Float64Array {
  const distance = new Float64Array(center.length);
  for (const sample of samples) {
    const { data } = floatsOf(sample);
    for (let i = 0; i < distance.length; i++) {
      const d = Math.abs(data[i] - center[i]);
      distance[i] = Math.max(distance[i], Number.isNaN(d) ? 0 : d);
    }
  }
  const mean = Math.sqrt(
    distance.reduce((sum, d) => sum + (Number.isFinite(d) ? d * d : 0), 0) / Math.max(1, distance.length),
  );
  return error.map((e, i) => Math.min(e, SAFETY * Math.max(distance[i], mean) + Math.abs(center[i]) * OF_LAST_PLACE));
}

/** The results at the ends of the ranges of the operands. */
function endsAt(node: Node, operands: Operands, open: readonly number[], results: readonly ITensor[], i: number) {
  if (isPlainProduct(node) || isSoftmax(node)) return [];
  if (isOp(node, qnnDynamicQuantize)) return dynamicEnds(results, operands[0], i);
  return variants(node, operands, open).map((v) => v?.[i]);
}

type Results = readonly ITensor[] | undefined;

/** The results at the ends of the operands: at both ends together where the operator is monotone, else at all combinations. */
function variants(node: Node, operands: Operands, open: readonly number[]): readonly Results[] {
  const wide = takesDoubles(node, operands);
  const at = (sides: (operand: number) => Side): Results => {
    const ends = operands.map((o, i) => o && end(o, sides(i), wide));
    return ends.every((t) => t !== undefined) ? evaluateNode(node, ends) : undefined;
  };
  if (isIncreasing(node, open)) return [at(() => 'low'), at(() => 'high')];
  if (opOf(node).traits.includes('elementwise') && open.length <= 3)
    return Array.from({ length: 2 ** open.length }, (_, bits) =>
      at((i) => ((bits >> open.indexOf(i)) & 1 ? 'high' : 'low')),
    );
  return [undefined]; // samples alone tell
}

/** True when all float operands may be doubles, so that the operand's own rounding does not hide its error. */
function takesDoubles(node: Node, operands: Operands): boolean {
  const types = operands.map((o): TensorType | null => o && doubled(o.tensor));
  try {
    inferTypes(opOf(node), types, node.attrs, node.loc);
    return true;
  } catch (error) {
    if (error instanceof UnskewError) return false;
    throw error;
  }
}

const doubled = ({ dtype, shape }: ITensor): TensorType => ({ dtype: dtype === 'f32' ? 'f64' : dtype, shape });

/** An operand at one of its ends; undefined where its error is not known. */
function end({ tensor, error, low, high }: Bounded, side: Side, wide: boolean): ITensor | undefined {
  if (low && high) return side === 'low' ? low : high;
  if (error?.includes(Infinity)) return undefined;
  const sign = side === 'low' ? -1 : 1;
  if (wide && isTensorOf(tensor, 'f32')) return inDoubles(tensor, (x, i) => x + (error ? sign * error[i] : 0));
  if (error === undefined) return tensor;
  // A unit in the last place more, so that rounding takes nothing away
  const x = floatsOf(tensor);
  return { ...x, data: x.data.map((v, i) => v + sign * (error[i] + Math.abs(v) * 2 ** -23)) };
}

/** The largest distance of an end plus the rounding. Equal values on both sides (NaN, infinities) have no distance. */
function widened(
  node: Node,
  operands: Operands,
  center: Floats,
  ends: readonly (ITensor | undefined)[],
  rounding?: Float64Array,
): Float64Array {
  const a = center.data;
  const error = isPlainProduct(node)
    ? productError(node, operands, a.length)
    : isSoftmax(node)
      ? softmaxError(node, operands[0], center)
      : isPeriodic(node)
        ? waveError(operands[0], a.length)
        : new Float64Array(a.length);
  for (const other of ends) {
    const b = other && floatsOf(other).data;
    for (let i = 0; i < error.length; i++) {
      const distance = b && Object.is(a[i], b[i]) ? 0 : b ? Math.abs(a[i] - b[i]) : Infinity;
      error[i] = Math.max(error[i], Number.isNaN(distance) ? Infinity : distance);
    }
  }
  return rounding ? error.map((e, i) => e + rounding[i]) : error;
}

/** |sin(x + e) − sin x| ≤ min(2, |e|): between the ends of x there may be whole periods. */
const isPeriodic = oneOf(nnSin, nnCos);
const waveError = (x: Bounded | null | undefined, length: number): Float64Array =>
  x?.error?.map((e) => Math.min(2, e)) ?? new Float64Array(length);

/** The least and the largest value that an integer or a bool may have. */
function between(tensor: ITensor, ends: readonly (ITensor | undefined)[], samples: readonly ITensor[] = []): Bounded {
  const values = tensor.data;
  const [low, high] = [newArray(tensor.dtype, values.length), newArray(tensor.dtype, values.length)];
  const known = ends.every((t) => t !== undefined) ? ends : samples;
  let same = true;
  for (let i = 0; i < values.length; i++) {
    let [least, most] = [values[i], values[i]];
    for (const { data } of known) {
      const v = data[i];
      if (v < least) least = v;
      if (v > most) most = v;
    }
    [low[i], high[i]] = [least, most];
    same &&= least === most;
  }
  if (same) return { tensor };
  return { tensor, low: { ...tensor, data: low }, high: { ...tensor, data: high } };
}

const productOf = (node: Node, bias: object | null | undefined) => (p: ITensor, q: ITensor) =>
  evaluateInDoubles(node, [p, q, ...(bias ? [null] : [])]);

/** The factors and the bias of a product, under the same names for every operator. */
function productOperands([a, b, bias]: Operands) {
  assert(a && b, 'a product has two factors');
  const floats = ({ tensor, error }: Bounded) => ({ error, tensor: floatsOf(tensor) });
  return { left: floats(a), right: floats(b), bias: bias && floats(bias) };
}

/** Σ a·b: of the sum, and of the addition of a bias. */
function productRounding(node: Node, operands: Operands, { data: values }: Floats): Float64Array {
  const { left: a, right: b, bias } = productOperands(operands);
  const [left, right] = [a.tensor, b.tensor];
  const terms = productTerms(node, left, right);
  const factorOf = ofProduct(node, left, right);
  // a primitive may begin with the bias, so that it is one of the terms
  const all = [magnitude(left), magnitude(right), ...(bias ? [magnitude(bias.tensor)] : [])];
  const magnitudes = evaluateInDoubles(node, all);
  return magnitudes.map((m, i) => factorOf(i) * m + 2 ** -23 * Math.abs(values[i]) + terms * LEAST_NUMBER);
}

/**
 * fl(fl(sa·sb)·fl(Σ q·r)) + b against the sum of dequantized factors. The factors are rounded by 2u together, the product three times,
 * the sum with a bias once, and the other result once; that one adds in binary32.
 */
function groupedRounding(node: Node, operands: Operands, y: Floats): Float64Array {
  const { left, right, bias } = productOperands(operands);
  const values = y.data;
  const added = productRounding(node, operands, y);
  const sizes = productOf(node, bias)(magnitude(left.tensor), magnitude(right.tensor));
  const largest = bias ? largestOf(magnitude(bias.tensor).data) : 0;
  return sizes.map((size, i) => added[i] + u * (2 * size + (bias ? 5 : 4) * Math.abs(values[i]) + 3 * largest));
}

/** Σ a·b over the errors of the factors, plus the error of the bias. */
function productError(node: Node, operands: Operands, length: number): Float64Array {
  const { left, right, bias } = productOperands(operands);
  const [x, w] = [magnitude(left.tensor), magnitude(right.tensor)];
  const sum = productOf(node, bias);
  const as = (error: Float64Array, { shape }: ITensor): ITensor<'f64'> => ({ dtype: 'f64', shape, data: error });
  const error = new Float64Array(length).fill(largestOf(bias?.error ?? []));
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

const axisOf = ({ attrs }: Softmax, { shape }: ITensor): number => (attrs.axis + shape.length) % shape.length;

/** The rounding of the exponential of x − max, in units of itself: for a small y, u·|ln y|. */
function softmaxRounding(node: Softmax, y: Floats): Float64Array {
  const factor = ofSoftmax(y.shape[axisOf(node, y)]);
  const isLog = isOp(node, nnLogSoftmax);
  return inDoubles(y, (v) => (isLog ? factor * (1 + Math.abs(v)) : (factor - u * Math.log(v || 1)) * v + LEAST_NORMAL))
    .data;
}

/** eˣ / Σ eˣ: errors of the row scale every result by at most e^±2e. */
function softmaxError(node: Softmax, x: Bounded | null, y: Floats): Float64Array {
  if (x?.error === undefined) return new Float64Array(y.data.length);
  const most = largestInLane(x.error, y.shape, axisOf(node, y));
  if (isOp(node, nnLogSoftmax)) return most.map((e) => 2 * e);
  return most.map((e, i) => y.data[i] * Math.expm1(2 * e));
}

/** Up to 1.30 ONNX Runtime rounds the quotients of QLinearSoftmax to binary32 before it rounds them to integers. */
function softmaxOf(
  { attrs }: NodeOf<typeof qnnSoftmax>,
  [x, sx, , sy, zy]: readonly (ITensor | null)[],
  y: ITensor,
  engine: Engine,
): Bounded {
  if (engine !== 'onnxruntime' || attrs.recipe !== 'ort') return { tensor: y };
  assert(x && sx && sy && zy, 'a softmax of integers has scales and a zero point');
  const operands = {
    x: tensorOfType(x, ...byteTypes),
    sx: tensorOfType(sx, 'f32'),
    sy: tensorOfType(sy, 'f32'),
    zy: tensorOfType(zy, ...byteTypes),
  };
  const near = [1 - OF_QUOTIENT, 1 + OF_QUOTIENT];
  return between(
    y,
    near.map((factor) => softmaxNear(operands, attrs, factor)),
  );
}

/** The ends of y, of the scale or of the zero point, of a source that may be off. */
function dynamicEnds([y, scale, zp]: readonly ITensor[], x: Bounded | null, i: number): readonly ITensor[] {
  const most = largestOf(x?.error ?? []);
  const s = tensorOfType(scale, 'f32').data[0];
  const ofScale = (2 * most) / 255 + 2 ** -22 * s;
  if (i === 1) return [-1, 1].map((sign) => ({ ...scale, data: Float32Array.of(s + sign * ofScale) }));
  const steps = 1 + Math.min(255, Math.floor(most / s + (255 * ofScale) / s));
  const tensor = tensorOfType(i === 0 ? y : zp, 'u8');
  const reach = i === 0 ? 2 * steps : steps;
  const clamp = (v: number) => Math.min(255, Math.max(0, v));
  return [-1, 1].map((sign) => ({ ...tensor, data: tensor.data.map((q) => clamp(q + sign * reach)) }));
}
