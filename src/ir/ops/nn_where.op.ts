import { allDTypes, type DType, newArray } from '../../tensors/index.ts';
import { defineOp, tensorOf } from '../define_op.ts';
import { broadcastShape, broadcastTo } from './broadcast.ts';

/** ONNX Where: https://onnx.ai/onnx/operators/onnx__Where.html */
export const nnWhere = defineOp({
  name: 'nn.where',
  doc: 'cond ? a : b, element by element; operands broadcast.',
  operands: { cond: tensorOf('bool'), a: tensorOf<DType>(...allDTypes), b: tensorOf<DType>(...allDTypes) },
  attrs: {},
  results: { y: { like: 'a' } },
  traits: ['elementwise'],
  infer({ cond, a, b }, _attrs, refuse) {
    if (a.dtype !== b.dtype) refuse(`'a' is of type ${a.dtype}, 'b' of type ${b.dtype}`, 'b');
    return { dtype: a.dtype, shape: broadcastShape([cond.shape, a.shape, b.shape], refuse) };
  },
  evaluate(operands, _attrs, [type]) {
    const { shape } = type;
    const [cond, a, b] = [operands.cond, operands.a, operands.b].map((x) => broadcastTo(x, shape).data);
    const data = newArray(type.dtype, cond.length);
    for (let i = 0; i < data.length; i++) data[i] = cond[i] !== 0 ? a[i] : b[i];
    return { dtype: type.dtype, shape, data };
  },
  onnx: { opType: 'Where', since: 9, readSince: 9, inputs: ['condition', 'X: T', 'Y: T'], wider: 'choices' },
});
