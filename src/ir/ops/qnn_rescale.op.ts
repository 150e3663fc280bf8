import { clampTo, type Multiplier, multiplyWide, requantizer } from '../../numerics/index.ts';
import { byteTypes, type DType, dtypes, zeros } from '../../tensors/index.ts';
import { attr, defineOp, optional, tensorOf } from '../define_op.ts';
import { formatType, sameShape } from '../types.ts';
import { checkParameter, checkScalar, forEachRun } from './qnn_parameters.ts';

type Arithmetic = 'f64' | 'fixed' | 'fixed-wide';

/** Element types of `multiplier` and `second` for each arithmetic. */
const factors: Readonly<Record<Arithmetic, readonly [DType, DType | undefined]>> = {
  f64: ['f64', undefined],
  fixed: ['s32', 's32'],
  'fixed-wide': ['s32', 's32'],
};

/** Requantization of TensorFlow Lite where 8 bits do not hold the result, or 32 bits the sum. */
export const qnnRescale = defineOp({
  name: 'qnn.rescale',
  doc: `y = clamp(round(x·multiplier) + zy, low, high), of the type of zy and inside its range: qnn.requantize for wider integers.
multiplier, second: scalar, or [C] along \`axis\`. By \`arithmetic\`:
- f64: the product in f64, rounded as \`rounding\` says
- fixed: multiplier = mantissa, second = shift: x·mantissa·2^(shift − 31) in the two roundings of gemmlowp
- fixed-wide: the same with a mantissa of 15 bits, rounded once, halves up: see numerics/tflite.ts`,
  traits: ['quantized'],
  operands: {
    x: tensorOf('s32', 's64'),
    multiplier: tensorOf('f64', 's32'),
    zy: tensorOf(...byteTypes, 's16', 's32'),
    second: optional(tensorOf('s32')),
  },
  attrs: {
    axis: attr.int(1),
    arithmetic: attr.oneOfOr('fixed', 'f64', 'fixed', 'fixed-wide'),
    rounding: attr.oneOfOr('half-away', 'half-even', 'half-up', 'half-away'),
    low: attr.int(-(2 ** 31)),
    high: attr.int(2 ** 31 - 1),
  },
  results: { y: { like: 'zy' } },
  infer({ x, multiplier, zy, second }, { axis, arithmetic, low, high }, refuse) {
    const [first, other] = factors[arithmetic];
    if (multiplier.dtype !== first)
      refuse(`'multiplier' should be ${first} for ${arithmetic}, but is ${multiplier.dtype}`, 'multiplier');
    if (second?.dtype !== other) refuse(`'second' should be ${other ?? 'absent'} for ${arithmetic}`, 'second');
    if (second && !sameShape(multiplier.shape, second.shape))
      refuse(`'second' is ${formatType(second)}, 'multiplier' ${formatType(multiplier)}`, 'second');
    checkParameter(multiplier, x.shape, axis, 'multiplier', refuse);
    checkScalar(zy, 'zy', refuse);
    const { min, max } = dtypes[zy.dtype];
    if (Math.max(low, min) > Math.min(high, max))
      refuse(`no value of ${zy.dtype} lies between low = ${low} and high = ${high}`);
    return { dtype: zy.dtype, shape: x.shape };
  },
  evaluate({ x, multiplier, zy, second }, { axis, arithmetic, rounding, low, high }) {
    const y = zeros(zy.dtype, x.shape);
    const { min, max } = dtypes[zy.dtype];
    const [least, most] = [Math.max(low, min), Math.min(high, max)];
    const zeroPoint = zy.data[0];
    const stepOf = (i: number): ((sum: number) => number) => {
      const [factor, shift] = [multiplier.data[i], second?.data[i] ?? 0];
      if (arithmetic === 'fixed-wide')
        return (sum) => clampTo(least, most, multiplyWide(sum, factor, shift) + zeroPoint);
      const own: Multiplier = arithmetic === 'f64' ? { arithmetic, factor } : { arithmetic, mantissa: factor, shift };
      return requantizer({ arithmetic, rounding, zeroPointAt: 'after' }, own, zeroPoint, least, most);
    };
    const steps = Array.from(multiplier.data, (_, i) => stepOf(i));
    forEachRun(x.shape, multiplier.shape, axis, (start, end, index) => {
      const step = steps[index];
      for (let i = start; i < end; i++) y.data[i] = step(Number(x.data[i]));
    });
    return y;
  },
});
