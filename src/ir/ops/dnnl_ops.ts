/** The operators that stand for one oneDNN primitive with attributes and post-ops, or one kernel of ours; made by codegen/onednn/select. */
import type { AnyOp } from '../define_op.ts';
import { dnnlConv } from './dnnl_conv.op.ts';
import { dnnlConvTranspose } from './dnnl_conv_transpose.op.ts';
import { dnnlMatmul } from './dnnl_matmul.op.ts';
import { dnnlRequantize } from './dnnl_requantize.op.ts';

export const dnnlOps: readonly AnyOp[] = [dnnlConv, dnnlConvTranspose, dnnlMatmul, dnnlRequantize];
