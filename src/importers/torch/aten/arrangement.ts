/** Operators that arrange elements otherwise: mirrored, rolled, tiled, padded, shuffled, masked by their place. */

import {
  type AttrType,
  elementsOf,
  nnConcat,
  nnDepthToSpace,
  nnExpand,
  nnPad,
  nnSlice,
  nnTile,
  nnWhere,
  type Value,
} from '../../../ir/index.ts';
import { quantizeByReciprocal, reciprocal32 } from '../../../numerics/index.ts';
import { dtypes, tensor } from '../../../tensors/index.ts';
import { FAR } from '../memory/region.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import type { TorchOp } from '../operators/define_torch_op.ts';
import type { GraphTensor } from '../values.ts';
import { axisSize, sliced } from './parts.ts';
import { mover } from './shape.ts';

function flip(ctx: TorchContext, x: GraphTensor, args: Arguments): Value {
  const axes = args.ints('dims').map((axis) => ctx.axis(axis, x.shape.length, 'dims'));
  const all = (value: number) => Array<number>(axes.length).fill(value);
  return ctx.emit(nnSlice, { x: x.value }, { starts: all(-1), ends: all(-FAR), axes, steps: all(-1) });
}

function roll(ctx: TorchContext, x: GraphTensor, args: Arguments): Value {
  const dims = args.ints('dims');
  if (dims.length === 0) return ctx.unsupported('a roll over all elements');
  const shifts = args.ints('shifts', dims.length);
  return dims.reduce((value, dim, i) => {
    const axis = ctx.axis(dim, x.shape.length, 'dims');
    const size = axisSize(ctx, x, axis);
    const at = size === 0 ? 0 : ((-shifts[i] % size) + size) % size;
    if (at === 0) return value;
    return ctx.emit(nnConcat, { xs: [sliced(ctx, value, axis, at, FAR), sliced(ctx, value, axis, 0, at)] }, { axis });
  }, x.value);
}

/** Repeats x along each axis, new axes in front included. */
function tiled(ctx: TorchContext, x: GraphTensor, repeats: readonly number[]): Value {
  const lead = Array<number>(repeats.length - x.shape.length).fill(1);
  return ctx.emit(nnTile, { x: ctx.reshape(x.value, [...lead, ...x.shape]) }, { repeats });
}

function repeated(ctx: TorchContext, x: GraphTensor, args: Arguments): Value {
  const repeats = args.ints('repeats');
  if (repeats.length < x.shape.length)
    ctx.refuse(`${repeats.length} repeats for ${x.shape.length} axes`, 'U2005', { input: 'repeats' });
  return tiled(ctx, x, repeats);
}

/** Each element as often as the next, along one axis or of all elements. */
function interleaved(ctx: TorchContext, x: GraphTensor, args: Arguments): Value {
  const shape = args.has('dim') ? x.shape : [elementsOf(x.shape)];
  const axis = args.has('dim') ? ctx.axis(args.int('dim'), shape.length, 'dim') : 0;
  const size = ctx.staticShape([shape[axis]], 'a repetition')[0];
  const [lead, rest, times] = [shape.slice(0, axis), shape.slice(axis + 1), args.int('repeats')];
  const single = ctx.reshape(x.value, [...lead, size, 1, ...rest]);
  const wide = ctx.emit(nnExpand, { x: single }, { shape: [...lead, size, times, ...rest] });
  return ctx.reshape(wide, [...lead, size * times, ...rest]);
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
  return ctx.reshape(ctx.transpose(wide, perm), [...lead, channels * r * r, height / r, width / r]);
}

function channelShuffle(ctx: TorchContext, x: GraphTensor, args: Arguments): Value {
  const groups = args.int('groups');
  const [n, channels, ...rest] = x.shape;
  const [count] = ctx.staticShape([channels], 'a channel shuffle');
  if (groups < 1 || count % groups !== 0)
    ctx.refuse(`${count} channels for ${groups} groups`, 'U2005', { input: 'groups' });
  const split = ctx.reshape(x.value, [n, groups, count / groups, ...rest]);
  return ctx.reshape(ctx.transpose(split, [0, 2, 1, ...rest.map((_, i) => i + 3)]), x.shape);
}

/** Above or below a diagonal; other elements are 0. */
const triangle = (
  name: string,
  isKept: (row: number, column: number, diagonal: number) => boolean,
): readonly TorchOp[] =>
  mover(`aten::${name}(Tensor self, int diagonal=0)`, (ctx, x, args) => {
    const [rows, columns] = ctx.staticShape(x.shape.slice(-2), 'a triangle');
    if (rows * columns > 2 ** 22 || x.quantization) ctx.unsupported(`a triangle of ${rows}x${columns}`);
    const diagonal = args.int('diagonal');
    const mask = Array.from({ length: rows * columns }, (_, i) =>
      Number(isKept(Math.floor(i / columns), i % columns, diagonal)),
    );
    const cond = ctx.constant(tensor('bool', mask, [rows, columns]), 'mask');
    return ctx.result(ctx.emit(nnWhere, { cond, a: x.value, b: ctx.scalar(x.dtype, 0, 'zero') }));
  });

// ---- pads

type PadMode = AttrType<typeof nnPad.attrs.mode>;

/** Pads from the last axis: [before, after, before of the one in front, …]. Absent ones are filled with 0. */
function padded(ctx: TorchContext, x: GraphTensor, given: readonly number[], mode: PadMode, value = 0): Value {
  const rank = x.shape.length;
  if (given.length % 2 !== 0 || given.length > 2 * rank)
    ctx.refuse(`pads [${given}] for ${rank} axes`, 'U2005', { input: 'pad' });
  const pads = Array<number>(2 * rank).fill(0);
  for (let i = 0; i < given.length; i += 2) {
    pads[rank - 1 - i / 2] = given[i];
    pads[2 * rank - 1 - i / 2] = given[i + 1];
  }
  const filling = mode === 'constant' ? fillingOf(ctx, x, value) : 0;
  const fill = filling === 0 ? undefined : ctx.scalar(x.dtype, filling, 'value');
  return ctx.emit(nnPad, { x: x.value, value: fill }, { pads, mode });
}

/** The number as an element of x. */
function fillingOf(ctx: TorchContext, x: GraphTensor, value: number): number {
  if (x.quantization === undefined) return value;
  const { scale, zeroPoint } = ctx.quantized(x).quantization;
  const { min, max } = dtypes[x.dtype];
  return quantizeByReciprocal(Math.fround(value), reciprocal32(Math.fround(scale)), zeroPoint, min, max);
}

const padModes: Readonly<Record<string, PadMode>> = {
  constant: 'constant',
  reflect: 'reflect',
  replicate: 'edge',
  circular: 'wrap',
};

export const arrangementOps: readonly TorchOp[] = [
  ...mover('aten::flip(Tensor self, int[] dims)', flip),
  ...mover('aten::roll(Tensor self, int[] shifts, int[] dims=[])', roll),
  ...mover('aten::tile(Tensor self, int[] dims)', (ctx, x, args) => {
    const dims = args.ints('dims');
    const lead = Array<number>(Math.max(0, x.shape.length - dims.length)).fill(1);
    return tiled(ctx, x, [...lead, ...dims]);
  }),
  ...mover('aten::repeat(Tensor self, int[] repeats)', repeated),
  ...mover(
    'aten::repeat_interleave.self_int(Tensor self, int repeats, int? dim=None, *, any output_size=None)',
    interleaved,
  ),
  ...mover('aten::pixel_shuffle(Tensor self, int upscale_factor)', (ctx, x, args) =>
    ctx.emit(nnDepthToSpace, { x: x.value }, { block: args.int('upscale_factor'), mode: 'CRD' }),
  ),
  ...mover('aten::pixel_unshuffle(Tensor self, int downscale_factor)', pixelUnshuffle),
  ...mover('aten::channel_shuffle(Tensor self, int groups)', channelShuffle),
  ...triangle('tril', (row, column, diagonal) => column - row <= diagonal),
  ...triangle('triu', (row, column, diagonal) => column - row >= diagonal),
  ...mover('aten::pad(Tensor self, int[] pad, str mode="constant", Scalar? value=None)', (ctx, x, args) => {
    const mode = args.string('mode');
    const known = padModes[mode] ?? ctx.unsupported(`the mode '${mode}'`);
    return padded(ctx, x, args.ints('pad'), known, args.optionalNumber('value'));
  }),
  ...mover('aten::constant_pad_nd(Tensor self, int[] pad, Scalar value=0)', (ctx, x, args) =>
    padded(ctx, x, args.ints('pad'), 'constant', args.number('value')),
  ),
  ...[['reflection', 'reflect'] as const, ['replication', 'edge'] as const].flatMap(([name, mode]) =>
    mover(
      [1, 2, 3].map((rank) => `aten::${name}_pad${rank}d(Tensor self, int[] padding)`),
      (ctx, x, args) => padded(ctx, x, args.ints('padding'), mode),
    ),
  ),
];
