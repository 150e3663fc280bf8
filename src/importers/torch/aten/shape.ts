/** Operators that give the same elements another shape or another order of axes, or do nothing. */

import { TorchTensor } from '../../../formats/torch/index.ts';
import { type Dim, elementsOf, nnExpand, type Shape, type Value } from '../../../ir/index.ts';
import { leftOver } from '../../kit/left_over.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import type { GraphTensor } from '../values.ts';

/** Defines a movement of one operand, which comes first. */
export const mover = (
  schema: string | readonly string[],
  move: (ctx: TorchContext, x: GraphTensor, args: Arguments) => Value | GraphTensor,
): readonly TorchOp[] =>
  defineTorchOp({
    schema,
    import(ctx, args) {
      const x = ctx.graph(args.tensor(args.names[0]));
      const y = move(ctx, x, args);
      return 'value' in y ? y : ctx.moved(y, x, x.channelsLast && y.type.shape.length === x.shape.length);
    },
  });

/** Nothing happens to the elements: layout, device, differentiation. */
const nothing = (names: readonly string[]): readonly TorchOp[] =>
  defineTorchOp({
    schema: names.map((name) => `aten::${name}(Tensor self)`),
    keepsShape: true,
    import: (ctx, args) =>
      args.value('self') instanceof TorchTensor ? args.value('self') : ctx.graph(args.tensor('self')),
  });

/** PyTorch's codes of memory formats. */
const PRESERVE = 1;
const CHANNELS_LAST: readonly unknown[] = [2, 3];

/** The same elements in the order that the memory format says; where it says none, in the one that `otherwise` tells. */
const arranged = (name: string, otherwise: (x: GraphTensor) => boolean): readonly TorchOp[] =>
  defineTorchOp({
    schema: `aten::${name}(Tensor self, any memory_format=None)`,
    keepsShape: true,
    import(ctx, args) {
      if (args.value('self') instanceof TorchTensor) return args.value('self');
      const x = ctx.graph(args.tensor('self'));
      const format = args.value('memory_format');
      const last = format === null || format === PRESERVE ? otherwise(x) : CHANNELS_LAST.includes(format);
      return last === x.channelsLast ? x : ctx.moved(x.value, x, last);
    },
  });

// ---- another shape

/** `sizes` with its −1, if any, replaced by the rest of x. Guessed sizes have to divide. */
function completed(ctx: TorchContext, x: Shape, sizes: readonly Dim[], name: string): Shape {
  const unknown = sizes.indexOf(-1);
  if (unknown < 0) return sizes;
  const rest = sizes.filter((_, i) => i !== unknown);
  const left = leftOver(x, rest, (message) => ctx.refuseSizes(message, name));
  if (ctx.takesShapes && elementsOf([...rest, left]) !== elementsOf(x))
    ctx.refuseSizes(`a tensor of shape [${x.join(', ')}] does not fit into [${sizes.join(', ')}]`, name);
  return sizes.map((size, i) => (i === unknown ? left : size));
}

/** A new shape; of the order in memory nothing is said any more. */
const reshaped = (ctx: TorchContext, x: GraphTensor, shape: Shape): GraphTensor =>
  ctx.moved(ctx.reshape(x.value, shape), x, false);

function flatten(ctx: TorchContext, x: GraphTensor, args: Arguments): Value {
  const { shape } = x;
  if (shape.length === 0) return ctx.reshape(x.value, [1]);
  const [from, to] = ['start_dim', 'end_dim'].map((name) => ctx.axis(args.int(name), shape.length, name));
  if (from > to) ctx.refuse(`the axes ${from} to ${to} are not any`, 'U2005', { input: 'end_dim' });
  const whole = elementsOf(shape.slice(from, to + 1));
  return ctx.reshape(x.value, [...shape.slice(0, from), whole, ...shape.slice(to + 1)]);
}

function unflatten(ctx: TorchContext, x: GraphTensor, args: Arguments): Value {
  const axis = ctx.axis(args.int('dim'), x.shape.length, 'dim');
  const sizes = completed(ctx, [x.shape[axis]], args.dims('sizes'), 'sizes');
  return ctx.reshape(x.value, [...x.shape.slice(0, axis), ...sizes, ...x.shape.slice(axis + 1)]);
}

/** Adds an axis of size 1 in front of the given axis. */
export const withAxis = (shape: Shape, axis: number): Shape => [...shape.slice(0, axis), 1, ...shape.slice(axis)];

/** Axes of size 1 go; others stay. Whether a symbolic size is 1 only a run knows: PyTorch takes it not to be. */
const squeezed = (ctx: TorchContext, x: GraphTensor, axes: readonly number[]): Value =>
  ctx.reshape(
    x.value,
    x.shape.filter((dim, i) => dim !== 1 || !axes.includes(i)),
  );

/** Sizes from the right; −1 keeps the size of x. */
function expanded(ctx: TorchContext, x: GraphTensor, sizes: readonly Dim[]): Value {
  const lead = sizes.length - x.shape.length;
  if (lead < 0) ctx.refuse(`[${x.shape}] does not expand to [${sizes}]`, 'U2005', { input: 'size' });
  const shape = sizes.map((size, i): Dim => (size === -1 ? (x.shape[i - lead] ?? 1) : size));
  return String(shape) === String(x.shape) ? x.value : ctx.emit(nnExpand, { x: x.value }, { shape });
}

// ---- another order

/** The axes of x in the order that the permutation says, which may count from the end. */
export function transposed(ctx: TorchContext, x: GraphTensor, perm: readonly number[]): Value {
  const rank = x.shape.length;
  const axes = perm.map((axis) => ctx.axis(axis, rank, 'dims'));
  if (axes.length !== rank || new Set(axes).size !== rank)
    ctx.refuse(`[${perm}] does not permute a tensor of rank ${rank}`, 'U2005');
  return ctx.transpose(x.value, axes);
}

/** Two axes exchanged. */
export function exchanged(ctx: TorchContext, x: GraphTensor, first: number, second: number): Value {
  const rank = x.shape.length;
  const [a, b] = [ctx.axis(first, rank, 'dim'), ctx.axis(second, rank, 'dim')];
  return ctx.transpose(
    x.value,
    x.shape.map((_, i) => (i === a ? b : i === b ? a : i)),
  );
}

function moveAxes(ctx: TorchContext, x: GraphTensor, args: Arguments): Value {
  const rank = x.shape.length;
  const [from, to] = ['source', 'destination'].map((name) => args.ints(name).map((axis) => ctx.axis(axis, rank)));
  const rest = x.shape.map((_, axis) => axis).filter((axis) => !from.includes(axis));
  const perm = x.shape.map((_, axis) => (to.includes(axis) ? from[to.indexOf(axis)] : (rest.shift() ?? -1)));
  return transposed(ctx, x, perm);
}

export const shapeOps: readonly TorchOp[] = [
  ...arranged('contiguous', () => false),
  ...arranged('clone', (x) => x.channelsLast && x.quantization === undefined),
  ...nothing(['detach', 'alias', 'lift_fresh', 'lift_fresh_copy', 'cpu']),
  ...mover(
    [
      'aten::reshape(Tensor self, int[] shape)',
      ...['view', '_unsafe_view', 'view_copy'].map((name) => `aten::${name}(Tensor self, int[] size)`),
    ],
    (ctx, x, args) => {
      const [, name] = args.names;
      return reshaped(ctx, x, completed(ctx, x.shape, args.dims(name), name));
    },
  ),
  ...mover(
    ['reshape_as', 'view_as'].map((name) => `aten::${name}(Tensor self, Tensor other)`),
    (ctx, x, args) => reshaped(ctx, x, ctx.graph(args.tensor('other')).shape),
  ),
  ...mover('aten::flatten.using_ints(Tensor self, int start_dim=0, int end_dim=-1)', flatten),
  ...mover('aten::unflatten.int(Tensor self, int dim, int[] sizes)', unflatten),
  ...mover('aten::ravel(Tensor self)', (ctx, x) => ctx.reshape(x.value, [elementsOf(x.shape)])),
  ...mover('aten::unsqueeze(Tensor self, int dim)', (ctx, x, args) =>
    ctx.reshape(x.value, withAxis(x.shape, ctx.axis(args.int('dim'), x.shape.length + 1, 'dim'))),
  ),
  ...mover('aten::squeeze(Tensor self)', (ctx, x) => squeezed(ctx, x, [...x.shape.keys()])),
  ...mover(['aten::squeeze.dim(Tensor self, int dim)', 'aten::squeeze.dims(Tensor self, int[] dim)'], (ctx, x, args) =>
    squeezed(
      ctx,
      x,
      args.ints('dim').map((axis) => ctx.axis(axis, x.shape.length, 'dim')),
    ),
  ),
  ...mover('aten::expand(Tensor self, int[] size, bool implicit=False)', (ctx, x, args) =>
    expanded(ctx, x, args.dims('size')),
  ),
  ...mover('aten::expand_as(Tensor self, Tensor other)', (ctx, x, args) =>
    expanded(ctx, x, ctx.graph(args.tensor('other')).shape),
  ),
  ...mover('aten::permute(Tensor self, int[] dims)', (ctx, x, args) => transposed(ctx, x, args.ints('dims'))),
  ...mover(
    [
      'aten::transpose.int(Tensor self, int dim0, int dim1)',
      'aten::swapaxes(Tensor self, int axis0, int axis1)',
      'aten::swapdims(Tensor self, int dim0, int dim1)',
    ],
    (ctx, x, args) => {
      const [, first, second] = args.names;
      return exchanged(ctx, x, args.int(first), args.int(second));
    },
  ),
  ...mover(['aten::t(Tensor self)', 'aten::numpy_T(Tensor self)'], (ctx, x) =>
    ctx.transpose(x.value, [...x.shape.keys()].reverse()),
  ),
  ...mover(['aten::mT(Tensor self)', 'aten::adjoint(Tensor self)'], (ctx, x) => exchanged(ctx, x, -2, -1)),
  ...mover(
    ['movedim', 'moveaxis'].flatMap((name) => [
      `aten::${name}.int(Tensor self, int source, int destination)`,
      `aten::${name}.intlist(Tensor self, int[] source, int[] destination)`,
    ]),
    moveAxes,
  ),
];
