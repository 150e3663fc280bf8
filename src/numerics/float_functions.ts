/**
 * Unary float functions, binary32 to binary32.
 *
 * Transcendental ones mean: the function of the exact argument, computed in binary64 with a relative error below 2^-44 and rounded once
 * to binary32, which is the correctly rounded result but in one of a million cases; those that networks use most (exp, sigmoid, tanh,
 * erf, gelu) are in binary32_functions.ts, faster and with errors of some units in the last place. Every step is written down
 * (float_exponential, float_error_function, float_trigonometry, float_power), so that native code repeats it bit for bit. ONNX Runtime
 * approximates these functions with an error of a few units in the last place, so that its floats differ and its 256-entry tables hardly
 * ever do; the README has the numbers. Those that are arithmetic only (LeakyRelu, HardSigmoid, HardSwish) round after every step, as ONNX Runtime
 * does, and equal it.
 */
import { exp64, expMinusOne64, log64, logOnePlus64 } from './float_exponential.ts';
import { cos64, sin64 } from './float_trigonometry.ts';

export type FloatFunction = (x: number) => number;

const clampUnit = (x: number): number => (x < 0 ? 0 : x > 1 ? 1 : x);

/** (1 − e^−2a)/(1 + e^−2a) for a = |x|, with the sign of x. */
function tanh64(x: number): number {
  const minusOne = expMinusOne64(-2 * (x < 0 ? -x : x));
  const size = -minusOne / (2 + minusOne);
  return x < 0 ? -size : x === 0 ? x : size;
}

/** e^x and tanh x for tables of TensorFlow Lite; those of operators are in binary32_functions.ts. */
export const roundedExp: FloatFunction = (x) => Math.fround(exp64(x));
export const roundedTanh: FloatFunction = (x) => Math.fround(tanh64(x));

export const log: FloatFunction = (x) => Math.fround(log64(x));
export const sin: FloatFunction = (x) => Math.fround(sin64(x));
export const cos: FloatFunction = (x) => Math.fround(cos64(x));
export const softsign: FloatFunction = (x) => Math.fround(x / (1 + (x < 0 ? -x : x)));

/** max(x, 0) + ln(1 + e^−|x|). */
export const softplus: FloatFunction = (x) => Math.fround((x < 0 ? 0 : x) + logOnePlus64(exp64(x < 0 ? x : -x)));

/** x·tanh(ln(1 + e^x)) = x·n/(n + 2), n = e^x·(e^x + 2); the quotient is 1 from 40 on. */
export const mish: FloatFunction = (x) => {
  const power = exp64(x > 40 ? 40 : x);
  const n = power * (power + 2);
  return Math.fround(x * (n / (n + 2)));
};

/** α and γ are binary32 numbers, as attributes are. */
export const elu =
  (alpha: number): FloatFunction =>
  (x) =>
    x >= 0 ? x : Math.fround(alpha * expMinusOne64(x));

export const selu =
  (alpha: number, gamma: number): FloatFunction =>
  (x) =>
    Math.fround(gamma * (x > 0 ? x : alpha * expMinusOne64(x)));

/** max(0, x) + min(0, α·(e^(x/α) − 1)). */
export const celu =
  (alpha: number): FloatFunction =>
  (x) => {
    const below = alpha * expMinusOne64(x / alpha);
    return Math.fround((x > 0 ? x : 0) + (below >= 0 ? 0 : below));
  };

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
