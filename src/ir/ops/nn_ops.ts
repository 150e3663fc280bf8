/** The plain tensor operators: no zero points. */
import type { AnyOp } from '../define_op.ts';

export const nnOps: readonly AnyOp[] = [];
