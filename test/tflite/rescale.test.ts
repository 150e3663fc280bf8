/** qnn.rescale and words as pairs of bytes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { GraphBuilder, interpret, qnnRescale, tensor } from '../../src/ir/index.ts';
import { fixedMultiplier } from '../../src/numerics/index.ts';
import { draws } from '../support/draws.ts';
import { differenceOf, runOnnx } from '../unit/onnx_export/support.ts';

const spec = fc.record({
  arithmetic: fc.constantFrom('fixed', 'fixed-wide', 'f64' as const),
  rounding: fc.constantFrom('half-even', 'half-up', 'half-away' as const),
  sums: fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { minLength: 6, maxLength: 6 }),
  factors: fc.array(fc.double({ min: 1e-6, max: 0.99, noNaN: true }), { minLength: 2, maxLength: 2 }),
  to: fc.constantFrom('u8', 's8', 's16', 's32' as const),
  zeroPoint: fc.integer({ min: 0, max: 100 }),
  wide: fc.boolean(),
});

describe('qnn.rescale', () => {
  it('rounds as it says, on the interpreter and on ONNX Runtime', async () => {
    await fc.assert(
      fc.asyncProperty(spec, async ({ arithmetic, rounding, sums, factors, to, zeroPoint, wide }) => {
        const b = new GraphBuilder();
        const dtype = wide ? 's64' : 's32';
        const x = b.input('x', dtype, [3, 2]);
        const fixed = factors.map(fixedMultiplier) as { mantissa: number; shift: number }[];
        const isF64 = arithmetic === 'f64';
        const multiplier = isF64
          ? tensor('f64', factors)
          : tensor(
              's32',
              fixed.map(({ mantissa }) => mantissa),
            );
        const second = isF64
          ? undefined
          : b.constant(
              tensor(
                's32',
                fixed.map(({ shift }) => shift),
              ),
              'second',
            );
        const zy = b.constant(tensor(to, [zeroPoint], []), 'zy');
        const y = b.emit(
          qnnRescale,
          { x, multiplier: b.constant(multiplier, 'm'), zy, second },
          { arithmetic, rounding, axis: 1 },
        );
        const graph = b.finish([y]);
        const feeds = { x: tensor(dtype, wide ? BigInt64Array.from(sums, BigInt) : Int32Array.from(sums), [3, 2]) };
        const results = interpret(graph, feeds);
        expect(differenceOf(await runOnnx(exportOnnx(graph), feeds, 'all'), results)).toBeUndefined();
        const [got] = Object.values(results);
        const [min, max] = { u8: [0, 255], s8: [-128, 127], s16: [-32768, 32767], s32: [-(2 ** 31), 2 ** 31 - 1] }[to];
        sums.forEach((sum, i) => {
          const real = sum * factors[i % 2];
          // 15 bits of a factor leave a relative error of 2^-15
          const slack = arithmetic === 'fixed-wide' ? Math.abs(real) * 2 ** -14 + 1 : 1;
          const near = Math.min(Math.max(real + zeroPoint, min), max);
          expect(Math.abs(Number(got.data[i]) - near)).toBeLessThanOrEqual(slack);
        });
      }),
      draws(30),
    );
  });
});
