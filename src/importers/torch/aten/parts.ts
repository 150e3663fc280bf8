/** Operators that take a tensor apart along an axis, or join several. */

import { nnConcat, nnSlice, type Shape, type Value } from '../../../ir/index.ts';
import { FAR } from '../memory/region.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import { withParameters } from '../quantized/elementwise.ts';
import type { GraphTensor } from '../values.ts';
import { promoted } from './promote.ts';
import { mover, withAxis } from './shape.ts';

const MOST_PARTS = 4096;

export const axisOf = (ctx: TorchContext, x: GraphTensor, args: Arguments, name = 'dim'): number =>
  ctx.axis(args.int(name), x.shape.length, name);

/** Positions start, start + step, … below end. */
export const sliced = (ctx: TorchContext, x: Value, axis: number, start: number, end: number, step = 1): Value =>
  ctx.emit(nnSlice, { x }, { starts: [start], ends: [end], axes: [axis], steps: [step] });

export const axisSize = (ctx: TorchContext, x: GraphTensor, axis: number): number =>
  ctx.staticShape([x.shape[axis]], 'parts along an axis')[0];

function slice(ctx: TorchContext, x: GraphTensor, args: Arguments): Value {
  const axis = axisOf(ctx, x, args);
  const start = Math.max(args.has('start') ? args.int('start') : 0, -FAR);
  const size = x.shape[axis];
  const given = args.has('end') ? args.dim('end') : FAR;
  if (typeof given === 'string' && given !== size)
    return ctx.unsupported(`a slice up to the size ${given} of an input`);
  const end = typeof given === 'string' ? FAR : Math.min(given, FAR);
  const step = args.int('step');
  if (step < 1) ctx.refuse(`'step' should be positive, but is ${step}`, 'U2004', { input: 'step' });
  const isWhole = start === 0 && step === 1 && (end === FAR || (end > 0 && end === size));
  return isWhole ? x.value : sliced(ctx, x.value, axis, start, end, step);
}

/** Position `index` of an axis, which goes. */
function selected(ctx: TorchContext, x: GraphTensor, axis: number, index: number): GraphTensor {
  const size = x.shape[axis];
  if (typeof size === 'number' && (index < -size || index >= size))
    ctx.refuse(`the index ${index} is outside of the axis ${axis} of ${size}`, 'U2005', { input: 'index' });
  const one = sliced(ctx, x.value, axis, index, index === -1 ? FAR : index + 1);
  return ctx.moved(
    ctx.reshape(
      one,
      x.shape.filter((_, i) => i !== axis),
    ),
    x,
    false,
  );
}

/** Parts of these sizes along an axis. */
function partsOf(ctx: TorchContext, x: GraphTensor, axis: number, sizes: readonly number[]): GraphTensor[] {
  let at = 0;
  return sizes.map((size) => ctx.moved(sliced(ctx, x.value, axis, at, (at += size)), x));
}

/** Parts of `size`; the last one may be smaller. */
function evenParts(ctx: TorchContext, x: GraphTensor, axis: number, size: number): GraphTensor[] {
  const total = axisSize(ctx, x, axis);
  if (!(size >= 1)) ctx.refuse(`parts of ${size} elements`, 'U2005');
  const count = Math.max(1, Math.ceil(total / size));
  if (count > MOST_PARTS) ctx.unsupported(`${count} parts`);
  const sizes = Array.from({ length: count }, (_, i) => Math.min(size, total - i * size));
  return partsOf(ctx, x, axis, sizes);
}

/** Like chunk, but all parts differ by one element at most. */
function tensorSplit(ctx: TorchContext, x: GraphTensor, axis: number, count: number): GraphTensor[] {
  const size = axisSize(ctx, x, axis);
  if (!(count >= 1 && count <= MOST_PARTS)) ctx.unsupported(`${count} parts`);
  const sizes = Array.from({ length: count }, (_, i) => Math.floor(size / count) + Number(i < size % count));
  return partsOf(ctx, x, axis, sizes);
}

const split = (
  schema: string | readonly string[],
  run: (ctx: TorchContext, x: GraphTensor, axis: number, args: Arguments) => GraphTensor[],
): readonly TorchOp[] =>
  defineTorchOp({
    schema,
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      return run(ctx, x, axisOf(ctx, x, args), args);
    },
  });

// ---- joined

/** Empty tensors of one axis, which PyTorch passes over beside others. */
const isNothing = ({ shape }: GraphTensor): boolean => shape.length === 1 && shape[0] === 0;

/**
 * The tensors of a list in one element type, quantized ones in the parameters of the first. Along axis 1 channels-last tensors have
 * a kernel of their own.
 */
function alike(ctx: TorchContext, args: Arguments, axis?: number): readonly GraphTensor[] {
  const given = args.tensors('tensors').map((x) => ctx.graph(x));
  const all = given.every(({ shape }) => shape.length <= 1) ? given : given.filter((x) => !isNothing(x));
  if (all.length === 0) ctx.refuse('a list without tensors', 'U2004', { input: 'tensors' });
  const [first] = all;
  if (all.every(({ quantization }) => quantization === undefined)) {
    const dtype = all.map((x) => x.dtype).reduce(promoted);
    return all.map((x) => (x.dtype === dtype ? x : ctx.result(ctx.cast(x.value, dtype), x)));
  }
  for (const x of all) if (x.type !== first.type) ctx.unsupported(`${x.type.name} together with ${first.type.name}`);
  const isSame = all.every((x) => JSON.stringify(x.quantization) === JSON.stringify(first.quantization));
  if (isSame) return all;
  if (first.quantization?.kind !== 'per-tensor') return ctx.unsupported('tensors with scales of their own by channels');
  const isVectorCode = axis === 1 && all.every((x) => ctx.formatOf(x).isChannelsLast);
  return withParameters(ctx, all, first.quantization, isVectorCode);
}

const joined = (ctx: TorchContext, xs: readonly Value[], axis: number): Value =>
  xs.length === 1 ? xs[0] : ctx.emit(nnConcat, { xs }, { axis });

function concatenated(ctx: TorchContext, args: Arguments): GraphTensor {
  const ranks = args.tensors('tensors').map((x) => ctx.graph(x).shape.length);
  const axis = ctx.axis(args.int('dim'), Math.max(0, ...ranks), 'dim');
  const all = alike(ctx, args, axis);
  const values = all.map(({ value }) => value);
  const isLast = all.every(({ channelsLast }) => channelsLast);
  return ctx.moved(joined(ctx, values, axis), all[0], isLast);
}

function stacked(ctx: TorchContext, args: Arguments): GraphTensor {
  const all = alike(ctx, args);
  const axis = ctx.axis(args.int('dim'), all[0].shape.length + 1, 'dim');
  const rows = all.map(({ value, shape }) => ctx.reshape(value, withAxis(shape, axis)));
  return ctx.moved(joined(ctx, rows, axis), all[0], false);
}

/** hstack, vstack, dstack: along an existing axis, or a new one. */
const stack = (name: string, rank: number, shapeOf: (shape: Shape) => Shape, axisOfRank: (rank: number) => number) =>
  defineTorchOp({
    schema: `aten::${name}(Tensor[] tensors)`,
    import(ctx, args) {
      const all = alike(ctx, args);
      const xs = all.map((x) => (x.shape.length < rank ? ctx.reshape(x.value, shapeOf(x.shape)) : x.value));
      return ctx.moved(joined(ctx, xs, axisOfRank(xs[0].type.shape.length)), all[0], false);
    },
  });

export const partOps: readonly TorchOp[] = [
  ...mover('aten::slice.Tensor(Tensor self, int dim=0, int? start=None, int? end=None, int step=1)', slice),
  ...mover('aten::select.int(Tensor self, int dim, int index)', (ctx, x, args) =>
    selected(ctx, x, axisOf(ctx, x, args), args.int('index')),
  ),
  ...mover('aten::narrow(Tensor self, int dim, int start, int length)', (ctx, x, args) => {
    const [start, length] = [args.int('start'), args.int('length')];
    const end = start < 0 && start + length === 0 ? FAR : start + length;
    return sliced(ctx, x.value, axisOf(ctx, x, args), start, end);
  }),
  ...split('aten::unbind.int(Tensor self, int dim=0)', (ctx, x, axis) =>
    Array.from({ length: Math.min(axisSize(ctx, x, axis), MOST_PARTS) }, (_, i) => selected(ctx, x, axis, i)),
  ),
  ...split(
    ['chunk', 'unsafe_chunk'].map((name) => `aten::${name}(Tensor self, int chunks, int dim=0)`),
    (ctx, x, axis, args) => evenParts(ctx, x, axis, Math.ceil(axisSize(ctx, x, axis) / args.int('chunks'))),
  ),
  ...split('aten::split.Tensor(Tensor self, int split_size, int dim=0)', (ctx, x, axis, args) =>
    evenParts(ctx, x, axis, args.int('split_size')),
  ),
  ...split(
    [
      'aten::split.sizes(Tensor self, int[] split_size, int dim=0)',
      'aten::split_with_sizes(Tensor self, int[] split_sizes, int dim=0)',
    ],
    (ctx, x, axis, args) => partsOf(ctx, x, axis, args.ints(args.names[1])),
  ),
  ...split('aten::tensor_split.sections(Tensor self, int sections, int dim=0)', (ctx, x, axis, args) =>
    tensorSplit(ctx, x, axis, args.int('sections')),
  ),
  ...defineTorchOp({
    schema: ['cat', 'concat'].map((name) => `aten::${name}(Tensor[] tensors, int dim=0)`),
    import: concatenated,
  }),
  ...defineTorchOp({ schema: 'aten::stack(Tensor[] tensors, int dim=0)', import: stacked }),
  ...stack(
    'hstack',
    1,
    () => [1],
    (rank) => Math.min(1, rank - 1),
  ),
  ...stack(
    'vstack',
    2,
    (shape) => [1, shape[0] ?? 1],
    () => 0,
  ),
  ...stack(
    'dstack',
    3,
    (shape) => (shape.length < 2 ? [1, shape[0] ?? 1, 1] : [...shape, 1]),
    () => 2,
  ),
];
