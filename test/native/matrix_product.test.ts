import fc from 'fast-check';
import { describe, it } from 'vitest';
import { expectSame, floatEndOf, kernelIsas, random, runKernel, typed } from './support.ts';

const byteType = fc.constantFrom('u8' as const, 's8' as const);
const config = fc.record({
  sourceType: byteType,
  weightsType: byteType,
  /** Sizes of the batch, and which of the two repeats along each. */
  batch: fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom('neither', 'source', 'weights')), {
    maxLength: 2,
  }),
  rows: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(7, 14, 64)),
  inner: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(64, 197)),
  columns: fc.oneof(fc.integer({ min: 1, max: 140 }), fc.constantFrom(16, 64, 128)),
  zeroPoints: fc.tuple(fc.option(fc.nat(255)), fc.option(fc.nat(255))),
  // All operands at an end of their ranges: the largest sums there are.
  isExtreme: fc.boolean(),
  floats: fc.constantFrom('none', 'plain', 'relu', 'clip' as const),
  threads: fc.integer({ min: 1, max: 2 }),
  seed: fc.integer(),
});

describe('matrix-product', () => {
  it.each(kernelIsas)('%s computes matrices and zero points of the run', (isa) => {
    fc.assert(
      fc.property(config, ({ sourceType, weightsType, rows, inner, columns, ...c }) => {
        const next = random(c.seed);
        const byte = () => (c.isExtreme ? (next() < 0.9 ? 255 : 0) : Math.floor(next() * 256));
        const lows = [sourceType, weightsType].map((type) => (type === 's8' ? -128 : 0));
        const shape = c.batch.map(([size]) => size);
        const stridesOf = (matrix: number, repeats: string): number[] => {
          let stride = matrix;
          return c.batch.map(([size, who]) => {
            const own = who === repeats ? 0 : stride;
            if (who !== repeats) stride *= size;
            return own;
          });
        };
        const sourceStrides = stridesOf(rows * inner, 'source');
        const weightsStrides = stridesOf(inner * columns, 'weights');
        const lengthOf = (strides: readonly number[], matrix: number) =>
          strides.reduce((sum, stride, axis) => sum + stride * (shape[axis] - 1), matrix);
        const source = typed(sourceType, lengthOf(sourceStrides, rows * inner), () => byte() + lows[0]);
        const weights = typed(weightsType, lengthOf(weightsStrides, inner * columns), () => byte() + lows[1]);
        const [za, zb] = c.zeroPoints.map((zero, i) => (zero ?? -lows[i]) + lows[i]);
        const count = shape.reduce((product, size) => product * size, 1);
        const end = floatEndOf(c.floats, columns, next);
        const destination = typed(c.floats === 'none' ? 's32' : 'f32', count * rows * columns, () => 0);
        runKernel(
          {
            name: 'matrix-product',
            ...{ sourceType, weightsType, shape, sourceStrides, weightsStrides },
            ...{ rows, inner, columns, ...end.field },
          },
          {
            source,
            weights,
            ...end.inputs,
            ...(c.zeroPoints[0] !== null && { sourceZeroPoint: typed(sourceType, 1, () => za) }),
            ...(c.zeroPoints[1] !== null && { weightsZeroPoint: typed(weightsType, 1, () => zb) }),
          },
          { destination },
          { isa, threads: c.threads },
        );
        const expected: number[] = [];
        for (let i = 0; i < count; i++) {
          let [a, b, rest] = [0, 0, i];
          for (let axis = shape.length - 1; axis >= 0; axis--) {
            const at = rest % shape[axis];
            rest = Math.floor(rest / shape[axis]);
            a += at * sourceStrides[axis];
            b += at * weightsStrides[axis];
          }
          for (let m = 0; m < rows; m++) {
            for (let n = 0; n < columns; n++) {
              let sum = 0;
              for (let k = 0; k < inner; k++)
                sum += (Number(source[a + m * inner + k]) - za) * (Number(weights[b + k * columns + n]) - zb);
              expected.push(end.finish(sum, n));
            }
          }
        }
        expectSame(destination, expected);
      }),
      { numRuns: process.env.UNSKEW_DEEP ? 3000 : 60 },
    );
  });
});
