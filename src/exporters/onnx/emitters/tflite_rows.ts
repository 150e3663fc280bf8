/**
 * Normalizations of rows of bytes by the kernels of TensorFlow Lite, spelled out in standard operators, bit-exact. Numbers in fixed
 * point are whole numbers in f64; their products alone need s64. The equations: numerics/fixed_point.ts, tflite_softmax.ts,
 * tflite_log_softmax.ts and tflite_l2_normalization.ts.
 */
import {
  dtypes,
  isByteType,
  type qnnL2Normalize,
  type qnnLogSoftmax,
  type qnnSoftmax,
  tensor,
  type ValueId,
} from '../../../ir/index.ts';
import {
  byDistance,
  expOfNegative,
  fixedMultiplier,
  LOG_SOFTMAX_SCALE,
  scaledDifferences,
  shifted,
} from '../../../numerics/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { castTo, int, ints, type NodeWriter, type Written } from '../node_writer.ts';
import { clipped, rounded } from './elements.ts';
import { highProduct, timesFixed } from './fixed_point.ts';
import { number } from './torch.ts';

const MOST = 2 ** 31 - 1;

// ---- whole numbers in f64

const constant = (e: NodeWriter, value: number): string => e.scalar('f64', value);
const plus = (e: NodeWriter, a: string, b: string | number): string =>
  e.add('Add', [a, typeof b === 'number' ? constant(e, b) : b]);
const minus = (e: NodeWriter, a: string, b: string): string => e.add('Sub', [a, b]);
const times = (e: NodeWriter, a: string, factor: string | number): string =>
  e.add('Mul', [a, typeof factor === 'number' ? constant(e, factor) : factor]);
const product = (e: NodeWriter, a: string, b: string | number): string =>
  highProduct(e, a, typeof b === 'number' ? constant(e, b) : b);
/** Over 2^bits, ties away from zero. */
const down = (e: NodeWriter, x: string, bits: number): string => rounded(e, times(e, x, 2 ** -bits), 'half-away');
const saturated = (e: NodeWriter, x: string): string => clipped(e, x, 'f64', -(2 ** 31), MOST);
/** (a + b)/2, half a unit up, of sums that are not negative. */
const mean = (e: NodeWriter, a: string, b: number): string => e.add('Floor', [times(e, plus(e, a, b + 1), 0.5)]);

/** 1/(1 + x), see `reciprocalOfOnePlus`. */
function reciprocal(e: NodeWriter, x: string): string {
  const half = mean(e, x, MOST);
  let y = plus(e, product(e, half, -1010580540), 1515870810);
  for (let i = 0; i < 3; i++) {
    const rest = minus(e, constant(e, 2 ** 29), product(e, half, y));
    y = plus(e, y, times(e, product(e, y, rest), 4));
  }
  return e.add('Min', [times(e, y, 2), constant(e, MOST)]);
}

// ---- rows

interface Rows {
  readonly e: NodeWriter;
  readonly axis: number;
  /** The shape of one number for each row. */
  readonly shape: readonly number[];
  readonly length: number;
}

function rowsOf(e: NodeWriter, x: ValueId, given: number): Rows {
  e.since(11, 'Round and CumSum');
  const shape = e.known(e.typeOf(x).shape);
  const axis = given < 0 ? given + shape.length : given;
  return { e, axis, shape: shape.with(axis, 1), length: shape[axis] };
}

function reduced({ e, axis }: Rows, op: 'ReduceSum' | 'ReduceMax', x: string, at = axis, keeps = 1): string {
  const isInput = e.opset >= (op === 'ReduceSum' ? 13 : 18);
  const keepdims = int(keeps);
  return isInput ? e.add(op, [x, e.list([at], 'axes')], { keepdims }) : e.add(op, [x], { axes: ints([at]), keepdims });
}

/** The greatest element of each row and the distances from it, as s32. */
function distances(rows: Rows, x: ValueId): { readonly top: string; readonly distance: string } {
  const { e } = rows;
  const real = e.cast(e.value(x), 'f32');
  const top = reduced(rows, 'ReduceMax', real);
  return { top, distance: e.cast(e.add('Sub', [top, real]), 's32') };
}

/** table[i] of whole numbers i in s32. */
const lookedUp = (e: NodeWriter, dtype: 'f32' | 'f64', table: readonly number[], i: string): string =>
  e.add('Gather', [e.constant(tensor(dtype, table), `${e.node.id}.table`), i]);

/** A function of the number of bits of a whole number x in [1, 2^31), one for each row. */
function byBits({ e, shape }: Rows, x: string): (f: (bits: number) => number) => string {
  const powers = Array.from({ length: 31 }, (_, k) => 2 ** k);
  const spread = e.add('Reshape', [x, e.list([...shape, 1], 'shape')]);
  const isBelow = e.add('Less', [spread, e.constant(tensor('f64', powers), `${e.node.id}.powers`)]);
  const isReached = e.cast(e.add('Not', [isBelow]), 'f64');
  const rank = shape.length;
  const bits = e.cast(reduced({ e, axis: rank, shape, length: 31 }, 'ReduceSum', isReached, rank, 0), 's32');
  return (f) =>
    lookedUp(
      e,
      'f64',
      Array.from({ length: 32 }, (_, count) => (count === 0 ? 1 : f(count))),
      bits,
    );
}

/** The end: a whole number in f64, saturated. */
function finished(e: NodeWriter, value: string): Written {
  const { dtype } = e.resultType;
  const { min, max } = dtypes[dtype];
  return e.finish('Cast', [clipped(e, value, 'f64', min, max)], castTo(dtype));
}

const rangeOf = ({ resultType: { dtype } }: NodeWriter) => dtypes[isByteType(dtype) ? dtype : 'u8'];

// ---- softmax

/** `recipe` tflite or litert. */
export function softmax(e: NodeEmitter<typeof qnnSoftmax>): Written {
  const { x, sx, sy, zy, attrs } = e.view;
  const rows = rowsOf(e, x, attrs.axis);
  const { distance } = distances(rows, x);
  const factor = attrs.beta * number(e, sx);
  if (attrs.recipe === 'litert') {
    const { terms, sum } = floatExponentials(rows, distance, Math.fround(factor));
    // both halved: of 1/n·m ONNX Runtime makes m/n, which has another last bit
    const scale = e.add('Div', [e.scalar('f32', 0.5), e.add('Mul', [sum, e.scalar('f32', number(e, sy) / 2)])]);
    const quotient = e.add('Add', [e.add('Mul', [terms, scale]), e.scalar('f32', 0.5)]);
    return finished(e, plus(e, e.cast(e.add('Floor', [quotient]), 'f64'), number(e, zy)));
  }
  const { min, bits: width } = dtypes[e.resultType.dtype];
  const { most, fixedAt } = scaledDifferences(factor);
  const terms = byDistance((d) => (d > most ? 0 : expOfNegative(fixedAt(d))));
  const sum = reduced(
    rows,
    'ReduceSum',
    lookedUp(
      e,
      'f64',
      terms.map((t) => shifted(t, -12)),
      distance,
    ),
  );
  const of = byBits(rows, sum);
  // a sum of b bits: 2^(32 − b) times it is in [2^31, 2^32), and has b − 20 bits before the point
  const value = reciprocal(
    e,
    plus(
      e,
      times(
        e,
        sum,
        of((bits) => 2 ** (32 - bits)),
      ),
      -(2 ** 31),
    ),
  );
  const quotient = times(
    e,
    product(e, lookedUp(e, 'f64', terms, distance), value),
    of((bits) => 2 ** (width - 11 - bits)),
  );
  return finished(e, plus(e, rounded(e, quotient, 'half-away'), min));
}

/** fl(exp(fl(−factor·d))) and their sum, rounded after every addition: CumSum adds one after the other. */
function floatExponentials({ e, axis }: Rows, distance: string, factor: number) {
  const step = Math.fround;
  const terms = lookedUp(
    e,
    'f32',
    byDistance((d) => step(Math.exp(step(-factor * d)))),
    distance,
  );
  const sums = e.add('CumSum', [terms, e.scalar('s64', axis)]);
  const sum = e.add('Gather', [sums, e.list([-1], 'last')], { axis: int(axis) });
  return { terms, sum };
}

// ---- its logarithm

export function logSoftmax(e: NodeEmitter<typeof qnnLogSoftmax>): Written {
  const { x, sx, attrs } = e.view;
  const rows = rowsOf(e, x, attrs.axis);
  const { top, distance } = distances(rows, x);
  const scale = number(e, sx);
  const { min, max } = rangeOf(e);
  const f32 = (value: number) => e.scalar('f32', value);
  if (attrs.recipe === 'litert') {
    const { sum } = floatExponentials(rows, distance, scale);
    const log = e.cast(e.add('Log', [e.cast(sum, 'f64')]), 'f32');
    const most = e.add('Add', [e.add('Mul', [top, f32(scale)]), log]);
    const offset = e.add('Div', [most, f32(LOG_SOFTMAX_SCALE)]);
    const slope = f32(Math.fround(scale / LOG_SOFTMAX_SCALE));
    const value = e.add('Sub', [e.add('Mul', [e.cast(e.value(x), 'f32'), slope]), offset]);
    return finished(e, plus(e, rounded(e, e.cast(value, 'f64'), 'half-even'), max));
  }
  const { most, fixedAt, reverse } = scaledDifferences(scale);
  const fixed = byDistance((d) => (d > most ? 0 : fixedAt(d)));
  const terms = fixed.map((value, d) => (d > most ? 0 : shifted(expOfNegative(value), -12)));
  const log = logarithm(rows, reduced(rows, 'ReduceSum', lookedUp(e, 'f64', terms, distance)));
  const room = timesFixed(e, plus(e, log, -(2 ** 31)), fixedMultiplier(reverse));
  const least = e.add('Max', [room, constant(e, -most - 1)]);
  const value = plus(e, down(e, minus(e, lookedUp(e, 'f64', fixed, distance), log), 22), max);
  const isShown = e.add('Less', [least, e.add('Neg', [e.cast(distance, 'f64')])]);
  return finished(e, e.add('Where', [isShown, value, constant(e, min)]));
}

/** ln x of Q12.19 as Q5.26, see `logOf`. */
function logarithm(rows: Rows, x: string): string {
  const { e } = rows;
  const [ln2, rootHalf, rootRootHalf, quarter, unit] = [1488522236, 1518500250, 1805811301, 2 ** 23, 2 ** 25];
  const of = byBits(rows, x);
  const first = saturated(
    e,
    times(
      e,
      product(
        e,
        times(
          e,
          x,
          of((bits) => 2 ** (31 - bits)),
        ),
        rootHalf,
      ),
      2,
    ),
  );
  const secondOf = byBits(rows, product(e, x, rootHalf));
  const second = saturated(
    e,
    times(
      e,
      x,
      secondOf((bits) => 2 ** (31 - bits)),
    ),
  );
  const power = e.add('Max', [
    of((bits) => (bits - 20) * unit + quarter),
    secondOf((bits) => (bits - 19) * unit - quarter),
  ]);
  const r = e.add('Min', [first, second]);
  const p = mean(e, r, rootRootHalf);
  const q = times(e, plus(e, r, -rootRootHalf), 2);
  const square = product(e, q, q);
  const numerator = plus(e, product(e, q, r), product(e, product(e, q, square), 117049297));
  const inner = plus(e, plus(e, q, 1057819769), product(e, square, 127690142));
  const denominator = plus(e, product(e, p, inner), product(e, q, 638450708));
  const part = product(e, down(e, numerator, 6), reciprocal(e, denominator));
  return times(e, plus(e, product(e, power, ln2), part), 2);
}

// ---- lengths

/** The most elements of a row whose squares add up to less than 2^31. */
const MOST_ELEMENTS = Math.floor(2 ** 31 / 255 ** 2);

export function l2Normalize(e: NodeEmitter<typeof qnnL2Normalize>): Written {
  const { x, zx, attrs } = e.view;
  const rows = rowsOf(e, x, attrs.axis);
  if (rows.length > MOST_ELEMENTS) e.refuse(`rows of ${rows.length} elements`);
  const v = plus(e, e.cast(e.value(x), 'f64'), -number(e, zx));
  const sum = reduced(rows, 'ReduceSum', e.add('Mul', [v, v]));
  const of = byBits(rows, sum);
  const isSigned = e.resultType.dtype === 's8';
  const mantissa = reciprocalRoot(rows, sum, of);
  const shiftOf = (bits: number) => (bits < 2 ? 0 : -Math.max(rightOf(bits), 0)) + (isSigned ? 7 : 0);
  const left = of((bits) => 2 ** Math.max(shiftOf(bits), 0));
  const right = of((bits) => 2 ** Math.min(shiftOf(bits), 0));
  const source = isSigned ? v : times(e, v, 128);
  const quotient = times(e, product(e, e.add('Mul', [source, left]), mantissa), right);
  return finished(e, plus(e, rounded(e, quotient, 'half-away'), isSigned ? 0 : 128));
}

/** Quarters that a sum of so many bits loses, and pairs of bits that it gains, before the steps of Newton. */
const quartersOf = (bits: number): number => (bits >= 30 ? 1 : 0);
const pairsOf = (bits: number): number => Math.floor((31 - bits + 2 * quartersOf(bits)) / 2) - 1;
const rightOf = (bits: number): number => 11 + quartersOf(bits) - pairsOf(bits);

/** The mantissa of 1/√x, see `reciprocalRoot` in the numerics; the shift follows from the bits of x. */
function reciprocalRoot({ e }: Rows, x: string, of: (f: (bits: number) => number) => string): string {
  const whole = e.add('Floor', [e.add('Mul', [x, of((bits) => 4 ** -quartersOf(bits))])]);
  const half = down(e, e.add('Floor', [e.add('Mul', [whole, of((bits) => 4 ** pairsOf(bits) / 2)])]), 1);
  let root = constant(e, 2 ** 28);
  for (let i = 0; i < 5; i++) {
    const cube = saturated(e, times(e, product(e, product(e, root, root), root), 64));
    const next = minus(e, product(e, root, 2 ** 28 + 2 ** 27), product(e, half, cube));
    root = saturated(e, times(e, next, 8));
  }
  const mantissa = e.add('Mul', [product(e, root, 1518500250), of((bits) => 2 ** Math.max(-rightOf(bits), 0))]);
  return e.add('Where', [e.add('Less', [x, constant(e, 2)]), constant(e, MOST), mantissa]);
}
