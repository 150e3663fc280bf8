/** The plain tensor operators: no zero points. Every file of a family exports its operators and nothing else. */
export * from './nn_cast.op.ts';
export * from './nn_conv.op.ts';
export * from './nn_cumsum.op.ts';
export * from './nn_elementwise_binary.op.ts';
export * from './nn_elementwise_unary.op.ts';
export * from './nn_gather.op.ts';
export * from './nn_gather_nd.op.ts';
export * from './nn_matmul.op.ts';
export * from './nn_movement.op.ts';
export * from './nn_norm.op.ts';
export * from './nn_pool.op.ts';
export * from './nn_range.op.ts';
export * from './nn_reduce.op.ts';
export * from './nn_resize.op.ts';
export * from './nn_slice.op.ts';
export * from './nn_softmax.op.ts';
export * from './nn_where.op.ts';
