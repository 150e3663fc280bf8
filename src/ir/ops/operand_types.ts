/** Operands that several operators take. */
import { byteTypes } from '../../tensors/index.ts';
import { tensorOf } from '../define_op.ts';

export const byte = tensorOf(...byteTypes);
export const numeric = tensorOf('f32', 'f64', 's32', 's64', ...byteTypes, 'u16', 's16', 'u32', 'u64');
