/** The operators that stand for one oneDNN primitive with attributes and post-ops, or one kernel of ours; made by codegen/onednn/select. */
export { dnnlConv } from './dnnl_conv.op.ts';
export { dnnlConvTranspose } from './dnnl_conv_transpose.op.ts';
export { dnnlMatmul } from './dnnl_matmul.op.ts';
export { dnnlRequantize } from './dnnl_requantize.op.ts';
export { dnnlScaledConv, dnnlScaledMatmul } from './dnnl_scaled.op.ts';
