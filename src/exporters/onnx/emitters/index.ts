/** The emitter of every operator of the IR. `opaque` operators are carried (emission.ts), `dnnl.*` are refused. */
import { fail } from '../../../diagnostics/index.ts';
import { keyOf, type Node, type OnnxForm, type OpKey, onnxFormOf, type ops } from '../../../ir/index.ts';
import { type EmitOp, NodeEmitter } from '../node_emitter.ts';
import type { Emitting, Written } from '../node_writer.ts';
import * as binary from './binary.ts';
import * as conv from './conv.ts';
import { convTranspose, quantizedConvTranspose } from './conv_transpose.ts';
import { dynamicQuantizeRows } from './dynamic_rows.ts';
import * as matmul from './matmul.ts';
import * as movement from './movement.ts';
import * as normalization from './normalization.ts';
import { pad } from './pad.ts';
import * as pool from './pool.ts';
import * as qlinear from './qlinear.ts';
import * as quantize from './quantize.ts';
import { argument, cumsum, reduction } from './reduce.ts';
import { requantize } from './requantize.ts';
import { rescale } from './rescale.ts';
import { softmax } from './softmax.ts';
import * as unary from './unary.ts';

const { same } = unary;

/** Operators that are written by the form in their declaration. */
type FormKey = { [K in OpKey]: (typeof ops)[K] extends { readonly onnx: OnnxForm } ? K : never }[OpKey];
type ExportedKey = Exclude<OpKey, FormKey | 'opaqueOp' | `dnnl${string}`>;

const emitters: { readonly [K in ExportedKey]: EmitOp<(typeof ops)[K]> } = {
  qnnConv: conv.quantizedConv,
  qnnConvTranspose: quantizedConvTranspose,
  qnnMatmul: matmul.quantizedMatmul,
  qnnQuantize: quantize.quantize,
  qnnDequantize: quantize.dequantize,
  qnnDynamicQuantize: quantize.dynamicQuantize,
  qnnDynamicQuantizeRows: dynamicQuantizeRows,
  qnnRequantize: requantize,
  qnnRescale: rescale,
  qnnAdd: qlinear.add,
  qnnMul: qlinear.multiply,
  qnnAveragePool: qlinear.averagePool,
  qnnGlobalAveragePool: qlinear.globalAveragePool,
  qnnSoftmax: qlinear.softmax,
  qnnLut: qlinear.lut,

  nnConv: conv.conv,
  nnConvTranspose: convTranspose,
  nnMatmul: matmul.matmul,

  nnAdd: binary.arithmetic('Add'),
  nnSub: binary.arithmetic('Sub'),
  nnMul: binary.arithmetic('Mul'),
  nnDiv: binary.div,
  nnPow: binary.pow,
  nnMin: binary.extremum('Min'),
  nnMax: binary.extremum('Max'),
  nnMod: binary.mod,
  nnEqual: binary.comparison('Equal'),
  nnGreater: binary.comparison('Greater'),
  nnLess: binary.comparison('Less'),
  nnGreaterOrEqual: binary.orEqual('GreaterOrEqual'),
  nnLessOrEqual: binary.orEqual('LessOrEqual'),
  nnAnd: binary.logical('And'),
  nnOr: binary.logical('Or'),
  nnXor: binary.logical('Xor'),
  nnWhere: binary.where,
  nnPrelu: binary.prelu,

  nnRelu: unary.relu,
  nnCelu: unary.celu,
  nnHardSwish: unary.hardSwish,
  nnMish: unary.mish,
  nnGelu: unary.gelu,
  nnNeg: unary.number('Neg', 6),
  nnAbs: unary.number('Abs', 6),
  nnSign: unary.number('Sign', 9),
  nnClip: unary.clip,
  nnCast: unary.cast,
  nnRecentre: unary.recentre,

  nnMaxPool: pool.maxPool,
  nnAveragePool: pool.averagePool,
  nnLpPool: pool.lpPool,
  nnGlobalAveragePool: same('GlobalAveragePool'),
  nnGlobalMaxPool: pool.globalMaxPool,

  nnSoftmax: softmax('Softmax'),
  nnLogSoftmax: softmax('LogSoftmax'),
  nnReduceSum: reduction('ReduceSum', 13),
  nnReduceProd: reduction('ReduceProd'),
  nnReduceMax: reduction('ReduceMax'),
  nnReduceMin: reduction('ReduceMin'),
  nnReduceMean: reduction('ReduceMean'),
  nnReduceL1: reduction('ReduceL1'),
  nnReduceL2: reduction('ReduceL2'),
  nnReduceSumSquare: reduction('ReduceSumSquare'),
  nnReduceLogSum: reduction('ReduceLogSum'),
  nnReduceLogSumExp: reduction('ReduceLogSumExp'),
  nnArgMax: argument('ArgMax'),
  nnArgMin: argument('ArgMin'),
  nnCumsum: cumsum,

  nnBatchNorm: normalization.batchNorm,
  nnInstanceNorm: normalization.instanceNorm,
  nnGroupNorm: normalization.groupNorm,
  nnLayerNorm: normalization.layerNorm,
  nnRmsNorm: normalization.rmsNorm,
  nnLrn: normalization.lrn,

  nnIdentity: same('Identity'),
  nnReshape: movement.reshape,
  nnTranspose: movement.transpose,
  nnConcat: movement.concat,
  nnExpand: movement.expand,
  nnTile: movement.tile,
  nnRange: movement.range,
  nnGatherNd: movement.gatherNd,
  nnPad: pad,
  nnShape: same('Shape'),
  nnDepthToSpace: movement.depthToSpace,
  nnSpaceToDepth: movement.spaceToDepth,
  nnSlice: movement.slice,
  nnGather: movement.gather('Gather'),
  nnGatherElements: movement.gather('GatherElements'),
  nnResize: movement.resize,
};

const isExported = (key: OpKey): key is ExportedKey => key in emitters;

const emitAs = <K extends ExportedKey>(key: K, emission: Emitting, node: Node): Written =>
  emitters[key](new NodeEmitter(emission, node));

/** @throws UnskewError U2009 for an operator of the level dnnl */
export function emitNode(emission: Emitting, node: Node): Written {
  const form = onnxFormOf(node);
  if (form) return same(form.opType, form.since)(new NodeEmitter(emission, node));
  const key = keyOf(node);
  if (!isExported(key))
    fail(
      'U2009',
      `${node.op} has no ONNX form`,
      node.loc,
      'export the graph before the operators of a back end are selected',
    );
  return emitAs(key, emission, node);
}
