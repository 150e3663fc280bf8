import fc from 'fast-check';
import { describe, it } from 'vitest';
import { byteResize } from '../../src/numerics/index.ts';
import { draws } from '../support/draws.ts';
import { expectSame, kernelIsas, random, runKernel, typed } from './support.ts';

const size = fc.integer({ min: 1, max: 40 });

const config = fc.record({
  type: fc.constantFrom('u8' as const, 's8' as const),
  recipe: fc.constantFrom('xnnpack' as const, 'tflite' as const),
  coordinates: fc.constantFrom('asymmetric' as const, 'half_pixel' as const, 'align_corners' as const),
  outer: fc.integer({ min: 1, max: 2 }),
  inner: fc.integer({ min: 1, max: 70 }),
  from: fc.tuple(size, size),
  to: fc.tuple(size, size),
  // Only the ends of the range: the largest sums there are.
  isExtreme: fc.boolean(),
  threads: fc.integer({ min: 1, max: 2 }),
  seed: fc.integer(),
});

describe('linear-resize', () => {
  it.each(kernelIsas)('%s weights four neighbours', (isa) => {
    fc.assert(
      fc.property(config, ({ type, recipe, coordinates, outer, inner, from, to, isExtreme, threads, seed }) => {
        const next = random(seed);
        const low = type === 's8' ? -128 : 0;
        const byte = () => low + (isExtreme ? (next() < 0.5 ? 0 : 255) : Math.floor(next() * 256));
        const [height, width] = from;
        const source = typed(type, outer * height * width * inner, byte);
        const { rows, columns, rounding, finish } = byteResize(recipe, type, coordinates, from, to);
        const destination = typed(type, outer * to[0] * to[1] * inner, () => 0);
        const ofType = rounding === 'in-f32' ? Float32Array : Int32Array;
        runKernel(
          { name: 'linear-resize', type, outer, input: from, output: to, inner, bits: Math.log2(rows.unit), rounding },
          { source },
          { destination },
          {
            isa,
            threads,
            constants: {
              rows: Int32Array.of(...rows.low, ...rows.high),
              rowWeights: ofType.from(rows.weight),
              columns: Int32Array.of(...columns.low, ...columns.high),
              columnWeights: ofType.from(columns.weight),
            },
          },
        );
        const expected: number[] = [];
        for (let n = 0; n < outer; n++) {
          for (let i = 0; i < to[0]; i++) {
            for (let j = 0; j < to[1]; j++) {
              for (let k = 0; k < inner; k++) {
                const at = (y: number, x: number) => Number(source[((n * height + y) * width + x) * inner + k]);
                const [top, bottom, left, right] = [rows.low[i], rows.high[i], columns.low[j], columns.high[j]];
                const corners = [at(top, left), at(bottom, left), at(top, right), at(bottom, right)] as const;
                expected.push(finish(...corners, rows.weight[i], columns.weight[j]));
              }
            }
          }
        }
        expectSame(destination, expected);
      }),
      draws(100),
    );
  });
});
