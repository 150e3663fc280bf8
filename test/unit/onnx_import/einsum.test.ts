/** Einsum against its formula: for every letter of the equation a loop. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { nodesOf } from '../../../src/ir/graph.ts';
import { interpret } from '../../../src/ir/interpret.ts';
import { type ITensor, numbersOf, sizeOf, stridesOf, tensor } from '../../../src/tensors/tensor.ts';
import { writeModel } from '../../support/onnx.ts';

/** Small integers: sums of products are exact in any order. */
function filled(shape: readonly number[], seed: number): ITensor<'f32'> {
  const values = Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 7 + seed * 5) % 11) - 5);
  return tensor('f32', values, shape);
}

function imported(equation: string, operands: readonly ITensor[], output: readonly number[]) {
  const names = operands.map((_, i) => `x${i}`);
  return importOnnx(
    writeModel({
      nodes: [{ op: 'Einsum', inputs: names, outputs: ['y'], attrs: { equation } }],
      inputs: operands.map(({ shape }, i) => ({ name: names[i], type: 'float32', dims: [...shape] })),
      outputs: [{ name: 'y', type: 'float32', dims: [...output] }],
      initializers: [],
    }),
  );
}

/** y[o] = Σ over all other letters of Π x_i[letters of i] */
function byFormula(inputs: readonly string[], output: string, operands: readonly ITensor[]): number[] {
  const sizes = new Map(
    inputs.flatMap((word, i) => [...word].map((letter, axis) => [letter, operands[i].shape[axis]])),
  );
  const letters = [...sizes.keys()];
  const data = operands.map(numbersOf);
  const at = (word: string, shape: readonly number[], index: ReadonlyMap<string, number>) => {
    const strides = stridesOf(shape);
    return [...word].reduce((sum, letter, axis) => sum + (index.get(letter) ?? 0) * strides[axis], 0);
  };
  const shape = [...output].map((letter) => sizes.get(letter) ?? 1);
  const y = Array<number>(sizeOf(shape)).fill(0);
  const visit = (depth: number, index: Map<string, number>): void => {
    if (depth === letters.length) {
      const term = inputs.reduce((p, word, i) => p * data[i][at(word, operands[i].shape, index)], 1);
      y[at(output, shape, index)] += term;
      return;
    }
    for (let k = 0; k < (sizes.get(letters[depth]) ?? 0); k++)
      visit(depth + 1, new Map([...index, [letters[depth], k]]));
  };
  visit(0, new Map());
  return y.map((v) => v + 0);
}

/** Words of distinct letters of `abcde`, and a result made of letters that they have. */
const equations = fc
  .array(fc.shuffledSubarray([...'abcde'], { maxLength: 4 }), { minLength: 1, maxLength: 4 })
  .chain((inputs) =>
    fc.record({
      inputs: fc.constant(inputs.map((word) => word.join(''))),
      output: fc.shuffledSubarray([...new Set(inputs.flat())]).map((word) => word.join('')),
      sizes: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 5, maxLength: 5 }),
    }),
  );

describe('Einsum', () => {
  it('is its formula', () => {
    fc.assert(
      fc.property(equations, ({ inputs, output, sizes }) => {
        const shapeOf = (word: string) => [...word].map((letter) => sizes['abcde'.indexOf(letter)]);
        const operands = inputs.map((word, i) => filled(shapeOf(word), i + 1));
        const graph = imported(`${inputs.join(',')}->${output}`, operands, shapeOf(output));
        expect(graph.origin?.unsupported).toEqual([]);
        const feeds = Object.fromEntries(operands.map((x, i) => [`x${i}`, x]));
        const { y } = interpret(graph, feeds);
        expect(y.shape).toEqual(shapeOf(output));
        expect(numbersOf(y).map((v) => v + 0)).toEqual(byFormula(inputs, output, operands));
      }),
    );
  });

  it('has the letters that occur once as its result where no result is written', () => {
    const operands = [filled([2, 3], 1), filled([3, 2], 2)];
    const graph = imported('kj, ji', operands, [2, 2]);
    const { y } = interpret(graph, { x0: operands[0], x1: operands[1] });
    expect(numbersOf(y)).toEqual(byFormula(['kj', 'ji'], 'ik', operands));
  });

  it('is one matrix product where it says no more', () => {
    const graph = imported('bij,bjk->bik', [filled([2, 2, 3], 1), filled([2, 3, 2], 2)], [2, 2, 2]);
    expect(nodesOf(graph).map(({ op }) => op)).toEqual(['nn.matmul']);
  });

  // with letters in place of the dots, and of sizes that are spread before
  it.each([
    ['ii->i', 'ii->i', [[3, 3]], [3]],
    ['ibi,i->b', 'ibi,i->b', [[3, 2, 3], [3]], [2]],
    ['iii->', 'iii->', [[2, 2, 2]], []],
    ['...ij->...ji', 'abij->abji', [[2, 3, 2, 1]], [2, 3, 1, 2]],
    [
      '...ij,...jk',
      'abij,abjk->abik',
      [
        [2, 3, 2, 2],
        [2, 3, 2, 1],
      ],
      [2, 3, 2, 1],
    ],
    ['j...,k->...kj', 'jab,k->abkj', [[2, 3, 2], [4]], [3, 2, 4, 2]],
    [
      '...i,...i',
      'ai,bai->ba',
      [
        [3, 2],
        [2, 3, 2],
      ],
      [2, 3],
    ],
    ['i...->...', 'iab->ab', [[3, 2, 2]], [2, 2]],
  ] as const)('%s is %s', (equation, plain, shapes, output) => {
    const operands = shapes.map((shape, i) => filled(shape, i + 1));
    const graph = imported(equation, operands, output);
    expect(graph.origin?.unsupported).toEqual([]);
    const { y } = interpret(graph, Object.fromEntries(operands.map((x, i) => [`x${i}`, x])));
    const [left, right] = plain.split('->');
    expect(y.shape).toEqual(output);
    expect(numbersOf(y).map((v) => v + 0)).toEqual(byFormula(left.split(','), right, operands));
  });

  it('broadcasts axes of size 1', () => {
    const [a, b] = [filled([2, 1], 1), filled([3, 2], 2)];
    const { y } = interpret(imported('ij,jk->ik', [a, b], [2, 2]), { x0: a, x1: b });
    const wide = tensor(
      'f32',
      [0, 0, 0, 1, 1, 1].map((i) => numbersOf(a)[i]),
      [2, 3],
    );
    expect(numbersOf(y).map((v) => v + 0)).toEqual(byFormula(['ij', 'jk'], 'ik', [wide, b]));
    const dots = [filled([1, 2], 1), filled([3, 2], 2)];
    const sum = interpret(imported('...i,...i->...', dots, [3]), { x0: dots[0], x1: dots[1] });
    const [row, rows] = dots.map(numbersOf);
    expect(numbersOf(sum.y)).toEqual([0, 1, 2].map((i) => row[0] * rows[2 * i] + row[1] * rows[2 * i + 1]));
  });

  it.each([
    ['i->ii', [[2]], [2, 2]],
    ['i..j->i', [[2, 2]], [2]],
    ['...i...->i', [[2, 2]], [2]],
  ] as const)('%s is opaque', (equation, shapes, output) => {
    const graph = imported(
      equation,
      shapes.map((shape) => filled(shape, 1)),
      output,
    );
    expect(graph.origin?.unsupported[0].reason).toContain(`einsum of '${equation}'`);
  });

  it.each([
    ['ij->ik', [[2, 2]], [2, 2], 'U2004', "an axis 'k' that no operand has"],
    ['ijk->i', [[2, 2]], [2], 'U2005', 'does not fit its operands'],
    ['i,j->ij', [[2]], [2, 2], 'U2004', 'for 2 operands, not 1'],
    [
      'ij,jk->ik',
      [
        [2, 2],
        [3, 2],
      ],
      [2, 2],
      'U2005',
      'has the sizes 2 and 3',
    ],
  ] as const)('%s of other operands is refused', (equation, shapes, output, code, message) => {
    const all = shapes.map((shape) => filled(shape, 1));
    expect(() => imported(equation, all, output)).toThrow(message);
    expect(() => imported(equation, all, output)).toThrow(code);
  });
});
