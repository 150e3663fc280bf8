/** The meaning of the profiles for operators other than requantize. */
import type { RequantizeMode, RequantizeProfile } from './requantize.ts';
import { roundHalfEven } from './rounding.ts';

type ByProfile<R extends string> = Readonly<Partial<Record<RequantizeProfile, R>>>;

const byTflite: ByProfile<'tflite' | 'xnnpack'> = { tflite: 'tflite', xnnpack: 'xnnpack' };

const byEngine = <R extends string>(qnnpack: R): ByProfile<R | 'ort' | 'torch'> => ({
  ort: 'ort',
  'onnx-spec': 'ort',
  'torch-qnnpack': qnnpack,
  'torch-onednn': 'torch',
  'torch-fbgemm': 'torch',
});

/** The `recipe` of operators that have one. Absent: none is known here, and the operator is refused or stays float. */
export const operatorRecipes = {
  add: { ...byEngine('qnnpack'), ...byTflite },
  mul: { ...byEngine('torch'), ...byTflite },
  globalAveragePool: byEngine('qnnpack'),
  averagePool: { ort: 'ort', 'onnx-spec': 'ort' },
  softmax: { ort: 'ort', 'onnx-spec': 'ort' },
  /** Linear interpolation; wherever it is not `ort`, it is exact and rounded once. */
  resize: { ort: 'ort' },
} as const satisfies Readonly<Record<string, ByProfile<string>>>;

export type OperatorWithRecipe = keyof typeof operatorRecipes;

/** The recipes that an operator has in one profile or another. */
export type RecipeOf<O extends OperatorWithRecipe> = (typeof operatorRecipes)[O] extends ByProfile<infer R> ? R : never;

export const operatorRecipe = <O extends OperatorWithRecipe>(
  operator: O,
  profile: RequantizeProfile = 'ort',
): RecipeOf<O> | undefined => (operatorRecipes[operator] as ByProfile<RecipeOf<O>>)[profile];

/** PyTorch multiplies by fl(1/scale) where everybody else divides. */
export const quantizeArithmetic = (profile: RequantizeProfile): 'divide' | 'reciprocal' =>
  profile.startsWith('torch-') ? 'reciprocal' : 'divide';

/**
 * A float bias between dequantize and quantize in units of sx·sw (exact, in binary64): rne(fl(b / fl(sx·sw))) as ONNX Runtime
 * has it; elsewhere the quotient is rounded once.
 */
export const biasInteger = (bias: number, unit: number, profile: RequantizeProfile = 'ort'): number =>
  roundHalfEven(profile === 'ort' ? Math.fround(bias / Math.fround(unit)) : bias / unit);

const arithmetics = {
  f32: 'binary32',
  'f32-two-step': 'binary32, two factors',
  f64: 'binary64',
  fixed: 'fixed point, rounded twice',
} as const;
const roundings = {
  'half-even': 'halves to even',
  'half-up': 'halves up',
  'half-away': 'halves away from zero',
} as const;

/** A mode in words, for certificates. */
export const describeMode = ({ arithmetic, rounding, zeroPointAt }: RequantizeMode): string =>
  arithmetic === 'fixed'
    ? arithmetics.fixed
    : `${arithmetics[arithmetic]}, ${roundings[rounding]}, zero point ${zeroPointAt} rounding`;
