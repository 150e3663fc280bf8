/**
 * Matrices by their diagonals, whose sizes and diagonal only the run may know: the mask of a decoder is the triangle of as many
 * positions as there are words. https://onnx.ai/onnx/operators
 */
import { type Dim, nnAdd, nnEqual, nnGreaterOrEqual, nnMax, nnMin, nnWhere, type Value } from '../../../ir/index.ts';
import { dtypeOfOnnxCode, isHalf } from '../../../tensors/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';
import { positions } from './attention_parts.ts';

/** A diagonal this far from the first one is outside of every matrix. The sum of it and a row does not wrap around. */
const FARTHEST = 2 ** 40;

/**
 * The places of the elements of a matrix: `start` is the row plus the diagonal, a column of numbers; `column` is the column, a row of them.
 * Both are constants where sizes and diagonal are.
 */
function places(
  ctx: NodeContext,
  [rows, columns]: readonly Dim[],
  k: Value,
): { readonly start: Value; readonly column: Value } {
  const near = ctx.emit(nnMin, {
    a: ctx.emit(nnMax, { a: ctx.reshape(k, []), b: ctx.scalar('s64', -FARTHEST, 'before') }),
    b: ctx.scalar('s64', FARTHEST, 'behind'),
  });
  const row = ctx.reshape(positions(ctx, rows, 's64'), [rows, 1]);
  return { start: ctx.emit(nnAdd, { a: row, b: near }), column: positions(ctx, columns, 's64') };
}

/** The matrices above or below a diagonal, 0 elsewhere. */
function trilu(ctx: NodeContext): Value {
  const x = ctx.get('input');
  const { dtype, shape } = x.type;
  if (shape.length < 2) return ctx.refuse('the input should be matrices', 'U2005', { input: 'input' });
  const { start, column } = places(ctx, shape.slice(-2), ctx.find('k') ?? ctx.scalar('s64', 0, 'diagonal'));
  const isUpper = ctx.attr.flag('upper', true);
  const cond = ctx.emit(nnGreaterOrEqual, isUpper ? { a: column, b: start } : { a: start, b: column });
  return ctx.emit(nnWhere, { cond, a: x, b: ctx.scalar(dtype, 0, 'zero') });
}

/** Zeros with ones along a diagonal, of the shape of the input. */
function eyeLike(ctx: NodeContext): Value {
  const { shape } = ctx.get('input').type;
  if (shape.length !== 2) return ctx.refuse('the input should be a matrix', 'U2005', { input: 'input' });
  const given = ctx.attr.int('dtype');
  const dtype = given === undefined ? ctx.get('input').type.dtype : dtypeOfOnnxCode(given);
  if (dtype === undefined || isHalf(dtype)) return ctx.unsupported(`the element type ${given}`);
  const { start, column } = places(ctx, shape, ctx.scalar('s64', ctx.attr.int('k', 0), 'diagonal'));
  return ctx.cast(ctx.emit(nnEqual, { a: column, b: start }), dtype);
}

export const diagonalOps: readonly OnnxOp[] = [
  defineOnnxOp({ name: 'Trilu', since: 14, inputs: ['input', 'k?'], attributes: ['upper'], import: trilu }),
  defineOnnxOp({ name: 'EyeLike', since: 9, inputs: ['input'], attributes: ['dtype', 'k'], import: eyeLike }),
];
