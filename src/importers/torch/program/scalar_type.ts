/** Element types as torch.export numbers them: another enumeration than c10::ScalarType, which TorchScript writes. */
import { type ScalarType, scalarTypes } from '../../../formats/torch/index.ts';

const byCode: ReadonlyMap<number, ScalarType> = new Map([
  [1, scalarTypes.uint8],
  [2, scalarTypes.int8],
  [3, scalarTypes.int16],
  [4, scalarTypes.int32],
  [5, scalarTypes.int64],
  [6, scalarTypes.float16],
  [7, scalarTypes.float32],
  [8, scalarTypes.float64],
  [12, scalarTypes.bool],
  [13, scalarTypes.bfloat16],
]);

/** Types that unskew only knows by name. */
const names: Readonly<Record<number, string>> = {
  9: 'complex32',
  10: 'complex64',
  11: 'complex128',
  28: 'uint16',
  29: 'float8_e4m3fn',
  30: 'float8_e5m2',
  31: 'float8_e4m3fnuz',
  32: 'float8_e5m2fnuz',
};

export const scalarTypeOf = (code: number): ScalarType | undefined => byCode.get(code);
export const nameOfScalarType = (code: number): string => byCode.get(code)?.name ?? names[code] ?? `type ${code}`;

const codes: ReadonlyMap<ScalarType, number> = new Map([...byCode].map(([code, type]) => [type, code]));
/** undefined for a type that programs do not have. */
export const exportCodeOf = (type: ScalarType): number | undefined => codes.get(type);
