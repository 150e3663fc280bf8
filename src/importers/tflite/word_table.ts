/** Functions of 16-bit integers as tables of 65,536. */
import { nnGather, type Value } from '../../ir/index.ts';
import type { ByteFunction } from '../../numerics/index.ts';
import { newArray, tensor } from '../../tensors/index.ts';
import type { OperatorContext } from './operator_context.ts';

const WORDS = 2 ** 16;

/** f(x) for a tensor of s16, as integers of the type `to`: negative indices count from the end of the table. */
export function tabulatedWords(
  ctx: OperatorContext,
  x: Value,
  to: 'u8' | 's8' | 's16' | 's32',
  f: ByteFunction,
): Value {
  const table = newArray(to, WORDS);
  for (let word = 0; word < WORDS; word++) table[word] = f(word < WORDS / 2 ? word : word - WORDS);
  return ctx.emit(nnGather, { x: ctx.constant(tensor(to, table), 'table'), indices: ctx.cast(x, 's32') }, { axis: 0 });
}
