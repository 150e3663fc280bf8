import { factorsFor, modeOf, type RequantizeMode, requantizeModes, stepOf } from '../../numerics/index.ts';
import { type DType, dtypes, zeros } from '../../tensors/index.ts';
import { attr, defineOp, optional, tensorOf } from '../define_op.ts';
import { formatType, sameShape } from '../types.ts';
import { byte } from './operand_types.ts';
import { checkParameter, checkScalar, forEachRun } from './qnn_parameters.ts';

/** The attributes are a `RequantizeMode`: `{ ...requantizeModes.ort }` fits. */
const modeAttrs = {
  arithmetic: attr.oneOfOr(requantizeModes.ort.arithmetic, 'f32', 'f32-two-step', 'f64', 'fixed'),
  rounding: attr.oneOfOr(requantizeModes.ort.rounding, 'half-even', 'half-up', 'half-away'),
  zeroPointAt: attr.oneOfOr(requantizeModes.ort.zeroPointAt, 'before', 'after'),
};

/** Element types of `multiplier` and `second` for each arithmetic; see numerics/requantize.ts. */
const factors: Readonly<Record<RequantizeMode['arithmetic'], readonly [DType, DType | undefined]>> = {
  f32: ['f32', undefined],
  'f32-two-step': ['f32', 'f32'],
  f64: ['f64', undefined],
  fixed: ['s32', 's32'],
};

/** QLinearConv and QLinearMatMul after their sum: https://onnx.ai/onnx/operators/onnx__QLinearConv.html */
export const qnnRequantize = defineOp({
  name: 'qnn.requantize',
  doc: `y = clamp(round(x·multiplier) + zy, low, high), of the type of zy and inside its range. The defaults are the recipe of ONNX Runtime.
multiplier, second: scalar, [C] along \`axis\`, or broadcast to x. By \`arithmetic\`:
- f32: multiplier = fl(fl(sx·sw)/sy)
- f32-two-step: multiplier = fl(sx·sw), second = fl(1/sy), applied one after the other
- f64: multiplier = sx·sw/sy in f64
- fixed: multiplier = mantissa, second = shift, both s32: x·mantissa·2^(shift − 31) in the two roundings of gemmlowp
x of type f32 is an accumulator with a float bias added (PyTorch).`,
  traits: ['quantized'],
  operands: {
    x: tensorOf('s32', 'f32'),
    multiplier: tensorOf('f32', 'f64', 's32'),
    zy: byte,
    second: optional(tensorOf('f32', 's32')),
  },
  attrs: { axis: attr.int(1), ...modeAttrs, low: attr.int(-128), high: attr.int(255) },
  results: { y: { like: 'zy' } },
  infer({ x, multiplier, zy, second }, { axis, arithmetic, low, high }, refuse) {
    const [first, other] = factors[arithmetic];
    if (multiplier.dtype !== first)
      refuse(`'multiplier' should be ${first} for ${arithmetic}, but is ${multiplier.dtype}`, 'multiplier');
    if (second?.dtype !== other)
      refuse(
        `'second' should be ${other ?? 'absent'} for ${arithmetic}, but is ${second?.dtype ?? 'absent'}`,
        'second',
      );
    if (second && !sameShape(multiplier.shape, second.shape))
      refuse(`'second' is ${formatType(second)}, 'multiplier' ${formatType(multiplier)}`, 'second');
    if (arithmetic === 'fixed' && x.dtype !== 's32') refuse(`'x' should be s32 for fixed, but is ${x.dtype}`, 'x');
    checkParameter(multiplier, x.shape, axis, 'multiplier', refuse);
    checkScalar(zy, 'zy', refuse);
    const { min, max } = dtypes[zy.dtype];
    if (Math.max(low, min) > Math.min(high, max))
      refuse(`no value of ${zy.dtype} lies between low = ${low} and high = ${high}`);
    return { dtype: zy.dtype, shape: x.shape };
  },
  evaluate({ x, multiplier, zy, second }, { axis, low, high, ...mode }) {
    const y = zeros(zy.dtype, x.shape);
    const { min, max } = dtypes[zy.dtype];
    const factors = factorsFor(mode.arithmetic, multiplier, second);
    const range = { low: Math.max(low, min), high: Math.min(high, max) };
    const record = { ...factors, mode: modeOf(factors, mode), zeroPoint: zy.data[0], ...range };
    const steps = Array.from(multiplier.data, (_, i) => stepOf(record, i));
    forEachRun(x.shape, multiplier.shape, axis, (start, end, index) => {
      const step = steps[index];
      for (let i = start; i < end; i++) y.data[i] = step(x.data[i]);
    });
    return y;
  },
});
