/** The operators of the back end, each with its lowering. All other operators run on the interpreter. */
import { type AnyOp, byOp, type Node, type ResultSpec, viewOf } from '../../../ir/index.ts';
import type { Recorder } from '../recorder.ts';
import { blockGather, blockMatmul } from './block_matmul.ts';
import { byteSoftmax } from './byte_softmax.ts';
import * as conv from './conv.ts';
import { dnnlConvTranspose, floatConvTranspose } from './conv_transpose.ts';
import { nonMaxSuppression, nonZero } from './counted.ts';
import { elementwiseLowerings, orElementwise, orPrimitive } from './elementwise_lowerings.ts';
import * as float from './float.ts';
import { linearResize } from './linear_resize.ts';
import type { GraphView, Lowering, Lowerings } from './lowering.ts';
import { dnnlMatmul, floatMatmul } from './matmul.ts';
import * as movement from './movement.ts';
import * as norm from './norm.ts';
import * as picking from './picking.ts';
import * as products from './products.ts';
import * as quantized from './quantized.ts';
import * as quantizedBinary from './quantized_binary.ts';
import * as quantizedPool from './quantized_pool.ts';
import { quantizedConv, quantizedMatmul, scaledConv, scaledMatmul } from './quantized_product.ts';
import { range, shape } from './range.ts';
import * as rearrange from './rearrange.ts';
import * as recurrent from './recurrent.ts';
import * as reduce from './reduce.ts';
import { referenceConv } from './reference.ts';
import { rescale } from './rescale.ts';
import { gridSample, resize } from './resize.ts';
import * as scatter from './scatter.ts';
import * as softmax from './softmax.ts';

/** f32 results take the first, others the second. */
const either = <D extends AnyOp & { readonly results: { readonly y: ResultSpec } }>(
  float: Lowering<D>,
  integer: Lowering<D>,
): Lowering<D> => {
  const of = (dtype: string) => (dtype === 'f32' ? float : integer);
  return {
    refuses: (view, graph) => of(graph.dtype(view.y)).refuses?.(view, graph),
    lower: (view, r) => of(r.dtype(view.y)).lower(view, r),
  };
};

const table = {
  ...elementwiseLowerings,

  dnnlConv: conv.dnnlConv,
  dnnlConvTranspose: dnnlConvTranspose,
  dnnlMatmul: dnnlMatmul,
  dnnlRequantize: products.dnnlRequantize,
  dnnlScaledConv: scaledConv,
  dnnlScaledMatmul: scaledMatmul,
  nnConv: either(conv.floatConv, referenceConv),
  qnnConv: quantizedConv,
  nnConvTranspose: either(floatConvTranspose, referenceConv),
  qnnConvTranspose: referenceConv,
  nnMatmul: floatMatmul,
  qnnMatmul: quantizedMatmul,
  qnnBlockMatmul: blockMatmul,
  qnnBlockGather: blockGather,

  qnnQuantize: orElementwise(quantized.quantize),
  qnnDequantize: orElementwise(quantized.dequantize),
  qnnRequantize: quantized.requantize,
  qnnLinearResize: linearResize,
  qnnRescale: rescale,
  qnnLut: quantized.lut,
  qnnAveragePool: quantizedPool.averagePool,
  qnnGlobalAveragePool: quantizedPool.globalAveragePool,
  qnnPairLut: quantizedBinary.pairLut,
  qnnAdd: quantizedBinary.add,
  qnnMul: quantizedBinary.multiply,
  qnnSoftmax: byteSoftmax,
  qnnDynamicQuantize: quantized.dynamicQuantize,
  qnnDynamicQuantizeRows: quantized.dynamicQuantizeRows,
  nnRecentre: quantized.recentre,

  nnIdentity: movement.alias,
  nnReshape: movement.alias,
  nnTranspose: movement.transpose,
  nnConcat: movement.concat,
  nnExpand: movement.expand,
  nnPad: movement.pad,
  nnRange: range,
  nnShape: shape,
  nnSlice: picking.slice,
  nnGather: picking.gather,
  nnGatherNd: picking.gatherNd,
  nnGatherElements: scatter.gatherElements,
  nnScatterElements: scatter.scatterElements,
  nnScatterNd: scatter.scatterNd,
  nnTopK: picking.topK,
  nnNonZero: nonZero,
  nnNonMaxSuppression: nonMaxSuppression,
  nnArgMax: picking.argument(true),
  nnArgMin: picking.argument(false),
  nnTile: rearrange.tile,
  nnDepthToSpace: rearrange.depthToSpace,
  nnSpaceToDepth: rearrange.spaceToDepth,
  nnResize: resize,
  nnGridSample: gridSample,

  nnReduceSum: reduce.reduction('sum'),
  nnReduceMean: reduce.reduction('mean'),
  nnReduceMax: reduce.reduction('maximum'),
  nnReduceMin: reduce.reduction('minimum'),
  nnReduceProd: reduce.reduction('product'),
  nnReduceL1: reduce.reduction('l1'),
  nnReduceL2: reduce.reduction('l2'),
  nnReduceSumSquare: reduce.reduction('sum-square'),
  nnReduceLogSum: reduce.reduction('log-sum'),
  nnReduceLogSumExp: softmax.logSumExp,
  nnGlobalAveragePool: reduce.globalAveragePool,
  nnGlobalMaxPool: reduce.globalMaxPool,
  nnBatchNorm: orElementwise(norm.batchNorm),
  nnInstanceNorm: norm.instanceNorm,
  nnGroupNorm: norm.groupNorm,
  nnLayerNorm: norm.layerNorm,
  nnRmsNorm: norm.rmsNorm,

  nnLstm: recurrent.lstm,
  qnnDynamicLstm: recurrent.dynamicLstm,
  nnGru: recurrent.gru,

  nnMaxPool: float.maxPool,
  nnAveragePool: float.averagePool,
  nnAdd: orPrimitive(float.binary('add', true)),
  nnSub: orPrimitive(float.binary('sub', false)),
  nnMul: orPrimitive(float.binary('mul', true)),
  nnDiv: orPrimitive(float.binary('div', false)),
  nnCast: orElementwise(float.sameType),
  nnSoftmax: softmax.softmax,
  nnLogSoftmax: softmax.logSoftmax,
  nnCumsum: softmax.cumulativeSum,
} satisfies Lowerings;

/** An entry of the table, whose operator only `viewOf` knows. */
interface Entry {
  refuses?(view: { readonly node: Node }, graph: GraphView): string | undefined;
  lower(view: { readonly node: Node }, r: Recorder): void;
}
const entryOf = byOp<Entry>(table);

/** True for a node that has a lowering; the interpreter computes the others. */
export const isLowered = (node: Node): boolean => entryOf(node) !== undefined;

/** Why a node's lowering refuses it, undefined when it does not. */
export const refusalOf = (node: Node, graph: GraphView): string | undefined =>
  entryOf(node)?.refuses?.(viewOf(node), graph);

export const lower = (node: Node, r: Recorder): void => entryOf(node)?.lower(viewOf(node), r);

export { GraphView } from './lowering.ts';
