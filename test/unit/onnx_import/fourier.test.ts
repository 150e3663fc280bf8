/** DFT and STFT against the sums that define them, for all variants of direction, sides, length, axis and parts. */
import { expect, test } from 'vitest';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { interpret, tensor } from '../../../src/ir/index.ts';
import { writeModel } from '../../support/onnx.ts';

const samples = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => Math.sin(i * i) * 4);

/** Σ_t x[t]·e^(±2πi·tk/N), of pairs, or of real numbers. */
function sum(x: readonly (readonly [number, number])[], k: number, length: number, sign: number): [number, number] {
  let [re, im] = [0, 0];
  x.slice(0, length).forEach(([a, b], t) => {
    const angle = (sign * 2 * Math.PI * t * k) / length;
    re += a * Math.cos(angle) - b * Math.sin(angle);
    im += a * Math.sin(angle) + b * Math.cos(angle);
  });
  return [re, im];
}

const pairs = (data: ArrayLike<number>, parts: number): [number, number][] =>
  Array.from({ length: data.length / parts }, (_, i) => [data[i * parts], parts === 2 ? data[i * parts + 1] : 0]);

function expectNear(found: ArrayLike<number>, expected: readonly number[]): void {
  expect(found.length).toBe(expected.length);
  expected.forEach((value, i) => {
    expect(Math.abs(found[i] - value)).toBeLessThan(1e-5 * (1 + Math.abs(value)));
  });
}

const cases = [1, 2].flatMap((parts) =>
  [false, true].flatMap((isInverse) =>
    [7, 8].flatMap((count) => [5, 12, undefined].map((length) => ({ parts, isInverse, count, length }))),
  ),
);

test.each(cases)(
  'DFT of $count samples of $parts, length $length, inverse $isInverse',
  ({ parts, isInverse, count, length }) => {
    const data = samples(2 * count * parts);
    for (const [opset, axis] of [
      [17, 1],
      [20, -2],
    ] as const) {
      const bytes = writeModel({
        opsets: { '': opset },
        inputs: [{ name: 'x', type: 'float32', dims: [2, count, parts] }],
        outputs: [{ name: 'y', type: 'float32' }],
        initializers: [
          ...(length === undefined ? [] : [{ name: 'n', tensor: tensor('s64', [BigInt(length)], []) }]),
          ...(opset === 20 ? [{ name: 'axis', tensor: tensor('s64', [BigInt(axis)], []) }] : []),
        ],
        nodes: [
          {
            op: 'DFT',
            inputs: ['x', length === undefined ? '' : 'n', ...(opset === 20 ? ['axis'] : [])],
            outputs: ['y'],
            attrs: { inverse: Number(isInverse), ...(opset === 17 && { axis }) },
          },
        ],
      });
      const { y } = interpret(importOnnx(bytes), { x: tensor('f32', data, [2, count, parts]) });
      const size = length ?? count;
      expect(y.shape).toEqual([2, size, 2]);
      const expected = [0, 1].flatMap((row) => {
        const x = pairs(data.subarray(row * count * parts, (row + 1) * count * parts), parts);
        return Array.from({ length: size }, (_, k) => sum(x, k, size, isInverse ? 1 : -1)).flatMap((pair) =>
          pair.map((value) => value / (isInverse ? size : 1)),
        );
      });
      expectNear(y.data as Float32Array, expected);
    }
  },
);

test.each([6, 7])('one side of the frequencies of %i real samples, and back', (count) => {
  const data = samples(count);
  const half = Math.floor(count / 2) + 1;
  const model = writeModel({
    opsets: { '': 20 },
    inputs: [{ name: 'x', type: 'float32', dims: [1, count, 1] }],
    outputs: [
      { name: 'y', type: 'float32' },
      { name: 'z', type: 'float32' },
    ],
    initializers: [{ name: 'n', tensor: tensor('s64', [BigInt(count)], []) }],
    nodes: [
      { op: 'DFT', inputs: ['x'], outputs: ['y'], attrs: { onesided: 1 } },
      { op: 'DFT', inputs: ['y', 'n'], outputs: ['z'], attrs: { onesided: 1, inverse: 1 } },
    ],
  });
  const { y, z } = interpret(importOnnx(model), { x: tensor('f32', data, [1, count, 1]) });
  expect([y.shape, z.shape]).toEqual([
    [1, half, 2],
    [1, count, 1],
  ]);
  expectNear(y.data as Float32Array, Array.from({ length: half }, (_, k) => sum(pairs(data, 1), k, count, -1)).flat());
  expectNear(z.data as Float32Array, [...data]);
});

test.each(['none', 'known', 'computed'])('STFT with a window that is %s', (kind) => {
  const [size, length, step] = [37, 8, 5];
  const data = samples(2 * size);
  const window = Float32Array.from({ length }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / length));
  const given = tensor('f32', window, [length]);
  const model = writeModel({
    opsets: { '': 17 },
    inputs: [
      { name: 'x', type: 'float32', dims: [2, size, 1] },
      ...(kind === 'computed' ? [{ name: 'w', type: 'float32', dims: [length] }] : []),
    ],
    outputs: [{ name: 'y', type: 'float32' }],
    initializers: [
      { name: 'step', tensor: tensor('s64', [BigInt(step)], []) },
      { name: 'length', tensor: tensor('s64', [BigInt(length)], []) },
      ...(kind === 'known' ? [{ name: 'w', tensor: given }] : []),
    ],
    nodes: [{ op: 'STFT', inputs: ['x', 'step', kind === 'none' ? '' : 'w', 'length'], outputs: ['y'] }],
  });
  const feeds = { x: tensor('f32', data, [2, size, 1]), ...(kind === 'computed' && { w: given }) };
  const { y } = interpret(importOnnx(model), feeds);
  const frames = Math.floor((size - length) / step) + 1;
  expect(y.shape).toEqual([2, frames, length / 2 + 1, 2]);
  const expected = [0, 1].flatMap((row) =>
    Array.from({ length: frames }, (_, frame) => {
      const from = row * size + frame * step;
      const part = data.subarray(from, from + length).map((value, i) => value * (kind === 'none' ? 1 : window[i]));
      return Array.from({ length: length / 2 + 1 }, (_, k) => sum(pairs(part, 1), k, length, -1)).flat();
    }).flat(),
  );
  expectNear(y.data as Float32Array, expected);
});
