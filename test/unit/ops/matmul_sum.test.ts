/** The products of the interpreter against one product after another. */
import { expect, it } from 'vitest';
import { matmulSum } from '../../../src/ir/ops/matmul_sum.ts';

const numbers = (length: number, seed: number): Float64Array =>
  Float64Array.from({ length }, (_, i) => Math.sin(i * 12.9898 + seed) * 3);

it.each([
  [1, 1, 1, 1],
  [1, 1, 9, 1],
  [1, 2, 4, 3],
  [2, 3, 5, 7],
  [3, 4, 6, 256],
  [1, 5, 7, 257],
  [1, 2, 3, 600],
  [1, 7, 64, 300],
])('batch %i, [%i, %i] x [%i]: the same floats, in the order of k', (batch, m, k, n) => {
  const [a, b, za] = [numbers(batch * m * k, 1), numbers(k * n, 2), numbers(m, 3)];
  const expected = new Float64Array(batch * m * n);
  for (let t = 0; t < batch; t++)
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let c = 0; c < k; c++) sum += (a[(t * m + i) * k + c] - za[i]) * b[c * n + j];
        expected[(t * m + i) * n + j] = sum;
      }
  expect(matmulSum({ a, aShape: [batch, m, k], b, bShape: [k, n], za })).toEqual(expected);
});
