/** The IR as the rest of unskew sees it. */

export * from '../tensors/index.ts';
export * from './builder.ts';
export * from './carried_products.ts';
export * from './constant_pool.ts';
export * from './define_op.ts';
export * from './dims.ts';
export * from './graph.ts';
export * from './interpret.ts';
export * from './limits.ts';
export * from './memory_need.ts';
export * from './op_table.ts';
export * from './ops/dnnl_ops.ts';
export * from './ops/nn_ops.ts';
export { opaqueOp } from './ops/opaque.op.ts';
export * from './ops/qnn_ops.ts';
export * from './owned_results.ts';
export * from './parse.ts';
export * from './parse_type.ts';
export * from './print.ts';
export * from './product.ts';
export * from './product_geometry.ts';
export { type RoundingTail, roundingTail } from './rounding_tail.ts';
export * from './specialize.ts';
export * from './types.ts';
export * from './verify.ts';
export * from './view.ts';
