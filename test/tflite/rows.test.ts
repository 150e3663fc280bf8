/** Normalizations of rows of bytes: what LiteRT answered where its two kernels differ, and every engine the same. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tfliteProfiles } from '../../src/importers/tflite/profiles.ts';
import { GraphBuilder } from '../../src/ir/index.ts';
import { qnnL2Normalize, qnnLogSoftmax } from '../../src/ir/ops/qnn_row_norms.op.ts';
import { qnnSoftmax } from '../../src/ir/ops/qnn_softmax.op.ts';
import { tfliteL2Normalization } from '../../src/numerics/tflite_l2_normalization.ts';
import { tfliteLogSoftmax } from '../../src/numerics/tflite_log_softmax.ts';
import { tfliteSoftmax } from '../../src/numerics/tflite_softmax.ts';
import { type ByteType, dtypes, newArray, sizeOf, tensor } from '../../src/tensors/index.ts';
import { once, random } from '../fuzz/draw.ts';
import { draws } from '../support/draws.ts';
import { sameEverywhere } from './everywhere.ts';
import { answerOf } from './layout_law.ts';

const kernels = ['tflite', 'litert'] as const;

/** Rows at which ai-edge-litert 2.3.0 gave one result under the reference kernels and another one under the optimized ones. */
const softmaxes = [
  [0.3823646903038025, [9, 25, 1, 31], [0, 23, 0, 233], [0, 23, 0, 232]],
  [0.059373509138822556, [23, 19, 17, 37], [53, 42, 37, 123], [54, 42, 37, 123]],
  [0.10389021039009094, [19, 17, 35], [36, 29, 191], [36, 29, 190]],
  [0.014214485883712769, [5, 14, 39, 4], [54, 61, 87, 53], [54, 61, 88, 53]],
  [0.03360395133495331, [15, 32, 33], [56, 98, 102], [56, 99, 102]],
  [0.005966227501630783, [4, 12, 24, 24, 18], [47, 50, 54, 54, 52], [48, 50, 54, 54, 52]],
] as const;
/** Results of 16 bits, of rows of s8. */
const wideSoftmaxes = [
  [
    0.41016843914985657,
    2,
    [6, 0, -2, -15, 7, -3, 12, 0, -1, -3],
    [-32302, -32765, -32767, -32768, -31709, -32768, 31234, -32765, -32767, -32768],
    [-32302, -32765, -32767, -32768, -31709, -32768, 31233, -32765, -32767, -32768],
  ],
  [0.021241938695311546, Math.fround(0.3), [-57, -108], [5278, -5278], [5278, -5278]],
] as const;
const logSoftmaxes = [
  ['u8', 0.24370825290679932, [26, 0, 23, 55, 20], [142, 41, 130, 255, 118], [142, 41, 130, 255, 119]],
  ['u8', 0.3736903667449951, [1, 35, 28, 21, 13], [50, 254, 212, 170, 122], [51, 254, 212, 170, 122]],
  ['u8', 0.07905063778162003, [26, 13, 17, 48], [223, 206, 211, 250], [223, 206, 211, 251]],
  ['s8', 0.12392405420541763, [-34, -43, -19, -42], [94, 76, 123, 78], [93, 76, 123, 78]],
  ['s8', 0.12392405420541763, [-1, -18, -32, -9], [120, 87, 59, 105], [120, 87, 59, 104]],
  ['s8', 0.09405425190925598, [-31, -39, -8], [90, 78, 124], [90, 78, 125]],
] as const;

describe('both kernels of LiteRT', () => {
  it.each(softmaxes)('softmax of %s·%s', (sx, q, ...answers) => {
    for (const [i, recipe] of kernels.entries())
      for (const [dtype, middle] of [
        ['u8', 0],
        ['s8', 128],
      ] as const) {
        const x = newArray(dtype, q.length);
        q.forEach((value, at) => {
          x[at] = value - middle;
        });
        const y = newArray(dtype, q.length);
        tfliteSoftmax(recipe, { dtype, sx, beta: 1, sy: 1 / 256, zy: -middle }, q.length, x, y);
        expect(Array.from(y, (value) => value + middle)).toEqual(answers[i]);
      }
  });

  it.each(wideSoftmaxes)('softmax of %s·%s·%s in 16 bits', (sx, beta, q, ...answers) => {
    for (const [i, recipe] of kernels.entries()) {
      const y = newArray('s16', q.length);
      const softmax = { dtype: 's16', sx, beta, sy: 2 ** -16, zy: -32768 } as const;
      tfliteSoftmax(recipe, softmax, q.length, tensor('s8', [...q]).data, y);
      expect(Array.from(y)).toEqual(answers[i]);
    }
  });

  it.each(logSoftmaxes)('logarithm of the softmax of %s, %s·%s', (dtype, sx, q, ...answers) => {
    for (const [i, recipe] of kernels.entries()) {
      const y = newArray(dtype, q.length);
      tfliteLogSoftmax(recipe, { dtype, sx }, q.length, tensor(dtype, [...q]).data, y);
      expect(Array.from(y)).toEqual(answers[i]);
    }
  });

  it('normalizations are within a step of the real ones', () => {
    fc.assert(
      fc.property(fc.constantFrom('u8' as const, 's8' as const), fc.nat(), (dtype, seed) => {
        const draw = random(seed);
        const { min } = dtypes[dtype];
        const zx = min + draw(256);
        const x = tensor(
          dtype,
          Array.from({ length: 1 + draw(20) }, () => min + draw(256)),
        ).data;
        const y = newArray(dtype, x.length);
        tfliteL2Normalization(dtype, zx, x.length, x, y);
        const length = Math.hypot(...Array.from(x, (q) => q - zx)) || 1;
        const middle = dtype === 'u8' ? 128 : 0;
        x.forEach((q, i) => {
          const real = Math.min(Math.max((128 * (q - zx)) / length + middle, min), min + 255);
          expect(Math.abs(y[i] - real)).toBeLessThan(1);
        });
      }),
      draws(250),
    );
  });
});

const rows = fc.record({
  dtype: fc.constantFrom('u8' as const, 's8' as const),
  recipe: fc.constantFrom(...kernels),
  shape: fc.oneof(
    fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 }),
    fc.constantFrom([2, 300], [1, 1001], [3, 1]),
  ),
  axis: fc.nat(3),
  sx: fc.integer({ min: 1, max: 4000 }).map((n) => Math.fround(n / 4099)),
  beta: fc.constantFrom(1, 1, 0.5, Math.fround(0.3)),
  zx: fc.nat(255),
  near: fc.boolean(),
  seed: fc.nat(),
});

function bytes(dtype: ByteType, shape: readonly number[], seed: number, near: boolean) {
  const draw = random(seed);
  const { min } = dtypes[dtype];
  const width = near ? 1 + draw(30) : 256;
  return tensor(
    dtype,
    Array.from({ length: sizeOf(shape) }, () => min + (once(draw, 20) ? draw(256) : draw(width))),
    shape,
  );
}

describe('the interpreter, the addon and ONNX Runtime give the same bytes', () => {
  it('of a softmax', async () => {
    await fc.assert(
      fc.asyncProperty(rows, fc.boolean(), async ({ dtype, recipe, shape, axis, sx, beta, zx, near, seed }, isWide) => {
        const b = new GraphBuilder();
        const { min } = dtypes[dtype];
        const to = isWide ? 's16' : dtype;
        const operands = {
          x: b.input('x', dtype, shape),
          sx: b.scalar('f32', sx),
          zx: b.scalar(dtype, zx + min),
          sy: b.scalar('f32', 2 ** -dtypes[to].bits),
          zy: b.scalar(to, dtypes[to].min),
        };
        const y = b.emit(qnnSoftmax, operands, { axis: axis % shape.length, beta, recipe });
        await sameEverywhere(b.finish([y]), { x: bytes(dtype, shape, seed, near) });
      }),
      draws(20),
    );
  });

  it('of its logarithm', async () => {
    await fc.assert(
      fc.asyncProperty(rows, async ({ dtype, recipe, shape, axis, sx, near, seed }) => {
        const b = new GraphBuilder();
        const operands = { x: b.input('x', dtype, shape), sx: b.scalar('f32', sx) };
        const y = b.emit(qnnLogSoftmax, operands, { axis: axis % shape.length, recipe });
        await sameEverywhere(b.finish([y]), { x: bytes(dtype, shape, seed, near) });
      }),
      draws(20),
    );
  });

  it('of a normalization', async () => {
    await fc.assert(
      fc.asyncProperty(rows, async ({ dtype, shape, axis, zx, near, seed }) => {
        const b = new GraphBuilder();
        const operands = { x: b.input('x', dtype, shape), zx: b.scalar(dtype, zx + dtypes[dtype].min) };
        const y = b.emit(qnnL2Normalize, operands, { axis: axis % shape.length });
        await sameEverywhere(b.finish([y]), { x: bytes(dtype, shape, seed, near) });
      }),
      draws(20),
    );
  });
});

it('rows are those of the channels, in either layout', () => {
  const tests = [
    { name: 'SOFTMAX', scale: 1 / 256, zeroPoint: -128, options: { number: 9, fields: [[0, 1, 'float32']] } },
    { name: 'LOG_SOFTMAX', scale: 1 / 16, zeroPoint: 127 },
    { name: 'L2_NORMALIZATION', scale: 1 / 128, zeroPoint: 0 },
  ] as const;
  for (const { name, scale, zeroPoint, ...more } of tests)
    for (const profile of tfliteProfiles) {
      const value = bytes('s8', [2, 3, 4, 5], 7, true);
      const results = [{ dtype: 's8', shape: value.shape, scale, zeroPoint } as const];
      const test = { name, operands: [{ value, scale: 0.1, zeroPoint: 5 }], results, ...more };
      const { results: last } = answerOf(test, 'last', profile);
      const { results: first, moves } = answerOf(test, 'first', profile);
      expect(first).toEqual(last);
      expect(moves).toBeLessThanOrEqual(2);
    }
});
