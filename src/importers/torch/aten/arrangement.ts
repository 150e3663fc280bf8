/** Operators that arrange elements in rarer ways: mirrored, rolled, tiled, taken by positions, masked by their place. */

import type { Value } from '../../../ir/define_op.ts';
import { elementsOf } from '../../../ir/dims.ts';
import {
  nnConcat,
  nnExpand,
  nnGather,
  nnGatherElements,
  nnSlice,
  nnTile,
  nnTranspose,
  nnWhere,
} from '../../../ir/index.ts';
import { tensor } from '../../../ir/tensor.ts';
import type { Dim } from '../../../ir/types.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import { TorchTensor } from '../pickle/index.ts';
import type { GraphTensor, TensorLike, TorchValue } from '../values.ts';
import { alike, axisSize, mover, parts, slice, transpose } from './movement.ts';

const FAR = 2 ** 31 - 1;

function flip(ctx: TorchContext, x: GraphTensor, args: Arguments): Value {
  const axes = args.ints('dims').map((axis) => ctx.axis(axis, x.shape.length));
  const all = (value: number) => Array<number>(axes.length).fill(value);
  return ctx.emit(nnSlice, { x: x.value }, { starts: all(-1), ends: all(-FAR), axes, steps: all(-1) });
}

function roll(ctx: TorchContext, x: GraphTensor, args: Arguments): Value {
  const dims = args.ints('dims');
  if (dims.length === 0) return ctx.unsupported('a roll over all elements');
  const shifts = args.ints('shifts', dims.length);
  return dims.reduce((value, dim, i) => {
    const axis = ctx.axis(dim, x.shape.length);
    const size = axisSize(ctx, x, axis);
    const at = size === 0 ? 0 : ((-shifts[i] % size) + size) % size;
    return at === 0
      ? value
      : ctx.emit(nnConcat, { xs: [slice(ctx, value, axis, at, FAR), slice(ctx, value, axis, 0, at)] }, { axis });
  }, x.value);
}

function tiled(ctx: TorchContext, x: GraphTensor, given: readonly number[]): Value {
  const rank = Math.max(given.length, x.shape.length);
  const repeats = [...Array<number>(rank - given.length).fill(1), ...given];
  const lead = Array<number>(rank - x.shape.length).fill(1);
  return ctx.emit(nnTile, { x: ctx.reshape(x.value, [...lead, ...x.shape]) }, { repeats });
}

function moveAxes(ctx: TorchContext, x: GraphTensor, args: Arguments): Value {
  const rank = x.shape.length;
  const [from, to] = ['source', 'destination'].map((name) => args.ints(name).map((axis) => ctx.axis(axis, rank)));
  const perm = Array<number>(rank).fill(-1);
  to.forEach((axis, i) => {
    perm[axis] = from[i];
  });
  const rest = x.shape.map((_, axis) => axis).filter((axis) => !from.includes(axis));
  return transpose(
    ctx,
    x,
    perm.map((axis) => (axis < 0 ? (rest.shift() ?? -1) : axis)),
  );
}

/** [N, C, H·r, W·r] -> [N, C·r², H, W] */
function pixelUnshuffle(ctx: TorchContext, x: GraphTensor, args: Arguments): Value {
  const r = args.int('downscale_factor');
  const rank = x.shape.length;
  const [channels, height, width] = ctx.staticShape(x.shape.slice(-3), 'a pixel unshuffle');
  if (r < 1 || height % r !== 0 || width % r !== 0)
    ctx.refuse(`${height}x${width} positions in blocks of ${r}`, 'U2005');
  const lead = x.shape.slice(0, rank - 3);
  const n = lead.length;
  const wide = ctx.reshape(x.value, [...lead, channels, height / r, r, width / r, r]);
  const perm = [...lead.keys(), n, n + 2, n + 4, n + 1, n + 3];
  return ctx.reshape(ctx.emit(nnTranspose, { x: wide }, { perm }), [...lead, channels * r * r, height / r, width / r]);
}

/** Above or below a diagonal; other elements are 0. */
function triangle(ctx: TorchContext, x: GraphTensor, isKept: (row: number, column: number) => boolean): GraphTensor {
  const [rows, columns] = ctx.staticShape(x.shape.slice(-2), 'a triangle');
  if (rows * columns > 2 ** 22 || x.quantization) ctx.unsupported(`a triangle of ${rows}x${columns}`);
  const mask = Array.from({ length: rows * columns }, (_, i) => Number(isKept(Math.floor(i / columns), i % columns)));
  const zero = ctx.scalar(x.dtype, 0, 'zero');
  return ctx.result(
    ctx.emit(nnWhere, { cond: ctx.constant(tensor('bool', mask, [rows, columns]), 'mask'), a: x.value, b: zero }),
  );
}

/** Of several lists of positions only what one along one axis can say; truth values that are known are positions. */
function index(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = ctx.graph(args.tensor('self'));
  const given = args.optionalTensors('indices').flatMap((at, axis) => (at === null ? [] : [{ at, axis }]));
  if (given.length !== 1) return ctx.unsupported(`${given.length} lists of positions`);
  const [{ at, axis }] = given;
  const isMask = !('input' in at) && (at.type.dtype === 'bool' || at.type.name === 'uint8');
  const positions = isMask ? truePositions(ctx, at) : ctx.positions(at);
  return ctx.moved(ctx.emit(nnGather, { x: x.value, indices: positions }, { axis }), x, false);
}

/** hstack, vstack, dstack: along an axis that is there, or made. */
const joined = (
  name: string,
  rank: number,
  shapeOf: (shape: readonly Dim[]) => readonly Dim[],
  axisOf: (rank: number) => number,
) =>
  defineTorchOp({
    schema: `aten::${name}(Tensor[] tensors)`,
    import(ctx, args) {
      const all = alike(ctx, args);
      const xs = all.map((x) => (x.shape.length < rank ? ctx.reshape(x.value, shapeOf(x.shape)) : x.value));
      const axis = axisOf(xs[0].type.shape.length);
      return ctx.moved(xs.length === 1 ? xs[0] : ctx.emit(nnConcat, { xs: xs }, { axis }), all[0], false);
    },
  });

/** Like chunk, but all parts differ by one element at most. */
function tensorSplit(ctx: TorchContext, x: GraphTensor, axis: number, count: number): TorchValue {
  const size = axisSize(ctx, x, axis);
  if (!(count >= 1 && count <= 4096)) ctx.unsupported(`${count} parts`);
  const sizes = Array.from({ length: count }, (_, i) => Math.floor(size / count) + Number(i < size % count));
  return parts(ctx, x, axis, sizes);
}

export const arrangementOps: readonly TorchOp[] = [
  ...mover('aten::flip(Tensor self, int[] dims)', flip),
  ...mover('aten::roll(Tensor self, int[] shifts, int[] dims=[])', roll),
  ...mover('aten::tile(Tensor self, int[] dims)', (ctx, x, args) => tiled(ctx, x, args.ints('dims'))),
  ...mover(
    ['movedim', 'moveaxis'].map((name) => `aten::${name}(Tensor self, int[] source, int[] destination)`),
    moveAxes,
  ),
  ...mover(['aten::mT(Tensor self)', 'aten::adjoint(Tensor self)'], (ctx, x) => {
    const last = x.shape.length - 1;
    return transpose(
      ctx,
      x,
      x.shape.map((_, i) => (i === last ? last - 1 : i === last - 1 ? last : i)),
    );
  }),
  ...mover('aten::ravel(Tensor self)', (ctx, x) => ctx.reshape(x.value, [elementsOf(x.shape)])),
  ...mover('aten::pixel_unshuffle(Tensor self, int downscale_factor)', pixelUnshuffle),
  ...mover('aten::tril(Tensor self, int diagonal=0)', (ctx, x, args) => {
    const diagonal = args.int('diagonal');
    return triangle(ctx, x, (row, column) => column - row <= diagonal);
  }),
  ...mover('aten::triu(Tensor self, int diagonal=0)', (ctx, x, args) => {
    const diagonal = args.int('diagonal');
    return triangle(ctx, x, (row, column) => column - row >= diagonal);
  }),
  ...mover(
    'aten::repeat_interleave(Tensor self, int repeats, int? dim=None, *, any output_size=None)',
    (ctx, x, args) => {
      const [value, shape] = args.has('dim')
        ? [x.value, x.shape]
        : [ctx.reshape(x.value, [elementsOf(x.shape)]), [elementsOf(x.shape)]];
      const axis = args.has('dim') ? ctx.axis(args.int('dim'), shape.length) : 0;
      const size = ctx.staticShape([shape[axis]], 'a repetition')[0];
      const [lead, rest, times] = [shape.slice(0, axis), shape.slice(axis + 1), args.int('repeats')];
      const wide = ctx.emit(
        nnExpand,
        { x: ctx.reshape(value, [...lead, size, 1, ...rest]) },
        {
          shape: [...lead, size, times, ...rest],
        },
      );
      return ctx.reshape(wide, [...lead, size * times, ...rest]);
    },
  ),
  ...defineTorchOp({ schema: 'aten::index(Tensor self, Tensor?[] indices)', import: index }),
  ...defineTorchOp({
    schema: 'aten::gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False)',
    import(ctx, args) {
      const [x, at] = [ctx.graph(args.tensor('self')), ctx.positions(args.tensor('index'))];
      const axis = ctx.axis(args.int('dim'), x.shape.length);
      return ctx.moved(ctx.emit(nnGatherElements, { x: x.value, indices: at }, { axis }), x, false);
    },
  }),
  ...joined(
    'hstack',
    1,
    () => [1],
    (rank) => Math.min(1, rank - 1),
  ),
  ...joined(
    'vstack',
    2,
    (shape) => [1, shape[0] ?? 1],
    () => 0,
  ),
  ...joined(
    'dstack',
    3,
    (shape) => (shape.length < 2 ? [1, shape[0] ?? 1, 1] : [...shape, 1]),
    () => 2,
  ),
  ...defineTorchOp({
    schema: 'aten::tensor_split(Tensor self, int sections, int dim=0)',
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      return tensorSplit(ctx, x, ctx.axis(args.int('dim'), x.shape.length), args.int('sections'));
    },
  }),
];

/** Where a stored list of truth values is true. */
function truePositions(ctx: TorchContext, at: TensorLike): Value {
  if (!(at instanceof TorchTensor && at.shape.length === 1)) return ctx.unsupported('positions given by truth values');
  const positions = at.numbers().flatMap((v, i) => (v === 0 ? [] : [i]));
  return ctx.constant(tensor('s64', positions), 'positions');
}
