/** Operators that move elements: the same for floats and for quantized tensors. */

import type { Value } from '../../../ir/define_op.ts';
import { dtypes } from '../../../ir/dtype.ts';
import {
  type AttrType,
  nnConcat,
  nnDepthToSpace,
  nnExpand,
  nnGather,
  nnPad,
  nnSlice,
  nnTile,
  nnTranspose,
} from '../../../ir/index.ts';
import { type Dim, isStatic } from '../../../ir/types.ts';
import { quantizeByReciprocal, reciprocal32 } from '../../../numerics/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { PerTensor, TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import { TorchTensor } from '../pickle/index.ts';
import { withParameters } from '../quantized/elementwise.ts';
import type { GraphTensor, TorchValue } from '../values.ts';
import { flattened, resolveShape } from './shapes.ts';

const FAR = 2 ** 31 - 1;

/** One operand named `self`. */
export const mover = (
  schema: string | readonly string[],
  move: (ctx: TorchContext, x: GraphTensor, args: Arguments) => Value | GraphTensor,
): readonly TorchOp[] =>
  defineTorchOp({
    schema,
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      const y = move(ctx, x, args);
      return 'value' in y ? y : ctx.moved(y, x, x.channelsLast && y.type.shape.length === x.shape.length);
    },
  });

/** Nothing happens to the elements: layout, device, differentiation. */
const nothing = (...schema: readonly string[]): readonly TorchOp[] =>
  defineTorchOp({
    schema,
    keepsShape: true,
    import: (ctx, args) =>
      args.value('self') instanceof TorchTensor ? args.value('self') : ctx.graph(args.tensor('self')),
  });

/** PyTorch's codes of memory formats. */
const PRESERVE = 1;
const CHANNELS_LAST: readonly unknown[] = [2, 3];

/** The same elements in the order that the memory format says; where it says none, in the one that `otherwise` tells. */
const arranged = (schema: string, otherwise: (x: GraphTensor) => boolean): readonly TorchOp[] =>
  defineTorchOp({
    schema,
    keepsShape: true,
    import(ctx, args) {
      if (args.value('self') instanceof TorchTensor) return args.value('self');
      const x = ctx.graph(args.tensor('self'));
      const format = args.value('memory_format');
      const last = format === null || format === PRESERVE ? otherwise(x) : CHANNELS_LAST.includes(format);
      return last === x.channelsLast ? x : ctx.moved(x.value, x, last);
    },
  });

function reshape(ctx: TorchContext, x: GraphTensor, target: readonly Dim[]): Value {
  const shape = resolveShape(x.shape, target);
  if (shape === undefined)
    return ctx.refuse(
      `a tensor of shape [${x.shape.join(', ')}] does not fit into [${target.join(', ')}]`,
      'U2005',
      isStatic(x.shape) ? undefined : 'archives carry no shapes: inputShapes in the API, --shape on the command line',
    );
  return ctx.reshape(x.value, shape);
}

export function transpose(ctx: TorchContext, x: GraphTensor, perm: readonly number[]): Value {
  const rank = x.shape.length;
  const axes = perm.map((axis) => ctx.axis(axis, rank));
  if (axes.length !== rank || new Set(axes).size !== rank)
    ctx.refuse(`[${perm}] permutes no tensor of rank ${rank}`, 'U2005');
  return axes.every((axis, i) => axis === i) ? x.value : ctx.emit(nnTranspose, { x: x.value }, { perm: axes });
}

function swapAxes(ctx: TorchContext, x: GraphTensor, first: number, second: number): Value {
  const rank = x.shape.length;
  const [a, b] = [ctx.axis(first, rank), ctx.axis(second, rank)];
  return transpose(
    ctx,
    x,
    x.shape.map((_, i) => (i === a ? b : i === b ? a : i)),
  );
}

export const slice = (ctx: TorchContext, x: Value, axis: number, start: number, end: number, step = 1): Value =>
  ctx.emit(nnSlice, { x }, { starts: [start], ends: [end], axes: [axis], steps: [step] });

const without = (shape: readonly Dim[], axis: number): readonly Dim[] => shape.filter((_, i) => i !== axis);

function select(ctx: TorchContext, x: GraphTensor, dim: number, index: number): GraphTensor {
  const axis = ctx.axis(dim, x.shape.length);
  const size = x.shape[axis];
  if (typeof size === 'number' && (index < -size || index >= size))
    ctx.refuse(`the index ${index} is outside of the axis ${axis} of ${size}`, 'U2005');
  const one = slice(ctx, x.value, axis, index, index === -1 ? FAR : index + 1);
  return ctx.moved(ctx.reshape(one, without(x.shape, axis)), x, false);
}

/** Parts of the given sizes along an axis. */
export function parts(ctx: TorchContext, x: GraphTensor, axis: number, sizes: readonly number[]): TorchValue {
  let at = 0;
  return sizes.map((size) => ctx.moved(slice(ctx, x.value, axis, at, (at += size)), x));
}

export function axisSize(ctx: TorchContext, x: GraphTensor, axis: number): number {
  return ctx.staticShape([x.shape[axis]], 'parts along an axis')[0];
}

function splitInto(ctx: TorchContext, x: GraphTensor, axis: number, size: number): TorchValue {
  const total = axisSize(ctx, x, axis);
  if (!(size >= 1)) ctx.refuse(`parts of ${size} elements`, 'U2005');
  const count = Math.max(1, Math.ceil(total / size));
  if (count > 4096) ctx.unsupported(`${count} parts`);
  return parts(
    ctx,
    x,
    axis,
    Array.from({ length: count }, (_, i) => Math.min(size, total - i * size)),
  );
}

const split = (schema: string, run: (ctx: TorchContext, x: GraphTensor, axis: number, args: Arguments) => TorchValue) =>
  defineTorchOp({
    schema,
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      return run(ctx, x, ctx.axis(args.int('dim'), x.shape.length), args);
    },
  });

/** Tensors of one kind: of the same element type; quantized ones in the parameters of the first. */
export function alike(ctx: TorchContext, args: Arguments, axis?: number): readonly GraphTensor[] {
  const all = args.tensors('tensors').map((x) => ctx.graph(x));
  if (all.length === 0) ctx.refuse('a list without tensors');
  const [first] = all;
  for (const x of all) if (x.type !== first.type) ctx.unsupported(`${x.type.name} together with ${first.type.name}`);
  const isSame = all.every((x) => JSON.stringify(x.quantization) === JSON.stringify(first.quantization));
  if (isSame) return all;
  if (first.quantization?.kind !== 'per-tensor') return ctx.unsupported('tensors with scales of their own by channels');
  const isVectorCode = axis === 1 && all.every((x) => ctx.formatOf(x).isChannelsLast);
  return withParameters(ctx, all, first.quantization, isVectorCode);
}

function quantizedFilling({ dtype }: GraphTensor, { scale, zeroPoint }: PerTensor, value: number): number {
  const { min, max } = dtypes[dtype];
  return quantizeByReciprocal(Math.fround(value), reciprocal32(Math.fround(scale)), zeroPoint, min, max);
}

/** aten::pad lists the pads from the last axis on, begin and end. */
function pad(ctx: TorchContext, x: GraphTensor, args: Arguments, mode: string, value: number): Value {
  const given = args.ints('pad');
  const rank = x.shape.length;
  const pads = Array<number>(2 * rank).fill(0);
  for (let i = 0; i * 2 < given.length; i++) {
    const axis = rank - 1 - i;
    if (axis < 0) ctx.refuse(`${given.length} pads for a tensor of rank ${rank}`, 'U2005');
    pads[axis] = given[2 * i];
    pads[rank + axis] = given[2 * i + 1];
  }
  const modes: Readonly<Record<string, AttrType<typeof nnPad.attrs.mode>>> = {
    constant: 'constant',
    reflect: 'reflect',
    replicate: 'edge',
    circular: 'wrap',
  };
  const named = modes[mode] ?? ctx.unsupported(`pads of mode '${mode}'`);
  const q = x.quantization;
  if (q && q.kind !== 'per-tensor') ctx.unsupported('a padded tensor that is quantized by channels');
  const filling = q?.kind === 'per-tensor' ? quantizedFilling(x, q, value) : value;
  return ctx.emit(nnPad, { x: x.value, value: ctx.scalar(x.dtype, filling, 'value') }, { pads, mode: named });
}

function expand(ctx: TorchContext, x: GraphTensor, target: readonly Dim[]): Value {
  const lead = target.length - x.shape.length;
  if (lead < 0) ctx.refuse(`a tensor of rank ${x.shape.length} expanded to rank ${target.length}`, 'U2005');
  const shape = target.map((dim, i) => (dim === -1 ? x.shape[i - lead] : dim));
  return shape.length === x.shape.length && shape.every((dim, i) => dim === x.shape[i])
    ? x.value
    : ctx.emit(nnExpand, { x: x.value }, { shape });
}

export const movementOps: readonly TorchOp[] = [
  ...arranged('aten::contiguous(Tensor self, any memory_format=None)', () => false),
  ...arranged(
    'aten::clone(Tensor self, any memory_format=None)',
    (x) => x.channelsLast && x.quantization === undefined,
  ),
  ...nothing(
    'aten::detach(Tensor self)',
    'aten::alias(Tensor self)',
    'aten::lift_fresh(Tensor self)',
    'aten::lift_fresh_copy(Tensor self)',
    'aten::cpu(Tensor self)',
  ),
  ...mover(
    [
      'aten::reshape(Tensor self, int[] shape)',
      'aten::view(Tensor self, int[] shape)',
      'aten::_unsafe_view(Tensor self, int[] shape)',
    ],
    (ctx, x, args) => ctx.moved(reshape(ctx, x, args.dims('shape')), x, false),
  ),
  ...mover(
    ['aten::reshape_as(Tensor self, Tensor other)', 'aten::view_as(Tensor self, Tensor other)'],
    (ctx, x, args) => ctx.moved(reshape(ctx, x, ctx.graph(args.tensor('other')).shape), x, false),
  ),
  ...mover('aten::flatten(Tensor self, int start_dim=0, int end_dim=-1)', (ctx, x, args) => {
    const rank = x.shape.length;
    const [start, end] = [ctx.axis(args.int('start_dim'), rank), ctx.axis(args.int('end_dim'), rank)];
    return ctx.reshape(x.value, flattened(x.shape, start, end));
  }),
  ...mover('aten::unflatten(Tensor self, int dim, int[] sizes)', (ctx, x, args) => {
    const axis = ctx.axis(args.int('dim'), x.shape.length);
    const sizes = resolveShape([x.shape[axis]], args.dims('sizes'));
    if (sizes === undefined)
      return ctx.refuse(`the axis ${axis} of ${x.shape[axis]} is no [${args.dims('sizes')}]`, 'U2005');
    return ctx.reshape(x.value, [...x.shape.slice(0, axis), ...sizes, ...x.shape.slice(axis + 1)]);
  }),
  ...mover('aten::permute(Tensor self, int[] dims)', (ctx, x, args) => transpose(ctx, x, args.ints('dims'))),
  ...mover(
    [
      'aten::transpose(Tensor self, int dim0, int dim1)',
      'aten::swapaxes(Tensor self, int dim0, int dim1)',
      'aten::swapdims(Tensor self, int dim0, int dim1)',
    ],
    (ctx, x, args) => swapAxes(ctx, x, args.int('dim0'), args.int('dim1')),
  ),
  ...mover(['aten::t(Tensor self)', 'aten::numpy_T(Tensor self)'], (ctx, x) =>
    transpose(
      ctx,
      x,
      x.shape.map((_, i) => -1 - i),
    ),
  ),
  ...mover('aten::unsqueeze(Tensor self, int dim)', (ctx, x, args) => {
    const axis = ctx.axis(args.int('dim'), x.shape.length + 1);
    return ctx.reshape(x.value, [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)]);
  }),
  ...mover('aten::squeeze(Tensor self)', (ctx, x) =>
    ctx.reshape(
      x.value,
      x.shape.filter((dim) => dim !== 1),
    ),
  ),
  ...mover('aten::squeeze(Tensor self, int[] dim)', (ctx, x, args) => {
    const axes = args.ints('dim').map((axis) => ctx.axis(axis, x.shape.length));
    return ctx.reshape(
      x.value,
      x.shape.filter((dim, i) => dim !== 1 || !axes.includes(i)),
    );
  }),
  ...mover('aten::select(Tensor self, int dim, int index)', (ctx, x, args) =>
    select(ctx, x, args.int('dim'), args.int('index')),
  ),
  ...mover('aten::slice(Tensor self, int dim=0, int? start=None, int? end=None, int step=1)', (ctx, x, args) => {
    const start = args.has('start') ? Math.max(args.int('start'), -FAR) : 0;
    const end = args.has('end') ? Math.min(args.int('end'), FAR) : FAR;
    const axis = ctx.axis(args.int('dim'), x.shape.length);
    const isWhole = start === 0 && args.int('step') === 1 && (end === FAR || (end > 0 && end === x.shape[axis]));
    return isWhole ? x.value : slice(ctx, x.value, axis, start, end, args.int('step'));
  }),
  ...mover('aten::narrow(Tensor self, int dim, int start, int length)', (ctx, x, args) =>
    slice(
      ctx,
      x.value,
      ctx.axis(args.int('dim'), x.shape.length),
      args.int('start'),
      args.int('start') + args.int('length'),
    ),
  ),
  ...mover(['aten::expand(Tensor self, int[] size, bool implicit=False)'], (ctx, x, args) =>
    expand(ctx, x, args.dims('size')),
  ),
  ...mover('aten::expand_as(Tensor self, Tensor other)', (ctx, x, args) =>
    expand(ctx, x, ctx.graph(args.tensor('other')).shape),
  ),
  ...mover('aten::repeat(Tensor self, int[] repeats)', (ctx, x, args) => {
    const repeats = args.ints('repeats');
    const lead = Array<number>(Math.max(0, repeats.length - x.shape.length)).fill(1);
    return ctx.emit(nnTile, { x: ctx.reshape(x.value, [...lead, ...x.shape]) }, { repeats });
  }),
  ...mover(['aten::pad(Tensor self, int[] pad, str mode="constant", Scalar? value=None)'], (ctx, x, args) =>
    pad(ctx, x, args, args.string('mode'), args.has('value') ? args.number('value') : 0),
  ),
  ...mover('aten::constant_pad_nd(Tensor self, int[] pad, Scalar value=0)', (ctx, x, args) =>
    pad(ctx, x, args, 'constant', args.number('value')),
  ),
  ...[1, 2, 3].flatMap((rank) => [
    ...mover(`aten::reflection_pad${rank}d(Tensor self, int[] pad)`, (ctx, x, args) => pad(ctx, x, args, 'reflect', 0)),
    ...mover(`aten::replication_pad${rank}d(Tensor self, int[] pad)`, (ctx, x, args) =>
      pad(ctx, x, args, 'replicate', 0),
    ),
  ]),
  ...mover('aten::pixel_shuffle(Tensor self, int upscale_factor)', (ctx, x, args) =>
    ctx.emit(nnDepthToSpace, { x: x.value }, { block: args.int('upscale_factor'), mode: 'CRD' }),
  ),
  ...mover('aten::channel_shuffle(Tensor self, int groups)', (ctx, x, args) => {
    const groups = args.int('groups');
    const [n, c, ...spatial] = x.shape;
    const per = ctx.staticShape([c], 'a channel shuffle')[0] / groups;
    const wide = ctx.reshape(x.value, [n, groups, per, ...spatial]);
    const perm = [0, 2, 1, ...spatial.map((_, i) => i + 3)];
    return ctx.reshape(ctx.emit(nnTranspose, { x: wide }, { perm }), x.shape);
  }),
  ...defineTorchOp({
    schema: ['aten::cat(Tensor[] tensors, int dim=0)', 'aten::concat(Tensor[] tensors, int dim=0)'],
    import(ctx, args) {
      const given = args.tensors('tensors').map((x) => ctx.graph(x));
      const axis = ctx.axis(args.int('dim'), given[0]?.shape.length ?? 0);
      const all = alike(ctx, args, axis);
      const y = all.length === 1 ? all[0].value : ctx.emit(nnConcat, { xs: all.map(({ value }) => value) }, { axis });
      return ctx.moved(
        y,
        all[0],
        all.every(({ channelsLast }) => channelsLast),
      );
    },
  }),
  ...defineTorchOp({
    schema: 'aten::stack(Tensor[] tensors, int dim=0)',
    import(ctx, args) {
      const all = alike(ctx, args);
      const axis = ctx.axis(args.int('dim'), all[0].shape.length + 1);
      const rows = all.map(({ value, shape }) =>
        ctx.reshape(value, [...shape.slice(0, axis), 1, ...shape.slice(axis)]),
      );
      return ctx.moved(rows.length === 1 ? rows[0] : ctx.emit(nnConcat, { xs: rows }, { axis }), all[0], false);
    },
  }),
  ...split('aten::unbind(Tensor self, int dim=0)', (ctx, x, axis) =>
    Array.from({ length: Math.min(axisSize(ctx, x, axis), 4096) }, (_, i) => select(ctx, x, axis, i)),
  ),
  ...['chunk', 'unsafe_chunk'].flatMap((name) =>
    split(`aten::${name}(Tensor self, int chunks, int dim=0)`, (ctx, x, axis, args) =>
      splitInto(ctx, x, axis, Math.ceil(axisSize(ctx, x, axis) / args.int('chunks'))),
    ),
  ),
  ...split('aten::split(Tensor self, int split_size, int dim=0)', (ctx, x, axis, args) =>
    Array.isArray(args.value('split_size'))
      ? parts(ctx, x, axis, args.ints('split_size'))
      : splitInto(ctx, x, axis, args.int('split_size')),
  ),
  ...split('aten::split(Tensor self, int[] split_sizes, int dim=0)', (ctx, x, axis, args) =>
    parts(ctx, x, axis, args.ints('split_sizes')),
  ),
  ...split('aten::split_with_sizes(Tensor self, int[] split_sizes, int dim=0)', (ctx, x, axis, args) =>
    parts(ctx, x, axis, args.ints('split_sizes')),
  ),
  ...defineTorchOp({
    schema: [
      'aten::embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False)',
    ],
    import(ctx, args) {
      const [weight, indices] = [ctx.graph(args.tensor('weight')), ctx.positions(args.tensor('indices'))];
      return ctx.moved(ctx.emit(nnGather, { x: weight.value, indices }, { axis: 0 }), weight, false);
    },
  }),
  ...defineTorchOp({
    schema: 'aten::index_select(Tensor self, int dim, Tensor index)',
    import(ctx, args) {
      const [x, index] = [ctx.graph(args.tensor('self')), ctx.positions(args.tensor('index'))];
      return ctx.moved(
        ctx.emit(nnGather, { x: x.value, indices: index }, { axis: ctx.axis(args.int('dim'), x.shape.length) }),
        x,
      );
    },
  }),
];
