/**
 * Operators on one tensor, element by element.
 *
 * Transcendental functions mean the real function, rounded once or within some units in the last place; what is arithmetic only rounds
 * after every step. Those of f32 are in numerics/float_functions and numerics/binary32_functions, shared with the 256-entry tables of quantized operators and repeated by native code.
 */
import {
  celu,
  cos,
  elu,
  erf,
  exp,
  gelu,
  geluTanh,
  hardSigmoid,
  hardSwish,
  leakyRelu,
  log,
  mish,
  roundHalfEven,
  selu,
  sigmoid,
  sin,
  softplus,
  softsign,
  tanh,
} from '../../numerics/index.ts';
import { doublesOf, dtypes, fromDoubles, type ITensor, isBig, isFloat, newArray } from '../../tensors/index.ts';
import { type AttrSpecs, type AttrValues, attr, defineOp, tensorOf } from '../define_op.ts';
import type { OnnxForm } from '../onnx_form.ts';
import { broadcastShape, broadcastTo } from './broadcast.ts';
import { numeric } from './operand_types.ts';

const f32 = tensorOf('f32');
const floats = tensorOf('f32', 'f64');

/** An attribute of version 1: the inputs that may be overwritten. */
const ignored = ['consumed_inputs'];

type OnNumber = (x: number) => number;
type OnBigInt = (x: bigint) => bigint;

/** `f` of every element in binary64, stored once; 64-bit integers through `big`. */
function mapped(x: ITensor, shape: readonly number[], f: OnNumber, big?: OnBigInt): ITensor {
  if (big && isBig(x)) {
    const data = newArray(x.dtype, x.data.length);
    for (let i = 0; i < data.length; i++) data[i] = big(x.data[i]);
    return { dtype: x.dtype, shape, data };
  }
  const values = doublesOf(x);
  for (let i = 0; i < values.length; i++) values[i] = f(values[i]);
  return fromDoubles(x.dtype, values, shape);
}

/** An activation: f32 to f32, a function of its attributes. */
function activation<const N extends string, const A extends AttrSpecs>(
  name: N,
  onnx: OnnxForm<keyof A>,
  doc: string,
  attrs: A,
  make: (attrs: AttrValues<A>) => OnNumber,
) {
  return defineOp({
    name: `nn.${name}` as const,
    doc,
    operands: { x: f32 },
    attrs,
    results: { y: ['f32'] },
    traits: ['elementwise'],
    infer: ({ x }) => x,
    evaluate: ({ x }, attrs, [{ shape }]) => mapped(x, shape, make(attrs)),
    onnx: { ignored, ...onnx },
  });
}

const step = Math.fround;
const seluAttributes = { alpha: attr.float(1.6732631921768188), gamma: attr.float(1.0507010221481323) } as const;

export const nnLeakyRelu = activation(
  'leaky_relu',
  { opType: 'LeakyRelu', since: 6 },
  'x ≥ 0 ? x : α·x',
  { alpha: attr.float(0.01) },
  (a) => leakyRelu(step(a.alpha)),
);
export const nnElu = activation(
  'elu',
  { opType: 'Elu', since: 6 },
  'x ≥ 0 ? x : α·(eˣ − 1)',
  { alpha: attr.float(1) },
  (a) => elu(step(a.alpha)),
);
export const nnSelu = activation(
  'selu',
  { opType: 'Selu', since: 6 },
  'γ·(x > 0 ? x : α·(eˣ − 1))',
  seluAttributes,
  (a) => selu(step(a.alpha), step(a.gamma)),
);
export const nnCelu = activation(
  'celu',
  { opType: 'Celu', since: 12 },
  'max(0, x) + min(0, α·(e^(x/α) − 1))',
  { alpha: attr.float(1) },
  (a) => celu(step(a.alpha)),
);
export const nnThresholdedRelu = activation(
  'thresholded_relu',
  { opType: 'ThresholdedRelu', since: 10 },
  'x > α ? x : 0',
  { alpha: attr.float(1) },
  (a) => (x) => (x > step(a.alpha) ? x : 0),
);
export const nnHardSigmoid = activation(
  'hard_sigmoid',
  { opType: 'HardSigmoid', since: 6 },
  'max(0, min(1, α·x + β))',
  { alpha: attr.float(0.2), beta: attr.float(0.5) },
  (a) => hardSigmoid(step(a.alpha), step(a.beta)),
);
export const nnHardSwish = activation(
  'hard_swish',
  { opType: 'HardSwish', since: 14 },
  'x·max(0, min(1, x/6 + 1/2))',
  {},
  () => hardSwish,
);
export const nnSigmoid = activation('sigmoid', { opType: 'Sigmoid' }, '1 / (1 + e^−x)', {}, () => sigmoid);
export const nnTanh = activation('tanh', { opType: 'Tanh' }, 'tanh x', {}, () => tanh);
export const nnErf = activation('erf', { opType: 'Erf', since: 9 }, '2/√π · ∫₀ˣ e^(−t²) dt', {}, () => erf);
export const nnSoftplus = activation('softplus', { opType: 'Softplus' }, 'ln(1 + eˣ)', {}, () => softplus);
export const nnSoftsign = activation('softsign', { opType: 'Softsign' }, 'x / (1 + |x|)', {}, () => softsign);
export const nnMish = activation('mish', { opType: 'Mish', since: 18 }, 'x·tanh(ln(1 + eˣ))', {}, () => mish);
export const nnGelu = activation(
  'gelu',
  { opType: 'Gelu', since: 20 },
  'x·Φ(x); with approximate = tanh: x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))',
  { approximate: attr.oneOfOr('none', 'none', 'tanh') },
  (a) => (a.approximate === 'tanh' ? geluTanh : gelu),
);

/** A function of f32 and f64; of f32 `ofF32` where that differs. */
function floatFunction<const N extends string>(
  name: N,
  onnx: OnnxForm<never>,
  doc: string,
  f: OnNumber,
  ofF32: OnNumber = f,
) {
  return defineOp({
    name: `nn.${name}` as const,
    doc,
    operands: { x: floats },
    attrs: {},
    results: { y: { like: 'x' } },
    traits: ['elementwise'],
    infer: ({ x }) => x,
    evaluate: ({ x }, _attrs, [{ shape }]) => mapped(x, shape, x.dtype === 'f32' ? ofF32 : f),
    onnx: { ignored, ...onnx },
  });
}

export const nnExp = floatFunction('exp', { opType: 'Exp' }, 'eˣ', Math.exp, exp);
export const nnLog = floatFunction('log', { opType: 'Log' }, 'ln x', Math.log, log);
export const nnSqrt = floatFunction('sqrt', { opType: 'Sqrt' }, '√x', Math.sqrt);
export const nnReciprocal = floatFunction('reciprocal', { opType: 'Reciprocal' }, '1 / x', (x) => 1 / x);
export const nnSin = floatFunction('sin', { opType: 'Sin', since: 7 }, 'sin x', Math.sin, sin);
export const nnCos = floatFunction('cos', { opType: 'Cos', since: 7 }, 'cos x', Math.cos, cos);
export const nnFloor = floatFunction('floor', { opType: 'Floor' }, '⌊x⌋', Math.floor);
export const nnCeil = floatFunction('ceil', { opType: 'Ceil' }, '⌈x⌉', Math.ceil);
/** A zero has the sign of x, as with the instruction of processors. */
export const nnRound = floatFunction(
  'round',
  { opType: 'Round', since: 11 },
  'the nearest integer, ties to even',
  (x) => roundHalfEven(x) || x * 0,
);

/** A function of every number type. */
function numberFunction<const N extends string>(
  name: N,
  onnx: OnnxForm<never>,
  doc: string,
  f: OnNumber,
  big: OnBigInt,
) {
  return defineOp({
    name: `nn.${name}` as const,
    doc,
    operands: { x: numeric },
    attrs: {},
    results: { y: { like: 'x' } },
    traits: ['elementwise'],
    infer: ({ x }) => x,
    evaluate: ({ x }, _attrs, [{ shape }]) => mapped(x, shape, f, big),
    onnx: { ignored, ...onnx },
  });
}

export const nnRelu = numberFunction(
  'relu',
  { opType: 'Relu' },
  'max(0, x); NaN stays',
  (x) => Math.max(0, x),
  (x) => (x > 0n ? x : 0n),
);
export const nnNeg = numberFunction(
  'neg',
  { opType: 'Neg', since: 6, wider: 'modular' },
  '−x, wrapping',
  (x) => -x,
  (x) => -x,
);
export const nnAbs = numberFunction(
  'abs',
  { opType: 'Abs', since: 6, wider: 'modular' },
  '|x|, wrapping',
  Math.abs,
  (x) => (x < 0n ? -x : x),
);
export const nnSign = numberFunction(
  'sign',
  { opType: 'Sign', since: 9, wider: 'ordered' },
  '−1, 0 or 1; NaN stays',
  Math.sign,
  (x) => (x > 0n ? 1n : x < 0n ? -1n : 0n),
);

/** ONNX Clip: https://onnx.ai/onnx/operators/onnx__Clip.html */
export const nnClip = defineOp({
  name: 'nn.clip',
  doc: 'min(max(x, min), max); NaN stays. The bounds of integers are integers, or infinite.',
  operands: { x: numeric },
  attrs: { min: attr.float(-Infinity), max: attr.float(Infinity) },
  results: { y: { like: 'x' } },
  traits: ['elementwise'],
  infer({ x }, { min, max }, refuse) {
    const whole = (bound: number) => Number.isInteger(bound) || Math.abs(bound) === Infinity;
    if (Number.isNaN(min) || Number.isNaN(max)) refuse.limit('a bound is NaN');
    if (x.dtype !== 'f32' && x.dtype !== 'f64' && !(whole(min) && whole(max)))
      refuse(`the bounds ${min} and ${max} of an integer tensor should be integers`);
    const { min: least = -Infinity, max: most = Infinity } = dtypes[x.dtype] as { min?: number; max?: number };
    if (!isFloat(x.dtype) && (min > most || max < least || min === Infinity || max === -Infinity))
      refuse(`the bounds ${min} and ${max} leave no number of ${x.dtype}`);
    return x;
  },
  evaluate({ x }, attrs, [{ shape }]) {
    const [min, max] = x.dtype === 'f32' ? [step(attrs.min), step(attrs.max)] : [attrs.min, attrs.max];
    const onBigInt: OnBigInt = (v) => {
      const raised = v < min ? BigInt(min) : v;
      return raised > max ? BigInt(max) : raised;
    };
    return mapped(x, shape, (v) => Math.min(Math.max(v, min), max), onBigInt);
  },
});

export const nnNot = defineOp({
  name: 'nn.not',
  doc: '¬x',
  operands: { x: tensorOf('bool') },
  attrs: {},
  results: { y: ['bool'] },
  traits: ['elementwise'],
  infer: ({ x }) => x,
  evaluate: ({ x }, _attrs, [{ shape }]) => mapped(x, shape, (v) => 1 - v),
  onnx: { opType: 'Not', ignored },
});

/** ONNX PRelu: https://onnx.ai/onnx/operators/onnx__PRelu.html */
export const nnPrelu = defineOp({
  name: 'nn.prelu',
  doc: 'x ≥ 0 ? x : slope·x; the slope broadcasts to x.',
  operands: { x: floats, slope: floats },
  attrs: {},
  results: { y: { like: 'x' } },
  traits: ['elementwise'],
  infer({ x, slope }, _attrs, refuse) {
    if (x.dtype !== slope.dtype) refuse(`'x' is of type ${x.dtype}, 'slope' of type ${slope.dtype}`, 'slope');
    const shape = broadcastShape([x.shape, slope.shape], refuse);
    if (shape.length !== x.shape.length || shape.some((dim, axis) => x.shape[axis] === 1 && dim !== 1))
      refuse.limit(`the slope [${slope.shape.join(', ')}] does not broadcast to [${x.shape.join(', ')}]`, 'slope');
    return x;
  },
  evaluate({ x, slope }, _attrs, [{ shape }]) {
    const [values, slopes] = [doublesOf(x), doublesOf(broadcastTo(slope, shape))];
    for (let i = 0; i < values.length; i++) values[i] = values[i] >= 0 ? values[i] : slopes[i] * values[i];
    return fromDoubles(x.dtype, values, shape);
  },
  onnx: { opType: 'PRelu', since: 7, inputs: ['X: T', 'slope: T'], ignored },
});
