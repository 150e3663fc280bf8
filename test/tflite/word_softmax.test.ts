/** Softmax of 16-bit integers: rows that LiteRT answered, and the equation in plain loops over exact integers. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exponentialOfWord, reciprocalOfWord } from '../../src/numerics/index.ts';
import { numbersOf, sizeOf, tensor } from '../../src/tensors/index.ts';
import { random } from '../fuzz/draw.ts';
import { draws } from '../support/draws.ts';
import { sameEverywhere } from './everywhere.ts';
import { clamp, nearest, two } from './exact.ts';
import { answerOf, type OperatorTest } from './layout_law.ts';

const f = Math.fround;

/** Scale, factor of the exponent, a row, and the answer of ai-edge-litert 2.3.0, in which all engines agree. */
const recorded = [
  [6.308545562205836e-5, 0.7, [-1562, 479, 2248, -3422, 3630, -284], [5030, 5504, 5952, 4633, 6326, 5322]],
  [0.0004944169777445495, 0.1, [14028, -26195], [28824, 3945]],
  [0.011860685423016548, 2, [-3545, 2151], [2, 32766]],
] as const;

function rowOf(q: readonly number[], sx: number, beta: number): number[] {
  const top = Math.max(...q);
  const factor = f(f(sx) * f(beta)) / (10 / 65535);
  const terms = q.map((v) => exponentialOfWord(clamp(-32768, 32767, two(BigInt(v - top), factor) + 32767n)));
  const sum = BigInt(terms.reduce((a, b) => a + b, 0));
  const bits = sum.toString(2).length;
  const fraction = nearest(sum << BigInt(31 - bits), 1n << 14n, 'up') - 2n ** 15n - 2n ** 16n;
  const reciprocal = reciprocalOfWord(clamp(-32768, 32767, fraction));
  return terms.map((e) => clamp(0, 32767, nearest(BigInt(e * reciprocal), 1n << BigInt(bits - 1), 'up')));
}

const testOf = (q: readonly number[], shape: readonly number[], sx: number, beta: number): OperatorTest => ({
  name: 'SOFTMAX',
  options: { number: 9, fields: [[0, beta, 'float32']] },
  operands: [{ value: tensor('s16', [...q], shape), scale: sx, zeroPoint: 0 }],
  results: [{ dtype: 's16', shape, scale: 2 ** -15, zeroPoint: 0 }],
});

describe('a softmax of 16-bit integers', () => {
  it.each(recorded)('of %s·%s·%s', (sx, beta, q, answer) => {
    for (const profile of ['tflite', 'xnnpack'] as const)
      expect(numbersOf(answerOf(testOf(q, [1, q.length], sx, beta), 'last', profile).results[0])).toEqual(answer);
  });

  it('follows the equation, on every engine', async () => {
    const cases = fc.record({
      shape: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }),
      exponent: fc.double({ min: -16, max: -4, noNaN: true }),
      beta: fc.constantFrom(1, 2, f(0.3)),
      width: fc.constantFrom(2, 300, 65536),
      seed: fc.nat(),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ shape, exponent, beta, width, seed }) => {
        const draw = random(seed);
        const q = Array.from({ length: sizeOf(shape) }, () => draw(width) - width / 2);
        const sx = f(2 ** exponent);
        const { graph, results } = answerOf(testOf(q, shape, sx, beta), 'last');
        const length = shape[shape.length - 1];
        const rows = Array.from({ length: q.length / length }, (_, i) => q.slice(i * length, (i + 1) * length));
        expect(numbersOf(results[0])).toEqual(rows.flatMap((row) => rowOf(row, sx, beta)));
        await sameEverywhere(graph, { t0: tensor('s16', q, shape) });
      }),
      draws(30),
    );
  });

  it('is near the real one, within the curvature of its tables', () => {
    const q = [-9000, 100, 4000, 12000, 11000, 3];
    const sx = 2 ** -12;
    const real = q.map((v) => Math.exp(sx * v));
    const sum = real.reduce((a, b) => a + b, 0);
    const [y] = answerOf(testOf(q, [1, 6], sx, 1), 'last').results;
    for (const [i, e] of real.entries()) expect(Math.abs(Number(y.data[i]) - (32768 * e) / sum)).toBeLessThan(4);
  });

  it('has exponentials that are not negative, of which that of 0 has 15 bits', () => {
    const all = Array.from({ length: 65536 }, (_, i) => exponentialOfWord(i - 32768));
    expect(all.filter((e) => e < 0)).toEqual([]);
    expect(exponentialOfWord(32767)).toBeGreaterThanOrEqual(2 ** 14);
  });
});
