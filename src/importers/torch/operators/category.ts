/** Categories of element types, by which PyTorch promotes and converts. */
import { type DType, isFloat } from '../../../tensors/index.ts';

/** Truth values, integers, floats. */
export const categoryOf = (dtype: DType): number => (dtype === 'bool' ? 0 : isFloat(dtype) ? 2 : 1);

/** True when PyTorch converts elements of one type to the other in place: never to a lower category. */
export const canHold = (to: DType, from: DType): boolean => categoryOf(from) <= categoryOf(to);
