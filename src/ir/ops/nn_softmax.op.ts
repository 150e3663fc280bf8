import { exp64, log64, sumOfRun } from '../../numerics/index.ts';
import type { ITensor } from '../../tensors/index.ts';
import { doublesOf, fromDoubles } from '../../tensors/index.ts';
import { attr, defineOp, tensorOf } from '../define_op.ts';
import { normalizeAxis } from './broadcast.ts';
import { fromLanes, lanesOf } from './lanes.ts';

/** `one(values, from, to)` overwrites one lane along `axis`; computed in binary64, rounded once. */
function softmaxLike<const N extends string>(
  name: N,
  opType: string,
  doc: string,
  one: (values: Float64Array, from: number, to: number) => void,
) {
  return defineOp({
    name: `nn.${name}` as const,
    doc: `${doc}; in binary64, rounded once, the maximum taken out first.`,
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
      for (let i = 0; i < lanes.count; i++) one(values, i * lanes.length, (i + 1) * lanes.length);
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
export const nnSoftmax = softmaxLike('softmax', 'Softmax', 'eˣ · (1 / Σ eˣ) along one axis', (values, from, to) => {
  shiftByMaximum(values, from, to);
  for (let i = from; i < to; i++) values[i] = exp64(values[i]);
  const factor = 1 / sumOfRun(values, from, to);
  for (let i = from; i < to; i++) values[i] *= factor;
});

/** ONNX LogSoftmax since opset 13: https://onnx.ai/onnx/operators/onnx__LogSoftmax.html */
export const nnLogSoftmax = softmaxLike(
  'log_softmax',
  'LogSoftmax',
  'x − ln Σ eˣ along one axis',
  (values, from, to) => {
    shiftByMaximum(values, from, to);
    const logSum = log64(sumOfRun(values, from, to, exp64));
    for (let i = from; i < to; i++) values[i] -= logSum;
  },
);
