/** Operators that move elements. */

import {
  addDims,
  ceilDims,
  type Dim,
  maxDims,
  minDims,
  mulDims,
  nnConcat,
  nnPad,
  nnSlice,
  nnSpaceToDepth,
  nnTranspose,
  subDims,
  type Value,
} from '../../../ir/index.ts';
import { definedByForm } from '../by_form.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

function slice(ctx: NodeContext): Value {
  const x = ctx.get('data');
  const { shape } = x.type;
  const rank = shape.length;
  const list = (name: string) => (ctx.opset < 10 ? ctx.attr.ints(name) : ctx.sizesOf(name));
  const starts = list('starts') ?? ctx.refuse('starts are missing', 'U2004', { input: 'starts' });
  const ends = list('ends') ?? ctx.refuse('ends are missing', 'U2004', { input: 'ends' });
  const axes = ((ctx.opset < 10 ? ctx.attr.ints('axes') : ctx.integersOf('axes')) ?? starts.map((_, i) => i)).map(
    (axis) => ctx.axis(axis, rank, 'axes'),
  );
  const steps = (ctx.opset < 10 ? undefined : ctx.integersOf('steps')) ?? starts.map(() => 1);
  const wrong = [ends, axes, steps].some((other) => other.length !== starts.length) || new Set(axes).size < axes.length;
  if (wrong) ctx.refuse(`starts [${starts}], ends [${ends}], axes [${axes}] and steps [${steps}] do not fit`);
  if (steps.includes(0)) ctx.refuse('a step is 0', 'U2004', { input: 'steps' });
  const last = ends.map((end, i) => (steps[i] < 0 && FAR.includes(Number(end)) ? -FAR[0] : end));
  return ctx.emit(nnSlice, { x }, { starts, ends: last, axes, steps });
}

/** Ends that mean "to the end" to ONNX Runtime in either direction: the largest numbers of s32 and s64. */
const FAR = [2 ** 31 - 1, Number.MAX_SAFE_INTEGER];

function split(ctx: NodeContext): readonly Value[] {
  const x = ctx.get('input');
  const axis = ctx.axis(ctx.attr.int('axis', 0), x.type.shape.length);
  const size =
    x.type.shape[axis] ?? ctx.refuse('a scalar has no axis along which it is split', 'U2005', { input: 'input' });
  const given = ctx.opset < 13 ? ctx.attr.ints('split') : ctx.sizesOf('split');
  const count = ctx.outputCount;
  if (ctx.attr.int('num_outputs', count) !== count || (given && given.length !== count)) {
    ctx.refuse(`the node has ${count} outputs, num_outputs or split ask for another number`, 'U2004', {
      input: 'split',
    });
  }
  const sizes = given ?? parts(size, count);
  const total = sizes.reduce(addDims, 0);
  if (typeof total === 'number' && typeof size === 'number' && total !== size)
    ctx.refuse(`the parts [${sizes}] do not add up to ${size}`, 'U2005', { input: 'split' });
  let start: Dim = 0;
  return sizes.map((part) => {
    const end = addDims(start, part);
    const y = ctx.emit(nnSlice, { x }, { starts: [start], ends: [end], axes: [axis], steps: [1] });
    start = end;
    return y;
  });
}

/** ⌈size / count⌉ each; the last ones take the rest. */
function parts(size: Dim, count: number): readonly Dim[] {
  const each = ceilDims(size, count);
  return Array.from({ length: count }, (_, i) => maxDims(minDims(each, subDims(size, mulDims(each, i))), 0));
}

function pad(ctx: NodeContext): Value {
  const x = ctx.get('data');
  const rank = x.type.shape.length;
  const given =
    (ctx.opset < 2 ? ctx.attr.ints('paddings') : ctx.opset < 11 ? ctx.attr.ints('pads') : ctx.sizesOf('pads')) ??
    ctx.refuse('pads are missing', 'U2004', { input: 'pads' });
  const axes = ctx.opset < 18 ? undefined : ctx.integersOf('axes')?.map((axis) => ctx.axis(axis, rank, 'axes'));
  const named = axes ?? Array.from({ length: rank }, (_, i) => i);
  if (given.length !== 2 * named.length)
    ctx.refuse(`pads should have ${2 * named.length} entries, but are [${given}]`, 'U2005', { input: 'pads' });
  const pads: Dim[] = Array(2 * rank).fill(0);
  named.forEach((axis, i) => {
    pads[axis] = given[i];
    pads[axis + rank] = given[i + named.length];
  });
  const mode = ctx.attr.word('mode', nnPad.attrs.mode, 'constant');
  const dtype = x.type.dtype;
  const old = ctx.opset < 11 ? ctx.attr.float('value', 0) : 0;
  const value =
    (ctx.opset < 11 ? undefined : ctx.find('constant_value')) ??
    (old === 0 ? undefined : ctx.scalar(dtype, old, 'value'));
  const scalar = value && value.type.shape.length > 0 ? ctx.reshape(value, []) : value;
  return ctx.emit(nnPad, { x, value: mode === 'constant' ? scalar : undefined }, { pads, mode });
}

function transpose(ctx: NodeContext): Value | undefined {
  const x = ctx.get('data');
  const rank = x.type.shape.length;
  const perm = ctx.attr.ints('perm');
  if (perm === undefined) return ctx.emit(nnTranspose, { x }, { perm: x.type.shape.map((_, i) => rank - 1 - i) });
  const valid = perm.length === rank && perm.every((axis) => axis >= 0 && axis < rank) && new Set(perm).size === rank;
  if (!valid) ctx.refuse(`[${perm}] is not a permutation of ${rank} axes`, 'U2005');
  return undefined;
}

/** Blocks beside channels, in the order of blocks; in mode CRD in that of channels. */
function spaceToDepth(ctx: NodeContext): Value | undefined {
  const mode = ctx.attr.string('mode', 'DCR');
  if (mode === 'DCR') return undefined;
  if (mode !== 'CRD') return ctx.refuse(`the mode is '${mode}'`);
  const [x, block] = [ctx.get('input'), ctx.attr.int('blocksize', 0)];
  const y = ctx.emit(nnSpaceToDepth, { x }, { block });
  const [n, c] = x.type.shape;
  const [, all, ...rest] = y.type.shape;
  const apart = ctx.transpose(ctx.reshape(y, [n, block * block, c, ...rest]), [0, 2, 1, 3, 4]);
  return ctx.reshape(apart, [n, all, ...rest]);
}

export const movementOps: readonly OnnxOp[] = [
  definedByForm(nnSpaceToDepth, { attributes: ['mode'], import: spaceToDepth }),
  definedByForm(nnConcat, {
    import: (ctx) =>
      ctx.opset < 4 && !ctx.attr.has('axis') ? ctx.emit(nnConcat, { xs: ctx.rest() }, { axis: 1 }) : undefined,
  }),
  defineOnnxOp({
    name: 'Split',
    since: 2,
    inputs: ['input', 'split?'],
    outputs: Number.MAX_SAFE_INTEGER,
    attributes: ['axis', 'split', 'num_outputs'],
    operandsSince: { split: 13 },
    import: split,
  }),
  defineOnnxOp({
    name: 'Slice',
    inputs: ['data', 'starts?', 'ends?', 'axes?', 'steps?'],
    attributes: ['starts', 'ends', 'axes'],
    operandsSince: { starts: 10, ends: 10, axes: 10, steps: 10 },
    import: slice,
  }),
  definedByForm(nnTranspose, { import: transpose }),
  defineOnnxOp({
    name: 'Pad',
    inputs: ['data: T', 'pads?', 'constant_value?: T', 'axes?'],
    attributes: ['mode', 'pads', 'paddings', 'value'],
    operandsSince: { pads: 11, constant_value: 11, axes: 18 },
    attributesUntil: { paddings: 2, value: 11 },
    import: pad,
  }),
];
