/** The quantized operators: their zero points are operands. */
import type { AnyOp } from '../define_op.ts';
import { qnnConv } from './qnn_conv.op.ts';

export const qnnOps: readonly AnyOp[] = [qnnConv];
