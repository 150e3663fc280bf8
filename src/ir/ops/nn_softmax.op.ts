import { exp, exp64, log64, sumOfRun } from '../../numerics/index.ts';
import type { ITensor } from '../../tensors/index.ts';
import { doublesOf, fromDoubles } from '../../tensors/index.ts';
import { attr, defineOp, tensorOf } from '../define_op.ts';
import { normalizeAxis } from './broadcast.ts';
import { fromLanes, lanesOf } from './lanes.ts';

/** e^d for a d ≤ 0 of binary64: of f32, d is rounded and the power is that of the operator. */
type Power = (d: number) => number;
const power32: Power = (d) => exp(Math.fround(d));

/** `one(values, from, to, power)` overwrites one lane along `axis`; the result is rounded once. */
function softmaxLike<const N extends string>(
  name: N,
  opType: string,
  doc: string,
  one: (values: Float64Array, from: number, to: number, power: Power) => void,
) {
  return defineOp({
    name: `nn.${name}` as const,
    doc: `${doc}; the maximum is taken out first, eˣ is rounded to the type of x, and the rest is in binary64, rounded once.`,
    operands: { x: tensorOf('f32', 'f64') },
    attrs: { axis: attr.int(-1) },
    results: { y: { like: 'x' } },
    infer({ x }, { axis }, refuse) {
      normalizeAxis(axis, x.shape.length, refuse);
      return x;
    },
    evaluate({ x }, { axis }): ITensor {
      const lanes = lanesOf(x, [axis < 0 ? axis + x.shape.length : axis]);
      const values = doublesOf(lanes.tensor);
      const power = x.dtype === 'f32' ? power32 : exp64;
      for (let i = 0; i < lanes.count; i++) one(values, i * lanes.length, (i + 1) * lanes.length, power);
      return fromLanes(fromDoubles(x.dtype, values, lanes.tensor.shape), lanes.perm);
    },
    onnx: { opType, inputs: ['input'] },
  });
}

/** Subtracts the maximum: what is left has no power of e above 1. */
function shiftByMaximum(values: Float64Array, from: number, to: number): void {
  let max = -Infinity;
  for (let i = from; i < to; i++) max = Math.max(max, values[i]);
  for (let i = from; i < to; i++) values[i] -= max;
}

/** ONNX Softmax since opset 13: https://onnx.ai/onnx/operators/onnx__Softmax.html */
export const nnSoftmax = softmaxLike(
  'softmax',
  'Softmax',
  'eˣ · (1 / Σ eˣ) along one axis',
  (values, from, to, power) => {
    shiftByMaximum(values, from, to);
    for (let i = from; i < to; i++) values[i] = power(values[i]);
    const factor = 1 / sumOfRun(values, from, to);
    for (let i = from; i < to; i++) values[i] *= factor;
  },
);

/** ONNX LogSoftmax since opset 13: https://onnx.ai/onnx/operators/onnx__LogSoftmax.html */
export const nnLogSoftmax = softmaxLike(
  'log_softmax',
  'LogSoftmax',
  'x − ln Σ eˣ along one axis',
  (values, from, to, power) => {
    shiftByMaximum(values, from, to);
    const logSum = log64(sumOfRun(values, from, to, power));
    for (let i = from; i < to; i++) values[i] -= logSum;
  },
);
