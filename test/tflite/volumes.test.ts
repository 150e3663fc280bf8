/** Convolutions of volumes against plain loops: every tap of every position, and every source that is scattered. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { numbersOf, sizeOf, tensor } from '../../src/tensors/index.ts';
import { random } from '../fuzz/draw.ts';
import { draws } from '../support/draws.ts';
import { answerOf, type OperatorTest } from './layout_law.ts';

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const sizes = (low: number, high: number) => fc.tuple(...range(3).map(() => fc.integer({ min: low, max: high })));
const volumes = fc.record({
  seed: fc.nat(),
  input: sizes(1, 5),
  kernel: sizes(1, 3),
  strides: sizes(1, 2),
  dilations: sizes(1, 2),
  depth: fc.integer({ min: 1, max: 3 }),
  filters: fc.integer({ min: 1, max: 3 }),
  isSame: fc.boolean(),
  hasBias: fc.boolean(),
});
type Volume = typeof volumes extends fc.Arbitrary<infer V> ? V : never;

const positions = ([d, h, w]: readonly number[]): number[][] =>
  range(d * h * w).map((i) => [Math.floor(i / (h * w)), Math.floor(i / w) % h, i % w]);
const place = ([, h, w]: readonly number[], [a, b, c]: readonly number[]) => (a * h + b) * w + c;
const inside = (sizes: readonly number[], at: readonly number[]) => at.every((p, i) => p >= 0 && p < sizes[i]);

function optionsOf({ isSame, strides, dilations }: Volume): OperatorTest['options'] {
  const [strideD, strideH, strideW] = strides;
  const [dilationD, dilationH, dilationW] = dilations;
  return {
    number: 106,
    fields: [
      [0, isSame ? 0 : 1, 'int8'],
      [1, strideD],
      [2, strideW],
      [3, strideH],
      [5, dilationD],
      [6, dilationW],
      [7, dilationH],
    ],
  };
}

/** Small integers, so that every sum is exact. */
function partsOf({ seed, input, kernel, depth, filters, hasBias }: Volume) {
  const draw = random(seed);
  const integers = (n: number) => range(n).map(() => draw(17) - 8);
  return {
    x: integers(sizeOf(input) * depth),
    w: integers(sizeOf(kernel) * depth * filters),
    bias: integers(filters).map((value) => (hasBias ? value : 0)),
  };
}

const check = (test: OperatorTest, expected: readonly number[]) => {
  const { graph, results } = answerOf(test, 'last');
  expect(graph.origin?.unsupported).toEqual([]);
  expect(numbersOf(results[0])).toEqual(expected);
};

const constant = (values: readonly number[], shape: readonly number[]) => ({
  value: tensor('f32', [...values], [...shape]),
  isConstant: true,
});

it('CONV_3D sums the taps of every position', () => {
  fc.assert(
    fc.property(volumes, (volume) => {
      const { input, kernel, strides, dilations, depth, filters, isSame, hasBias } = volume;
      const extent = kernel.map((size, i) => (size - 1) * dilations[i] + 1);
      const out = input.map((size, i) => Math.ceil((isSame ? size : size - extent[i] + 1) / strides[i]));
      fc.pre(out.every((size) => size > 0));
      const begin = input.map((size, i) =>
        isSame ? Math.floor(Math.max((out[i] - 1) * strides[i] + extent[i] - size, 0) / 2) : 0,
      );
      const { x, w, bias } = partsOf(volume);
      const expected = positions(out).flatMap((p) =>
        range(filters).map((o) => {
          let sum = bias[o];
          for (const t of positions(kernel)) {
            const at = p.map((position, i) => position * strides[i] - begin[i] + t[i] * dilations[i]);
            if (!inside(input, at)) continue;
            for (const c of range(depth))
              sum += x[place(input, at) * depth + c] * w[(place(kernel, t) * depth + c) * filters + o];
          }
          return sum;
        }),
      );
      const operands = [
        { value: tensor('f32', x, [1, ...input, depth]) },
        constant(w, [...kernel, depth, filters]),
        ...(hasBias ? [constant(bias, [filters])] : []),
      ];
      const results = [{ dtype: 'f32' as const, shape: [1, ...out, filters] }];
      check({ name: 'CONV_3D', options: optionsOf(volume), operands, results }, expected);
    }),
    draws(30),
  );
});

it('CONV_3D_TRANSPOSE scatters every source', () => {
  fc.assert(
    fc.property(volumes, (drawn) => {
      const volume = { ...drawn, dilations: [1, 1, 1] };
      const { input, kernel, strides, depth, filters, isSame, hasBias } = volume;
      const whole = input.map((size, i) => (size - 1) * strides[i] + kernel[i]);
      const out = input.map((size, i) => (isSame ? size * strides[i] : whole[i]));
      const begin = whole.map((size, i) => Math.floor(Math.max(size - out[i], 0) / 2));
      const { x, w, bias } = partsOf(volume);
      const expected = range(sizeOf(out) * filters).map((i) => bias[i % filters]);
      for (const p of positions(input))
        for (const t of positions(kernel)) {
          const at = p.map((position, i) => position * strides[i] + t[i] - begin[i]);
          if (!inside(out, at)) continue;
          for (const o of range(filters))
            for (const c of range(depth))
              expected[place(out, at) * filters + o] +=
                x[place(input, p) * depth + c] * w[(place(kernel, t) * filters + o) * depth + c];
        }
      const operands = [
        { value: tensor('s32', [1, ...out, filters], [5]), isConstant: true },
        constant(w, [...kernel, filters, depth]),
        { value: tensor('f32', x, [1, ...input, depth]) },
        ...(hasBias ? [constant(bias, [filters])] : []),
      ];
      const results = [{ dtype: 'f32' as const, shape: [1, ...out, filters] }];
      check({ name: 'CONV_3D_TRANSPOSE', options: optionsOf(volume), operands, results }, expected);
    }),
    draws(30),
  );
});
