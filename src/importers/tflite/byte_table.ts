/** Functions of bytes as tables. */
import { lutOf, pairLutOf, qnnLut, qnnPairLut, type Value } from '../../ir/index.ts';
import type { ByteFunction, PairFunction } from '../../numerics/index.ts';
import { type ByteType, numbersOf } from '../../tensors/index.ts';
import type { OperatorContext } from './operator_context.ts';

/** f(x) for a tensor of bytes; x itself where f changes nothing. */
export function tabulated(
  ctx: OperatorContext,
  x: Value,
  [from, to]: readonly [ByteType, ByteType],
  f: ByteFunction,
): Value {
  const table = lutOf(from, to, f);
  const isIdentity = from === to && table.data.every((value, byte) => (value & 255) === byte);
  return isIdentity ? x : ctx.emit(qnnLut, { x, table: ctx.constant(table, 'table') });
}

/** The one number that a constant consists of, where it adds no axes to `other` and widens none. */
function sameEverywhere(ctx: OperatorContext, x: Value, other: Value): number | undefined {
  const constant = ctx.constantOf(x);
  if (constant === undefined || constant.data.length === 0) return undefined;
  const [own, whole] = [x.type.shape, other.type.shape];
  const missing = whole.length - own.length;
  if (missing < 0 || own.some((dim, axis) => dim !== 1 && dim !== whole[axis + missing])) return undefined;
  const [first, ...rest] = numbersOf(constant);
  return rest.every((value) => value === first) ? first : undefined;
}

/** f(a, b) for two tensors of bytes that broadcast; a table of one where the other is one number. */
export function tabulatedPair(
  ctx: OperatorContext,
  [a, b]: readonly [Value, Value],
  [from, to]: readonly [ByteType, ByteType | 'bool'],
  f: PairFunction,
): Value {
  if (to !== 'bool') {
    const [left, right] = [sameEverywhere(ctx, a, b), sameEverywhere(ctx, b, a)];
    if (right !== undefined) return tabulated(ctx, a, [from, to], (q) => f(q, right));
    if (left !== undefined) return tabulated(ctx, b, [from, to], (q) => f(left, q));
  }
  const table = ctx.lazy({ dtype: to, shape: [256 * 256] }, () => pairLutOf(from, to, f), 'table');
  return ctx.emit(qnnPairLut, { a, b, table });
}
