/** The quantized operators: their zero points are operands. */
import type { AnyOp } from '../define_op.ts';
import { qnnConv } from './qnn_conv.op.ts';
import { qnnDequantize } from './qnn_dequantize.op.ts';
import { qnnLut } from './qnn_lut.op.ts';
import { qnnQuantize } from './qnn_quantize.op.ts';
import { qnnRequantize } from './qnn_requantize.op.ts';

export const qnnOps: readonly AnyOp[] = [qnnConv, qnnDequantize, qnnLut, qnnQuantize, qnnRequantize];
