/**
 * QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear, per tensor. Callers walk the axis of per-channel forms.
 *
 *   quantize    y = sat(rne(fl(x/s)) + z)         a true binary32 division; NaN gives the least value of the type
 *   dequantize  x = fl(fl(q − z)·s)               q − z in int32, so that s32 wraps
 */
import { type ArrayFor, type ByteType, byteTypes, dtypes, newArray, type TypedArray } from '../tensors/index.ts';
import { clampTo, roundHalfEven } from './rounding.ts';

/** Types QuantizeLinear writes. */
export const quantizedTypes = [...byteTypes, 'u16', 's16'] as const;
export type QuantizedDType = (typeof quantizedTypes)[number];

export function quantize(x: number, scale: number, zeroPoint: number, low: number, high: number): number {
  return clampTo(low, high, roundHalfEven(Math.fround(x / scale)) + zeroPoint);
}

export const dequantize = (q: number, scale: number, zeroPoint: number): number =>
  Math.fround(Math.fround((q - zeroPoint) | 0) * scale);

/** `out` may be a part of a larger array (subarray), which is how per-channel callers use it. */
export function quantizeInto(
  x: ArrayLike<number>,
  scale: number,
  zeroPoint: number,
  dtype: QuantizedDType,
  out: TypedArray,
): void {
  const { min, max } = dtypes[dtype];
  for (let i = 0; i < out.length; i++) out[i] = quantize(x[i], scale, zeroPoint, min, max);
}

export function dequantizeInto(q: ArrayLike<number>, scale: number, zeroPoint: number, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = dequantize(q[i], scale, zeroPoint);
}

export interface DynamicParameters {
  readonly scale: number;
  readonly zeroPoint: number;
}

/**
 * The parameters DynamicQuantizeLinear chooses, all in binary32, as ORT does:
 *
 *   lo = min(0, min x)   hi = max(0, max x)   s = lo = hi ? 1 : fl(fl(hi − lo)/(qmax − qmin))
 *   z = rne(clamp(fl(qmin − fl(lo/s))))
 *
 * All zeros: ORT takes s = 1, z = qmin. The function body in the ONNX spec gives s = 0 (and z from 0/0), its reference
 * evaluator s = 1/255; the quantized values are the zero point either way. NaNs in x are passed over (ORT does so, or
 * not, by their position), and 0/0 makes z the greatest value.
 */
export function dynamicParameters(x: ArrayLike<number>, dtype: ByteType = 'u8'): DynamicParameters {
  const { min, max } = dtypes[dtype];
  let low = 0;
  let high = 0;
  for (let i = 0; i < x.length; i++) {
    if (x[i] < low) low = x[i];
    if (x[i] > high) high = x[i];
  }
  const scale = low === high ? 1 : Math.fround(Math.fround(high - low) / (max - min));
  const zeroPoint = Math.fround(min - Math.fround(low / scale));
  return { scale, zeroPoint: Number.isNaN(zeroPoint) ? max : roundHalfEven(clampTo(min, max, zeroPoint)) };
}

/** DynamicQuantizeLinear. */
export function dynamicQuantize<D extends ByteType>(
  x: ArrayLike<number>,
  dtype: D,
): DynamicParameters & { readonly data: ArrayFor<D> } {
  const parameters = dynamicParameters(x, dtype);
  const data = newArray(dtype, x.length);
  quantizeInto(x, parameters.scale, parameters.zeroPoint, dtype, data);
  return { ...parameters, data };
}
