/**
 * 256-entry tables of unary functions on quantized tensors, indexed by the byte of q (q & 255, for s8 too):
 *
 *   table[q & 255] = sat(rne(fl(f(fl(fl(q − zx)·sx))/sy)) + zy)
 *
 * This is QLinearLeakyRelu and QLinearSigmoid (com.microsoft), each input of QLinearConcat and both of QLinearWhere
 * (f = identity), and any chain of float operators between a DequantizeLinear and a QuantizeLinear.
 */
import { type ArrayFor, type ByteType, dtypes, newArray } from '../tensors/index.ts';
import type { FloatFunction } from './float_functions.ts';
import { dequantize, quantize } from './quantize_linear.ts';

export interface Quantization<D extends ByteType = ByteType> {
  readonly dtype: D;
  readonly scale: number;
  readonly zeroPoint: number;
}

/** The real values of the 256 bytes. */
export function dequantizeTable({ dtype, scale, zeroPoint }: Quantization): Float32Array {
  const table = new Float32Array(256);
  const { min, max } = dtypes[dtype];
  for (let q = min; q <= max; q++) table[q & 255] = dequantize(q, scale, zeroPoint);
  return table;
}

export function unaryTable<D extends ByteType>(x: Quantization, f: FloatFunction, y: Quantization<D>): ArrayFor<D> {
  const table = newArray(y.dtype, 256);
  const { min, max } = dtypes[y.dtype];
  dequantizeTable(x).forEach((value, byte) => {
    table[byte] = quantize(f(value), y.scale, y.zeroPoint, min, max);
  });
  return table;
}

/** From one quantization to another; the identity where they are equal. */
export const requantizeTable = <D extends ByteType>(x: Quantization, y: Quantization<D>): ArrayFor<D> =>
  unaryTable(x, (value) => value, y);

/** out[i] = table[q[i] & 255]. */
export function lookUp<D extends ByteType>(q: ArrayFor<ByteType>, table: ArrayFor<D>, out: ArrayFor<D>): void {
  for (let i = 0; i < out.length; i++) out[i] = table[q[i] & 255];
}
