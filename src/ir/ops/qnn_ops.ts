/** The quantized operators: their zero points are operands. */
export { qnnAveragePool } from './qnn_average_pool.op.ts';
export { qnnAdd, qnnMul } from './qnn_binary.op.ts';
export { qnnBlockMatmul } from './qnn_block_matmul.op.ts';
export { qnnConv } from './qnn_conv.op.ts';
export { qnnConvTranspose } from './qnn_conv_transpose.op.ts';
export { qnnDequantize } from './qnn_dequantize.op.ts';
export { qnnDynamicLstm } from './qnn_dynamic_lstm.op.ts';
export { qnnDynamicQuantize } from './qnn_dynamic_quantize.op.ts';
export { qnnDynamicQuantizeRows } from './qnn_dynamic_quantize_rows.op.ts';
export { qnnGlobalAveragePool } from './qnn_global_average_pool.op.ts';
export { qnnLinearResize } from './qnn_linear_resize.op.ts';
export { qnnLut, qnnPairLut } from './qnn_lut.op.ts';
export { qnnMatmul } from './qnn_matmul.op.ts';
export { qnnQuantize } from './qnn_quantize.op.ts';
export { qnnRequantize } from './qnn_requantize.op.ts';
export { qnnRescale } from './qnn_rescale.op.ts';
export { qnnL2Normalize, qnnLogSoftmax } from './qnn_row_norms.op.ts';
export { qnnSoftmax } from './qnn_softmax.op.ts';
