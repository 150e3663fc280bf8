/** Element types of TensorFlow Lite that unskew computes with. */
import type { TensorTypeName } from '../../formats/tflite/index.ts';
import type { DType } from '../../tensors/index.ts';

const elementTypes: Readonly<Partial<Record<TensorTypeName, DType>>> = {
  FLOAT32: 'f32',
  FLOAT16: 'f16',
  BFLOAT16: 'bf16',
  FLOAT64: 'f64',
  BOOL: 'bool',
  INT8: 's8',
  UINT8: 'u8',
  INT16: 's16',
  UINT16: 'u16',
  INT32: 's32',
  UINT32: 'u32',
  INT64: 's64',
  UINT64: 'u64',
};

/** Two integers of four bits in a byte, the lower half first. */
export const isPacked = (type: TensorTypeName | undefined): boolean => type === 'INT4';

/** `count` integers of four bits, one in each byte. */
export const unpacked = (bytes: Uint8Array, count: number): Int8Array =>
  Int8Array.from({ length: count }, (_, i) => (bytes[i >> 1] << (i % 2 === 0 ? 28 : 24)) >> 28);

/** Undefined for types that are carried only: strings, resources, packed integers. */
export const dtypeOfTensor = (type: TensorTypeName | undefined): DType | undefined => type && elementTypes[type];
