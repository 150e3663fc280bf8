/**
 * Element types of PyTorch: c10::ScalarType. The codes are TorchScript's; the JSON of torch.export numbers the types
 * otherwise.
 */
import type { DType } from '../../../tensors/index.ts';

export interface ScalarType {
  readonly name: string;
  readonly code: number;
  /** The integers or floats it is stored as. */
  readonly dtype: DType;
  /** True when a scale and a zero point belong to the type. */
  readonly isQuantized: boolean;
  /** The prefix of the storage's class: `Float` for `torch.FloatStorage`. */
  readonly storage: string;
}

const scalarType = (code: number, name: string, dtype: DType, storage: string): ScalarType => ({
  name,
  code,
  dtype,
  storage,
  isQuantized: name.startsWith('q'),
});

export const scalarTypes = {
  uint8: scalarType(0, 'uint8', 'u8', 'Byte'),
  int8: scalarType(1, 'int8', 's8', 'Char'),
  int16: scalarType(2, 'int16', 's16', 'Short'),
  int32: scalarType(3, 'int32', 's32', 'Int'),
  int64: scalarType(4, 'int64', 's64', 'Long'),
  float16: scalarType(5, 'float16', 'f16', 'Half'),
  float32: scalarType(6, 'float32', 'f32', 'Float'),
  float64: scalarType(7, 'float64', 'f64', 'Double'),
  bool: scalarType(11, 'bool', 'bool', 'Bool'),
  qint8: scalarType(12, 'qint8', 's8', 'QInt8'),
  quint8: scalarType(13, 'quint8', 'u8', 'QUInt8'),
  qint32: scalarType(14, 'qint32', 's32', 'QInt32'),
  bfloat16: scalarType(15, 'bfloat16', 'bf16', 'BFloat16'),
} as const satisfies Record<string, ScalarType>;

const all: readonly ScalarType[] = Object.values(scalarTypes);
const byCode = new Map(all.map((type) => [type.code, type]));
const byStorage = new Map(all.map((type) => [type.storage, type]));
const byName = new Map(all.map((type) => [type.name, type]));

export const scalarTypeOfCode = (code: number): ScalarType | undefined => byCode.get(code);
export const scalarTypeOfStorage = (prefix: string): ScalarType | undefined => byStorage.get(prefix);
/** `float32`, and the aliases that pickles use: `float`, `long`. */
export const scalarTypeOfName = (name: string): ScalarType | undefined => byName.get(aliases[name] ?? name);

const aliases: Readonly<Record<string, string>> = {
  float: 'float32',
  double: 'float64',
  half: 'float16',
  long: 'int64',
  int: 'int32',
  short: 'int16',
};
