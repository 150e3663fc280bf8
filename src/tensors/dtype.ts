/**
 * Element types: one table, everything else derived.
 *
 * Short names (`u8`) are used in the IR and its text, ONNX names (`uint8`) in the public API. The ONNX codes are those
 * of TensorProto.DataType; 17 to 26 are not in onnx-proto 8.0.1 and are carried, never computed with.
 */
type ArrayOf = {
  u8: Uint8Array;
  s8: Int8Array;
  u16: Uint16Array;
  s16: Int16Array;
  s32: Int32Array;
  u32: Uint32Array;
  s64: BigInt64Array;
  u64: BigUint64Array;
  f16: Uint16Array;
  bf16: Uint16Array;
  f32: Float32Array;
  f64: Float64Array;
  bool: Uint8Array;
};

/** Types that the interpreter computes with; `f16` and `bf16` are held as bit patterns and only cast. */
export type DType = keyof ArrayOf;
export type TypedArray = ArrayOf[DType];
export type ArrayFor<D extends DType> = ArrayOf[D];

type ElementBytes = 1 | 2 | 4 | 8;

interface DTypeInfo {
  readonly onnx: string;
  readonly onnxCode: number;
  readonly bytes: ElementBytes;
  readonly kind: 'unsigned' | 'signed' | 'float' | 'bool';
  readonly min: number;
  readonly max: number;
  readonly array: {
    new (length: number): TypedArray;
    new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): TypedArray;
  };
}

function integer(onnx: string, onnxCode: number, bytes: ElementBytes, signed: boolean, array: unknown): DTypeInfo {
  const bits = 8 * bytes;
  const max = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  const kind = signed ? 'signed' : 'unsigned';
  return {
    onnx,
    onnxCode,
    bytes,
    kind,
    min: signed ? -(2 ** (bits - 1)) : 0,
    max,
    array: array as DTypeInfo['array'],
  };
}

function float(onnx: string, onnxCode: number, bytes: ElementBytes, max: number, array: unknown): DTypeInfo {
  return { onnx, onnxCode, bytes, kind: 'float', min: -max, max, array: array as DTypeInfo['array'] };
}

export const dtypes: Readonly<Record<DType, DTypeInfo>> = {
  u8: integer('uint8', 2, 1, false, Uint8Array),
  s8: integer('int8', 3, 1, true, Int8Array),
  u16: integer('uint16', 4, 2, false, Uint16Array),
  s16: integer('int16', 5, 2, true, Int16Array),
  s32: integer('int32', 6, 4, true, Int32Array),
  u32: integer('uint32', 12, 4, false, Uint32Array),
  s64: integer('int64', 7, 8, true, BigInt64Array),
  u64: integer('uint64', 13, 8, false, BigUint64Array),
  f16: float('float16', 10, 2, 65504, Uint16Array),
  bf16: float('bfloat16', 16, 2, 3.3895313892515355e38, Uint16Array),
  f32: float('float32', 1, 4, 3.4028234663852886e38, Float32Array),
  f64: float('float64', 11, 8, Number.MAX_VALUE, Float64Array),
  bool: {
    onnx: 'bool',
    onnxCode: 9,
    bytes: 1,
    kind: 'bool',
    min: 0,
    max: 1,
    array: Uint8Array as unknown as DTypeInfo['array'],
  },
};

export const allDTypes = Object.keys(dtypes) as DType[];

/** Element types of ONNX that unskew carries by name and cannot compute with. */
export const carriedOnnxTypes: Readonly<Record<number, string>> = {
  8: 'string',
  14: 'complex64',
  15: 'complex128',
  17: 'float8e4m3fn',
  18: 'float8e4m3fnuz',
  19: 'float8e5m2',
  20: 'float8e5m2fnuz',
  21: 'uint4',
  22: 'int4',
  23: 'float4e2m1',
  24: 'float8e8m0',
  25: 'uint2',
  26: 'int2',
};

const byCode = new Map(allDTypes.map((d) => [dtypes[d].onnxCode, d]));
const byOnnxName = new Map(allDTypes.map((d) => [dtypes[d].onnx, d]));

export const dtypeOfOnnxCode = (code: number): DType | undefined => byCode.get(code);
export const dtypeOfOnnxName = (name: string): DType | undefined => byOnnxName.get(name);
export const isDType = (name: string): name is DType => Object.hasOwn(dtypes, name);
export const isInteger = (d: DType): boolean => dtypes[d].kind === 'signed' || dtypes[d].kind === 'unsigned';
/** `opaque` is not one: nobody computes with it. */
export const isFloat = (d: DType | 'opaque'): boolean => d !== 'opaque' && dtypes[d].kind === 'float';
/** Floats of 16 bits, which are computed in binary32. */
export const isHalf = (dtype: DType): boolean => dtype === 'f16' || dtype === 'bf16';

/** A zeroed array for `length` elements of type `d`. */
export function newArray<D extends DType>(d: D, length: number): ArrayFor<D> {
  return new dtypes[d].array(length) as ArrayFor<D>;
}

/**
 * The bytes seen as elements of type `d`. Copied only when they are misaligned, or when a bool is written as another
 * number than 1.
 */
export function viewAs<D extends DType>(d: D, bytes: Uint8Array): ArrayFor<D> {
  const { array, bytes: size } = dtypes[d];
  if (d === 'bool' && bytes.some((byte) => byte > 1)) return bytes.map((byte) => (byte === 0 ? 0 : 1)) as ArrayFor<D>;
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  return new array(aligned.buffer, aligned.byteOffset, Math.floor(aligned.byteLength / size)) as ArrayFor<D>;
}
