import {
  type QLinearBinary,
  qlinearAdd,
  qlinearAddSwaps,
  qlinearMul,
  qnnpackAdd,
  swapOperands,
  tfliteAdd,
  tfliteMul,
  torchAdd,
  torchMul,
  xnnpackAdd,
  xnnpackMul,
} from '../../numerics/index.ts';
import { type DType, zeros } from '../../tensors/index.ts';
import { attr, defineOp, type OperandTensors, type OperandTypes, type Refuse, tensorOf } from '../define_op.ts';
import type { TensorType } from '../types.ts';
import { broadcastShape, broadcastTo } from './broadcast.ts';
import { byte } from './operand_types.ts';
import { checkScalar, checkZeroPoint } from './qnn_parameters.ts';

const scale = tensorOf('f32');
const operands = { a: byte, sa: scale, za: byte, b: byte, sb: scale, zb: byte, sy: scale, zy: byte } as const;

const parameters = 'Scales and zero points are scalars; a, b and y are of one type; a and b broadcast as in numpy.';

const sums = { torch: torchAdd, qnnpack: qnnpackAdd, tflite: tfliteAdd, xnnpack: xnnpackAdd } as const;
const products = { ort: qlinearMul, torch: torchMul, tflite: tfliteMul, xnnpack: xnnpackMul } as const;

/** com.microsoft QLinearAdd: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md */
export const qnnAdd = defineOp({
  name: 'qnn.add',
  doc: `y = sat(rne((sa·(a − za) + sb·(b − zb))/sy + zy)), rounded in between as QLinearAdd of ONNX Runtime does on x86: see numerics/qlinear_add.ts; with another \`recipe\` as PyTorch does: \`torch\` by its own kernels, \`qnnpack\` in fixed point, see numerics/torch.ts; or as TensorFlow Lite does: \`tflite\` by its reference kernels, \`xnnpack\` by XNNPACK, see numerics/tflite_binary.ts and xnnpack_binary.ts. With sb below zero it is a difference. ${parameters}`,
  traits: ['quantized'],
  operands,
  attrs: { recipe: attr.oneOfOr('ort', 'ort', 'torch', 'qnnpack', 'tflite', 'xnnpack') },
  results: { y: { like: 'a' } },
  infer: (types, _attrs, refuse) => binaryType(types, refuse),
  evaluate(tensors, { recipe }, [{ shape }]) {
    const { a, b } = tensors;
    const y = zeros(a.dtype, shape);
    const [left, right] = [broadcastTo(a, y.shape).data, broadcastTo(b, y.shape).data];
    const q = quantizationOf(tensors);
    if (recipe !== 'ort') sums[recipe](q, left, right, y.data);
    else if (qlinearAddSwaps(a.shape, b.shape)) qlinearAdd(swapOperands(q), right, left, y.data);
    else qlinearAdd(q, left, right, y.data);
    return y;
  },
});

/** com.microsoft QLinearMul: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md */
export const qnnMul = defineOp({
  name: 'qnn.mul',
  doc: `y = sat(rne(sa·(a − za)·sb·(b − zb)/sy + zy)), rounded in between as QLinearMul of ONNX Runtime does on x86: see numerics/qlinear_mul.ts; with another \`recipe\` as PyTorch does (\`torch\`: see numerics/torch.ts), TensorFlow Lite or XNNPACK. ${parameters}`,
  traits: ['quantized'],
  operands,
  attrs: { recipe: attr.oneOfOr('ort', 'ort', 'torch', 'tflite', 'xnnpack') },
  results: { y: { like: 'a' } },
  infer: (types, _attrs, refuse) => binaryType(types, refuse),
  evaluate(tensors, { recipe }, [{ shape }]) {
    const { a, b } = tensors;
    const y = zeros(a.dtype, shape);
    products[recipe](quantizationOf(tensors), broadcastTo(a, y.shape).data, broadcastTo(b, y.shape).data, y.data);
    return y;
  },
});

function binaryType(types: OperandTypes<typeof operands>, refuse: Refuse): TensorType<DType> {
  const { a, sa, za, b, sb, zb, sy, zy } = types;
  if (a.dtype !== b.dtype) refuse(`'a' is of type ${a.dtype}, 'b' of type ${b.dtype}`, 'b');
  for (const [name, type] of Object.entries({ sa, sb, sy })) checkScalar(type, name, refuse);
  for (const [name, type] of Object.entries({ za, zb, zy })) checkZeroPoint(type, a, [], name, refuse);
  return { dtype: a.dtype, shape: broadcastShape([a.shape, b.shape], refuse) };
}

const quantizationOf = ({ a, sa, za, sb, zb, sy, zy }: OperandTensors<typeof operands>): QLinearBinary => ({
  dtype: a.dtype,
  scaleA: sa.data[0],
  zeroPointA: za.data[0],
  scaleB: sb.data[0],
  zeroPointB: zb.data[0],
  scaleC: sy.data[0],
  zeroPointC: zy.data[0],
});
