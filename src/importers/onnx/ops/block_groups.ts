/** Weights in blocks whose members g_idx tells: each row of the depth names the scale and the zero point that it has. */

import { nnGather, nnMatmul, qnnBlockMatmul, type Value } from '../../../ir/index.ts';
import { codeAt } from '../../../numerics/index.ts';
import { type ITensor, tensor } from '../../../tensors/index.ts';
import type { NodeContext } from '../node_context.ts';

/** A product as `qnn.block_matmul` takes it, but for the order of its rows. */
export interface BlockOperands {
  readonly a: Value;
  readonly b: Value;
  readonly scale: Value;
  readonly zp: Value | undefined;
}
interface Sizes {
  readonly bits: number;
  readonly block: number;
  readonly depth: number;
}

/** The block of each row; undefined where rows lie in the order of their blocks. */
export function groupsOf(ctx: NodeContext, { block, depth }: Sizes): readonly number[] | undefined {
  const given = ctx.find('g_idx');
  if (given === undefined) return undefined;
  const known = ctx.constantOf(given);
  if (known === undefined) return ctx.unsupported("'g_idx' is computed while the model runs");
  const groups = Array.from(known.data, Number);
  const blocks = Math.ceil(depth / block);
  if (groups.length !== depth || groups.some((group) => group < 0 || group >= blocks))
    ctx.unsupported(`'g_idx' does not name one of ${blocks} blocks for each of ${depth} rows`);
  return groups.every((group, k) => group === Math.floor(k / block)) ? undefined : groups;
}

/**
 * Rows are brought into the order of their blocks, the columns of `a` likewise. Where the blocks do not fill up so, as those of act-order always do,
 * weights become floats.
 */
export function groupedProduct(ctx: NodeContext, given: BlockOperands, sizes: Sizes, groups: readonly number[]): Value {
  const { bits, block } = sizes;
  const codes = constantOf(ctx, given.b);
  if (codes.dtype !== 'u8') ctx.unsupported(`codes of ${codes.dtype}`);
  const order = Array.from(groups.keys()).sort((i, j) => groups[i] - groups[j] || i - j);
  if (order.some((k, at) => groups[k] !== Math.floor(at / block))) {
    const [scales, zeros] = [constantOf(ctx, given.scale), given.zp && constantOf(ctx, given.zp)];
    const shape = [sizes.depth, codes.shape[0]];
    const floats = () => tensor('f32', floatsOf(codes, scales, zeros, sizes, groups), shape);
    return ctx.emit(nnMatmul, { a: given.a, b: ctx.lazy({ dtype: 'f32', shape }, floats, 'weights') });
  }
  const indices = ctx.constant(tensor('s64', order, [order.length]), 'order');
  const a = ctx.emit(nnGather, { x: given.a, indices }, { axis: given.a.type.shape.length - 1 });
  const { shape } = codes;
  const b = ctx.lazy({ dtype: 'u8', shape }, () => tensor('u8', reordered(codes, sizes, order), shape), 'B');
  return ctx.emit(qnnBlockMatmul, { ...given, a, b }, { bits, block });
}

const constantOf = (ctx: NodeContext, value: Value): ITensor =>
  ctx.constantOf(value) ?? ctx.unsupported('its weights are computed while the model runs');

const columnOf = (t: ITensor, n: number): Uint8Array => {
  const length = t.data.length / t.shape[0];
  return (t.data as Uint8Array).subarray(n * length, (n + 1) * length);
};

function reordered(codes: ITensor, { bits }: Sizes, order: readonly number[]): Uint8Array {
  const result = new Uint8Array(codes.data.length);
  const each = 8 / bits;
  for (let n = 0; n < codes.shape[0]; n++) {
    const from = columnOf(codes, n);
    const to = result.subarray(n * from.length);
    for (let at = 0; at < order.length; at++)
      to[Math.floor(at / each)] |= codeAt(from, order[at], bits) << ((at % each) * bits);
  }
  return result;
}

function floatsOf(
  codes: ITensor,
  scales: ITensor,
  zeros: ITensor | undefined,
  { bits, block, depth }: Sizes,
  groups: readonly number[],
): Float32Array {
  const [columns, blocks] = [codes.shape[0], Math.ceil(depth / block)];
  const floats = new Float32Array(depth * columns);
  for (let n = 0; n < columns; n++) {
    const own = columnOf(codes, n);
    const packed = zeros?.dtype === 'u8' ? columnOf(zeros, n) : undefined;
    for (let k = 0; k < depth; k++) {
      const group = groups[k];
      const zero = packed ? codeAt(packed, group, bits) : Number(zeros?.data[n * blocks + group] ?? 2 ** (bits - 1));
      floats[k * columns + n] = Math.fround(codeAt(own, k, bits) - zero) * Number(scales.data[n * blocks + group]);
    }
  }
  return floats;
}
