import { describe, expect, test } from 'vitest';
import * as functions from '../../../src/numerics/float_functions.ts';
import { tensor } from '../../../src/tensors/tensor.ts';
import { ortOutput, random } from './ort.ts';

const next = random(3);
const x = Float32Array.from({ length: 20_001 }, (_, i) => (i === 0 ? 0 : (next() * 2 - 1) * 10));
const [alpha, beta] = [Math.fround(0.3), Math.fround(0.45)];

const onOrt = (op: string, opset: number, attrs: Record<string, number | string> = {}) =>
  ortOutput({
    op,
    opset,
    attrs,
    floatAttrs: ['alpha', 'beta'],
    inputs: [{ tensor: tensor('f32', x) }],
    outputs: ['f32'],
  });

describe('arithmetic functions equal ONNX Runtime', () => {
  test.each([
    ['LeakyRelu', 6, { alpha }, functions.leakyRelu(alpha)],
    ['HardSigmoid', 6, { alpha, beta }, functions.hardSigmoid(alpha, beta)],
    ['HardSwish', 14, {}, functions.hardSwish],
  ] as const)('%s', async (op, opset, attrs, f) => {
    const theirs = (await onOrt(op, opset, attrs)) as Float32Array;
    expect(x.filter((v, i) => f(v) !== theirs[i]).length).toBe(0);
  });
});

describe('transcendental functions are within the error of ONNX Runtime', () => {
  // Bounds: the differences measured over 200,001 arguments in [-10, 10], times at most 2.
  test.each([
    ['Sigmoid', 13, {}, functions.sigmoid, 4e-7, 0],
    ['Tanh', 13, {}, functions.tanh, 6e-7, 0],
    ['Exp', 13, {}, functions.exp, 0, 2 ** -23],
    ['Erf', 13, {}, functions.erf, 0, 2 ** -23],
    ['Elu', 6, { alpha }, functions.elu(alpha), 6e-8, 0],
    ['Softplus', 1, {}, functions.softplus, 1e-6, 0],
    ['Softsign', 1, {}, functions.softsign, 2.4e-7, 0],
    ['Gelu', 20, {}, functions.gelu, 1e-6, 0],
    ['Gelu', 20, { approximate: 'tanh' }, functions.geluTanh, 2e-6, 0],
  ] as const)('%s', async (op, opset, attrs, f, abs, rel) => {
    const theirs = (await onOrt(op, opset, attrs)) as Float32Array;
    const far = x.filter((v, i) => !(Math.abs(f(v) - theirs[i]) <= abs + rel * Math.abs(theirs[i])));
    expect([...far]).toEqual([]);
  });
});

describe('known values', () => {
  test('erf, to binary32', () => {
    const table = [
      [0, 0],
      [0.5, 0.5204998778130465],
      [1, 0.8427007929497149],
      [2.5, 0.9995930479825551],
      [2.9999, 0.9999778956118425],
      [3, 0.9999779095030014],
      [3.5, 0.9999992569016276],
      [6, 1],
      [Infinity, 1],
    ];
    for (const [argument, value] of table) {
      expect(functions.erf(argument)).toBe(Math.fround(value));
      expect(functions.erf(-argument) + 0).toBe(Math.fround(-value) + 0);
    }
    expect(functions.erf(Number.NaN)).toBeNaN();
  });

  test('tails keep their relative precision', () => {
    // −6·Φ(−6), Φ(−6) = 9.865876450376946e-10
    expect(functions.gelu(-6)).toBe(Math.fround(-6 * 9.865876450376946e-10));
    expect(functions.softplus(-50)).toBe(Math.fround(Math.exp(-50)));
    expect(functions.softplus(800)).toBe(800);
    expect(functions.sigmoid(-100)).toBe(Math.fround(Math.exp(-100)));
    expect(functions.elu(1)(-1e-10)).toBe(Math.fround(-1e-10));
    expect(functions.geluTanh(100)).toBe(100);
    expect(functions.geluTanh(-100) + 0).toBe(0);
  });
});
