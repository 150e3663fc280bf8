/** Sums of products in Einstein's notation, as matrix products with batches: `bhid,bhjd->bhij`. */

import { type Dim, elementsOf, isStatic, nnMatmul, nnReduceSum, nnSlice, type Value } from '../../ir/index.ts';

import type { ImportEmitter } from './import_emitter.ts';

type Letters = readonly string[];

/** The axes behind three dots, as many as an operand has besides its letters; counted from the last one, since they broadcast. */
const dotted = (count: number): Letters => Array.from({ length: count }, (_, i) => `.${count - i}`);

/**
 * The letters of the operands and of the result; without an arrow, axes behind dots and then the letters that occur once, in alphabetical
 * order. Undefined for text that is not an equation.
 *
 * @param ranks of the operands
 */
function lettersOf(
  equation: string,
  ranks: readonly number[],
): { inputs: readonly Letters[]; output: Letters } | undefined {
  const match = /^([a-zA-Z.]*(?:,[a-zA-Z.]*)*)(?:->([a-zA-Z.]*))?$/.exec(equation.replace(/\s/g, ''));
  if (match === null) return undefined;
  const [, left, right] = match;
  const words = [...left.split(','), ...(right === undefined ? [] : [right])].map((word) => word.split('...'));
  if (words.some((parts) => parts.length > 2 || parts.join('').includes('.'))) return undefined;
  const spread = (parts: readonly string[], count: number): Letters =>
    parts.length === 1 ? [...parts[0]] : [...parts[0], ...dotted(count), ...parts[1]];
  const counts = ranks.map((rank, i) => Math.max(0, rank - (words[i] ?? []).join('').length));
  const most = Math.max(0, ...counts.filter((_, i) => words[i]?.length === 2));
  const inputs = left.split(',').map((_, i) => spread(words[i], counts[i] ?? 0));
  if (right !== undefined) return { inputs, output: spread(words[words.length - 1], most) };
  const all = inputs.flat().filter((letter) => !letter.startsWith('.'));
  const once = all.filter((letter) => all.indexOf(letter) === all.lastIndexOf(letter));
  return { inputs, output: [...dotted(most), ...once.sort()] };
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

/** The product of two terms, summed over the letters that both have and nobody else. */
function product(ctx: ImportEmitter, a: Term, b: Term, kept: Letters, sizeOf: (letter: string) => Dim): Term {
  const shared = a.letters.filter((letter) => b.letters.includes(letter));
  const batch = shared.filter((letter) => kept.includes(letter));
  const inner = shared.filter((letter) => !kept.includes(letter));
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

/** The diagonal along two axes of one letter, which become the last one; undefined where no letter occurs twice. */
function diagonal(ctx: ImportEmitter, { x, letters }: Term): Term | undefined {
  const letter = letters.find((other, axis) => letters.indexOf(other) !== axis);
  if (letter === undefined) return undefined;
  const axes = letters.flatMap((other, axis) => (other === letter ? [axis] : [])).slice(0, 2);
  const others = letters.flatMap((_, axis) => (axes.includes(axis) ? [] : [axis]));
  const [n, m] = axes.map((axis) => x.type.shape[axis]);
  if (typeof n !== 'number' || n !== m) return ctx.unsupported(`a diagonal of the sizes ${n} and ${m}`);
  const before = others.map((axis) => x.type.shape[axis]);
  const flat = ctx.reshape(ctx.transpose(x, [...others, ...axes]), [...before, n * n]);
  const every = { starts: [0], ends: [n * n], axes: [others.length], steps: [n + 1] };
  return { x: ctx.emit(nnSlice, { x: flat }, every), letters: [...others.map((axis) => letters[axis]), letter] };
}

/** A term without repeated letters, and without axes of size 1 whose letter has another size elsewhere: these broadcast. */
function plain(ctx: ImportEmitter, term: Term, sizeOf: (letter: string) => Dim): Term {
  const once = diagonal(ctx, term);
  if (once !== undefined) return plain(ctx, once, sizeOf);
  const { x, letters } = term;
  const stays = (axis: number) => x.type.shape[axis] === sizeOf(letters[axis]);
  return {
    x: ctx.reshape(
      x,
      x.type.shape.filter((_, axis) => stays(axis)),
    ),
    letters: letters.filter((_, axis) => stays(axis)),
  };
}

/** The size of each letter: that of all its axes whose size is not 1. */
function sizesOf(ctx: ImportEmitter, equation: string, inputs: readonly Letters[], operands: readonly Value[]) {
  const sizes = new Map<string, Dim>();
  for (const [i, letters] of inputs.entries()) {
    const { shape } = operands[i].type;
    if (letters.length !== shape.length) ctx.refuse(`'${equation}' does not fit its operands`, 'U2005');
    for (const [axis, letter] of letters.entries()) {
      const [known, size] = [sizes.get(letter) ?? 1, shape[axis]];
      if (known !== size && known !== 1 && size !== 1) {
        if (isStatic([known, size]))
          ctx.refuse(`the axis '${letter}' of '${equation}' has the sizes ${known} and ${size}`, 'U2005');
        ctx.unsupported(`einsum of '${equation}' with an axis of the sizes ${known} and ${size}`);
      }
      if (known === 1) sizes.set(letter, size);
    }
  }
  return sizes;
}

/**
 * Every letter occurs once in the result.
 *
 * @throws Unsupported for other sums
 */
export function einsum(ctx: ImportEmitter, equation: string, operands: readonly Value[]): Value {
  const given = lettersOf(
    equation,
    operands.map(({ type }) => type.shape.length),
  );
  if (given === undefined) return ctx.unsupported(`einsum of '${equation}'`);
  const { inputs, output } = given;
  if (operands.length !== inputs.length)
    return ctx.refuse(`'${equation}' is for ${inputs.length} operands, not ${operands.length}`);
  const sizes = sizesOf(ctx, equation, inputs, operands);
  if (new Set(output).size !== output.length) return ctx.unsupported(`einsum of '${equation}'`);
  const sizeOf = (letter: string): Dim =>
    sizes.get(letter) ?? ctx.refuse(`the result of '${equation}' has an axis '${letter}' that no operand has`);
  output.forEach(sizeOf);
  const terms = inputs.map((letters, i) => plain(ctx, { x: operands[i], letters }, sizeOf));
  const kept = (others: readonly Term[]): Letters => [...output, ...others.flatMap(({ letters }) => letters)];
  const alone = terms.map((term, i) => summed(ctx, term, kept(terms.toSpliced(i, 1))));
  const { x, letters } = alone.reduce((a, b, i) => product(ctx, a, b, kept(alone.slice(i + 1)), sizeOf));
  const y = ctx.transpose(
    x,
    output.filter((letter) => letters.includes(letter)).map((letter) => letters.indexOf(letter)),
  );
  return ctx.reshape(y, output.map(sizeOf));
}
