import { describe, expect, test } from 'vitest';
import * as binary32 from '../../../src/numerics/binary32_functions.ts';
import * as functions from '../../../src/numerics/float_functions.ts';
import { power32 } from '../../../src/numerics/float_power.ts';
import { exponentOf } from '../../../src/numerics/rounding.ts';
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
    ['Sigmoid', 13, {}, binary32.sigmoid, 4e-7, 0],
    ['Tanh', 13, {}, binary32.tanh, 6e-7, 0],
    ['Exp', 13, {}, binary32.exp, 0, 2 ** -23],
    ['Erf', 13, {}, binary32.erf, 0, 2 ** -23],
    ['Elu', 6, { alpha }, functions.elu(alpha), 6e-8, 0],
    ['Softplus', 1, {}, functions.softplus, 1e-6, 0],
    ['Softsign', 1, {}, functions.softsign, 2.4e-7, 0],
    ['Gelu', 20, {}, binary32.gelu, 1e-6, 0],
    ['Gelu', 20, { approximate: 'tanh' }, binary32.geluTanh, 2e-6, 0],
  ] as const)('%s', async (op, opset, attrs, f, abs, rel) => {
    const theirs = (await onOrt(op, opset, attrs)) as Float32Array;
    const far = x.filter((v, i) => !(Math.abs(f(v) - theirs[i]) <= abs + rel * Math.abs(theirs[i])));
    expect([...far]).toEqual([]);
  });
});

describe('known values', () => {
  test('erf, to a unit in the last place', () => {
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
      expect(Math.abs(binary32.erf(argument) - value)).toBeLessThanOrEqual(1.2 * 2 ** -24);
      expect(binary32.erf(-argument)).toBe(-binary32.erf(argument));
    }
    expect(binary32.erf(Number.NaN)).toBeNaN();
  });

  test('tails keep their relative precision', () => {
    // −6·Φ(−6), Φ(−6) = 9.865876450376946e-10
    expect(binary32.gelu(-6)).toBe(Math.fround(-6 * 9.865876450376946e-10));
    expect(functions.softplus(-50)).toBe(Math.fround(Math.exp(-50)));
    expect(functions.softplus(800)).toBe(800);
    expect(binary32.sigmoid(-100)).toBe(Math.fround(Math.exp(-100)));
    expect(functions.elu(1)(-1e-10)).toBe(Math.fround(-1e-10));
    expect(binary32.geluTanh(100)).toBe(100);
    expect(binary32.geluTanh(-100) + 0).toBe(0);
  });
});

/** Numbers of every sign and exponent: each 65,521st pattern of binary32. */
const everywhere = new Float32Array(Uint32Array.from({ length: 65_550 }, (_, i) => i * 65_521).buffer);

/** erfc(a)/2 for a ≥ 0: 1/2 − a·e^-a²/√π·Σ 2ⁿa²ⁿ/(2n+1)!! below 3, a continued fraction above. */
function halfErfcBySeries(a: number): number {
  if (a >= 3) {
    let rest = 0;
    for (let k = 80; k >= 1; k--) rest = k / 2 / (a + rest);
    return Math.exp(-a * a) / (2 * Math.sqrt(Math.PI) * (a + rest));
  }
  let [term, sum] = [a, a];
  for (let n = 1; term > sum * 1e-18; n++) sum += term *= (2 * a * a) / (2 * n + 1);
  return 0.5 - (Math.exp(-a * a) * sum) / Math.sqrt(Math.PI);
}
const erfBySeries = (x: number): number => {
  const a = Math.abs(x);
  if (Number.isNaN(x) || a >= 3) return Number.isNaN(x) ? x : Math.sign(x) * (1 - 2 * halfErfcBySeries(a));
  let [term, sum] = [a, a];
  for (let n = 1; term > sum * 1e-18; n++) sum += term *= (2 * a * a) / (2 * n + 1);
  return x === 0 ? x : Math.sign(x) * (2 / Math.sqrt(Math.PI)) * Math.exp(-a * a) * sum;
};

/** The largest |f(v) − exact(v)| over `arguments_`, in units in the last place of the exact result. */
function largestError(
  f: (v: number) => number,
  exact: (v: number) => number,
  arguments_: Float32Array<ArrayBuffer>,
): number {
  let largest = 0;
  for (const v of arguments_) {
    const [found, wanted] = [f(v), exact(v)];
    // where the exact result is NaN or rounds to an infinity, so does the function
    if (!Number.isFinite(Math.fround(wanted))) expect([v, found]).toEqual([v, Math.fround(wanted)]);
    else
      largest = Math.max(
        largest,
        Math.abs(found - wanted) / 2 ** Math.max(exponentOf(Math.abs(wanted) || 2 ** -149) - 23, -149),
      );
  }
  return largest;
}

describe('functions in binary32 are within units in the last place', () => {
  const gelu = (v: number) => {
    const half = halfErfcBySeries(Math.abs(v) * Math.SQRT1_2);
    return v * (v < 0 ? half : 1 - half);
  };
  const geluTanh = (v: number) => v / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (v + 0.044715 * v * v * v)));
  const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));
  /** Bounds: the largest errors of a sweep over all arguments, and what the arguments below reach at least. */
  test.each<[string, (v: number) => number, (v: number) => number, number, number]>([
    ['exp', binary32.exp, Math.exp, 0.9, 0.99],
    ['sigmoid', binary32.sigmoid, sigmoid, 2, 2.41],
    ['tanh', binary32.tanh, Math.tanh, 1.1, 1.32],
    ['erf', binary32.erf, erfBySeries, 1, 1.26],
    ['gelu', binary32.gelu, gelu, 3, 4.15],
    ['gelu tanh', binary32.geluTanh, geluTanh, 2.5, 3.07],
  ])('%s', (_, f, exact, reached, bound) => {
    const dense = Float32Array.from({ length: 60_001 }, (_, i) => (i - 30_000) / 2000);
    const error = Math.max(largestError(f, exact, everywhere.filter(Number.isFinite)), largestError(f, exact, dense));
    expect(error).toBeLessThanOrEqual(bound);
    expect(error).toBeGreaterThan(reached);
  });

  test.each<[string, (v: number) => number, number[]]>([
    ['exp', binary32.exp, [1, 1, 0, Infinity, Number.NaN]],
    ['sigmoid', binary32.sigmoid, [0.5, 0.5, 0, 1, Number.NaN]],
    ['tanh', binary32.tanh, [0, -0, -1, 1, Number.NaN]],
    ['erf', binary32.erf, [0, -0, -1, 1, Number.NaN]],
    ['gelu', binary32.gelu, [0, -0, Number.NaN, Infinity, Number.NaN]],
    ['gelu tanh', binary32.geluTanh, [0, -0, Number.NaN, Infinity, Number.NaN]],
  ])('%s of 0, −0, −∞, ∞ and NaN', (_, f, values) => {
    expect([0, -0, -Infinity, Infinity, Number.NaN].map(f)).toEqual(values);
  });
});

describe('transcendental functions are the exact ones, rounded once', () => {
  const softplus = (v: number) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)));
  test.each<[string, (v: number) => number, (v: number) => number]>([
    ['log', functions.log, Math.log],
    ['sin', functions.sin, Math.sin],
    ['cos', functions.cos, Math.cos],
    ['softplus', functions.softplus, softplus],
    ['mish', functions.mish, (v) => v * Math.tanh(softplus(v))],
    ['elu', functions.elu(1), (v) => (v >= 0 ? v : Math.expm1(v))],
    ['selu', functions.selu(2, 3), (v) => 3 * (v > 0 ? v : 2 * Math.expm1(v))],
    ['celu', functions.celu(0.5), (v) => Math.max(0, v) + Math.min(0, 0.5 * Math.expm1(2 * v))],
    ['power 0.7', (v) => Math.fround(power32(v, Math.fround(0.7))), (v) => v ** Math.fround(0.7)],
    ['power -1.5', (v) => Math.fround(power32(v, -1.5)), (v) => v ** -1.5],
    ['power of 3', (v) => Math.fround(power32(3, v)), (v) => 3 ** v],
  ])('%s', (_, f, exact) => {
    const bits = new Int32Array(new Float32Array(1).buffer);
    const single = new Float32Array(bits.buffer);
    const patternOf = (v: number) => {
      single[0] = v;
      return bits[0];
    };
    const differing = everywhere.filter((v) => !Object.is(f(v), Math.fround(exact(v))));
    const far = differing.filter((v) => Math.abs(patternOf(f(v)) - patternOf(exact(v))) > 1);
    expect([...far]).toEqual([]);
    expect(differing.length).toBeLessThanOrEqual(2);
  });

  test('powers halfway between two numbers go to the even one', () => {
    for (let a = 3; a < 400; a++)
      for (const b of [1.5, 2, 3, 4, 5, 7, 0.25, 0.75, 1.25, 2.5, -2])
        expect([a, b, Math.fround(power32(a, b))]).toEqual([a, b, Math.fround(a ** b)]);
  });

  test('powers of special numbers are those of C', () => {
    const numbers = [0, -0, 1, -1, 2, -2, 0.5, -0.5, 3, Infinity, -Infinity, Number.NaN];
    for (const a of numbers)
      for (const b of [...numbers, -3, 2.5, 1e30]) {
        const isOne = a === 1 || (a === -1 && Math.abs(b) === Infinity);
        expect([a, b, Math.fround(power32(a, b))]).toEqual([a, b, Math.fround(isOne ? 1 : a ** b)]);
      }
  });
});
