import { fail } from '../../diagnostics/index.ts';
import { allDTypes, type ITensor, sizeOf, stridesOf } from '../../tensors/index.ts';
import { attr, defineOp, type Refuse, tensorOf } from '../define_op.ts';
import { copyOf } from '../owned_results.ts';
import type { TensorType } from '../types.ts';
import { normalizeAxis } from './broadcast.ts';

const any = tensorOf(...allDTypes);
const index = tensorOf('s32', 's64');
const reduction = attr.oneOfOr('none', 'none', 'add', 'mul', 'min', 'max');
type Reduction = 'none' | 'add' | 'mul' | 'min' | 'max';

/** A position in [0, size); a negative one counts from the end. */
function inside(given: number | bigint, size: number): number {
  const at = Number(given);
  if (at < -size || at >= size)
    fail('U2005', `the index ${at} is outside an axis of size ${size}`, { input: 'indices' });
  return at < 0 ? at + size : at;
}

/** The element where another one was: of the same kind, both numbers or both large integers. */
function joined<T extends number | bigint>(old: T, given: T, how: Reduction): T {
  switch (how) {
    case 'none':
      return given;
    case 'add':
      return ((old as number) + (given as number)) as T;
    case 'mul':
      return ((old as number) * (given as number)) as T;
    case 'min':
      return given < old ? given : old;
    case 'max':
      return given > old ? given : old;
  }
}

function refuseReduction({ dtype }: TensorType, how: Reduction, refuse: Refuse): void {
  if (how !== 'none' && (dtype === 'bool' || dtype === 'f16' || dtype === 'bf16'))
    refuse.limit(`the reduction ${how} of ${dtype}`, 'x');
}

function put(y: ITensor, at: number, updates: ITensor, from: number, how: Reduction): void {
  const data = y.data as { [at: number]: number | bigint };
  data[at] = joined(data[at], updates.data[from], how);
}

/** ONNX ScatterND: https://onnx.ai/onnx/operators/onnx__ScatterND.html */
export const nnScatterNd = defineOp({
  name: 'nn.scatter_nd',
  doc: 'x, in which every row of `indices` names a part that becomes the part of `updates` in the same place, or its sum, product, minimum or maximum with it, one row after another; negative indices count from the end. updates: [rows…, part…].',
  operands: { x: any, indices: index, updates: any },
  attrs: { reduction },
  results: { y: { like: 'x' } },
  infer({ x, indices, updates }, { reduction: how }, refuse) {
    const named = indices.shape.at(-1);
    if (typeof named !== 'number') return refuse.limit('the last axis of the indices needs a known size', 'indices');
    const wanted = [...indices.shape.slice(0, -1), ...x.shape.slice(named)];
    const isMisfit = wanted.some(
      (dim, i) => typeof dim === 'number' && typeof updates.shape[i] === 'number' && dim !== updates.shape[i],
    );
    if (
      named > x.shape.length ||
      named < 1 ||
      updates.dtype !== x.dtype ||
      wanted.length !== updates.shape.length ||
      isMisfit
    )
      refuse(`updates should be ${x.dtype}[${wanted.join(', ')}]`, 'updates');
    refuseReduction(x, how, refuse);
    return x;
  },
  evaluate({ x, indices, updates }, { reduction: how }) {
    const named = indices.shape.at(-1) as number;
    const part = sizeOf(x.shape.slice(named));
    const y = copyOf(x);
    for (let row = 0; row < sizeOf(indices.shape.slice(0, -1)); row++) {
      let at = 0;
      for (let i = 0; i < named; i++) at = at * x.shape[i] + inside(indices.data[row * named + i], x.shape[i]);
      for (let k = 0; k < part; k++) put(y, at * part + k, updates, row * part + k, how);
    }
    return y;
  },
});

/** ONNX ScatterElements: https://onnx.ai/onnx/operators/onnx__ScatterElements.html */
export const nnScatterElements = defineOp({
  name: 'nn.scatter_elements',
  doc: 'x, in which element [i…, indices[i…, j, k…], k…] along one axis becomes updates[i…, j, k…], or its sum, product, minimum or maximum with it, one after another; negative indices count from the end. indices and updates have one shape, which is nowhere else larger than x.',
  operands: { x: any, indices: index, updates: any },
  attrs: { axis: attr.int(0), reduction },
  results: { y: { like: 'x' } },
  infer({ x, indices, updates }, { axis, reduction: how }, refuse) {
    const at = normalizeAxis(axis, x.shape.length, refuse);
    const isTooLarge = indices.shape.some(
      (dim, i) => i !== at && typeof dim === 'number' && typeof x.shape[i] === 'number' && dim > (x.shape[i] as number),
    );
    if (indices.shape.length !== x.shape.length || isTooLarge)
      refuse(`indices [${indices.shape.join(', ')}] do not fit into [${x.shape.join(', ')}]`, 'indices');
    if (updates.dtype !== x.dtype || updates.shape.length !== indices.shape.length)
      refuse(`updates should be ${x.dtype}[${indices.shape.join(', ')}]`, 'updates');
    const isMisfit = indices.shape.some(
      (dim, i) => typeof dim === 'number' && typeof updates.shape[i] === 'number' && dim !== updates.shape[i],
    );
    if (isMisfit) refuse(`updates should be ${x.dtype}[${indices.shape.join(', ')}]`, 'updates');
    refuseReduction(x, how, refuse);
    return x;
  },
  evaluate({ x, indices, updates }, { axis: given, reduction: how }) {
    const axis = given < 0 ? given + x.shape.length : given;
    const strides = stridesOf(x.shape);
    const y = copyOf(x);
    for (let i = 0; i < indices.data.length; i++) {
      let at = inside(indices.data[i], x.shape[axis]) * strides[axis];
      for (let a = x.shape.length - 1, rest = i; a >= 0; rest = Math.floor(rest / indices.shape[a]), a--)
        if (a !== axis) at += (rest % indices.shape[a]) * strides[a];
      put(y, at, updates, i, how);
    }
    return y;
  },
});
