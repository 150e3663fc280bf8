/** Sums of products in Einstein's notation, as matrix products with batches: `bhid,bhjd->bhij`. */

import { type Dim, elementsOf, isStatic, nnMatmul, nnReduceSum, type Value } from '../../ir/index.ts';

import type { ImportEmitter } from './import_emitter.ts';

type Letters = readonly string[];

/**
 * The letters of the operands and of the result; without an arrow, the letters that occur once, in alphabetical order.
 */
function lettersOf(equation: string): { inputs: readonly Letters[]; output: Letters } | undefined {
  const match = /^([a-zA-Z]*(?:,[a-zA-Z]*)*)(?:->([a-zA-Z]*))?$/.exec(equation.replaceAll(' ', ''));
  if (match === null) return undefined;
  const [, left, right] = match;
  const once = [...left.replaceAll(',', '')].filter(
    (letter, _, all) => all.indexOf(letter) === all.lastIndexOf(letter),
  );
  return { inputs: left.split(',').map((word) => [...word]), output: [...(right ?? once.sort().join(''))] };
}

/** An operand and the letters of its axes. */
interface Term {
  readonly x: Value;
  readonly letters: Letters;
}

/** The axes of the letters that nobody else has are summed over. */
function summed(ctx: ImportEmitter, { x, letters }: Term, kept: Letters): Term {
  const axes = letters.flatMap((letter, axis) => (kept.includes(letter) ? [] : [axis]));
  if (axes.length === 0) return { x, letters };
  return {
    x: ctx.emit(nnReduceSum, { x }, { axes, keepdims: false }),
    letters: letters.filter((letter) => kept.includes(letter)),
  };
}

function product(ctx: ImportEmitter, a: Term, b: Term, output: Letters, sizeOf: (letter: string) => Dim): Term {
  const shared = a.letters.filter((letter) => b.letters.includes(letter));
  const batch = shared.filter((letter) => output.includes(letter));
  const inner = shared.filter((letter) => !output.includes(letter));
  const rows = a.letters.filter((letter) => !shared.includes(letter));
  const columns = b.letters.filter((letter) => !shared.includes(letter));
  const arranged = ({ x, letters }: Term, first: Letters, last: Letters): Value => {
    const perm = [...batch, ...first, ...last].map((letter) => letters.indexOf(letter));
    const joined = (list: Letters) => elementsOf(list.map(sizeOf));
    return ctx.reshape(ctx.transpose(x, perm), [...batch.map(sizeOf), joined(first), joined(last)]);
  };
  const y = ctx.emit(nnMatmul, { a: arranged(a, rows, inner), b: arranged(b, inner, columns) });
  const letters = [...batch, ...rows, ...columns];
  return { x: ctx.reshape(y, letters.map(sizeOf)), letters };
}

/**
 * One operand or two; every letter occurs once in each.
 *
 * @throws Unsupported for other sums
 */
export function einsum(ctx: ImportEmitter, equation: string, operands: readonly Value[]): Value {
  const given = lettersOf(equation);
  if (given === undefined || given.inputs.length > 2) return ctx.unsupported(`einsum of '${equation}'`);
  const { inputs, output } = given;
  if (operands.length !== inputs.length)
    return ctx.refuse(`'${equation}' is for ${inputs.length} operands, not ${operands.length}`);
  const sizes = new Map<string, Dim>();
  for (const [i, letters] of inputs.entries()) {
    const { shape } = operands[i].type;
    if (letters.length !== shape.length) ctx.refuse(`'${equation}' does not fit its operands`, 'U2005');
    for (const [axis, letter] of letters.entries()) {
      const [known, size] = [sizes.get(letter) ?? shape[axis], shape[axis]];
      if (known !== size && isStatic([known, size]) && known !== 1 && size !== 1)
        ctx.refuse(`the axis '${letter}' of '${equation}' has the sizes ${known} and ${size}`, 'U2005');
      if (known !== size) ctx.unsupported(`einsum of '${equation}' with an axis of the sizes ${known} and ${size}`);
      sizes.set(letter, size);
    }
  }
  const isTwice = (letters: Letters) => new Set(letters).size !== letters.length;
  if ([...inputs, output].some(isTwice)) return ctx.unsupported(`einsum of '${equation}'`);
  const sizeOf = (letter: string): Dim =>
    sizes.get(letter) ?? ctx.refuse(`the result of '${equation}' has an axis '${letter}' that no operand has`);
  output.forEach(sizeOf);
  const terms = inputs.map((letters, i) => {
    const others = inputs.flatMap((list, k) => (k === i ? [] : list));
    return summed(ctx, { x: operands[i], letters }, [...output, ...others]);
  });
  const { x, letters } = terms.reduce((a, b) => product(ctx, a, b, output, sizeOf));
  return ctx.transpose(
    x,
    output.map((letter) => letters.indexOf(letter)),
  );
}
