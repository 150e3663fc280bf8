/** Which operators the back end has, and how each becomes commands. What is not here runs on the interpreter. */
import { byOp, type ValueId } from '../../../ir/index.ts';
import * as conv from './conv.ts';
import { dnnlConvTranspose, floatConvTranspose } from './conv_transpose.ts';
import * as float from './float.ts';
import { integerSum } from './integers.ts';
import type { Lowering } from './lowering.ts';
import { dnnlMatmul, floatMatmul } from './matmul.ts';
import * as movement from './movement.ts';
import * as products from './products.ts';
import * as quantized from './quantized.ts';
import { referenceConv } from './reference.ts';

/** f32 operands take the first, others the second. */
const either = (float: Lowering, integer: Lowering): Lowering => {
  const of = (dtype: string | undefined) => (dtype === 'f32' ? float : integer);
  return {
    refuses: (node, view) => of(view.dtype(node.operands[0])).refuses?.(node, view),
    lower: (node, r) => of(r.dtype(node.operands[0] as ValueId)).lower(node, r),
  };
};

/** The lowering of a node, undefined for what the interpreter computes. */
export const loweringOf = byOp<Lowering>({
  dnnlConv: conv.dnnlConv,
  dnnlConvTranspose: dnnlConvTranspose,
  dnnlMatmul: dnnlMatmul,
  dnnlRequantize: products.dnnlRequantize,
  nnConv: either(conv.floatConv, referenceConv),
  qnnConv: referenceConv,
  nnConvTranspose: either(floatConvTranspose, referenceConv),
  qnnConvTranspose: referenceConv,
  nnMatmul: floatMatmul,

  qnnQuantize: quantized.quantize,
  qnnDequantize: quantized.dequantize,
  qnnRequantize: quantized.requantize,
  qnnLut: quantized.lut,
  qnnAdd: quantized.add,
  qnnMul: quantized.multiply,
  qnnAveragePool: quantized.averagePool,
  qnnGlobalAveragePool: quantized.globalAveragePool,
  qnnSoftmax: quantized.softmax,
  qnnDynamicQuantize: quantized.dynamicQuantize,
  nnRecentre: quantized.recentre,

  nnIdentity: movement.view,
  nnReshape: movement.view,
  nnTranspose: movement.transpose,
  nnConcat: movement.concat,
  nnExpand: movement.expand,
  nnPad: movement.pad,

  nnMaxPool: float.maxPool,
  nnAveragePool: float.averagePool,
  nnRelu: float.unary('relu'),
  nnLeakyRelu: float.unary('leaky-relu', ({ alpha }) => [alpha as number, 0]),
  nnClip: float.unary('clip', ({ min, max }) => [min as number, max as number]),
  nnAdd: either(float.binary('add', true), integerSum(1)),
  nnSub: either(float.binary('sub', false), integerSum(-1)),
  nnMul: float.binary('mul', true),
  nnDiv: float.binary('div', false),
  nnSoftmax: float.softmax,
  nnCast: float.cast,
});

export type { Lowering } from './lowering.ts';
export { GraphView } from './lowering.ts';
