import { fail } from '../../diagnostics/index.ts';
import { doublesOf, isBig, newArray } from '../../tensors/index.ts';
import { attr, defineOp } from '../define_op.ts';
import { normalizeAxis } from './broadcast.ts';
import { fromLanes, lanesOf } from './lanes.ts';
import { numeric } from './operand_types.ts';

/** True when `a` comes before `b` where the first one is the largest; NaN comes last in either order. */
const isBefore = (a: number | bigint, b: number | bigint, largest: boolean): boolean => {
  if (Number.isNaN(a) || Number.isNaN(b)) return !Number.isNaN(a);
  return largest ? a > b : a < b;
};

/** ONNX TopK: https://onnx.ai/onnx/operators/onnx__TopK.html */
export const nnTopK = defineOp({
  name: 'nn.top_k',
  doc: 'The k largest or smallest elements along an axis in their order, of equal ones the first in front, and their positions as s64. NaN comes behind all numbers. `k`: one size, at most that of the axis.',
  operands: { x: numeric },
  attrs: { k: attr.dims(), axis: attr.int(-1), largest: attr.bool(true) },
  results: { y: { like: 'x' }, positions: ['s64'] },
  infer({ x }, { k, axis }, refuse) {
    const at = normalizeAxis(axis, x.shape.length, refuse);
    const [count, size] = [k[0], x.shape[at]];
    if (k.length !== 1) refuse('k is one size');
    if (typeof count === 'number' && typeof size === 'number' && count > size)
      refuse(`there are ${size} elements along axis ${axis}, not ${count}`, 'x');
    const shape = x.shape.map((dim, i) => (i === at ? count : dim));
    return [
      { dtype: x.dtype, shape },
      { dtype: 's64', shape },
    ];
  },
  evaluate({ x }, { axis, largest }, [type]) {
    const at = axis < 0 ? axis + x.shape.length : axis;
    const count = type.shape[at];
    const { tensor, count: lanes, length, perm } = lanesOf(x, [at]);
    if (count > length) fail('U2005', `there are ${length} elements along axis ${axis}, not ${count}`);
    const values: ArrayLike<number | bigint> = isBig(tensor) ? tensor.data : doublesOf(tensor);
    const data = newArray(x.dtype, lanes * count);
    const positions = new BigInt64Array(lanes * count);
    for (let lane = 0; lane < lanes; lane++) {
      const first = lane * length;
      const order = Array.from({ length }, (_, i) => first + i).sort((a, b) =>
        isBefore(values[a], values[b], largest) ? -1 : isBefore(values[b], values[a], largest) ? 1 : a - b,
      );
      for (let i = 0; i < count; i++) {
        data[lane * count + i] = tensor.data[order[i]];
        positions[lane * count + i] = BigInt(order[i] - first);
      }
    }
    const shape = [...perm.slice(0, -1).map((axis) => x.shape[axis]), count];
    return [
      fromLanes({ dtype: x.dtype, shape, data }, perm),
      fromLanes({ dtype: 's64', shape, data: positions }, perm),
    ];
  },
});
