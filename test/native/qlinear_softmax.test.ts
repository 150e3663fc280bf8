/** Softmax of bytes on the addon equals numerics/qlinear_softmax.ts, for every axis, type and length. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { GraphBuilder, sizeOf, tensor } from '../../src/ir/index.ts';
import { qnnSoftmax } from '../../src/ir/ops/qnn_softmax.op.ts';
import { expectSame } from '../differential/support.ts';

const softmaxes = fc.record({
  dtype: fc.constantFrom('u8' as const, 's8' as const),
  shape: fc.oneof(
    fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
    fc.constantFrom([3, 300], [2, 257, 3], [1, 1], [4, 2, 64, 64]),
  ),
  axis: fc.nat(3),
  sx: fc.integer({ min: 1, max: 3000 }).map((n) => Math.fround(n / 8191)),
  sy: fc.constantFrom(1 / 256, 1 / 255, 1 / 128, 0.0051, 0.3, 2),
  zy: fc.nat(255),
  seed: fc.nat(),
  threads: fc.constantFrom(1, 2),
});

it('equals the interpreter, and nothing is left to it', async () => {
  await fc.assert(
    fc.asyncProperty(softmaxes, async ({ dtype, shape, axis, sx, sy, zy, seed, threads }) => {
      const b = new GraphBuilder();
      const low = dtype === 'u8' ? 0 : -128;
      const scalars = {
        sx: b.scalar('f32', sx),
        zx: b.scalar(dtype, 3),
        sy: b.scalar('f32', sy),
        zy: b.scalar(dtype, zy + low),
      };
      const y = b.emit(qnnSoftmax, { x: b.input('x', dtype, shape), ...scalars }, { axis: axis % shape.length });
      let state = seed | 1;
      const data = Array.from({ length: sizeOf(shape) }, () => {
        state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
        return low + ((state >>> 9) & 255);
      });
      const model = await expectSame(b.finish([y]), { x: tensor(dtype, data, shape) }, { threads });
      expect(model.fallbacks).toEqual([]);
      model.dispose();
    }),
    { numRuns: 120 },
  );
});
