/** Sums of products in Einstein's notation, as one matrix product with batches: `bhid,bhjd->bhij`. */
import { type Dim, elementsOf, nnMatmul, type Value } from '../../ir/index.ts';
import type { ImportEmitter } from './import_emitter.ts';

/** The letters of the operands and of the result; without an arrow, those that occur once, in alphabetical order. */
function lettersOf(equation: string): { inputs: string[][]; output: string[] } | undefined {
  const match = /^([a-zA-Z]*(?:,[a-zA-Z]*)*)(?:->([a-zA-Z]*))?$/.exec(equation.replaceAll(' ', ''));
  if (match === null) return undefined;
  const [, left, right] = match;
  const once = [...left.replaceAll(',', '')].filter(
    (letter, _, all) => all.indexOf(letter) === all.lastIndexOf(letter),
  );
  return { inputs: left.split(',').map((word) => [...word]), output: [...(right ?? once.sort().join(''))] };
}

/**
 * Two operands; every letter occurs once in each, and those of one operand alone occur in the result.
 *
 * @throws Unsupported for other sums
 */
export function einsum(ctx: ImportEmitter, equation: string, operands: readonly Value[]): Value {
  const letters = lettersOf(equation);
  const refuse = (): never => ctx.unsupported(`einsum of '${equation}'`);
  if (letters === undefined || letters.inputs.length !== 2) return refuse();
  const { inputs, output } = letters;
  if (operands.length !== 2) return ctx.refuse(`'${equation}' has two operands, not ${operands.length}`);
  if ([...inputs, output].some((list) => new Set(list).size !== list.length)) return refuse();
  const [left, right] = inputs;
  const sizes = new Map<string, Dim>();
  for (const [i, list] of inputs.entries()) {
    const { shape } = operands[i].type;
    if (list.length !== shape.length) ctx.refuse(`'${equation}' does not fit its operands`, 'U2005');
    for (const [axis, letter] of list.entries()) sizes.set(letter, shape[axis]);
  }
  const size = (letter: string): Dim => sizes.get(letter) ?? refuse();
  const batch = left.filter((l) => right.includes(l) && output.includes(l));
  const inner = left.filter((l) => right.includes(l) && !output.includes(l));
  const [rows, columns] = [left.filter((l) => !right.includes(l)), right.filter((l) => !left.includes(l))];
  if (![...rows, ...columns].every((l) => output.includes(l))) return refuse();
  const arranged = (x: Value, from: readonly string[], first: readonly string[], last: readonly string[]): Value => {
    const perm = [...batch, ...first, ...last].map((letter) => from.indexOf(letter));
    const joined = (list: readonly string[]) => elementsOf(list.map(size));
    return ctx.reshape(ctx.transpose(x, perm), [...batch.map(size), joined(first), joined(last)]);
  };
  const product = ctx.emit(nnMatmul, {
    a: arranged(operands[0], left, rows, inner),
    b: arranged(operands[1], right, inner, columns),
  });
  const natural = [...batch, ...rows, ...columns];
  const wide = ctx.reshape(product, natural.map(size));
  return ctx.transpose(
    wide,
    output.map((letter) => natural.indexOf(letter)),
  );
}
