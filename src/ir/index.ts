/** The IR as the rest of unskew sees it. */

export * from '../tensors/index.ts';
export { copyStrided } from '../tensors/index.ts';
export * from './bodies.ts';
export * from './builder.ts';
export * from './carried_products.ts';
export * from './constant_pool.ts';
export * from './define_op.ts';
export * from './dims.ts';
export * from './graph.ts';
export * from './interpret.ts';
export * from './limits.ts';
export * from './memory_need.ts';
export type { OnnxForm } from './onnx_form.ts';
export * from './op_table.ts';
export * from './open_sizes.ts';
export { type BodyCall, follow, type Steps } from './ops/control.ts';
export * from './ops/control_ops.ts';
export { type ConvAttrs, indicesOf, windowedDim } from './ops/conv_geometry.ts';
export { CUBIC_TAPS, cubicAxes } from './ops/cubic_resize.ts';
export { type DeconvAttrs, deconvDim } from './ops/deconvolve.ts';
export * from './ops/dnnl_ops.ts';
export { epilogueAttrs } from './ops/epilogue.ts';
export { interpolatedTypes, interpolationOf } from './ops/linear_resize.ts';
export * from './ops/nn_ops.ts';
export { carriedName, holdsNothing, initializerOf, isCarriedInitializer, opaqueOp } from './ops/opaque.op.ts';
export { padded, paddedPosition } from './ops/padded.ts';
export type { PoolAttrs } from './ops/pool_geometry.ts';
export { windowCounts } from './ops/pool_windows.ts';
export { globalAverageOf } from './ops/qnn_global_average_pool.op.ts';
export { lutOf, pairLutOf } from './ops/qnn_lut.op.ts';
export * from './ops/qnn_ops.ts';
export { elementAt, forEachRun, isPerTensor } from './ops/qnn_parameters.ts';
export { softmaxNear } from './ops/qnn_softmax.op.ts';
export { nearestPosition, resizePositions, resizeScales } from './ops/resize_positions.ts';
export { clampSlice, sliceView } from './ops/slice_view.ts';
export * from './order.ts';
export * from './owned_results.ts';
export * from './parse.ts';
export * from './parse_type.ts';
export * from './print.ts';
export * from './product.ts';
export * from './product_geometry.ts';
export * from './requantization.ts';
export { type GraphReader, type RoundingTail, readerOf, roundingTail } from './rounding_tail.ts';
export * from './specialize.ts';
export * from './sum_chain.ts';
export {
  type Elements,
  elementsAfter,
  elementsDecided,
  isFollowed,
  isOfNumbers,
  type KnownElements,
  numbersAfter,
  roundedQuotient,
} from './symbolic.ts';
export * from './types.ts';
export * from './verify.ts';
export * from './view.ts';
