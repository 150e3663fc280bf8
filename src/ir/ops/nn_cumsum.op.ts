import { doublesOf, fromDoubles, isBig, newArray } from '../../tensors/index.ts';
import { attr, defineOp, tensorOf } from '../define_op.ts';
import { normalizeAxis } from './broadcast.ts';
import { fromLanes, lanesOf } from './lanes.ts';

/** ONNX CumSum: https://onnx.ai/onnx/operators/onnx__CumSum.html */
export const nnCumsum = defineOp({
  name: 'nn.cumsum',
  doc: 'The sum of the elements up to this one along an axis: without itself when exclusive, from the end when reverse. Floats are summed in binary64 and rounded once, integers wrap.',
  operands: { x: tensorOf('f32', 'f64', 's32', 's64', 'u32', 'u64') },
  attrs: { axis: attr.int(), exclusive: attr.bool(false), reverse: attr.bool(false) },
  results: { y: { like: 'x' } },
  infer({ x }, { axis }, refuse) {
    normalizeAxis(axis, x.shape.length, refuse);
    return x;
  },
  evaluate({ x }, { axis, exclusive, reverse }) {
    const { tensor, count, length, perm } = lanesOf(x, [axis < 0 ? axis + x.shape.length : axis]);
    const at = (lane: number, i: number) => lane * length + (reverse ? length - 1 - i : i);
    if (isBig(tensor)) {
      const data = newArray(tensor.dtype, tensor.data.length);
      for (let lane = 0; lane < count; lane++) {
        let sum = 0n;
        for (let i = 0; i < length; i++) {
          const value = tensor.data[at(lane, i)];
          data[at(lane, i)] = exclusive ? sum : sum + value;
          sum += value;
        }
      }
      return fromLanes({ dtype: tensor.dtype, shape: tensor.shape, data }, perm);
    }
    const values = doublesOf(tensor);
    for (let lane = 0; lane < count; lane++) {
      let sum = 0;
      for (let i = 0; i < length; i++) {
        const value = values[at(lane, i)];
        values[at(lane, i)] = exclusive ? sum : sum + value;
        sum += value;
      }
    }
    return fromLanes(fromDoubles(x.dtype, values, tensor.shape), perm);
  },
  onnx: { opType: 'CumSum', since: 11, inputs: ['x'], inputsSince: { axis: 1 }, wider: 'modular' },
});
