/**
 * Quantized operators of PyTorch on CPUs, as measured on its kernels (see torch.md in the documentation).
 *
 *   quantize      y = sat(rne(fl(x·fl(1/s))) + z)                     the reciprocal, not a division
 *   dequantize    x = fma(s, q, fl(s·(−z)))                           in vector code; at the end of a network fl((q − z)·s)
 *   add           y = sat(rne(fl(fl(da + db)·fl(1/sy))) + zy)         engines onednn and fbgemm, da and db dequantized
 *   add, qnnpack  y = sat(rha((A·(a − za) + B·(b − zb))/2^n) + zy)    A = rne(fl(sa/sy)·2^n), B likewise, n = 21 − ⌊log2 max⌋
 *   mul           y = sat(rne(fl(fl((a − za)(b − zb))·m)) + zy)       m = fl(fl(sa·sb)·fl(1/sy))
 */
import { type ArrayFor, type ByteType, dtypes, newArray, type TypedArray } from '../tensors/index.ts';
import type { FloatFunction } from './float_functions.ts';
import { fusedMultiplyAdd } from './fused_multiply_add.ts';
import type { QLinearBinary } from './qlinear_add.ts';
import type { PoolQuantization } from './qlinear_pool.ts';
import type { DynamicParameters, QuantizedDType } from './quantize_linear.ts';
import { type Multiplier, requantizer } from './requantize.ts';
import { clampTo, exponentOf, roundHalfAway, roundHalfEven } from './rounding.ts';
import type { Quantization } from './tables.ts';

/** quantize_per_tensor: `reciprocal` = fl(1/scale). */
export const quantizeByReciprocal = (
  x: number,
  reciprocal: number,
  zeroPoint: number,
  low: number,
  high: number,
): number => clampTo(low, high, roundHalfEven(Math.fround(x * reciprocal)) + zeroPoint);

/** fl(1/fl(s)): kernels take a scale as binary32 before they invert it, which matters for scales that are set by hand. */
export const reciprocal32 = (scale: number): number => Math.fround(1 / Math.fround(scale));

export function quantizeByReciprocalInto(
  x: ArrayLike<number>,
  scale: number,
  zeroPoint: number,
  dtype: QuantizedDType,
  out: TypedArray,
): void {
  const { min, max } = dtypes[dtype];
  const reciprocal = reciprocal32(scale);
  for (let i = 0; i < out.length; i++) out[i] = quantizeByReciprocal(x[i], reciprocal, zeroPoint, min, max);
}

/** Dequantizes like PyTorch's vector code; the operands are binary32 numbers. */
export const dequantizeFused = (q: number, scale: number, zeroPoint: number): number =>
  fusedMultiplyAdd(scale, q, Math.fround(-scale * zeroPoint));

/** quantized::add of the engines onednn and fbgemm, elementwise over arrays of one length. */
export function torchAdd(q: QLinearBinary, a: ArrayLike<number>, b: ArrayLike<number>, out: TypedArray): void {
  const { min, max } = dtypes[q.dtype];
  const reciprocal = reciprocal32(q.scaleC);
  for (let i = 0; i < out.length; i++) {
    const sum = Math.fround(
      dequantizeFused(a[i], q.scaleA, q.zeroPointA) + dequantizeFused(b[i], q.scaleB, q.zeroPointB),
    );
    out[i] = quantizeByReciprocal(sum, reciprocal, q.zeroPointC, min, max);
  }
}

/** The multipliers A, B < 2^22 of QNNPACK's add, and how far their sum is shifted. */
export interface QnnpackAddConstants {
  readonly multiplierA: number;
  readonly multiplierB: number;
  readonly shift: number;
}

/** QNNPACK takes ratios sa/sy and sb/sy in [2^-14, 2^8) only; undefined outside. */
export function qnnpackAddConstants({ scaleA, scaleB, scaleC }: QLinearBinary): QnnpackAddConstants | undefined {
  const [ratioA, ratioB] = [Math.fround(scaleA / scaleC), Math.fround(scaleB / scaleC)];
  const [least, greatest] = [Math.min(ratioA, ratioB), Math.max(ratioA, ratioB)];
  if (!(least >= 2 ** -14 && greatest < 2 ** 8)) return undefined;
  const shift = 21 - exponentOf(greatest);
  const multiplier = (ratio: number) => roundHalfEven(Math.fround(ratio * 2 ** shift));
  return { multiplierA: multiplier(ratioA), multiplierB: multiplier(ratioB), shift };
}

/** quantized::add of the engine qnnpack. */
export function qnnpackAdd(q: QLinearBinary, a: ArrayLike<number>, b: ArrayLike<number>, out: TypedArray): void {
  const constants = qnnpackAddConstants(q);
  if (constants === undefined) {
    torchAdd(q, a, b, out); // where QNNPACK refuses, a sum is still wanted
    return;
  }
  const { multiplierA, multiplierB, shift } = constants;
  const { min, max } = dtypes[q.dtype];
  for (let i = 0; i < out.length; i++) {
    const sum = multiplierA * (a[i] - q.zeroPointA) + multiplierB * (b[i] - q.zeroPointB);
    out[i] = clampTo(min, max, roundHalfAway(sum / 2 ** shift) + q.zeroPointC);
  }
}

/** fl(fl(sa·sb)·fl(1/sy)). */
export const torchMulMultiplier = ({ scaleA, scaleB, scaleC }: QLinearBinary): number =>
  Math.fround(Math.fround(scaleA * scaleB) * reciprocal32(scaleC));

/** quantized::mul of every engine. */
export function torchMul(q: QLinearBinary, a: ArrayLike<number>, b: ArrayLike<number>, out: TypedArray): void {
  const { min, max } = dtypes[q.dtype];
  const multiplier = torchMulMultiplier(q);
  for (let i = 0; i < out.length; i++) {
    const product = (a[i] - q.zeroPointA) * (b[i] - q.zeroPointB);
    out[i] = clampTo(min, max, roundHalfEven(Math.fround(product * multiplier)) + q.zeroPointC);
  }
}

/** The order of operations in which a lookup table was computed. */
export interface TableOrder {
  /** The zero point is added before rounding by the lookup tables of QNNPACK, which dequantize `plain`. */
  readonly zeroPoint?: 'before' | 'after';
  /** fma(s, q, fl(−s·z)) in vector code, fl(s·(q − z)) elsewhere. */
  readonly dequantize?: 'fused' | 'plain';
}

/** The table of a unary operator: dequantized, f, quantized by the reciprocal. */
export function torchTable<D extends ByteType>(
  x: Quantization,
  f: FloatFunction,
  y: Quantization<D>,
  { zeroPoint = 'after', dequantize = zeroPoint === 'before' ? 'plain' : 'fused' }: TableOrder,
): ArrayFor<D> {
  const table = newArray(y.dtype, 256);
  const { min, max } = dtypes[x.dtype];
  const { min: low, max: high } = dtypes[y.dtype];
  const reciprocal = reciprocal32(y.scale);
  for (let q = min; q <= max; q++) {
    const before = zeroPoint === 'before';
    const isPlain = dequantize === 'plain';
    const value = f(isPlain ? Math.fround(x.scale * (q - x.zeroPoint)) : dequantizeFused(q, x.scale, x.zeroPoint));
    table[q & 255] = before
      ? clampTo(low, high, roundHalfEven(Math.fround(Math.fround(reciprocal * value) + y.zeroPoint)))
      : quantizeByReciprocal(value, reciprocal, y.zeroPoint, low, high);
  }
  return table;
}

const SMALLEST_SCALE = Math.fround(6.1e-5);

/**
 * The parameters that dynamic quantization chooses for x, as u8 in [0, high] (127 with `reduce_range`); in binary64:
 *
 *   lo = min(0, min x)   hi = max(0, max x)   s = (hi − lo)/high, at least 6.1e-5   z = rne(−lo/s or high − hi/s)
 *
 * of the two zero points the one whose end of the range has the smaller error.
 */
export function torchDynamicParameters(x: ArrayLike<number>, high: number): DynamicParameters {
  let low = 0;
  let top = 0;
  for (let i = 0; i < x.length; i++) {
    if (x[i] < low) low = x[i];
    if (x[i] > top) top = x[i];
  }
  let scale = (top - low) / high;
  if (Math.fround(scale) === 0 || 1 / Math.fround(scale) === Infinity) scale = 0.1;
  if (scale < SMALLEST_SCALE) {
    const amplifier = SMALLEST_SCALE / scale;
    scale = SMALLEST_SCALE;
    if (low === 0) top = Math.fround(SMALLEST_SCALE * high);
    else if (top === 0) low = -Math.fround(SMALLEST_SCALE * high);
    else {
      low = Math.fround(low * amplifier);
      top = Math.fround(top * amplifier);
    }
  }
  const [fromLow, fromHigh] = [-low / scale, high - top / scale];
  const [lowError, highError] = [-Math.abs(low / scale), high - Math.abs(top / scale)];
  const zeroPoint = lowError < highError ? fromLow : fromHigh;
  return { scale: Math.fround(scale), zeroPoint: roundHalfEven(clampTo(0, high, zeroPoint)) };
}

/** fl(fl(sx/sy)/n): the multiplier of the average pools of PyTorch's own kernels. */
export const torchAverageMultiplier = (sx: number, sy: number, size: number): Multiplier => ({
  arithmetic: 'f32',
  factor: Math.fround(Math.fround(sx / sy) / size),
});

/** Σ(x − zx) over `size` elements -> y; the zero point is added after rounding for channels-last tensors, before it for others. */
export const torchAverage = (
  q: PoolQuantization,
  size: number,
  zeroPointAt: 'before' | 'after',
): ((sum: number) => number) =>
  requantizer(
    { arithmetic: 'f32', rounding: 'half-even', zeroPointAt },
    torchAverageMultiplier(q.sx, q.sy, size),
    q.zy,
    q.low,
    q.high,
  );
