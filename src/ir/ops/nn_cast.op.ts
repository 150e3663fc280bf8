import {
  bfloat16ToNumber,
  halfToNumber,
  numberToBfloat16,
  numberToHalf,
  numberToSmallFloat,
  type PowerRounding,
  powerRoundings,
  smallFloatToNumber,
} from '../../numerics/index.ts';
import {
  allDTypes,
  bytesOf,
  byteTypes,
  type DType,
  dtypes,
  type ITensor,
  isBig,
  isFloat,
  isPackedTensor,
  isPackedType,
  isSmallFloat,
  newArray,
  type PackedType,
  packed,
  patternsOf,
  type SharedType,
  type SmallFloat,
  sharesBytes,
  sizeOf,
  storedTypes,
  unpacked,
} from '../../tensors/index.ts';
import { attr, defineOp, tensorOf } from '../define_op.ts';
import { byte } from './operand_types.ts';

/** ONNX Cast: https://onnx.ai/onnx/operators/onnx__Cast.html */
export const nnCast = defineOp({
  name: 'nn.cast',
  doc: 'The value as another type. To floats: the nearest, ties to even, beyond the range infinite (bf16 by way of f32). To integers: truncated towards zero, then modulo 2^bits; ONNX leaves open what becomes of floats out of range: here they wrap as well, NaN and infinities give 0; beyond u4, s4, u2 and s2 they give 0. To bool: x ≠ 0. Floats of 8 bits have the greatest number beyond the range when it saturates, else infinity or NaN. To f8e8m0: a power of two near |x|, by `rounding`, below the range the least one when it saturates, else NaN. To f4e2m1: beyond the range the greatest; −0 for NaN.',
  operands: { x: tensorOf(...allDTypes, ...storedTypes) },
  attrs: {
    to: attr.oneOf(...allDTypes, ...storedTypes),
    saturate: attr.bool(true),
    rounding: attr.oneOfOr('up', ...powerRoundings),
  },
  results: { y: { given: 'to' } },
  traits: ['elementwise'],
  infer: ({ x }, { to }) => ({ dtype: to, shape: x.shape }),
  evaluate: ({ x }, { to, saturate, rounding }) => ({
    dtype: to,
    shape: x.shape,
    data: converted(x, to, saturate, rounding),
  }),
});

function converted(x: ITensor, to: DType, saturates = true, rounding: PowerRounding = 'up'): ITensor['data'] {
  if (x.dtype === to) return x.data;
  if (isPackedTensor(x)) return converted(unpacked(x), to, saturates, rounding);
  if (isPackedType(to)) return packed(to, integersFor(to, x), x.shape).data;
  if (isSmallFloat(to)) return smallFloats(to, x, (v) => numberToSmallFloat(to, v, saturates, rounding));
  const data = newArray(to, sizeOf(x.shape));
  if (isBig(x) && !isFloat(to) && to !== 'bool') {
    // both ways modulo 2^bits; the low 32 bits are all that a smaller type can see
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data.set(x.data);
    else for (let i = 0; i < data.length; i++) data[i] = Number(BigInt.asIntN(32, x.data[i]));
    return data;
  }
  const values = numberValues(x, to === 'f32' || to === 'bf16');
  for (let i = 0; i < values.length; i++) {
    const v = values[i];
    if (data instanceof BigInt64Array || data instanceof BigUint64Array)
      data[i] = Number.isFinite(v) ? BigInt(Math.trunc(v)) : 0n;
    else if (to === 'bool') data[i] = v === 0 ? 0 : 1;
    else data[i] = to === 'f16' ? numberToHalf(v) : to === 'bf16' ? numberToBfloat16(v) : v;
  }
  return data;
}

/** The bits of elements as `pattern` gives them. */
function smallFloats(to: SmallFloat, x: ITensor, pattern: (value: number) => number): Uint8Array {
  const patterns = Uint8Array.from(numberValues(x, false), pattern);
  return sharesBytes(to) ? (packed(to, patterns, x.shape).data as Uint8Array) : patterns;
}

/** Integers modulo 2^32; of floats those that the packed type has, and 0 else. */
function integersFor(to: PackedType, x: ITensor): Int32Array {
  if (!isFloat(x.dtype)) return converted(x, 's32') as Int32Array;
  const { min, max } = dtypes[to];
  return Int32Array.from(numberValues(x, false), (v) => (Math.trunc(v) >= min && Math.trunc(v) <= max ? v : 0));
}

/** The elements as numbers. 64-bit integers beyond 2^53 are rounded, `sticky`: such that rounding to f32 is as rounding once. */
function numberValues(x: ITensor, sticky: boolean): Float64Array {
  if (isBig(x)) {
    const values = new Float64Array(x.data.length);
    for (let i = 0; i < values.length; i++) values[i] = Number(sticky ? toOdd(x.data[i]) : x.data[i]);
    return values;
  }
  const { dtype } = x;
  if (isSmallFloat(dtype)) {
    const patterns = sharesBytes(dtype) ? patternsOf(x as ITensor<SmallFloat & SharedType>) : (x.data as Uint8Array);
    return Float64Array.from(patterns, (pattern) => smallFloatToNumber(dtype, pattern));
  }
  const values = new Float64Array(x.data as Float32Array);
  const decode = dtype === 'f16' ? halfToNumber : dtype === 'bf16' ? bfloat16ToNumber : undefined;
  return decode ? values.map(decode) : values;
}

/**
 * Beyond 2^53, replaces the low 11 bits by one bit, set when any of them was, one place higher. The result fits 53
 * bits.
 */
function toOdd(v: bigint): bigint {
  if (BigInt.asIntN(53, v) === v) return v;
  const low = v & 0x7ffn;
  return low === 0n ? v : (v - low) | 0x800n;
}

/** u8 ↔ s8 by 128. */
export const nnRecentre = defineOp({
  name: 'nn.recentre',
  doc: 'u8 to s8: y = x − 128; s8 to u8: y = x + 128. Exact: bit 7 is flipped.',
  operands: { x: byte },
  attrs: { to: attr.oneOf(...byteTypes) },
  results: { y: { given: 'to' } },
  traits: ['elementwise'],
  infer({ x }, { to }, refuse) {
    if (x.dtype === to) refuse(`the operand is ${to} already`, 'x');
    return { dtype: to, shape: x.shape };
  },
  evaluate({ x }, { to }) {
    const data = newArray(to, x.data.length);
    const [from, into] = [bytesOf(x.data), bytesOf(data)];
    for (let i = 0; i < into.length; i++) into[i] = from[i] ^ 0x80;
    return { dtype: to, shape: x.shape, data };
  },
});
