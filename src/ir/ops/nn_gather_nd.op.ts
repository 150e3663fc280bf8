import { fail } from '../../diagnostics/index.ts';
import { allDTypes, newArray, sizeOf } from '../../tensors/index.ts';
import { attr, defineOp, tensorOf } from '../define_op.ts';
import { sameDim } from './broadcast.ts';

/** ONNX GatherND: https://onnx.ai/onnx/operators/onnx__GatherND.html */
export const nnGatherNd = defineOp({
  name: 'nn.gather_nd',
  doc: 'For every row of `indices`, the part of x that it names behind the first batchDims axes, which go along in both; negative indices count from the end.',
  operands: { x: tensorOf(...allDTypes), indices: tensorOf('s64', 's32') },
  attrs: { batchDims: attr.int(0) },
  results: { y: { like: 'x' } },
  infer({ x, indices }, { batchDims }, refuse) {
    const named = indices.shape.at(-1);
    if (typeof named !== 'number') return refuse.limit('the last axis of the indices needs a known size', 'indices');
    if (batchDims < 0 || batchDims >= indices.shape.length || batchDims + named > x.shape.length || named < 1)
      refuse(
        `indices of ${named} numbers behind ${batchDims} axes do not fit a tensor of rank ${x.shape.length}`,
        'indices',
      );
    const misfit = () => refuse('the first axes of x and of the indices differ', 'indices');
    const batch = x.shape.slice(0, batchDims).map((dim, i) => sameDim(dim, indices.shape[i], misfit));
    return {
      dtype: x.dtype,
      shape: [...batch, ...indices.shape.slice(batchDims, -1), ...x.shape.slice(batchDims + named)],
    };
  },
  evaluate({ x, indices }, { batchDims }, [{ shape }]) {
    const named = indices.shape.at(-1) as number;
    const sizes = x.shape.slice(batchDims, batchDims + named);
    const part = sizeOf(x.shape.slice(batchDims + named));
    const batches = sizeOf(x.shape.slice(0, batchDims));
    const rows = indices.data.length / named;
    const data = newArray(x.dtype, rows * part);
    for (let row = 0; row < rows; row++) {
      let at = Math.floor(row / (rows / batches));
      sizes.forEach((size, i) => {
        const given = Number(indices.data[row * named + i]);
        if (given < -size || given >= size)
          fail('U2005', `the index ${given} is outside an axis of size ${size}`, { input: 'indices' });
        at = at * size + (given < 0 ? given + size : given);
      });
      data.set(x.data.subarray(at * part, (at + 1) * part) as never, row * part);
    }
    return { dtype: x.dtype, shape: shape, data };
  },
  onnx: {
    opType: 'GatherND',
    since: 11,
    readSince: 11,
    inputs: ['data', 'indices'],
    attributes: { batchDims: { name: 'batch_dims', since: 12 } },
  },
});
