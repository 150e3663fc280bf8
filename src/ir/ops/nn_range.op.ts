import { type DType, newArray } from '../../tensors/index.ts';
import { attr, defineOp, tensorOf } from '../define_op.ts';

/** ONNX Range: https://onnx.ai/onnx/operators/onnx__Range.html */
export const nnRange = defineOp({
  name: 'nn.range',
  doc: 'start + i·delta for i in [0, count): `count`, the one size, may be a symbol.',
  operands: {
    start: tensorOf('s16', 's32', 's64', 'f32', 'f64'),
    delta: tensorOf('s16', 's32', 's64', 'f32', 'f64'),
  },
  attrs: { count: attr.dims() },
  results: { y: { like: 'start' } },
  infer({ start, delta }, { count }, refuse) {
    if (start.shape.length + delta.shape.length > 0 || start.dtype !== delta.dtype || count.length !== 1)
      refuse('needs a start and a step of one type, both scalars, and one count');
    return { dtype: start.dtype, shape: count };
  },
  evaluate({ start, delta }, _attrs, [{ dtype, shape }]) {
    const count = shape[0] as number;
    const data = newArray(dtype as DType, count);
    const [first, step] = [start.data[0], delta.data[0]];
    for (let i = 0; i < count; i++)
      data[i] = typeof first === 'bigint' ? first + BigInt(i) * BigInt(step) : first + i * Number(step);
    return { dtype, shape: [count], data };
  },
});
