/**
 * Matrices by their diagonals, whose sizes and diagonal only the run may know: the mask of a decoder is the triangle of as many
 * positions as there are words. https://onnx.ai/onnx/operators
 */
import {
  type Dim,
  isStatic,
  nnAdd,
  nnEqual,
  nnGreaterOrEqual,
  nnMax,
  nnMin,
  nnWhere,
  tensor,
  type Value,
} from '../../../ir/index.ts';
import { dtypeOfOnnxCode, isHalf } from '../../../tensors/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';
import { positions } from './attention_parts.ts';

/** A diagonal this far from the first one is outside of every matrix, and the sum of it and a row is none that wraps around. */
const FARTHEST = 2 ** 40;

/** Where each element of a matrix lies: its row plus the diagonal, as a column, and its column, as a row. */
function places(
  ctx: NodeContext,
  rows: Dim,
  columns: Dim,
  k: Value,
): { readonly start: Value; readonly column: Value } {
  const near = ctx.emit(nnMin, {
    a: ctx.emit(nnMax, { a: ctx.reshape(k, []), b: ctx.scalar('s64', -FARTHEST, 'before') }),
    b: ctx.scalar('s64', FARTHEST, 'behind'),
  });
  const row = ctx.reshape(positions(ctx, rows, 's64'), [rows, 1]);
  return { start: ctx.emit(nnAdd, { a: row, b: near }), column: positions(ctx, columns, 's64') };
}

/** True where `holds` is, for the column of an element and its row plus the diagonal: a constant where all is known. */
function mask(
  ctx: NodeContext,
  [rows, columns]: readonly Dim[],
  diagonal: Value | number,
  holds: (column: number, start: number) => boolean,
  emitted: (column: Value, start: Value) => Value,
): Value {
  if (isStatic([rows, columns]) && typeof diagonal === 'number') {
    const [height, width] = [rows, columns] as [number, number];
    const data = Array.from({ length: height * width }, (_, i) =>
      Number(holds(i % width, Math.floor(i / width) + diagonal)),
    );
    return ctx.constant(tensor('bool', data, [height, width]), 'places');
  }
  const k = typeof diagonal === 'number' ? ctx.scalar('s64', diagonal, 'diagonal') : diagonal;
  const { start, column } = places(ctx, rows, columns, k);
  return emitted(column, start);
}

/** The matrices above or below a diagonal, 0 elsewhere. */
function trilu(ctx: NodeContext): Value {
  const x = ctx.get('input');
  const { dtype, shape } = x.type;
  if (shape.length < 2) return ctx.refuse('the input should be matrices', 'U2005', { input: 'input' });
  const given = ctx.find('k');
  const k = given && ctx.constantOf(given) === undefined ? given : (ctx.scalarOf('k') ?? 0);
  const isUpper = ctx.attr.flag('upper', true);
  const cond = mask(
    ctx,
    shape.slice(-2),
    k,
    (column, start) => (isUpper ? column >= start : column <= start),
    (column, start) => ctx.emit(nnGreaterOrEqual, isUpper ? { a: column, b: start } : { a: start, b: column }),
  );
  return ctx.emit(nnWhere, { cond, a: x, b: ctx.scalar(dtype, 0, 'zero') });
}

/** Zeros with ones along a diagonal, of the shape of the input. */
function eyeLike(ctx: NodeContext): Value {
  const { shape } = ctx.get('input').type;
  if (shape.length !== 2) return ctx.refuse('the input should be a matrix', 'U2005', { input: 'input' });
  const given = ctx.attr.int('dtype');
  const dtype = given === undefined ? ctx.get('input').type.dtype : dtypeOfOnnxCode(given);
  if (dtype === undefined || isHalf(dtype)) return ctx.unsupported(`the element type ${given}`);
  const ones = mask(
    ctx,
    shape,
    ctx.attr.int('k', 0),
    (column, start) => column === start,
    (a, b) => ctx.emit(nnEqual, { a, b }),
  );
  return ctx.cast(ones, dtype);
}

export const diagonalOps: readonly OnnxOp[] = [
  defineOnnxOp({ name: 'Trilu', since: 14, inputs: ['input', 'k?'], attributes: ['upper'], import: trilu }),
  defineOnnxOp({ name: 'EyeLike', since: 9, inputs: ['input'], attributes: ['dtype', 'k'], import: eyeLike }),
];
