/** How each operator of the IR is written in ONNX. `opaque` operators are carried (emission.ts), `dnnl.*` are refused. */
import { fail } from '../../../diagnostics/index.ts';
import type { Node } from '../../../ir/index.ts';
import type { NodeEmitter, Written } from '../node_emitter.ts';
import * as binary from './binary.ts';
import * as conv from './conv.ts';
import { convTranspose, quantizedConvTranspose } from './conv_transpose.ts';
import * as matmul from './matmul.ts';
import * as movement from './movement.ts';
import * as normalization from './normalization.ts';
import { pad } from './pad.ts';
import * as pool from './pool.ts';
import * as qlinear from './qlinear.ts';
import * as quantize from './quantize.ts';
import { argument, cumsum, reduction } from './reduce.ts';
import { requantize } from './requantize.ts';
import { softmax } from './softmax.ts';
import * as unary from './unary.ts';

/** Writes the ONNX nodes that compute one operator. */
export type EmitOp = (e: NodeEmitter) => Written;

const { same } = unary;

export const emitters: Readonly<Record<string, EmitOp>> = {
  'qnn.conv': conv.quantizedConv,
  'qnn.conv_transpose': quantizedConvTranspose,
  'qnn.matmul': matmul.quantizedMatmul,
  'qnn.quantize': quantize.quantize,
  'qnn.dequantize': quantize.dequantize,
  'qnn.dynamic_quantize': quantize.dynamicQuantize,
  'qnn.requantize': requantize,
  'qnn.add': qlinear.binary('QLinearAdd', 'Add'),
  'qnn.mul': qlinear.binary('QLinearMul', 'Mul'),
  'qnn.average_pool': qlinear.averagePool,
  'qnn.global_average_pool': qlinear.globalAveragePool,
  'qnn.softmax': qlinear.softmax,
  'qnn.lut': qlinear.lut,

  'nn.conv': conv.conv,
  'nn.conv_transpose': convTranspose,
  'nn.matmul': matmul.matmul,

  'nn.add': binary.arithmetic('Add'),
  'nn.sub': binary.arithmetic('Sub'),
  'nn.mul': binary.arithmetic('Mul'),
  'nn.div': binary.div,
  'nn.pow': binary.pow,
  'nn.min': binary.extremum('Min'),
  'nn.max': binary.extremum('Max'),
  'nn.mod': binary.mod,
  'nn.equal': binary.comparison('Equal'),
  'nn.greater': binary.comparison('Greater'),
  'nn.less': binary.comparison('Less'),
  'nn.greater_or_equal': binary.orEqual('GreaterOrEqual'),
  'nn.less_or_equal': binary.orEqual('LessOrEqual'),
  'nn.and': binary.logical('And'),
  'nn.or': binary.logical('Or'),
  'nn.xor': binary.logical('Xor'),
  'nn.where': binary.where,
  'nn.prelu': binary.prelu,

  'nn.relu': unary.relu,
  'nn.leaky_relu': same('LeakyRelu', 6, ['alpha']),
  'nn.elu': same('Elu', 6, ['alpha']),
  'nn.selu': same('Selu', 6, ['alpha', 'gamma']),
  'nn.celu': unary.celu,
  'nn.thresholded_relu': same('ThresholdedRelu', 10, ['alpha']),
  'nn.hard_sigmoid': same('HardSigmoid', 6, ['alpha', 'beta']),
  'nn.hard_swish': unary.hardSwish,
  'nn.sigmoid': same('Sigmoid'),
  'nn.tanh': same('Tanh'),
  'nn.erf': same('Erf', 9),
  'nn.softplus': same('Softplus'),
  'nn.softsign': same('Softsign'),
  'nn.mish': unary.mish,
  'nn.gelu': unary.gelu,
  'nn.exp': same('Exp'),
  'nn.log': same('Log'),
  'nn.sqrt': same('Sqrt'),
  'nn.reciprocal': same('Reciprocal'),
  'nn.sin': same('Sin', 7),
  'nn.cos': same('Cos', 7),
  'nn.floor': same('Floor'),
  'nn.ceil': same('Ceil'),
  'nn.round': same('Round', 11),
  'nn.neg': unary.number('Neg', 6),
  'nn.abs': unary.number('Abs', 6),
  'nn.sign': unary.number('Sign', 9),
  'nn.clip': unary.clip,
  'nn.not': same('Not'),
  'nn.cast': unary.cast,
  'nn.recentre': unary.recentre,

  'nn.max_pool': pool.maxPool,
  'nn.average_pool': pool.averagePool,
  'nn.lp_pool': pool.lpPool,
  'nn.global_average_pool': same('GlobalAveragePool'),
  'nn.global_max_pool': pool.globalMaxPool,

  'nn.softmax': softmax('Softmax'),
  'nn.log_softmax': softmax('LogSoftmax'),
  'nn.reduce_sum': reduction('ReduceSum', 13),
  'nn.reduce_prod': reduction('ReduceProd'),
  'nn.reduce_max': reduction('ReduceMax'),
  'nn.reduce_min': reduction('ReduceMin'),
  'nn.reduce_mean': reduction('ReduceMean'),
  'nn.reduce_l1': reduction('ReduceL1'),
  'nn.reduce_l2': reduction('ReduceL2'),
  'nn.reduce_sum_square': reduction('ReduceSumSquare'),
  'nn.reduce_log_sum': reduction('ReduceLogSum'),
  'nn.reduce_log_sum_exp': reduction('ReduceLogSumExp'),
  'nn.arg_max': argument('ArgMax'),
  'nn.arg_min': argument('ArgMin'),
  'nn.cumsum': cumsum,

  'nn.batch_norm': normalization.batchNorm,
  'nn.instance_norm': normalization.instanceNorm,
  'nn.group_norm': normalization.groupNorm,
  'nn.layer_norm': normalization.layerNorm,
  'nn.rms_norm': normalization.rmsNorm,
  'nn.lrn': normalization.lrn,

  'nn.identity': same('Identity'),
  'nn.reshape': movement.reshape,
  'nn.transpose': movement.transpose,
  'nn.concat': movement.concat,
  'nn.expand': movement.expand,
  'nn.tile': movement.tile,
  'nn.range': movement.range,
  'nn.gather_nd': movement.gatherNd,
  'nn.pad': pad,
  'nn.shape': same('Shape'),
  'nn.depth_to_space': movement.depthToSpace,
  'nn.space_to_depth': movement.spaceToDepth,
  'nn.slice': movement.slice,
  'nn.gather': movement.gather('Gather'),
  'nn.gather_elements': movement.gather('GatherElements'),
  'nn.resize': movement.resize,
};

/** @throws UnskewError U2009 for an operator of the level dnnl */
export function findEmitter({ op, loc }: Node): EmitOp {
  return (
    emitters[op] ??
    fail('U2009', `${op} has no ONNX form`, loc, 'export the graph before operators of oneDNN are selected')
  );
}
