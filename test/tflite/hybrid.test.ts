/** Convolutions of floats by int8 filters, against plain loops in the order of each kernel; the rows against answers of LiteRT. */
import { describe, expect, it } from 'vitest';
import { tfliteProfiles } from '../../src/importers/tflite/profiles.ts';
import { quantizationOfRow, type RowRecipe } from '../../src/numerics/index.ts';
import { numbersOf, sizeOf, tensor } from '../../src/tensors/index.ts';
import { random } from '../fuzz/draw.ts';
import { answerOf, type OperatorTest } from './layout_law.ts';

const f = Math.fround;
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

interface Layer {
  readonly images: number;
  readonly depth: number;
  readonly filters: number;
  /** Height and width of the windows, without padding. */
  readonly kernel: number;
  readonly scales: readonly number[];
}

const size = 4;

/** The test and the answer: `rows` says which pixels are quantized together, `end` what becomes of a sum. */
function caseOf(
  { images, depth, filters, kernel, scales }: Layer,
  recipe: RowRecipe,
  rows: 'images' | 'pixels',
  end: (sum: number, scale: number, sw: number, bias: number) => number,
  seed: number,
): { readonly test: OperatorTest; readonly expected: readonly number[] } {
  const draw = random(seed);
  const reals = (n: number) => range(n).map(() => f((draw(4001) - 2000) / 700));
  const [shape, out] = [[images, size, size, depth], size - kernel + 1];
  const [x, bias] = [reals(sizeOf(shape)), reals(filters)];
  const w = range(filters * kernel * kernel * depth).map(() => draw(255) - 127);
  const length = rows === 'images' ? size * size * depth : depth;
  const quantizations = range(x.length / length).map((i) =>
    quantizationOfRow(recipe, Float32Array.from(x.slice(i * length, (i + 1) * length))),
  );
  const expected = range(images * out * out * filters).map((i) => {
    const [n, p, q, o] = [filters * out * out, filters * out, filters, 1].map((step, k) =>
      k === 0 ? Math.floor(i / step) : Math.floor(i / step) % (k === 3 ? filters : out),
    );
    const at = (a: number, b: number, c: number) => ((n * size + p + a) * size + q + b) * depth + c;
    const { scale } = quantizations[Math.floor(at(0, 0, 0) / length)];
    let sum = 0;
    for (const a of range(kernel))
      for (const b of range(kernel))
        for (const c of range(depth)) {
          const { quantize, zeroPoint } = quantizations[Math.floor(at(a, b, c) / length)];
          sum += (quantize(x[at(a, b, c)]) - zeroPoint) * w[((o * kernel + a) * kernel + b) * depth + c];
        }
    return end(sum, scale, f(scales[o]), bias[o]);
  });
  const options: OperatorTest['options'] = {
    number: 1,
    fields: [
      [0, 1, 'int8'],
      [1, 1],
      [2, 1],
      [4, 1],
      [5, 1],
    ],
  };
  const operands = [
    { value: tensor('f32', x, shape) },
    {
      value: tensor('s8', w, [filters, kernel, kernel, depth]),
      isConstant: true,
      scale: scales,
      zeroPoint: scales.map(() => 0),
    },
    { value: tensor('f32', bias), isConstant: true },
  ];
  const results = [{ dtype: 'f32' as const, shape: [images, out, out, filters] }];
  return { test: { name: 'CONV_2D', options, operands, results }, expected };
}

const weightsFirst = (sum: number, scale: number, sw: number, bias: number) => f(f(f(sum * sw) * scale) + bias);
const scalesFirst = (sum: number, scale: number, sw: number, bias: number) => f(f(sum * f(sw * scale)) + bias);
const fused = (sum: number, scale: number, sw: number, bias: number) => f(f(sum * scale) * sw + bias);
const unequal = [0.01, 0.007, 0.02];
const equal = [0.01, 0.01, 0.01];

describe('convolutions of floats by integers', () => {
  it.each([
    ['tflite', 2, unequal, 'asymmetric', 'images', weightsFirst],
    ['tflite', 1, unequal, 'asymmetric', 'images', weightsFirst],
    ['tflite', 2, equal, 'symmetric', 'images', scalesFirst],
    ['xnnpack', 2, unequal, 'xnnpack', 'images', fused],
    ['xnnpack', 2, equal, 'xnnpack', 'images', fused],
    ['xnnpack', 1, unequal, 'xnnpack', 'pixels', fused],
    ['xnnpack', 1, equal, 'xnnpack', 'pixels', fused],
  ] as const)('%s, windows of %i², scales %j: %s %s', (profile, kernel, scales, recipe, rows, end) => {
    for (const seed of range(10)) {
      const layer = { images: 1 + (seed % 3), depth: 1 + (seed % 4), filters: 3, kernel, scales };
      const { test, expected } = caseOf(layer, recipe, rows, end, seed);
      for (const layout of ['first', 'last'] as const)
        expect(numbersOf(answerOf(test, layout, profile).results[0])).toEqual(expected);
    }
  });

  it.each(tfliteProfiles)('a filter of one weight: every image is quantized, %s', (profile) => {
    const layer = { images: 2, depth: 1, filters: 1, kernel: 1, scales: [0.01] };
    const [recipe, end] = profile === 'xnnpack' ? (['xnnpack', fused] as const) : (['symmetric', scalesFirst] as const);
    const { test, expected } = caseOf(layer, recipe, 'images', end, 5);
    expect(numbersOf(answerOf(test, 'last', profile).results[0])).toEqual(expected);
  });

  it('refuses groups of filters of one scale, of which the kernel is not known', () => {
    const { test } = caseOf(
      { images: 1, depth: 2, filters: 2, kernel: 2, scales: [0.5, 0.5] },
      'symmetric',
      'images',
      fused,
      1,
    );
    const [x, w, bias] = test.operands;
    const grouped = { ...w, value: tensor('s8', numbersOf(w.value).slice(0, 8), [2, 2, 2, 1]) };
    expect(() => answerOf({ ...test, operands: [x, grouped, bias] }, 'last', 'tflite')).toThrow('carried');
    expect(answerOf({ ...test, operands: [x, grouped, bias] }, 'last', 'xnnpack').results).toHaveLength(1);
  });
});
