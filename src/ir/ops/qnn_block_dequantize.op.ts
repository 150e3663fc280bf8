import { dequantize, quantizedTypes } from '../../numerics/index.ts';
import { isPackedTensor, packedTypes, unpacked, zeros } from '../../tensors/index.ts';
import { attr, defineOp, optional, tensorOf } from '../define_op.ts';
import { formatType, type Shape, sameShape, type TensorType } from '../types.ts';

const quantized = tensorOf(...quantizedTypes, 's32', ...packedTypes);

/** ONNX DequantizeLinear with a block_size: https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html */
export const qnnBlockDequantize = defineOp({
  name: 'qnn.block_dequantize',
  doc: 'y = fl(fl(x − zp)·scale), x − zp in int32, with a scale and a zero point for each block of `block` elements along `axis`, the last one may be shorter. scale, zp: the shape of x, with ⌈size/block⌉ at `axis`; zp absent is 0.',
  traits: ['quantized'],
  operands: { x: quantized, scale: tensorOf('f32'), zp: optional(quantized) },
  attrs: { axis: attr.int(1), block: attr.int() },
  results: { y: ['f32'] },
  infer({ x, scale, zp }, { axis, block }, refuse) {
    const size = x.shape[axis];
    if (size === undefined) refuse(`axis ${axis} is outside the input of rank ${x.shape.length}`, 'x');
    if (block < 1) refuse(`a block of ${block} elements`);
    if (typeof size === 'string') return refuse.limit(`the size of axis ${axis} is not known`, 'x');
    const wanted = blocksOf(x.shape, axis, Math.ceil(size / block));
    const check = (type: TensorType, name: string) => {
      if (!sameShape(type.shape, wanted))
        refuse.limit(`'${name}' should be of shape [${wanted.join(', ')}], but is ${formatType(type)}`, name);
    };
    check(scale, 'scale');
    if (zp) check(zp, 'zp');
    if (zp && zp.dtype !== x.dtype) refuse(`'zp' is of type ${zp.dtype}, 'x' of type ${x.dtype}`, 'zp');
    return { dtype: 'f32', shape: x.shape };
  },
  evaluate({ x, scale, zp }, { axis, block }) {
    const y = zeros('f32', x.shape);
    const [size, inner] = [x.shape[axis], x.shape.slice(axis + 1).reduce((a, b) => a * b, 1)];
    const [from, zero] = [x, zp].map((t) => (t && isPackedTensor(t) ? unpacked(t) : t)?.data);
    for (let i = 0; i < y.data.length; i++) {
      const [outer, at] = [Math.floor(i / (size * inner)), Math.floor(i / inner) % size];
      const index = (outer * Math.ceil(size / block) + Math.floor(at / block)) * inner + (i % inner);
      y.data[i] = dequantize(Number(from?.[i]), scale.data[index], Number(zero?.[index] ?? 0));
    }
    return y;
  },
});

const blocksOf = (shape: Shape, axis: number, blocks: number): Shape =>
  shape.map((size, i) => (i === axis ? blocks : size));
