/** Reductions, on channels first and on channels last, against exact arithmetic in plain loops; means of images on every engine. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tfliteProfiles } from '../../src/importers/tflite/profiles.ts';
import { GraphBuilder } from '../../src/ir/index.ts';
import { qnnGlobalAveragePool } from '../../src/ir/ops/qnn_global_average_pool.op.ts';
import { sizeOf, tensor } from '../../src/tensors/index.ts';
import { type Draw, random } from '../fuzz/draw.ts';
import { draws } from '../support/draws.ts';
import type { Case } from './drawn.ts';
import { drawnArgument, drawnFolds, drawnMean, endOf } from './drawn_reductions.ts';
import { sameEverywhere } from './everywhere.ts';
import { answerOf } from './layout_law.ts';

function expectLaw(draw: (d: Draw) => Case, profile: (typeof tfliteProfiles)[number], numRuns: number): void {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const { test, expected } = draw(random(seed));
      for (const layout of ['last', 'first'] as const)
        expect(answerOf(test, layout, profile).results, layout).toEqual(expected);
    }),
    { numRuns },
  );
}

describe('reductions are the same on channels first and on channels last', () => {
  for (const profile of tfliteProfiles)
    for (const kind of ['MEAN', 'SUM'] as const)
      it(`${kind} of bytes and words under ${profile}`, () =>
        expectLaw((draw) => drawnMean(draw, kind, profile), profile, 150));
  for (const [name, draw] of Object.entries(drawnFolds)) it(name, () => expectLaw(draw, 'tflite', 40));
  for (const name of ['ARG_MAX', 'ARG_MIN'] as const)
    it(name, () => expectLaw((draw) => drawnArgument(draw, name), 'tflite', 40));
});

const images = fc.record({
  dtype: fc.constantFrom('u8' as const, 's8' as const),
  recipe: fc.constantFrom(...tfliteProfiles),
  shape: fc.tuple(
    fc.integer({ min: 1, max: 2 }),
    fc.constantFrom(1, 3, 8, 17),
    fc.integer({ min: 1, max: 8 }),
    fc.integer({ min: 1, max: 8 }),
  ),
  ratio: fc.oneof(
    fc.constantFrom(0.5, 1, 2),
    fc.integer({ min: 300, max: 3000 }).map((n) => n / 1009),
  ),
  zx: fc.integer({ min: 0, max: 255 }),
  zy: fc.integer({ min: 0, max: 255 }),
  seed: fc.nat(),
});

it('means of images are the same bytes on the interpreter, the addon and ONNX Runtime', async () => {
  const cases = draws(40);
  let native = 0;
  await fc.assert(
    fc.asyncProperty(images, async ({ dtype, recipe, shape, ratio, seed, ...zeros }) => {
      const low = dtype === 'u8' ? 0 : -128;
      const [zx, zy] = [zeros.zx + low, zeros.zy + low];
      const [sx, sy] = [Math.fround(ratio / 8), 1 / 8];
      const b = new GraphBuilder();
      const parameters = {
        sx: b.scalar('f32', sx),
        zx: b.scalar(dtype, zx),
        sy: b.scalar('f32', sy),
        zy: b.scalar(dtype, zy),
      };
      const y = b.emit(qnnGlobalAveragePool, { x: b.input('x', dtype, shape), ...parameters }, { recipe });
      const draw = random(seed);
      const x = tensor(
        dtype,
        Array.from({ length: sizeOf(shape) }, () => low + draw(256)),
        [...shape],
      );
      const { results, fallbacks } = await sameEverywhere(b.finish([y]), { x });
      native += fallbacks.length === 0 ? 1 : 0;
      const size = shape[2] * shape[3];
      const expected = Array.from({ length: shape[0] * shape[1] }, (_, plane) => {
        const q = Array.from(x.data.subarray(plane * size, (plane + 1) * size), Number);
        return Math.min(Math.max(endOf('MEAN', recipe, dtype, q, { sx, zx, sy, zy }), low), low + 255);
      });
      expect(Array.from(results[y.id].data, Number)).toEqual(expected);
    }),
    cases,
  );
  expect(native).toBe(cases.numRuns);
});
