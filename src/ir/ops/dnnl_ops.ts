/** The operators that stand for one oneDNN primitive with attributes and post-ops; made by codegen/onednn/select. */
import type { AnyOp } from '../define_op.ts';

export const dnnlOps: readonly AnyOp[] = [];
