/** Operators that move elements, take some of them, or repeat them. */

import type { Value } from '../../../../ir/define_op.ts';
import {
  type AttrType,
  nnAdd,
  nnConcat,
  nnDepthToSpace,
  nnExpand,
  nnGather,
  nnGatherElements,
  nnMod,
  nnMul,
  nnPad,
  nnSlice,
  nnTile,
  nnTranspose,
} from '../../../../ir/index.ts';
import { sizeOf } from '../../../../ir/tensor.ts';
import { type Dim, isStatic } from '../../../../ir/types.ts';
import type { ExportContext } from '../context.ts';
import { defineExportOp, type ExportOp } from '../define_export_op.ts';
import { promoted } from './promote.ts';
import { unsqueezed } from './shape.ts';

const axisOf = (ctx: ExportContext, x: Value, name = 'dim'): number =>
  ctx.axis(ctx.int(name), x.type.shape.length, name);

function permute(ctx: ExportContext): Value {
  const x = ctx.tensor('self');
  return ctx.emit(
    nnTranspose,
    { x },
    {
      perm: ctx.ints('dims').map((axis) => ctx.axis(axis, x.type.shape.length, 'dims')),
    },
  );
}

function exchange(ctx: ExportContext, x: Value, a: number, b: number): Value {
  return ctx.transpose(
    x,
    x.type.shape.map((_, axis) => (axis === a ? b : axis === b ? a : axis)),
  );
}

/** Operands of one type; PyTorch passes over empty ones of one axis. */
function joined(ctx: ExportContext): readonly Value[] {
  const xs = ctx.tensors('tensors').flatMap((x) => (x === undefined ? [] : [x]));
  const rank = xs.reduce((most, { type }) => Math.max(most, type.shape.length), 0);
  const real = xs.filter(({ type: { shape } }) => rank === 1 || shape.length !== 1 || shape[0] !== 0);
  if (real.length === 0) return ctx.refuse('there is nothing to join', 'tensors');
  const dtype = real.map(({ type }) => type.dtype).reduce(promoted);
  return real.map((x) => ctx.cast(x, dtype));
}

function slice(ctx: ExportContext): Value {
  const x = ctx.tensor('self');
  const axis = axisOf(ctx, x);
  const start = ctx.has('start') ? ctx.int('start') : 0;
  const end = ctx.has('end') ? ctx.dim('end') : Number.MAX_SAFE_INTEGER;
  const whole = end === x.type.shape[axis] ? Number.MAX_SAFE_INTEGER : end;
  if (typeof whole !== 'number') return ctx.unsupported(`a slice up to the size ${whole} of an input`);
  const step = ctx.int('step');
  if (step < 1) ctx.refuse(`'step' should be positive, but is ${step}`, 'step');
  return start === 0 && whole === Number.MAX_SAFE_INTEGER && step === 1 ? x : ctx.slice(x, axis, start, whole, step);
}

function select(ctx: ExportContext): Value {
  const x = ctx.tensor('self');
  return without(ctx, x, axisOf(ctx, x), ctx.int('index'));
}

/** Position `index` of an axis, which goes. */
function without(ctx: ExportContext, x: Value, axis: number, index: number): Value {
  const { shape } = x.type;
  const size = shape[axis];
  if (typeof size === 'number' && (index < -size || index >= size))
    ctx.refuse(`the index ${index} is outside an axis of size ${size}`, 'index', 'U2005');
  const one = ctx.slice(x, axis, index, index === -1 ? Number.MAX_SAFE_INTEGER : index + 1);
  return ctx.reshape(one, [...shape.slice(0, axis), ...shape.slice(axis + 1)]);
}

/** Parts of these sizes along an axis. */
function parts(ctx: ExportContext, x: Value, axis: number, sizes: readonly number[]): readonly Value[] {
  let start = 0;
  return sizes.map((size) => ctx.slice(x, axis, start, (start += size)));
}

/** The axis of a split, its size, and parts of `size` with a last one that may be smaller. */
function evenParts(ctx: ExportContext, sizeOfPart: (size: number) => number): readonly Value[] {
  const x = ctx.tensor('self');
  const axis = axisOf(ctx, x);
  const size = x.type.shape[axis];
  if (typeof size !== 'number') return ctx.unsupported(`a split of the size ${size}`);
  const part = sizeOfPart(size);
  if (!(part >= 1)) ctx.refuse(`parts of ${part} elements`, 'self', 'U2005');
  const count = Math.max(1, Math.ceil(size / part));
  if (count > ctx.outputCount) ctx.refuse(`the node has ${ctx.outputCount} outputs for ${count} parts`);
  return parts(
    ctx,
    x,
    axis,
    Array.from({ length: count }, (_, i) => Math.min(part, size - i * part)),
  );
}

function unbind(ctx: ExportContext): readonly Value[] {
  const x = ctx.tensor('self');
  const axis = axisOf(ctx, x);
  return Array.from({ length: ctx.outputCount }, (_, i) => without(ctx, x, axis, i));
}

/** Sizes from the right; −1 keeps that of x. */
function expand(ctx: ExportContext): Value {
  const [x, sizes] = [ctx.tensor('self'), ctx.dims('size')];
  const lead = sizes.length - x.type.shape.length;
  if (lead < 0) ctx.refuse(`[${x.type.shape}] does not expand to [${sizes}]`, 'size', 'U2005');
  const shape = sizes.map((size, i): Dim => (size === -1 ? (x.type.shape[i - lead] ?? 1) : size));
  return shape.length === x.type.shape.length && shape.every((dim, i) => dim === x.type.shape[i])
    ? x
    : ctx.emit(nnExpand, { x }, { shape });
}

function repeat(ctx: ExportContext): Value {
  const [x, repeats] = [ctx.tensor('self'), ctx.ints('repeats')];
  const lead = repeats.length - x.type.shape.length;
  if (lead < 0) ctx.refuse(`${repeats.length} repeats for ${x.type.shape.length} axes`, 'repeats', 'U2005');
  return ctx.emit(nnTile, { x: ctx.reshape(x, [...Array<number>(lead).fill(1), ...x.type.shape]) }, { repeats });
}

function flip(ctx: ExportContext): Value {
  const [x, dims] = [ctx.tensor('self'), ctx.ints('dims')];
  const axes = dims.map((axis) => ctx.axis(axis, x.type.shape.length, 'dims'));
  const all = (value: number) => Array<number>(axes.length).fill(value);
  const far = Number.MAX_SAFE_INTEGER;
  return ctx.emit(nnSlice, { x }, { starts: all(-1), ends: all(-far), axes, steps: all(-1) });
}

/** Pads from the last axis: [before, after, before of the one in front, …]. */
function pad(ctx: ExportContext, mode: AttrType<typeof nnPad.attrs.mode>, value?: number): Value {
  const [x, list] = [ctx.tensor('self'), ctx.ints(ctx.parameters().includes('pad') ? 'pad' : 'padding')];
  const rank = x.type.shape.length;
  if (list.length % 2 !== 0 || list.length > 2 * rank) ctx.refuse(`pads [${list}] for ${rank} axes`, 'pad', 'U2005');
  const pads = Array<number>(2 * rank).fill(0);
  for (let i = 0; i < list.length; i += 2) {
    pads[rank - 1 - i / 2] = list[i];
    pads[2 * rank - 1 - i / 2] = list[i + 1];
  }
  const fill = value === undefined || value === 0 ? undefined : ctx.scalar(x.type.dtype, value);
  return ctx.emit(nnPad, { x, value: fill }, { pads, mode });
}

const padModes: Readonly<Record<string, AttrType<typeof nnPad.attrs.mode>>> = {
  constant: 'constant',
  reflect: 'reflect',
  replicate: 'edge',
  circular: 'wrap',
};

/** Lists of positions along neighbouring axes, broadcast against one another; truth values are not positions. */
function index(ctx: ExportContext): Value {
  const [x, indices] = [ctx.tensor('self'), ctx.tensors('indices')];
  const given = indices.flatMap((at, axis) => (at === undefined ? [] : [{ at, axis }]));
  if (given.length === 0) return x;
  if (given.some(({ at }) => at.type.dtype === 'bool' || at.type.dtype === 'u8'))
    ctx.unsupported('positions given by truth values');
  const [{ axis }] = given;
  if (given.length === 1) return ctx.emit(nnGather, { x, indices: ctx.cast(given[0].at, 's64') }, { axis });
  if (given.some((item, i) => item.axis !== axis + i))
    return ctx.unsupported('lists of positions of axes that are apart');
  const sizes = x.type.shape.slice(axis, axis + given.length);
  if (!isStatic(sizes)) return ctx.unsupported(`lists of positions along the sizes ${sizes}`);
  const count = sizeOf(sizes);
  // as one list along the axes made one; negative positions count from the end
  const at = given
    .map(({ at: positions }, i) => ctx.emit(nnMod, { a: ctx.cast(positions, 's64'), b: ctx.scalar('s64', sizes[i]) }))
    .reduce((sum, next, i) =>
      ctx.emit(nnAdd, { a: ctx.emit(nnMul, { a: sum, b: ctx.scalar('s64', sizes[i]) }), b: next }),
    );
  const { shape } = x.type;
  const flat = ctx.reshape(x, [...shape.slice(0, axis), count, ...shape.slice(axis + given.length)]);
  return ctx.emit(nnGather, { x: flat, indices: at }, { axis });
}

function shuffle(ctx: ExportContext): Value {
  const [x, groups] = [ctx.tensor('self'), ctx.int('groups')];
  const [n, channels, ...rest] = x.type.shape;
  if (typeof channels !== 'number' || groups < 1 || channels % groups !== 0)
    return ctx.refuse(`${channels} channels for ${groups} groups`, 'groups', 'U2005');
  const split = ctx.reshape(x, [n, groups, channels / groups, ...rest]);
  return ctx.reshape(exchange(ctx, split, 1, 2), x.type.shape);
}

export const movementOps: readonly ExportOp[] = [
  ...defineExportOp('aten.permute.default(Tensor self, int[] dims)', permute),
  ...defineExportOp(
    ['aten.transpose.int(Tensor self, int dim0, int dim1)', 'aten.swapaxes.default(Tensor self, int axis0, int axis1)'],
    (ctx) => {
      const x = ctx.tensor('self');
      const [, a, b] = ctx.parameters();
      return exchange(ctx, x, axisOf(ctx, x, a), axisOf(ctx, x, b));
    },
  ),
  ...defineExportOp('aten.t.default(Tensor self)', (ctx) => {
    const x = ctx.tensor('self');
    return x.type.shape.length < 2 ? x : exchange(ctx, x, 0, 1);
  }),
  ...defineExportOp(
    ['cat', 'concat'].map((name) => `aten.${name}.default(Tensor[] tensors, int dim=0)`),
    (ctx) => {
      const xs = joined(ctx);
      return ctx.emit(nnConcat, { xs: xs }, { axis: axisOf(ctx, xs[0]) });
    },
  ),
  ...defineExportOp('aten.stack.default(Tensor[] tensors, int dim=0)', (ctx) => {
    const xs = joined(ctx);
    const axis = ctx.axis(ctx.int('dim'), xs[0].type.shape.length + 1, 'dim');
    return ctx.emit(nnConcat, { xs: xs.map((x) => unsqueezed(ctx, x, axis)) }, { axis });
  }),
  ...defineExportOp('aten.slice.Tensor(Tensor self, int dim=0, int? start=None, int? end=None, int step=1)', slice),
  ...defineExportOp('aten.select.int(Tensor self, int dim, int index)', select),
  ...defineExportOp('aten.narrow.default(Tensor self, int dim, int start, int length)', (ctx) => {
    const x = ctx.tensor('self');
    const [start, length] = [ctx.int('start'), ctx.int('length')];
    const end = start < 0 && start + length === 0 ? Number.MAX_SAFE_INTEGER : start + length;
    return ctx.slice(x, axisOf(ctx, x), start, end);
  }),
  ...defineExportOp('aten.chunk.default(Tensor self, int chunks, int dim=0)', (ctx) =>
    evenParts(ctx, (size) => Math.ceil(size / ctx.int('chunks'))),
  ),
  ...defineExportOp('aten.split.Tensor(Tensor self, int split_size, int dim=0)', (ctx) =>
    evenParts(ctx, () => ctx.int('split_size')),
  ),
  ...defineExportOp(
    [
      'aten.split_with_sizes.default(Tensor self, int[] split_sizes, int dim=0)',
      'aten.split.sizes(Tensor self, int[] split_sizes, int dim=0)',
    ],
    (ctx) => {
      const x = ctx.tensor('self');
      return parts(ctx, x, axisOf(ctx, x), ctx.ints('split_sizes'));
    },
  ),
  ...defineExportOp('aten.unbind.int(Tensor self, int dim=0)', unbind),
  ...defineExportOp('aten.expand.default(Tensor self, int[] size, bool implicit=False)', expand),
  ...defineExportOp('aten.expand_as.default(Tensor self, Tensor other)', (ctx) =>
    ctx.emit(nnExpand, { x: ctx.tensor('self') }, { shape: ctx.tensor('other').type.shape }),
  ),
  ...defineExportOp('aten.repeat.default(Tensor self, int[] repeats)', repeat),
  ...defineExportOp('aten.flip.default(Tensor self, int[] dims)', flip),
  ...defineExportOp('aten.constant_pad_nd.default(Tensor self, int[] pad, Scalar value=0)', (ctx) =>
    pad(ctx, 'constant', ctx.number('value')),
  ),
  ...defineExportOp('aten.pad.default(Tensor self, int[] pad, str mode="constant", float? value=None)', (ctx) =>
    pad(
      ctx,
      padModes[ctx.text('mode')] ?? ctx.unsupported(`the mode '${ctx.text('mode')}'`),
      ctx.has('value') ? ctx.number('value') : 0,
    ),
  ),
  ...[['reflection', 'reflect'] as const, ['replication', 'edge'] as const].flatMap(([name, mode]) =>
    defineExportOp(
      [1, 2, 3].map((rank) => `aten.${name}_pad${rank}d.default(Tensor self, int[] padding)`),
      (ctx) => pad(ctx, mode),
    ),
  ),
  ...defineExportOp(
    'aten.embedding.default(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False)',
    (ctx) => ctx.emit(nnGather, { x: ctx.tensor('weight'), indices: ctx.tensor('indices') }, { axis: 0 }),
  ),
  ...defineExportOp('aten.index_select.default(Tensor self, int dim, Tensor index)', (ctx) => {
    const x = ctx.tensor('self');
    return ctx.emit(nnGather, { x, indices: ctx.tensor('index') }, { axis: axisOf(ctx, x) });
  }),
  ...defineExportOp('aten.gather.default(Tensor self, int dim, Tensor index, bool sparse_grad=False)', (ctx) => {
    const x = ctx.tensor('self');
    return ctx.emit(nnGatherElements, { x, indices: ctx.tensor('index') }, { axis: axisOf(ctx, x) });
  }),
  ...defineExportOp('aten.index.Tensor(Tensor self, Tensor[] indices)', index),
  ...defineExportOp('aten.channel_shuffle.default(Tensor self, int groups)', shuffle),
  ...defineExportOp('aten.pixel_shuffle.default(Tensor self, int upscale_factor)', (ctx) =>
    ctx.emit(nnDepthToSpace, { x: ctx.tensor('self') }, { block: ctx.int('upscale_factor'), mode: 'CRD' }),
  ),
];
