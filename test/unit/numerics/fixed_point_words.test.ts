/** Functions of 16-bit fixed point: all words. */
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { logisticOfWord, logisticTable, tanhOfWord, tanhTable } from '../../../src/numerics/index.ts';
import { bytesOf } from '../../../src/tensors/index.ts';

const digest = (table: Int16Array): string => createHash('sha256').update(bytesOf(table)).digest('hex').slice(0, 16);
const words = Array.from({ length: 2 ** 16 }, (_, i) => i - 2 ** 15);

it('is what the kernels of ai-edge-litert 2.3.0 compute: the cells of a layer with one gate at every word', () => {
  expect([digest(logisticTable()), digest(tanhTable(3))]).toMatchInlineSnapshot(`
    [
      "2cf23c76c19ae97b",
      "eb889531a33ba59e",
    ]
  `);
});

it('is at the position of its word, negative ones counted from the end', () => {
  expect(words.every((q) => logisticTable().at(q) === logisticOfWord(q))).toBe(true);
  expect(words.every((q) => tanhTable(5).at(q) === tanhOfWord(q, 5))).toBe(true);
});

/** The largest of a number for every word. */
const worst = (of: (q: number) => number): number => words.reduce((most, q) => Math.max(most, of(q)), 0);

it('a logistic function is near the real one and symmetric around 1/2', () => {
  expect(worst((q) => Math.abs(logisticOfWord(q) / 2 ** 15 - 1 / (1 + Math.exp(-q / 2 ** 12))))).toBeLessThan(2 ** -12);
  const sums = new Set(words.slice(1).map((q) => logisticOfWord(q) + logisticOfWord(-q)));
  expect([...sums].sort()).toEqual([2 ** 15 - 1, 2 ** 15]); // the latter for 0
});

it.each([0, 1, 2, 3, 4, 5, 6])('tanh with %d bits before the point is near the real one and odd', (m) => {
  expect(worst((q) => Math.abs(tanhOfWord(q, m) / 2 ** 15 - Math.tanh(q / 2 ** (15 - m))))).toBeLessThan(2 ** -11);
  expect(new Set(words.slice(1).map((q) => tanhOfWord(q, m) + tanhOfWord(-q, m)))).toEqual(new Set([0]));
});
