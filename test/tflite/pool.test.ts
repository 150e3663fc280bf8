/** Means of raw integers: exact, and the same on every engine. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { GraphBuilder } from '../../src/ir/index.ts';
import { nnMaxPool } from '../../src/ir/ops/nn_pool.op.ts';
import { qnnAveragePool } from '../../src/ir/ops/qnn_average_pool.op.ts';
import { averageFactor, averageOfRaw } from '../../src/numerics/tflite_pool.ts';
import { sizeOf, tensor } from '../../src/tensors/index.ts';
import { random } from '../fuzz/draw.ts';
import { draws } from '../support/draws.ts';
import { sameEverywhere } from './everywhere.ts';

it('is the nearest integer, ties away from zero', () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 24), max: 2 ** 24 }), fc.integer({ min: 1, max: 2 ** 16 }), (sum, count) => {
      const average = averageOfRaw(sum, count);
      // 2|sum − average·count| ≤ count, and a tie is farther from zero than sum
      const rest = 2 * Math.abs(sum - average * count);
      expect(rest).toBeLessThanOrEqual(count);
      if (rest === count) expect(Math.abs(average) * count).toBeGreaterThan(Math.abs(sum));
    }),
    draws(1000),
  );
});

it('is one rounded product of binary32 for images of every size', () => {
  for (let count = 1; count <= 128; count++)
    for (const [low, high] of [
      [0, 255],
      [-128, 127],
    ]) {
      const factor = averageFactor(count, low, high) ?? Number.NaN;
      expect(Math.abs(factor * count - 1)).toBeLessThan(2 ** -21);
    }
});

it('a maximum of 16-bit integers is the same everywhere', async () => {
  const b = new GraphBuilder();
  const attrs = { kernel: [2, 3], strides: [1, 2], pads: [1, 0, 0, 2], dilations: [1, 1] };
  const y = b.emit(nnMaxPool, { x: b.input('x', 's16', [1, 2, 4, 5]) }, attrs);
  const draw = random(7);
  const values = Array.from({ length: 40 }, () => draw(2 ** 16) - 2 ** 15);
  await sameEverywhere(b.finish([y]), { x: tensor('s16', values, [1, 2, 4, 5]) });
});

const pools = fc.record({
  dtype: fc.constantFrom('u8' as const, 's8' as const),
  batch: fc.integer({ min: 1, max: 2 }),
  channels: fc.constantFrom(1, 3, 8, 17),
  size: fc.tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 8 })),
  kernel: fc.tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 8 })),
  stride: fc.integer({ min: 1, max: 3 }),
  pad: fc.integer({ min: 0, max: 2 }),
  isGlobal: fc.boolean(),
  seed: fc.nat(),
});

it('gives the same bytes on the interpreter, the addon and ONNX Runtime', async () => {
  await fc.assert(
    fc.asyncProperty(pools, async ({ dtype, batch, channels, size, kernel, stride, pad, isGlobal, seed }) => {
      const window = isGlobal ? size : kernel.map((k, i) => Math.min(k, size[i]));
      const pads = isGlobal ? [0, 0, 0, 0] : [0, 1, 2, 3].map((i) => Math.min(pad, window[i % 2] - 1));
      const shape = [batch, channels, ...size];
      const b = new GraphBuilder();
      const [s, z] = [b.scalar('f32', 0.25), b.scalar(dtype, 5)];
      const operands = { x: b.input('x', dtype, shape), sx: s, zx: z, sy: s, zy: z };
      const attrs = { kernel: window, strides: [stride, stride], pads, dilations: [1, 1], recipe: 'tflite' } as const;
      const y = b.emit(qnnAveragePool, operands, attrs);
      const draw = random(seed);
      const low = dtype === 'u8' ? 0 : -128;
      const x = tensor(
        dtype,
        Array.from({ length: sizeOf(shape) }, () => low + draw(256)),
        shape,
      );
      const { results, fallbacks } = await sameEverywhere(b.finish([y]), { x });
      if (isGlobal) expect(fallbacks).toEqual([]);
      // plain loops
      const result = results[y.id];
      const [, , oh, ow] = result.shape;
      for (let i = 0; i < result.data.length; i++) {
        const [plane, row, column] = [Math.floor(i / (oh * ow)), Math.floor(i / ow) % oh, i % ow];
        let [sum, count] = [0, 0];
        for (let r = 0; r < window[0]; r++)
          for (let c = 0; c < window[1]; c++) {
            const [h, w] = [row * stride - pads[0] + r, column * stride - pads[1] + c];
            if (h < 0 || w < 0 || h >= size[0] || w >= size[1]) continue;
            sum += x.data[(plane * size[0] + h) * size[1] + w];
            count++;
          }
        const half = sum > 0 ? Math.floor(count / 2) : -Math.floor(count / 2);
        expect(Number(result.data[i])).toBe(Number((BigInt(sum) + BigInt(half)) / BigInt(count)));
      }
    }),
    draws(30),
  );
});
