/** Floats of 4 bits and powers of two of 8: every pattern, and the numbers between patterns. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder, interpret } from '../../../src/ir/index.ts';
import { nnCast } from '../../../src/ir/ops/nn_cast.op.ts';
import { numberToSmallFloat, type PowerRounding, smallFloatToNumber } from '../../../src/numerics/index.ts';
import { tensor } from '../../../src/tensors/index.ts';
import type { ITensor } from '../../../src/tensors/tensor.ts';

describe('f4e2m1', () => {
  const of = (x: number) => smallFloatToNumber('f4e2m1', numberToSmallFloat('f4e2m1', x, true, 'up'));
  const all = Array.from({ length: 16 }, (_, p) => smallFloatToNumber('f4e2m1', p));
  it('gives every pattern back', () => {
    expect(all.map((x) => numberToSmallFloat('f4e2m1', x, true, 'up'))).toEqual(all.map((_, p) => p));
    expect(all.slice(8).map((x) => -x)).toEqual(all.slice(0, 8));
  });
  it('rounds to the nearest, ties to even, and ends at the greatest', () => {
    const pairs = [0.25, 0.26, 0.75, 1.25, 1.75, 2.5, 2.51, 3.5, 5, 5.1, 7, Infinity];
    const nearest = [0, 0.5, 1, 1, 2, 2, 3, 4, 4, 6, 6, 6];
    expect(pairs.map(of)).toEqual(nearest);
    expect(pairs.map((x) => of(-x))).toEqual(nearest.map((x) => -x));
    expect(of(Number.NaN)).toBe(-0);
  });
  it('shares bytes', () => {
    const cast = (x: ITensor, to: 'f4e2m1' | 'f32' | 's8'): ITensor => {
      const b = new GraphBuilder();
      return interpret(b.finish([b.emit(nnCast, { x: b.input('x', x.dtype, x.shape) }, { to }, { names: ['y'] })]), {
        x,
      }).y;
    };
    const y = cast(tensor('f32', [1, -2, 6], [3]), 'f4e2m1');
    expect([...y.data]).toEqual([0xc2, 0x07]);
    expect([...cast(y, 'f32').data]).toEqual([1, -2, 6]);
    expect([...cast(y, 's8').data]).toEqual([1, -2, 6]);
  });
});

describe('f8e8m0', () => {
  const of = (x: number, rounding: PowerRounding, saturates = true) =>
    smallFloatToNumber('f8e8m0', numberToSmallFloat('f8e8m0', x, saturates, rounding));
  it('gives every pattern back', () => {
    for (let p = 0; p < 255; p++)
      expect(numberToSmallFloat('f8e8m0', smallFloatToNumber('f8e8m0', p), true, 'up')).toBe(p);
    expect(of(Number.NaN, 'up')).toBeNaN();
  });
  it('rounds up, down, or to the nearest and ties up', () => {
    const numbers = [1, 1.4, 1.5, 1.6, -3, 2 ** -127];
    expect(numbers.map((x) => of(x, 'up'))).toEqual([1, 2, 2, 2, 4, 2 ** -127]);
    expect(numbers.map((x) => of(x, 'down'))).toEqual([1, 1, 1, 1, 2, 2 ** -127]);
    expect(numbers.map((x) => of(x, 'nearest'))).toEqual([1, 1, 2, 2, 4, 2 ** -127]);
  });
  it('ends at the last powers, or at NaN', () => {
    expect([0, 1e-40, 2 ** 127 * 1.1, 2 ** 200, Infinity].map((x) => of(x, 'up'))).toEqual(
      [-127, -127, 127, 127, 127].map((power) => 2 ** power),
    );
    for (const x of [0, 1e-40, 2 ** 127 * 1.6, 2 ** 200, Infinity]) expect(of(x, 'nearest', false)).toBeNaN();
  });
});
