/** GatherBlockQuantized along any axis of a constant table, with blocks along any axis. */

import {
  nnAdd,
  nnGather,
  nnGreaterOrEqual,
  nnLess,
  nnMul,
  nnSlice,
  nnSub,
  nnTranspose,
  nnWhere,
  qnnBlockGather,
  type Value,
} from '../../../ir/index.ts';
import { bytesOfCodes, codeAt, packedCodes } from '../../../numerics/index.ts';
import { type ITensor, isPackedTensor, sizeOf, tensor, transposed, unpacked } from '../../../tensors/index.ts';
import type { NodeContext } from '../node_context.ts';

/** A table of codes, the scales and the zero points of its blocks along `quantized`, all unpacked and of as many axes. */
interface Table {
  readonly bits: number;
  readonly block: number;
  /** The axis that the indices are of. */
  readonly gathered: number;
  readonly quantized: number;
  readonly shape: readonly number[];
  readonly codes: () => ITensor;
  readonly scales: ITensor;
  readonly zeros: ITensor;
}

function constantOf(ctx: NodeContext, name: string): ITensor {
  return ctx.constantOf(ctx.get(name)) ?? ctx.unsupported(`'${name}' is computed while the model runs`);
}

/** Codes [rows…, bytes] as bytes of their own. */
function eachCode(t: ITensor, bits: number, length: number): ITensor {
  const bytes = t.shape[t.shape.length - 1];
  const data = new Uint8Array(sizeOf(t.shape.slice(0, -1)) * length);
  for (let i = 0; i < data.length; i++) {
    const row = Math.floor(i / length);
    data[i] = codeAt((t.data as Uint8Array).subarray(row * bytes, (row + 1) * bytes), i % length, bits);
  }
  return tensor('u8', data, [...t.shape.slice(0, -1), length]);
}

/** Numbers of int4 as codes, which begin at its least one. */
const asCodes = (t: ITensor): ITensor => {
  const least = t.dtype === 's4' ? -8 : 0;
  const { data, shape } = isPackedTensor(t) ? unpacked(t) : t;
  return tensor(
    'u8',
    Uint8Array.from(data as Int8Array, (code) => code - least),
    shape,
  );
};

function tableOf(ctx: NodeContext, bits: number, block: number): Table {
  const [data, given] = [constantOf(ctx, 'data'), constantOf(ctx, 'scales')];
  const isBytes = data.dtype === 'u8';
  if (!isBytes && data.dtype !== 's4' && data.dtype !== 'u4') ctx.unsupported(`elements of ${data.dtype}`);
  const rank = data.shape.length;
  const axis = (name: string, usual: number) => ctx.axis(ctx.attr.int(name, usual), rank);
  const [gathered, quantized] = [axis('gather_axis', 0), axis('quantize_axis', 1)];
  if (isBytes && (gathered !== 0 || quantized !== rank - 1 || rank < 2))
    ctx.unsupported('packed bytes along other axes than the first and the last');
  const shape = isBytes ? data.shape.with(-1, (data.shape[rank - 1] * 8) / bits) : data.shape;
  const blocks = shape.with(quantized, Math.ceil(shape[quantized] / block));
  const scales = ctx.constantOf(ctx.cast(ctx.get('scales'), 'f32'));
  if (scales === undefined || String(given.shape) !== String(blocks))
    return ctx.unsupported(`scales of [${given.shape}] for blocks of [${blocks}]`);
  const zero = ctx.find('zero_points') && constantOf(ctx, 'zero_points');
  const middle = isBytes || data.dtype === 's4' ? 2 ** (bits - 1) : 0;
  const stored = isBytes ? blocks.with(-1, bytesOfCodes(blocks[rank - 1], bits)) : blocks;
  if (zero && (zero.dtype !== data.dtype || String(zero.shape) !== String(stored)))
    ctx.unsupported(`zero points of ${zero.dtype} of [${zero.shape}]`);
  const zeros = zero
    ? isBytes
      ? eachCode(zero, bits, blocks[rank - 1])
      : asCodes(zero)
    : tensor('u8', new Uint8Array(sizeOf(blocks)).fill(middle), blocks);
  const codes = () => (isBytes ? eachCode(data, bits, shape[rank - 1]) : asCodes(data));
  return { bits, block, gathered, quantized, shape, codes, scales, zeros };
}

/** Indices from 0 on, and where they lie within the axis. */
function positions(ctx: NodeContext, indices: Value, size: number): { at: Value; isInside: Value } {
  const number = (value: number) => ctx.scalar('s64', value);
  const isNegative = ctx.emit(nnLess, { a: indices, b: number(0) });
  const counted = ctx.emit(nnAdd, { a: indices, b: number(size) });
  const moved = ctx.emit(nnWhere, { cond: isNegative, a: counted, b: indices });
  const isFrom = ctx.emit(nnGreaterOrEqual, { a: moved, b: number(0) });
  const at = ctx.emit(nnWhere, { cond: isFrom, a: moved, b: number(size) });
  return { at, isInside: ctx.emit(nnLess, { a: at, b: number(size) }) };
}

/** Blocks along another axis than the indices: with blocks along the last axis, the elements of all others are rows of one table. */
function rowsOf(ctx: NodeContext, table: Table, indices: Value): Value {
  const { bits, block, gathered, quantized, shape } = table;
  const rest = shape.map((_, i) => i).filter((i) => i !== quantized);
  const order = [...rest, quantized];
  const sizes = rest.map((i) => shape[i]);
  const own = rest.indexOf(gathered);
  const [before, size, behind] = [sizes.slice(0, own), sizes[own], sizes.slice(own + 1)];
  const [rows, length, inner] = [sizeOf(sizes), shape[quantized], sizeOf(behind)];
  const blocks = Math.ceil(length / block);
  // rows are whole bytes
  const padded = bytesOfCodes(length, bits) * (8 / bits);
  const packed = (read: () => ITensor, wanted: number, name: string): Value<'u8'> => {
    const shape = [rows, bytesOfCodes(wanted, bits)];
    const lines = (): ITensor => {
      const { data } = transposed(read(), order);
      return tensor('u8', data as Uint8Array, [rows, data.length / rows]);
    };
    return ctx.lazy(
      { dtype: 'u8', shape },
      () => tensor('u8', packedCodes(lines(), { bits, least: 0, wanted }), shape),
      name,
    );
  };
  const at = rowNumbers(ctx, indices, { before, size, behind, inner, rows });
  const scale = ctx.constant(tensor('f32', transposed(table.scales, order).data, [rows, blocks]), 'scales');
  const operands = {
    x: packed(table.codes, padded, 'data'),
    indices: at,
    scale,
    zp: packed(() => table.zeros, blocks, 'zero_points'),
  };
  const found = ctx.emit(qnnBlockGather, operands, { bits, block });
  const last = found.type.shape.length - 1;
  const whole =
    padded === length
      ? found
      : ctx.emit(nnSlice, { x: found }, { starts: [0], ends: [length], axes: [last], steps: [1] });
  if (quantized === shape.length - 1) return whole;
  // the axis of the blocks goes back, past those of the indices where they stand before it
  const to = quantized < gathered ? quantized : quantized + indices.type.shape.length - 1;
  const perm = Array.from({ length: last }, (_, i) => i);
  return ctx.emit(nnTranspose, { x: whole }, { perm: perm.toSpliced(to, 0, last) });
}

interface Rows {
  readonly before: readonly number[];
  readonly size: number;
  readonly behind: readonly number[];
  readonly inner: number;
  readonly rows: number;
}

/** The row of each index, and of all positions before and behind its axis; negative ones of the first axis count from the end themselves. */
function rowNumbers(ctx: NodeContext, indices: Value, { before, size, behind, inner, rows }: Rows): Value {
  if (sizeOf(before) === 1 && inner === 1 && before.length + behind.length === 0) return indices;
  const wide = ctx.cast(indices, 's64');
  const count = indices.type.shape.length;
  const numbers = (sizes: readonly number[], step: number, ones: number): Value =>
    ctx.constant(
      tensor(
        's64',
        Array.from({ length: sizeOf(sizes) }, (_, i) => i * step),
        [...sizes, ...Array<number>(ones).fill(1)],
      ),
      'rows',
    );
  const spread = ctx.reshape(wide, [...indices.type.shape, ...behind.map(() => 1)]);
  const rowOf = (at: Value): Value => {
    const first = ctx.emit(nnMul, { a: at, b: ctx.scalar('s64', inner) });
    const own = ctx.emit(nnAdd, { a: first, b: numbers(behind, 1, 0) });
    return ctx.emit(nnAdd, { a: own, b: numbers(before, size * inner, count + behind.length) });
  };
  if (sizeOf(before) === 1) return rowOf(spread);
  const { at, isInside } = positions(ctx, spread, size);
  return ctx.emit(nnWhere, { cond: isInside, a: rowOf(at), b: ctx.scalar('s64', rows) });
}

/** Blocks along the axis of the indices: elements, zero points and scales are gathered each for itself. */
function elementsOf(ctx: NodeContext, { block, gathered, shape, codes, scales, zeros }: Table, indices: Value): Value {
  const size = shape[gathered];
  const { at, isInside } = positions(ctx, ctx.cast(indices, 's64'), size);
  const known = ctx.emit(nnWhere, { cond: isInside, a: at, b: ctx.scalar('s64', 0) });
  const blockOf = ctx.constant(
    tensor(
      's64',
      Array.from({ length: size }, (_, i) => Math.floor(i / block)),
      [size],
    ),
    'blocks',
  );
  const inBlock = ctx.emit(nnGather, { x: blockOf, indices: known }, { axis: 0 });
  const take = (x: Value, indices: Value): Value =>
    ctx.cast(ctx.emit(nnGather, { x, indices }, { axis: gathered }), 'f32');
  const code = take(
    ctx.lazy({ dtype: 'u8', shape }, () => codes() as ITensor<'u8'>, 'data'),
    known,
  );
  const zero = take(ctx.constant(zeros, 'zero_points'), inBlock);
  const real = ctx.emit(nnMul, {
    a: ctx.emit(nnSub, { a: code, b: zero }),
    b: take(ctx.constant(scales, 'scales'), inBlock),
  });
  const behind = shape.length - 1 - gathered;
  const isSeen = ctx.reshape(isInside, [...indices.type.shape, ...Array<number>(behind).fill(1)]);
  return ctx.emit(nnWhere, { cond: isSeen, a: real, b: ctx.scalar('f32', 0) });
}

/** Elements of a table whose rank or axes are not those of rows of codes. */
export function tableGather(ctx: NodeContext, bits: number, block: number): Value {
  const [table, indices] = [tableOf(ctx, bits, block), ctx.get('indices')];
  if (sizeOf(table.shape) === 0) ctx.unsupported('a table without elements');
  const y = table.gathered === table.quantized ? elementsOf(ctx, table, indices) : rowsOf(ctx, table, indices);
  return ctx.cast(y, ctx.get('scales').type.dtype);
}
