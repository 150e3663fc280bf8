/** Normalizations and pools of floats, held channels last and channels first, against plain loops. */
import { describe, expect, it } from 'vitest';
import { tfliteProfiles } from '../../src/importers/tflite/profiles.ts';
import { type ITensor, tensor } from '../../src/tensors/index.ts';
import { random } from '../fuzz/draw.ts';
import { made, read } from './drawn.ts';
import { answerOf, type OperatorTest } from './layout_law.ts';
import type { OptionsInit } from './model_writer.ts';

const draw = random(11);
const shape = [2, 4, 3, 6];
const value = tensor(
  'f32',
  Array.from({ length: 144 }, () => draw(2001) / 500 - 2),
  shape,
);
const channels = [...Array(6).keys()];
const channelsAt = ([n, h, w]: readonly number[]): number[] => channels.map((c) => read(value, [n, h, w, c]));
const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);

function expectNear(test: OperatorTest, expected: ITensor, profile: (typeof tfliteProfiles)[number]): void {
  for (const layout of ['last', 'first'] as const) {
    const [y] = answerOf(test, layout, profile).results;
    expect(y.shape).toEqual(expected.shape);
    Array.from(expected.data, Number).forEach((v, i) => {
      expect(Math.abs(Number(y.data[i]) - v)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(v)));
    });
  }
}

const testOf = (name: string, options?: OptionsInit, to = shape): OperatorTest => ({
  name,
  ...(options && { options }),
  operands: [{ value }],
  results: [{ dtype: 'f32', shape: to }],
});

describe.each(tfliteProfiles)('floats under %s', (profile) => {
  it('a softmax of 2·x', () => {
    const y = made(value, shape, (p) => {
      const row = channelsAt(p).map((v) => Math.exp(2 * v));
      return row[p[3]] / sum(row);
    });
    expectNear(testOf('SOFTMAX', { number: 9, fields: [[0, 2, 'float32']] }), y, profile);
  });

  it('the logarithm of a softmax', () => {
    const y = made(value, shape, (p) => read(value, p) - Math.log(sum(channelsAt(p).map(Math.exp))));
    expectNear(testOf('LOG_SOFTMAX'), y, profile);
  });

  it('a normalization by the length', () => {
    const y = made(value, shape, (p) => read(value, p) / Math.hypot(...channelsAt(p)));
    expectNear(testOf('L2_NORMALIZATION', { number: 12, fields: [] }), y, profile);
  });

  it.each([0, 1, 2, 9])('a normalization by the channels up to %i away', (radius) => {
    const [bias, alpha, beta] = [1.5, 0.25, 0.75];
    // the reference kernel leaves out the last channel of the window
    const reach = profile === 'tflite' ? radius - 1 : radius;
    const y = made(value, shape, (p) => {
      const near = channelsAt(p).filter((_, c) => c >= p[3] - radius && c <= p[3] + reach);
      return read(value, p) * (bias + alpha * sum(near.map((v) => v * v))) ** -beta;
    });
    const fields = [[0, radius] as const, ...[bias, alpha, beta].map((v, i) => [i + 1, v, 'float32'] as const)];
    expectNear(testOf('LOCAL_RESPONSE_NORMALIZATION', { number: 13, fields }), y, profile);
  });

  it.each(['AVERAGE_POOL_2D', 'L2_POOL_2D', 'MAX_POOL_2D'])('%s of cells inside of the image', (name) => {
    const to = [2, 2, 3, 6];
    const y = made(value, to, ([n, h, w, c]) => {
      // SAME: a window of 3x2, steps of 2x1, and a column after the last one
      const cells = [2 * h, 2 * h + 1, 2 * h + 2].flatMap((r) => [w, w + 1].map((s) => [n, r, s, c]));
      const inside = cells.filter(([, r, s]) => r < 4 && s < 3).map((p) => read(value, p));
      if (name === 'MAX_POOL_2D') return Math.max(...inside);
      const mean = sum(inside.map((v) => (name === 'L2_POOL_2D' ? v * v : v))) / inside.length;
      return name === 'L2_POOL_2D' ? Math.sqrt(mean) : mean;
    });
    const fields = [[0, 0, 'int8'] as const, ...[1, 2, 2, 3].map((v, i) => [i + 1, v] as const)];
    expectNear(testOf(name, { number: 5, fields }, to), y, profile);
  });
});
