/**
 * Unary float functions, binary32 to binary32.
 *
 * Transcendental ones mean: the function of the exact argument, rounded to binary32 (computed in binary64, whose error
 * of an ulp decides a rounding once in 2^28 cases). ONNX Runtime approximates them with an error of a few units in the
 * last place, so that its floats differ and its 256-entry tables hardly ever do; the README has the numbers. Those that
 * are arithmetic only (LeakyRelu, HardSigmoid, HardSwish) round after every step, as ONNX Runtime does, and equal it.
 */
export type FloatFunction = (x: number) => number;

const clampUnit = (x: number): number => (x < 0 ? 0 : x > 1 ? 1 : x);

export const sigmoid: FloatFunction = (x) => Math.fround(1 / (1 + Math.exp(-x)));
export const tanh: FloatFunction = (x) => Math.fround(Math.tanh(x));
export const exp: FloatFunction = (x) => Math.fround(Math.exp(x));
export const erf: FloatFunction = (x) => Math.fround(erf64(x));
export const softplus: FloatFunction = (x) => Math.fround(Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))));
export const softsign: FloatFunction = (x) => Math.fround(x / (1 + Math.abs(x)));

/** x·Φ(x). */
export const gelu: FloatFunction = (x) => Math.fround(x * halfErfc64(-x * Math.SQRT1_2));

/** Gelu with approximate = tanh: x/2·(1 + tanh u) = x / (1 + e^-2u), u = √(2/π)·(x + 0.044715·x³). */
export const geluTanh: FloatFunction = (x) => {
  const u = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x);
  return Math.fround(x / (1 + Math.exp(-2 * u)));
};

/** α is a binary32 number, as attributes are. */
export const elu =
  (alpha: number): FloatFunction =>
  (x) =>
    x >= 0 ? x : Math.fround(alpha * Math.expm1(x));

export const leakyRelu =
  (alpha: number): FloatFunction =>
  (x) =>
    x >= 0 ? x : Math.fround(alpha * x);

/** max(0, min(1, α·x + β)). */
export const hardSigmoid =
  (alpha: number, beta: number): FloatFunction =>
  (x) =>
    clampUnit(Math.fround(Math.fround(alpha * x) + beta));

const hardSixth = hardSigmoid(Math.fround(1 / 6), 0.5);

/** x·HardSigmoid(x; 1/6, 1/2), the function body of the ONNX spec. */
export const hardSwish: FloatFunction = (x) => Math.fround(x * hardSixth(x));

/** erf in binary64: the series 2/√π·e^-x²·Σ 2ⁿx²ⁿ⁺¹/(2n+1)!! below 3 (all terms of one sign), 1 − erfc above. */
function erf64(x: number): number {
  const a = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (a >= 3) return Math.sign(x) * (1 - 2 * halfErfcTail(a));
  let term = a;
  let sum = a;
  for (let n = 1; term > sum * 1e-17; n++) sum += term *= (2 * a * a) / (2 * n + 1);
  return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * Math.exp(-a * a) * sum;
}

/** erfc(x)/2, without cancellation where it is small. */
export function halfErfc64(x: number): number {
  return x >= 3 ? halfErfcTail(x) : (1 - erf64(x)) / 2;
}

/** erfc(a)/2 for a ≥ 3 by its continued fraction e^-a²/√π / (a + (1/2)/(a + (2/2)/(a + …))). */
function halfErfcTail(a: number): number {
  if (a > 27) return 0;
  let rest = 0;
  for (let k = 50; k >= 1; k--) rest = k / 2 / (a + rest);
  return Math.exp(-a * a) / (2 * Math.sqrt(Math.PI) * (a + rest));
}
