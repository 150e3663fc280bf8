/** The quantized operators: their zero points are operands. */
import type { AnyOp } from '../define_op.ts';
import { qnnAveragePool } from './qnn_average_pool.op.ts';
import { qnnAdd, qnnMul } from './qnn_binary.op.ts';
import { qnnConv } from './qnn_conv.op.ts';
import { qnnConvTranspose } from './qnn_conv_transpose.op.ts';
import { qnnDequantize } from './qnn_dequantize.op.ts';
import { qnnDynamicQuantize } from './qnn_dynamic_quantize.op.ts';
import { qnnGlobalAveragePool } from './qnn_global_average_pool.op.ts';
import { qnnLut } from './qnn_lut.op.ts';
import { qnnMatmul } from './qnn_matmul.op.ts';
import { qnnQuantize } from './qnn_quantize.op.ts';
import { qnnRequantize } from './qnn_requantize.op.ts';
import { qnnSoftmax } from './qnn_softmax.op.ts';

export const qnnOps: readonly AnyOp[] = [
  qnnConv,
  qnnConvTranspose,
  qnnMatmul,
  qnnQuantize,
  qnnDequantize,
  qnnDynamicQuantize,
  qnnRequantize,
  qnnAdd,
  qnnMul,
  qnnAveragePool,
  qnnGlobalAveragePool,
  qnnSoftmax,
  qnnLut,
];
