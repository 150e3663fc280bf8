import { fail } from '../../diagnostics/index.ts';
import { allDTypes, type ITensor, newArray, sizeOf, stridesOf } from '../../tensors/index.ts';
import { attr, defineOp, tensorOf } from '../define_op.ts';
import { normalizeAxis } from './broadcast.ts';

const any = tensorOf(...allDTypes);
const index = tensorOf('s32', 's64');

/** Positions in [0, size); negative ones count from the end. */
function positions(indices: ITensor, size: number): Float64Array {
  const result = new Float64Array(indices.data.length);
  for (let i = 0; i < result.length; i++) {
    const at = Number(indices.data[i]);
    if (at < -size || at >= size)
      fail('U2005', `the index ${at} is outside an axis of size ${size}`, { input: 'indices' });
    result[i] = at < 0 ? at + size : at;
  }
  return result;
}

/** ONNX Gather: https://onnx.ai/onnx/operators/onnx__Gather.html */
export const nnGather = defineOp({
  name: 'nn.gather',
  doc: 'y[i…, j…, k…] = x[i…, indices[j…], k…], the indexed axis being replaced by the axes of the indices; negative indices count from the end.',
  operands: { x: any, indices: index },
  attrs: { axis: attr.int(0) },
  results: { y: { like: 'x' } },
  infer({ x, indices }, attrs, refuse) {
    const axis = normalizeAxis(attrs.axis, x.shape.length, refuse);
    return { dtype: x.dtype, shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)] };
  },
  evaluate({ x, indices }, attrs, [type]) {
    const { shape } = type;
    const axis = attrs.axis < 0 ? attrs.axis + x.shape.length : attrs.axis;
    const size = x.shape[axis];
    const at = positions(indices, size);
    const [outer, inner] = [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis + 1))];
    const data = newArray(x.dtype, sizeOf(shape));
    for (let o = 0, to = 0; o < outer; o++) {
      for (const position of at) {
        const from = (o * size + position) * inner;
        for (let k = 0; k < inner; k++) data[to++] = x.data[from + k];
      }
    }
    return { dtype: x.dtype, shape, data };
  },
  onnx: { opType: 'Gather', inputs: ['data', 'indices'] },
});

/** ONNX GatherElements: https://onnx.ai/onnx/operators/onnx__GatherElements.html */
export const nnGatherElements = defineOp({
  name: 'nn.gather_elements',
  doc: 'y[…, i, …] = x[…, indices[…, i, …], …] along one axis; y has the shape of the indices, which is nowhere else larger than x. Negative indices count from the end.',
  operands: { x: any, indices: index },
  attrs: { axis: attr.int(0) },
  results: { y: { like: 'x' } },
  infer({ x, indices }, attrs, refuse) {
    const axis = normalizeAxis(attrs.axis, x.shape.length, refuse);
    const tooLarge = indices.shape.some((dim, i) => {
      const size = x.shape[i];
      return i !== axis && typeof dim === 'number' && typeof size === 'number' && dim > size;
    });
    if (indices.shape.length !== x.shape.length || tooLarge)
      refuse(`indices [${indices.shape.join(', ')}] do not fit into [${x.shape.join(', ')}]`, 'indices');
    return { dtype: x.dtype, shape: indices.shape };
  },
  evaluate({ x, indices }, attrs, [type]) {
    const { shape } = type;
    const axis = attrs.axis < 0 ? attrs.axis + shape.length : attrs.axis;
    const at = positions(indices, x.shape[axis]);
    const strides = stridesOf(x.shape);
    const data = newArray(x.dtype, at.length);
    for (let i = 0; i < data.length; i++) {
      let from = at[i] * strides[axis];
      for (let a = shape.length - 1, rest = i; a >= 0; rest = Math.floor(rest / shape[a]), a--) {
        if (a !== axis) from += (rest % shape[a]) * strides[a];
      }
      data[i] = x.data[from];
    }
    return { dtype: x.dtype, shape, data };
  },
  onnx: { opType: 'GatherElements', since: 11, inputs: ['data', 'indices'] },
});
