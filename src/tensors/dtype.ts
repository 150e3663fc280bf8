/**
 * Element types: one table, everything else derived.
 *
 * Short names (`u8`) are used in the IR and its text, ONNX names (`uint8`) in the public API. The ONNX codes are those
 * of TensorProto.DataType; 17 to 26 are not in onnx-proto 8.0.1.
 */
import { keysOf } from './keys_of.ts';

/** Types that are only carried have no more than these. */
interface ElementInfo<Bits = number | undefined> {
  readonly onnx: string;
  readonly onnxCode: number;
  readonly kind: 'unsigned' | 'signed' | 'float' | 'bool' | 'complex' | 'string';
  /** The bits of an element in a file, where elements of less than a byte are packed. Undefined: sizes differ. */
  readonly bits: Bits;
}

/**
 * A type that unskew computes with: in memory each element is an entry of a typed array, `storage`; those of less than a byte share
 * entries, as in a file.
 */
interface DTypeInfo<A> extends ElementInfo<number> {
  readonly min: number;
  readonly max: number;
  readonly storage: Storage<A>;
}

interface Storage<A> {
  readonly prototype: A;
  readonly BYTES_PER_ELEMENT: number;
  new (length: number): NoInfer<A>;
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): NoInfer<A>;
}

const carried = <B>(kind: ElementInfo['kind'], onnx: string, onnxCode: number, bits: B): ElementInfo<B> => ({
  onnx,
  onnxCode,
  kind,
  bits,
});

/** Integers with a sign reach one further below 0 than above it, floats as far. */
function computed<A>(
  kind: 'unsigned' | 'signed' | 'float' | 'bool',
  onnx: string,
  onnxCode: number,
  bits: number,
  storage: Storage<A>,
  max: number,
): DTypeInfo<A> {
  const min = kind === 'signed' ? -max - 1 : kind === 'float' ? -max : 0;
  return { ...carried(kind, onnx, onnxCode, bits), min, max, storage };
}

const computedTypes = {
  u8: computed('unsigned', 'uint8', 2, 8, Uint8Array, 2 ** 8 - 1),
  s8: computed('signed', 'int8', 3, 8, Int8Array, 2 ** 7 - 1),
  u16: computed('unsigned', 'uint16', 4, 16, Uint16Array, 2 ** 16 - 1),
  s16: computed('signed', 'int16', 5, 16, Int16Array, 2 ** 15 - 1),
  s32: computed('signed', 'int32', 6, 32, Int32Array, 2 ** 31 - 1),
  u32: computed('unsigned', 'uint32', 12, 32, Uint32Array, 2 ** 32 - 1),
  s64: computed('signed', 'int64', 7, 64, BigInt64Array, 2 ** 63 - 1),
  u64: computed('unsigned', 'uint64', 13, 64, BigUint64Array, 2 ** 64 - 1),
  f16: computed('float', 'float16', 10, 16, Uint16Array, 65504),
  bf16: computed('float', 'bfloat16', 16, 16, Uint16Array, 3.3895313892515355e38),
  f32: computed('float', 'float32', 1, 32, Float32Array, 3.4028234663852886e38),
  f64: computed('float', 'float64', 11, 64, Float64Array, Number.MAX_VALUE),
  bool: computed('bool', 'bool', 9, 8, Uint8Array, 1),
  u4: computed('unsigned', 'uint4', 21, 4, Uint8Array, 15),
  s4: computed('signed', 'int4', 22, 4, Uint8Array, 7),
  u2: computed('unsigned', 'uint2', 25, 2, Uint8Array, 3),
  s2: computed('signed', 'int2', 26, 2, Uint8Array, 1),
  f8e4m3fn: computed('float', 'float8e4m3fn', 17, 8, Uint8Array, 448),
  f8e4m3fnuz: computed('float', 'float8e4m3fnuz', 18, 8, Uint8Array, 240),
  f8e5m2: computed('float', 'float8e5m2', 19, 8, Uint8Array, 57344),
  f8e5m2fnuz: computed('float', 'float8e5m2fnuz', 20, 8, Uint8Array, 57344),
  f8e8m0: computed('float', 'float8e8m0', 24, 8, Uint8Array, 2 ** 127),
  f4e2m1: computed('float', 'float4e2m1', 23, 4, Uint8Array, 6),
};

/** Element types of ONNX: those that unskew computes with, and those that it carries by name. */
export const elementTypes = {
  ...computedTypes,
  string: carried('string', 'string', 8, undefined),
  c64: carried('complex', 'complex64', 14, 64),
  c128: carried('complex', 'complex128', 15, 128),
};

export type ElementType = keyof typeof elementTypes;
/** Types that the interpreter computes with; floats of 16 and 8 bits are held as bit patterns and only cast, as packed integers are. */
export type DType = keyof typeof computedTypes;
type ArrayOf = { [D in DType]: (typeof computedTypes)[D]['storage']['prototype'] };
export type ArrayFor<D extends DType> = ArrayOf[D];
export type TypedArray = ArrayOf[DType];

/** The rows of the types that unskew computes with. */
export const dtypes: { readonly [D in DType]: DTypeInfo<ArrayOf[D]> } = computedTypes;

/** Integers of which several share a byte: they are cast, reshaped and handed on. */
export const packedTypes = ['u4', 's4', 'u2', 's2'] as const;
export type PackedType = (typeof packedTypes)[number];
export const isPackedType = (type: string): type is PackedType => packedTypes.some((packed) => packed === type);

/** Floats of 8 bits, which are treated likewise. */
export const float8Types = ['f8e4m3fn', 'f8e4m3fnuz', 'f8e5m2', 'f8e5m2fnuz'] as const;
export type Float8Type = (typeof float8Types)[number];
export const isFloat8 = (type: string): type is Float8Type => float8Types.some((float8) => float8 === type);
/** Powers of two as scales, and floats of 4 bits, of which two share a byte, are treated likewise. */
export const smallFloatTypes = [...float8Types, 'f8e8m0', 'f4e2m1'] as const;
export type SmallFloat = (typeof smallFloatTypes)[number];
export const isSmallFloat = (type: string): type is SmallFloat => smallFloatTypes.some((small) => small === type);
export const storedTypes = [...packedTypes, ...smallFloatTypes] as const;
export type StoredType = (typeof storedTypes)[number];
export const isStoredType = (type: string): type is StoredType => isPackedType(type) || isSmallFloat(type);

/** True for a type of which several elements share a byte. */
export type SharedType = PackedType | 'f4e2m1';
export const sharesBytes = (type: string): type is SharedType => isPackedType(type) || type === 'f4e2m1';

const everyDType = keysOf(dtypes);
/** All others, which any operator may take. */
export const allDTypes: readonly DType[] = everyDType.filter((type) => !isStoredType(type));

const byCode = new Map(keysOf(elementTypes).map((type) => [elementTypes[type].onnxCode, type]));
const byOnnxName = new Map(everyDType.map((d) => [dtypes[d].onnx, d]));

export const isDType = (name: string): name is DType => Object.hasOwn(dtypes, name);
export const elementTypeOfOnnxCode = (code: number): ElementType | undefined => byCode.get(code);
export const dtypeOfOnnxCode = (code: number): DType | undefined => {
  const type = byCode.get(code);
  return type !== undefined && isDType(type) ? type : undefined;
};
export const dtypeOfOnnxName = (name: string): DType | undefined => byOnnxName.get(name);
export const isInteger = (d: DType): boolean => isSigned(d) || dtypes[d].kind === 'unsigned';
export const isSigned = (d: DType): boolean => dtypes[d].kind === 'signed';
/** `opaque` is not one: nobody computes with it. */
export const isFloat = (d: DType | 'opaque'): boolean => d !== 'opaque' && dtypes[d].kind === 'float';
/** Floats of 16 bits, which are computed in binary32. */
export const isHalf = (dtype: DType): boolean => dtype === 'f16' || dtype === 'bf16';

/** Bytes of `count` elements in a file; packed elements fill up the last byte. */
export const byteLengthOf = (type: Exclude<ElementType, 'string'>, count: number): number =>
  Math.ceil((count * elementTypes[type].bits) / 8);

/** The entries of an array for so many elements. */
export const entriesOf = (d: DType, count: number): number => (sharesBytes(d) ? byteLengthOf(d, count) : count);

/** A zeroed array for `length` elements of type `d`. */
export function newArray<D extends DType>(d: D, length: number): ArrayFor<D> {
  return new dtypes[d].storage(entriesOf(d, length));
}

/**
 * The bytes seen as elements of type `d`. Copied only when they are misaligned, or when a bool is written as another
 * number than 1.
 */
export function viewAs<D extends DType>(d: D, bytes: Uint8Array): ArrayFor<D> {
  const { storage } = dtypes[d];
  const size = storage.BYTES_PER_ELEMENT;
  const valid = d === 'bool' && bytes.some((byte) => byte > 1) ? bytes.map((byte) => (byte === 0 ? 0 : 1)) : bytes;
  const aligned = valid.byteOffset % size === 0 ? valid : new Uint8Array(valid);
  return new storage(aligned.buffer, aligned.byteOffset, Math.floor(aligned.byteLength / size));
}
