/** Functions of bytes as tables. */
import { lutOf, qnnLut, type Value } from '../../ir/index.ts';
import type { ByteFunction } from '../../numerics/index.ts';
import type { ByteType } from '../../tensors/index.ts';
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
