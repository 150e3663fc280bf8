/** A concrete tensor, for the interpreter and for constants. Row major, no strides. */
import { InternalError } from '../diagnostics/index.ts';
import { type ArrayFor, type DType, dtypeOfOnnxName, dtypes, entriesOf, newArray, type TypedArray } from './dtype.ts';

export interface ITensor<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: ArrayFor<D>;
}

/** True for a tensor of one of the element types. */
export const isTensorOf = <D extends DType>(t: ITensor, ...dtypes: readonly D[]): t is ITensor<D> =>
  dtypes.some((dtype) => dtype === t.dtype);

/** A tensor that has one of the element types, which the compiler cannot see. */
export function tensorOfType<D extends DType>(t: ITensor, ...dtypes: readonly D[]): ITensor<D> {
  if (isTensorOf(t, ...dtypes)) return t;
  throw new InternalError(`a tensor is of type ${t.dtype}, not ${dtypes.join(' or ')}`);
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);

/** A tensor over existing data; `shape` defaults to rank 1. */
export function tensor<D extends DType>(
  dtype: D,
  data: ArrayLike<number> | ArrayLike<bigint> | ArrayFor<D>,
  shape?: readonly number[],
): ITensor<D> {
  const array = data instanceof dtypes[dtype].storage ? (data as ArrayFor<D>) : fill(dtype, data as ArrayLike<number>);
  return { dtype, shape: shape ?? [array.length], data: array };
}

export function zeros<D extends DType>(dtype: D, shape: readonly number[]): ITensor<D> {
  return { dtype, shape, data: newArray(dtype, sizeOf(shape)) };
}

export const scalar = <D extends DType>(dtype: D, value: number): ITensor<D> => tensor(dtype, [value], []);

/** Elements as numbers; 64-bit integers must be exact in binary64. */
export function numbersOf(t: ITensor): number[] {
  const data: ArrayLike<number | bigint> = t.data;
  const numbers = new Array<number>(data.length); // Array.from takes ten times as long
  for (let i = 0; i < data.length; i++) numbers[i] = Number(data[i]);
  return numbers;
}

export function bytesOf(data: TypedArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Strides, in elements, of a row-major tensor. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

function fill<D extends DType>(dtype: D, values: ArrayLike<number | bigint>): ArrayFor<D> {
  const array = newArray(dtype, values.length);
  const big = array instanceof BigInt64Array || array instanceof BigUint64Array;
  for (let i = 0; i < values.length; i++) array[i] = big ? BigInt(values[i]) : Number(values[i]);
  return array;
}

/** The public tensor: ONNX type names, the three fields of onnxruntime-common's Tensor. */
export class Tensor {
  readonly type: string;
  readonly data: TypedArray;
  readonly dims: readonly number[];

  /**
   * @param type ONNX element type name: `uint8`, `int8`, `int32`, `float32`, `int64` (BigInt64Array), …
   * @param data elements, row major; of `uint4`, `int4`, `uint2` and `int2` bytes, which several of them share, the lowest bits first
   * @param dims shape; defaults to rank 1
   * @throws TypeError when type, data and dims do not belong together
   */
  constructor(type: string, data: TypedArray | readonly number[], dims?: readonly number[]) {
    const dtype = dtypeOfOnnxName(type);
    if (dtype === undefined) throw new TypeError(`Tensor: unknown element type '${type}'`);
    const array = Array.isArray(data) ? fill(dtype, data) : (data as TypedArray);
    if (!(array instanceof dtypes[dtype].storage)) {
      throw new TypeError(`Tensor: '${type}' wants a ${dtypes[dtype].storage.name}, not a ${array?.constructor?.name}`);
    }
    this.type = type;
    this.data = array;
    this.dims = dims ?? [array.length];
    if (entriesOf(dtype, sizeOf(this.dims)) !== array.length) {
      throw new TypeError(
        `Tensor: dims [${this.dims}] hold ${sizeOf(this.dims)} elements, the data has ${array.length}`,
      );
    }
  }
}

/** Anything with the three fields is taken for a tensor. */
export interface TensorLike {
  readonly type: string;
  readonly data: ArrayBufferView | readonly unknown[];
  readonly dims: readonly number[];
}

export const toPublic = (t: ITensor): Tensor => new Tensor(dtypes[t.dtype].onnx, t.data, [...t.shape]);
