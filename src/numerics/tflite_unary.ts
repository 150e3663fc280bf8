/**
 * Functions of one 8-bit tensor in the kernels of TensorFlow Lite (tensorflow/lite/kernels/{activations,elementwise,exp}.cc and
 * internal/reference), from byte to byte. v = q − zx; two(x, d) is multiplyFixed, with d in binary64 where nothing is said.
 *
 *   table        sat(rha(fl(f(fl(sx·v))·fl(1/sy))) + zy): LOGISTIC, TANH, ELU, GELU, EXP, LOG
 *   SQRT         sat(⌊fl(fl(√fl(sx·v))/sy)⌋ + zy)
 *   RELU…        clamp(two(v, fl(sx/sy)) + zy): the ends as those of a fused activation
 *   LEAKY_RELU   v ≥ 0: two(v, fl(sx/sy));  v < 0: two(v, |fl(fl(sx·α)/sy)|) with the sign of α
 *   PRELU        v ≥ 0: two(v, sx/sy);      v < 0: two(v·(a − za), sx·sa/sy)
 *   ABS          two(|v|, fl(sx/sy)); |v| itself where the scales are equal
 *   NEG          −q, wrapping: no scale is looked at
 *   requantize   two(v, sx/sy)
 *   RSQRT        see `tfliteRsqrt`; HARD_SWISH: see tflite_hard_swish.ts
 */
import { dtypes } from '../tensors/index.ts';
import { elu, type FloatFunction, roundedExp, roundedTanh } from './float_functions.ts';
import { type FixedMultiplier, multiplyFixed, shiftsOf, signedFixedMultiplier } from './requantize.ts';
import { clampTo, roundHalfAway, roundHalfUp } from './rounding.ts';
import { activationRange, type TfliteQuantized } from './tflite.ts';
import { geluInSteps, geluTanhInSteps } from './tflite_gelu.ts';

/** From one byte to another. */
export type ByteFunction = (q: number) => number;

/** sat(x + zero point). */
export const stored = ({ dtype, zeroPoint }: TfliteQuantized, x: number): number =>
  clampTo(dtypes[dtype].min, dtypes[dtype].max, x + zeroPoint);

const times = (x: number, { mantissa, shift }: FixedMultiplier): number => multiplyFixed(x, mantissa, shift);

// ---- tables of float functions

/** The value of a quantized number, rounded once. */
export const realOf = ({ scale, zeroPoint }: TfliteQuantized, q: number): number =>
  Math.fround(scale * (q - zeroPoint));

/** A float function, rounded after it was multiplied by fl(1/sy). */
export function tfliteTable(x: TfliteQuantized, f: FloatFunction, y: TfliteQuantized): ByteFunction {
  const inverse = Math.fround(1 / y.scale);
  return (q) => stored(y, roundHalfAway(Math.fround(f(realOf(x, q)) * inverse)));
}

/** fl(1/fl(1 + fl(e^−x))): every step in binary32. */
export const sigmoidInSteps: FloatFunction = (x) => Math.fround(1 / Math.fround(1 + roundedExp(-x)));

/** The float functions of tables; LOG gives the least number of y for what has no logarithm. */
export const tfliteFunctions = {
  LOGISTIC: () => sigmoidInSteps,
  TANH: () => roundedTanh,
  ELU: () => elu(1),
  GELU: () => geluInSteps,
  GELU_TANH: () => geluTanhInSteps,
  EXP: () => roundedExp,
  LOG:
    ({ dtype, scale, zeroPoint }) =>
    (x) =>
      Math.fround(x > 0 ? Math.log(x) : (dtypes[dtype].min - zeroPoint) * scale),
  /** For 16-bit integers; bytes have fixed point. A number without a root is refused while a model runs, but for 0. */
  RSQRT:
    ({ dtype, scale, zeroPoint }) =>
    (x) =>
      Math.fround(x > 0 ? 1 / Math.fround(Math.sqrt(x)) : (dtypes[dtype].max - zeroPoint) * scale),
} satisfies Readonly<Record<string, (y: TfliteQuantized) => FloatFunction>>;

/** The fraction is cut; what has no root is refused while a model runs. */
export const tfliteSqrt =
  (x: TfliteQuantized, y: TfliteQuantized): ByteFunction =>
  (q) =>
    stored(y, Math.floor(Math.fround(Math.fround(Math.sqrt(Math.max(realOf(x, q), 0))) / y.scale)));

// ---- in fixed point

/** QUANTIZE between integers. */
export function tfliteRequantize(x: TfliteQuantized, y: TfliteQuantized): ByteFunction {
  const factor = signedFixedMultiplier(x.scale / y.scale);
  return (q) => stored(y, times(q - x.zeroPoint, factor));
}

/** The same in the vector code of the optimized kernels: ties of the shift go up, as those of the product do. */
export function optimizedRequantize(x: TfliteQuantized, y: TfliteQuantized): ByteFunction {
  const factor = signedFixedMultiplier(x.scale / y.scale);
  const { left, right } = shiftsOf(factor.shift);
  return (q) => {
    const product = times(q - x.zeroPoint, { ...factor, shift: left });
    return stored(y, roundHalfUp(product / 2 ** right));
  };
}

export function tfliteRelu(
  activation: 'RELU' | 'RELU_N1_TO_1' | 'RELU_0_TO_1' | 'RELU6',
  x: TfliteQuantized,
  y: TfliteQuantized,
): ByteFunction {
  const factor = signedFixedMultiplier(Math.fround(x.scale / y.scale));
  const { low, high } = activationRange(activation, y);
  return (q) => clampTo(low, high, times(q - x.zeroPoint, factor) + y.zeroPoint);
}

/** α is a binary32 number; its sign is that of the result, so that ties go down below the zero point where it is negative. */
export function tfliteLeakyRelu(alpha: number, x: TfliteQuantized, y: TfliteQuantized): ByteFunction {
  const above = signedFixedMultiplier(Math.fround(x.scale / y.scale));
  const below = signedFixedMultiplier(Math.abs(Math.fround(Math.fround(x.scale * alpha) / y.scale)));
  const sign = alpha < 0 ? -1 : 1;
  return (q) => {
    const v = q - x.zeroPoint;
    return stored(y, v >= 0 ? times(v, above) : sign * times(v, below));
  };
}

/** A function of the tensor and of its slope. */
export function tflitePrelu(
  x: TfliteQuantized,
  slope: TfliteQuantized,
  y: TfliteQuantized,
): (q: number, a: number) => number {
  const above = signedFixedMultiplier(x.scale / y.scale);
  const below = signedFixedMultiplier((x.scale * slope.scale) / y.scale);
  return (q, a) => {
    const v = q - x.zeroPoint;
    return stored(y, v >= 0 ? times(v, above) : times(v * (a - slope.zeroPoint), below));
  };
}

export function tfliteAbs(x: TfliteQuantized, y: TfliteQuantized): ByteFunction {
  const factor = signedFixedMultiplier(Math.fround(x.scale / y.scale));
  const isSame = x.scale === y.scale;
  return (q) => {
    const size = Math.abs(q - x.zeroPoint);
    return stored(y, isSame ? size : times(size, factor));
  };
}

/** −q as it stands in memory, wrapping: −(−128) is −128. */
export const tfliteNegate =
  ({ dtype }: TfliteQuantized): ByteFunction =>
  (q) =>
    q === dtypes[dtype].min ? q : -q;

/** A binary point for numbers up to 1. */
const RSQRT_SHIFT = 20;

/**
 * 1/√x: v^−½ by five steps of Newton's method in fixed point, moved by 20 bits, then times 1/(√sx·sy). 0 gives the largest number.
 */
export function tfliteRsqrt(x: TfliteQuantized, y: TfliteQuantized): ByteFunction {
  const factor = signedFixedMultiplier(1 / Math.fround(Math.fround(Math.sqrt(x.scale)) * y.scale));
  return (q) => {
    const v = q - x.zeroPoint;
    if (v === 0) return dtypes[y.dtype].max;
    const root = inverseRoot(v);
    const wide = times(1, { ...root, shift: root.shift + RSQRT_SHIFT });
    return stored(y, times(wide, { ...factor, shift: factor.shift - RSQRT_SHIFT }));
  };
}

/** SRDHM of gemmlowp: ⌊(a·b + 2^30)/2^31⌋. */
const highProduct = (a: number, b: number): number => multiplyFixed(a, b, 0);

/**
 * v^−½ as a fixed multiplier: Newton's x ← (3/2)·x − (v/2)·x³ from x = 1, with 28 bits behind the point, on v moved by pairs of bits
 * into [2^27, 2^29); then times √½. A product with 28 bits each is three bits too small.
 */
function inverseRoot(v: number): FixedMultiplier {
  if (v <= 1) return { arithmetic: 'fixed', mantissa: 2 ** 31 - 1, shift: 0 };
  const pairs = Math.floor((Math.clz32(v) - 1) / 2) - 1;
  const moved = v * 2 ** (2 * pairs);
  const half = roundHalfAway(Math.floor(moved / 2) / 2);
  const eightfold = (a: number): number => clampTo(-(2 ** 31), 2 ** 31 - 1, a * 8);
  let root = 2 ** 28;
  for (let i = 0; i < 5; i++) {
    const cube = clampTo(-(2 ** 31), 2 ** 31 - 1, highProduct(highProduct(root, root), root) * 64);
    root = eightfold(highProduct(1.5 * 2 ** 28, root) - highProduct(half, cube));
  }
  return { arithmetic: 'fixed', mantissa: highProduct(root, 1518500250), shift: pairs - 11 };
}
