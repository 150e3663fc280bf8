/** The IR as the rest of unskew sees it. */
export * from './builder.ts';
export * from './carried_products.ts';
export * from './constant_pool.ts';
export * from './define_op.ts';
export * from './dims.ts';
export * from './dtype.ts';
export * from './graph.ts';
export * from './interpret.ts';
export * from './op_table.ts';
export * from './owned_results.ts';
export * from './parse.ts';
export * from './parse_type.ts';
export * from './print.ts';
export * from './specialize.ts';
export * from './tensor.ts';
export * from './types.ts';
export * from './verify.ts';
