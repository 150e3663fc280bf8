/** The emitter of every operator of the IR. `opaque` operators and `control.*` are carried (emission.ts), `dnnl.*` are refused. */
import { fail } from '../../../diagnostics/index.ts';
import { hasOnnxForm, keyOf, type Node, type OpKey, type OpOfForm, ops } from '../../../ir/index.ts';
import { type EmitOp, NodeEmitter } from '../node_emitter.ts';
import type { Emitting, Written } from '../node_writer.ts';
import * as binary from './binary.ts';
import { byForm } from './by_form.ts';
import * as conv from './conv.ts';
import { convTranspose, quantizedConvTranspose } from './conv_transpose.ts';
import { dynamicQuantizeRows } from './dynamic_rows.ts';
import { linearResize } from './linear_resize.ts';
import * as matmul from './matmul.ts';
import * as movement from './movement.ts';
import * as normalization from './normalization.ts';
import { pad } from './pad.ts';
import * as pool from './pool.ts';
import * as qlinear from './qlinear.ts';
import * as quantize from './quantize.ts';
import * as recurrent from './recurrent.ts';
import { extreme } from './reduce.ts';
import { requantize } from './requantize.ts';
import { rescale } from './rescale.ts';
import * as scatter from './scatter.ts';
import { softmax } from './softmax.ts';
import * as tfliteRows from './tflite_rows.ts';
import * as unary from './unary.ts';

type FormKey = { [K in OpKey]: (typeof ops)[K] extends OpOfForm ? K : never }[OpKey];
type ExportedKey = Exclude<OpKey, FormKey | 'opaqueOp' | `control${string}` | `dnnl${string}`>;

const emitters: { readonly [K in ExportedKey]: EmitOp<(typeof ops)[K]> } = {
  qnnConv: conv.quantizedConv,
  qnnConvTranspose: quantizedConvTranspose,
  qnnMatmul: matmul.quantizedMatmul,
  qnnBlockMatmul: matmul.blockMatmul,
  qnnBlockGather: matmul.blockGather,
  qnnQuantize: quantize.quantize,
  qnnDequantize: quantize.dequantize,
  qnnBlockDequantize: quantize.blockDequantize,
  qnnDynamicQuantize: quantize.dynamicQuantize,
  qnnDynamicQuantizeRows: dynamicQuantizeRows,
  qnnRequantize: requantize,
  qnnRescale: rescale,
  qnnAdd: qlinear.add,
  qnnMul: qlinear.multiply,
  qnnAveragePool: qlinear.averagePool,
  qnnGlobalAveragePool: qlinear.globalAveragePool,
  qnnSoftmax: qlinear.softmax,
  qnnLogSoftmax: tfliteRows.logSoftmax,
  qnnL2Normalize: tfliteRows.l2Normalize,
  qnnLinearResize: linearResize,
  qnnLut: qlinear.lut,
  qnnPairLut: qlinear.pairLut,

  nnConv: conv.conv,
  nnConvTranspose: convTranspose,
  nnMatmul: matmul.matmul,

  nnClip: unary.clip,
  nnCast: unary.cast,
  nnRecentre: unary.recentre,

  nnMaxPool: pool.maxPool,
  nnAveragePool: pool.averagePool,
  nnLpPool: pool.lpPool,

  nnLstm: recurrent.lstm,
  qnnDynamicLstm: recurrent.dynamicLstm,
  nnGru: recurrent.gru,

  nnTopK: scatter.topK,
  nnNonZero: scatter.nonZero,
  nnNonMaxSuppression: scatter.nonMaxSuppression,
  nnScatterNd: scatter.scatterNd,
  nnScatterElements: scatter.scatterElements,

  nnReshape: movement.reshape,
  nnExpand: movement.expand,
  nnRange: movement.range,
  nnPad: pad,
  nnDetectionPostprocess: (e) => e.refuse('ONNX has no operator that selects boxes in this order'),
  nnShape: (e) => e.finish('Shape', e.inputs()),
  nnSlice: movement.slice,
  nnResize: movement.resize,
  nnGridSample: movement.gridSample,
};

/** Operators of a form, spelled out for operator sets that do not have them yet. */
const older: { readonly [K in FormKey]?: EmitOp<(typeof ops)[K]> } = {
  nnGreaterOrEqual: binary.orEqual('Greater'),
  nnLessOrEqual: binary.orEqual('Less'),
  nnCelu: unary.celu,
  nnHardSwish: unary.hardSwish,
  nnMish: unary.mish,
  nnGelu: unary.gelu,
  nnGroupNorm: normalization.groupNorm,
  nnLayerNorm: normalization.layerNorm,
  nnRmsNorm: normalization.rmsNorm,
};

/** Operators of a form that needs a version, or another spelling, in some cases; undefined leaves it to the form. */
const special: { readonly [K in FormKey]?: (e: NodeEmitter<(typeof ops)[K]>) => Written | undefined } = {
  nnDiv: binary.div,
  nnMod: binary.mod,
  nnPow: binary.pow,
  nnMin: binary.extremum,
  nnMax: binary.extremum,
  nnEqual: binary.equal,
  nnRelu: unary.relu,
  nnGlobalMaxPool: pool.globalMaxPool,
  nnSoftmax: softmax,
  nnLogSoftmax: softmax,
  nnReduceMax: extreme,
  nnReduceMin: extreme,
  nnBatchNorm: normalization.normalization,
  nnInstanceNorm: normalization.normalization,
  nnGroupNorm: normalization.normalization,
  nnLayerNorm: normalization.normalization,
  nnRmsNorm: normalization.normalization,
  nnLrn: normalization.localResponse,
  nnGather: movement.gather,
  nnGatherNd: movement.gatherNd,
};

const isExported = (key: OpKey): key is ExportedKey => key in emitters;

const isOfForm = (key: OpKey): key is FormKey => hasOnnxForm(ops[key]);

const emitAs = <K extends ExportedKey>(key: K, emission: Emitting, node: Node): Written =>
  emitters[key](new NodeEmitter(emission, node));

function emitByForm<K extends FormKey>(key: K, emission: Emitting, node: Node): Written {
  const e = new NodeEmitter<(typeof ops)[K]>(emission, node);
  const isOlder = e.opset < (ops[key].onnx.since ?? 1);
  const spelled = (isOlder && older[key]) || special[key];
  return spelled?.(e) ?? byForm(e);
}

/** @throws UnskewError U2009 for an operator of the level dnnl */
export function emitNode(emission: Emitting, node: Node): Written {
  const key = keyOf(node);
  if (isOfForm(key)) return emitByForm(key, emission, node);
  if (!isExported(key))
    fail(
      'U2009',
      `${node.op} has no ONNX form`,
      node.loc,
      'export the graph before the operators of a back end are selected',
    );
  return emitAs(key, emission, node);
}
