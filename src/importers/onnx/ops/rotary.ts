/** Rotations of pairs of elements by angles that depend on their positions, of ONNX and of com.microsoft. */
import { type Dim, nnAdd, nnConcat, nnGather, nnMul, nnSlice, nnSub, type Value } from '../../../ir/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';
import { misfit, part, positions } from './attention_parts.ts';

interface Angles {
  /** [max positions, pairs], or [N, S, pairs] when there are no `positions`. */
  readonly cosines: Value;
  readonly sines: Value;
  /** The row of each position, [N, S]. */
  readonly rows?: Value | undefined;
  readonly interleaved: boolean;
}

/**
 * x turned, where `axis` counts the positions: 1 of [N, S, heads, size], 2 of [N, heads, S, size]. Pairs are the first elements and those
 * half a turn further, or neighbours when interleaved; elements behind all pairs stay.
 */
export function rotated(ctx: NodeContext, x: Value, axis: 1 | 2, { cosines, sines, rows, interleaved }: Angles): Value {
  const pairs = cosines.type.shape.at(-1);
  const [n, ...rest] = x.type.shape;
  const size = rest[2];
  if (typeof pairs !== 'number' || typeof size !== 'number' || 2 * pairs > size)
    return misfit(ctx, [pairs, size], `${pairs} pairs in heads of size ${size}`);
  const spread = (table: Value) => {
    const rank = rows ? 2 : 3;
    if (table.type.shape.length !== rank || table.type.shape.at(-1) !== pairs || (rows && rows.type.shape.length !== 2))
      ctx.refuse(`angles of shape [${table.type.shape}], by positions of shape [${rows?.type.shape}]`, 'U2005');
    const at = rows ? ctx.emit(nnGather, { x: table, indices: rows }, { axis: 0 }) : table;
    const [batch, count] = at.type.shape;
    return ctx.reshape(at, axis === 1 ? [batch, count, 1, pairs] : [batch, 1, count, pairs]);
  };
  const [c, s] = [spread(cosines), spread(sines)];
  const turned = part(ctx, x, 3, 0, 2 * pairs);
  const strided = (start: number) =>
    ctx.emit(nnSlice, { x: turned }, { starts: [start], ends: [2 * pairs], axes: [3], steps: [2] });
  const [a, b] = interleaved
    ? [strided(0), strided(1)]
    : [part(ctx, turned, 3, 0, pairs), part(ctx, turned, 3, pairs, 2 * pairs)];
  const times = (p: Value, q: Value) => ctx.emit(nnMul, { a: p, b: q });
  const real = ctx.emit(nnSub, { a: times(a, c), b: times(b, s) });
  const imaginary = ctx.emit(nnAdd, { a: times(a, s), b: times(b, c) });
  const joined = (xs: readonly Value[], along: number) => ctx.emit(nnConcat, { xs }, { axis: along });
  const whole = interleaved
    ? ctx.reshape(
        joined(
          [real, imaginary].map((v) => ctx.reshape(v, [...v.type.shape, 1])),
          4,
        ),
        [n, ...rest.slice(0, 2), 2 * pairs],
      )
    : joined([real, imaginary], 3);
  return 2 * pairs === size ? whole : joined([whole, part(ctx, x, 3, 2 * pairs, size)], 3);
}

/** x by heads, turned, in its own shape again. */
function turnedHeads(ctx: NodeContext, x: Value, heads: Dim, angles: Angles): Value {
  const { shape } = x.type;
  if (shape.length === 4) return rotated(ctx, x, 2, angles);
  const [n, s, hidden] = shape;
  if (
    shape.length !== 3 ||
    typeof hidden !== 'number' ||
    typeof heads !== 'number' ||
    !Number.isInteger(heads) ||
    heads < 1 ||
    hidden % heads !== 0
  )
    return misfit(ctx, [hidden, heads], `[${shape}] does not divide into ${heads} heads`);
  return ctx.reshape(rotated(ctx, ctx.reshape(x, [n, s, heads, hidden / heads]), 1, angles), shape);
}

function standard(ctx: NodeContext): Value {
  const x = ctx.get('X');
  const pairs = ctx.get('cos_cache').type.shape.at(-1);
  const width = ctx.attr.int('rotary_embedding_dim', 0);
  if (width !== 0 && typeof pairs === 'number' && width !== 2 * pairs)
    ctx.refuse(`rotary_embedding_dim is ${width}, the cache has ${pairs} columns`, 'U2005', { input: 'cos_cache' });
  return turnedHeads(ctx, x, ctx.attr.int('num_heads', 0), anglesOf(ctx, ctx.find('position_ids')));
}

const anglesOf = (ctx: NodeContext, rows: Value | undefined): Angles => ({
  cosines: ctx.get('cos_cache'),
  sines: ctx.get('sin_cache'),
  rows,
  interleaved: ctx.attr.flag('interleaved'),
});

/** Positions are given each, [N, S], or the first of them for all, [1]. */
function microsoft(ctx: NodeContext): Value {
  if (ctx.attr.flag('is_packed_batching')) ctx.unsupported("the attribute 'is_packed_batching'");
  if (ctx.attr.float('scale', 1) !== 1) ctx.unsupported("the attribute 'scale'");
  const [x, given] = [ctx.get('input'), ctx.get('position_ids')];
  if (given.type.shape.length !== 1 && given.type.shape.length !== 2)
    ctx.refuse(`positions of shape [${given.type.shape}]`, 'U2005', { input: 'position_ids' });
  const { shape } = x.type;
  const count = shape[shape.length === 4 ? 2 : 1];
  const each = () => {
    const first = ctx.reshape(given, [1, 1]);
    const own = ctx.reshape(positions(ctx, count, 's64'), [1, count]);
    return ctx.emit(nnAdd, { a: ctx.cast(first, 's64'), b: own });
  };
  const angles = anglesOf(ctx, given.type.shape.length === 1 ? each() : given);
  const width = ctx.attr.int('rotary_embedding_dim', 0);
  const pairs = angles.cosines.type.shape.at(-1);
  if (typeof pairs !== 'number') return ctx.unsupported('a number of pairs that only the run knows');
  if (width !== 0 && width !== 2 * pairs)
    ctx.refuse(`rotary_embedding_dim is ${width}, the cache has ${pairs} columns`, 'U2005', { input: 'cos_cache' });
  // a size of heads that is not told is that of all pairs
  const hidden = shape.at(-1);
  if (typeof hidden !== 'number') return misfit(ctx, [hidden], `heads in [${shape}]`);
  const heads = width > 0 ? ctx.attr.int('num_heads', 0) : hidden / (2 * pairs);
  return turnedHeads(ctx, x, heads, angles);
}

const attributes = ['interleaved', 'num_heads', 'rotary_embedding_dim'];

export const rotaryOps: readonly OnnxOp[] = [
  defineOnnxOp({
    name: 'RotaryEmbedding',
    since: 23,
    inputs: ['X: T', 'cos_cache: T', 'sin_cache: T', 'position_ids?'],
    attributes,
    import: standard,
  }),
  defineOnnxOp({
    domain: 'com.microsoft',
    name: 'RotaryEmbedding',
    inputs: ['input: T', 'position_ids', 'cos_cache: T', 'sin_cache: T'],
    attributes: [...attributes, 'is_packed_batching', 'scale'],
    import: microsoft,
  }),
];
