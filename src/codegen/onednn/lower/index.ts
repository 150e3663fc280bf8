/** Which operators the back end has, and how each becomes commands. What is not here runs on the interpreter. */
import type { ValueId } from '../../../ir/index.ts';
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

export const lowerings: Readonly<Record<string, Lowering>> = {
  'dnnl.conv': conv.dnnlConv,
  'dnnl.conv_transpose': dnnlConvTranspose,
  'dnnl.matmul': dnnlMatmul,
  'dnnl.requantize': products.dnnlRequantize,
  'nn.conv': either(conv.floatConv, referenceConv),
  'qnn.conv': referenceConv,
  'nn.conv_transpose': either(floatConvTranspose, referenceConv),
  'qnn.conv_transpose': referenceConv,
  'nn.matmul': floatMatmul,

  'qnn.quantize': quantized.quantize,
  'qnn.dequantize': quantized.dequantize,
  'qnn.requantize': quantized.requantize,
  'qnn.lut': quantized.lut,
  'qnn.add': quantized.add,
  'qnn.mul': quantized.multiply,
  'qnn.average_pool': quantized.averagePool,
  'qnn.global_average_pool': quantized.globalAveragePool,
  'qnn.softmax': quantized.softmax,
  'qnn.dynamic_quantize': quantized.dynamicQuantize,
  'nn.recentre': quantized.recentre,

  'nn.identity': movement.view,
  'nn.reshape': movement.view,
  'nn.transpose': movement.transpose,
  'nn.concat': movement.concat,
  'nn.expand': movement.expand,
  'nn.pad': movement.pad,

  'nn.max_pool': float.maxPool,
  'nn.average_pool': float.averagePool,
  'nn.relu': float.unary('relu'),
  'nn.leaky_relu': float.unary('leaky-relu', ({ alpha }) => [alpha as number, 0]),
  'nn.clip': float.unary('clip', ({ min, max }) => [min as number, max as number]),
  'nn.add': either(float.binary('add', true), integerSum(1)),
  'nn.sub': either(float.binary('sub', false), integerSum(-1)),
  'nn.mul': float.binary('mul', true),
  'nn.div': float.binary('div', false),
  'nn.softmax': float.softmax,
  'nn.cast': float.cast,
};

export type { Lowering } from './lowering.ts';
export { GraphView } from './lowering.ts';
