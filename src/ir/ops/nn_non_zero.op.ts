import { allDTypes } from '../../tensors/index.ts';
import { attr, defineOp, tensorOf } from '../define_op.ts';

/** ONNX NonZero: https://onnx.ai/onnx/operators/onnx__NonZero.html */
export const nnNonZero = defineOp({
  name: 'nn.non_zero',
  doc: 'The positions of the elements of x that are not zero, in row-major order, a row for each axis: s64[rank, count]. `symbol` names the count and 1 more, which only the evaluation knows.',
  operands: { x: tensorOf(...allDTypes) },
  attrs: { symbol: attr.string() },
  results: { y: ['s64'] },
  openSize: 'symbol',
  infer: ({ x }, { symbol }) => ({ dtype: 's64', shape: [x.shape.length, symbol] }),
  evaluate({ x }) {
    const found: number[] = [];
    for (let i = 0; i < x.data.length; i++) if (Number(x.data[i]) !== 0) found.push(i);
    const data = new BigInt64Array(x.shape.length * found.length);
    found.forEach((at, i) => {
      for (let axis = x.shape.length - 1, rest = at; axis >= 0; rest = Math.floor(rest / x.shape[axis]), axis--)
        data[axis * found.length + i] = BigInt(rest % x.shape[axis]);
    });
    return { dtype: 's64', shape: [x.shape.length, found.length], data };
  },
});
