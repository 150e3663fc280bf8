/** Normalizations, computed in binary64 and rounded once. ONNX leaves the order of operations open; sums are those of numerics/partial_sums.ts. */

import { sumOfRun } from '../../numerics/index.ts';
import { doublesOf, fromDoubles, type ITensor, sizeOf } from '../../tensors/index.ts';
import { attr, defineOp, optional, type Refuse, tensorOf } from '../define_op.ts';
import type { Dim, Shape, TensorType } from '../types.ts';
import { broadcastShape, broadcastTo, normalizeAxis } from './broadcast.ts';
import { power } from './power.ts';

const float = tensorOf('f32', 'f64');
const likeX = { y: { like: 'x' } } as const;
const epsilon = attr.float(1e-5);

/** Per-channel parameters are vectors of one element per channel. */
function checkPerChannel(parameters: Readonly<Record<string, TensorType>>, channels: Dim, refuse: Refuse): void {
  for (const [name, { shape }] of Object.entries(parameters)) {
    const [size] = shape;
    if (shape.length !== 1 || (size !== channels && typeof size === 'number' && typeof channels === 'number'))
      refuse(`'${name}' should have shape [${channels}], but has [${shape.join(', ')}]`, name);
  }
}

function channelsOf(x: TensorType, refuse: Refuse): Dim {
  if (x.shape.length < 2)
    refuse.limit(`the input needs a batch and a channel axis, but has rank ${x.shape.length}`, 'x');
  return x.shape[1];
}

/** ONNX BatchNormalization, inference: https://onnx.ai/onnx/operators/onnx__BatchNormalization.html */
export const nnBatchNorm = defineOp({
  name: 'nn.batch_norm',
  doc: 'y[n,c,…] = scale[c]·(x[n,c,…] − mean[c]) / √(variance[c] + ε) + bias[c]; in binary64, rounded once.',
  operands: { x: float, scale: float, bias: float, mean: float, variance: float },
  attrs: { epsilon },
  results: likeX,
  infer({ x, ...parameters }, _attrs, refuse) {
    checkPerChannel(parameters, channelsOf(x, refuse), refuse);
    return x;
  },
  evaluate({ x, scale, bias, mean, variance }, { epsilon }, [{ shape }]) {
    const y = doublesOf(x);
    const [channels, size] = [x.shape[1], sizeOf(x.shape.slice(2))];
    for (let plane = 0, i = 0; plane < x.shape[0] * channels; plane++) {
      const c = plane % channels;
      const factor = scale.data[c] / Math.sqrt(variance.data[c] + Math.fround(epsilon));
      for (const end = i + size; i < end; i++) y[i] = (y[i] - mean.data[c]) * factor + bias.data[c];
    }
    return fromDoubles(x.dtype, y, shape);
  },
  onnx: { opType: 'BatchNormalization', since: 7, inputs: ['X', 'scale', 'B', 'mean', 'var'] },
});

/** Every run of `length` elements to mean 0 (unless `centre` is false) and mean square 1, in place. */
function normalizeRuns(values: Float64Array, length: number, epsilon: number, centre = true): void {
  for (let from = 0; from < values.length; from += length) {
    const to = from + length;
    const mean = centre ? sumOfRun(values, from, to) / length : 0;
    const squares = sumOfRun(values, from, to, (x) => (x - mean) * (x - mean));
    const factor = 1 / Math.sqrt(squares / length + Math.fround(epsilon));
    for (let i = from; i < to; i++) values[i] = (values[i] - mean) * factor;
  }
}

function perChannelAffine(values: Float64Array, x: ITensor, scale: ITensor, bias: ITensor): ITensor {
  const [channels, size] = [x.shape[1], sizeOf(x.shape.slice(2))];
  for (let i = 0; i < values.length; i++) {
    const c = Math.floor(i / size) % channels;
    values[i] = values[i] * (scale.data[c] as number) + (bias.data[c] as number);
  }
  return fromDoubles(x.dtype, values, x.shape);
}

/** ONNX InstanceNormalization: https://onnx.ai/onnx/operators/onnx__InstanceNormalization.html */
export const nnInstanceNorm = defineOp({
  name: 'nn.instance_norm',
  doc: 'y = scale[c]·(x − mean) / √(variance + ε) + bias[c], mean and variance over the spatial axes of each [n, c].',
  operands: { x: float, scale: float, bias: float },
  attrs: { epsilon },
  results: likeX,
  infer({ x, ...parameters }, _attrs, refuse) {
    checkPerChannel(parameters, channelsOf(x, refuse), refuse);
    return x;
  },
  evaluate({ x, scale, bias }, { epsilon }) {
    const values = doublesOf(x);
    normalizeRuns(values, sizeOf(x.shape.slice(2)), epsilon);
    return perChannelAffine(values, x, scale, bias);
  },
  onnx: { opType: 'InstanceNormalization', since: 6, readSince: 6, inputs: ['input', 'scale', 'B'] },
});

/** ONNX GroupNormalization since opset 21: https://onnx.ai/onnx/operators/onnx__GroupNormalization.html */
export const nnGroupNorm = defineOp({
  name: 'nn.group_norm',
  doc: 'y = scale[c]·(x − mean) / √(variance + ε) + bias[c], mean and variance over each group of neighbouring channels of each n.',
  operands: { x: float, scale: float, bias: float },
  attrs: { groups: attr.int(), epsilon },
  results: likeX,
  infer({ x, ...parameters }, { groups }, refuse) {
    const channels = channelsOf(x, refuse);
    checkPerChannel(parameters, channels, refuse);
    if (groups < 1 || (typeof channels === 'number' && channels % groups !== 0))
      refuse(`${channels} channels do not divide into ${groups} groups`, 'x');
    return x;
  },
  evaluate({ x, scale, bias }, { groups, epsilon }) {
    const values = doublesOf(x);
    normalizeRuns(values, (x.shape[1] / groups) * sizeOf(x.shape.slice(2)), epsilon);
    return perChannelAffine(values, x, scale, bias);
  },
  onnx: {
    opType: 'GroupNormalization',
    since: 21,
    readSince: 21, // before, scale and bias were per group
    inputs: ['X', 'scale', 'bias'],
    attributes: { groups: { name: 'num_groups' } },
    ignored: ['stash_type'],
  },
});

/** Refuses `scale` and `bias` that do not broadcast to the normalized axes. */
function checkScale(x: Shape, axis: number, parameters: Readonly<Record<string, TensorType>>, refuse: Refuse): void {
  const first = normalizeAxis(axis, x.length, refuse);
  for (const [name, { shape }] of Object.entries(parameters)) {
    const full = broadcastShape([x, shape], refuse);
    if (shape.length > x.length || full.some((dim, i) => x[i] === 1 && dim !== 1))
      refuse(`'${name}' [${shape.join(', ')}] does not broadcast to [${x.slice(first).join(', ')}]`, name);
  }
}

function evaluateTrailing(x: ITensor, axis: number, epsilon: number, centre: boolean, scale: ITensor, bias?: ITensor) {
  const values = doublesOf(x);
  const first = axis < 0 ? axis + x.shape.length : axis;
  normalizeRuns(values, sizeOf(x.shape.slice(first)), epsilon, centre);
  const factors = doublesOf(broadcastTo(scale, x.shape));
  for (let i = 0; i < values.length; i++) values[i] *= factors[i];
  if (bias) {
    const added = doublesOf(broadcastTo(bias, x.shape));
    for (let i = 0; i < values.length; i++) values[i] += added[i];
  }
  return fromDoubles(x.dtype, values, x.shape);
}

/** ONNX LayerNormalization: https://onnx.ai/onnx/operators/onnx__LayerNormalization.html */
export const nnLayerNorm = defineOp({
  name: 'nn.layer_norm',
  doc: 'y = scale·(x − mean) / √(variance + ε) + bias, mean and variance over `axis` and all after it; scale and bias broadcast to these.',
  operands: { x: float, scale: float, bias: optional(float) },
  attrs: { axis: attr.int(-1), epsilon },
  results: likeX,
  infer({ x, ...parameters }, { axis }, refuse) {
    checkScale(x.shape, axis, parameters as Record<string, TensorType>, refuse);
    return x;
  },
  evaluate: ({ x, scale, bias }, { axis, epsilon }) => evaluateTrailing(x, axis, epsilon, true, scale, bias),
  onnx: { opType: 'LayerNormalization', since: 17, inputs: ['X', 'Scale', 'B?'], ignored: ['stash_type'] },
});

/** ONNX RMSNormalization: https://onnx.ai/onnx/operators/onnx__RMSNormalization.html */
export const nnRmsNorm = defineOp({
  name: 'nn.rms_norm',
  doc: 'y = scale·x / √(mean of x² + ε), the mean over `axis` and all after it; scale broadcasts to these.',
  operands: { x: float, scale: float },
  attrs: { axis: attr.int(-1), epsilon },
  results: likeX,
  infer({ x, scale }, { axis }, refuse) {
    checkScale(x.shape, axis, { scale }, refuse);
    return x;
  },
  evaluate: ({ x, scale }, { axis, epsilon }) => evaluateTrailing(x, axis, epsilon, false, scale),
  onnx: { opType: 'RMSNormalization', since: 23, inputs: ['X', 'scale'], ignored: ['stash_type'] },
});

/** ONNX LRN: https://onnx.ai/onnx/operators/onnx__LRN.html */
export const nnLrn = defineOp({
  name: 'nn.lrn',
  doc: 'y[n,c,…] = x / (bias + α/size · Σ x[n,c′,…]²)^β over the channels c − ⌊(size−1)/2⌋ ≤ c′ ≤ c + ⌈(size−1)/2⌉ that exist.',
  operands: { x: float },
  attrs: { size: attr.int(), alpha: attr.float(1e-4), beta: attr.float(0.75), bias: attr.float(1) },
  results: likeX,
  infer({ x }, { size }, refuse) {
    channelsOf(x, refuse);
    if (size < 1) refuse(`size should be positive, but is ${size}`);
    return x;
  },
  evaluate({ x }, { size, alpha, beta, bias }, [{ shape }]) {
    const values = doublesOf(x);
    const y = new Float64Array(values.length);
    const [channels, plane] = [x.shape[1], sizeOf(x.shape.slice(2))];
    const [below, above] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
    for (let i = 0; i < y.length; i++) {
      const c = Math.floor(i / plane) % channels;
      let squares = 0;
      for (let k = Math.max(0, c - below); k <= Math.min(channels - 1, c + above); k++)
        squares += values[i + (k - c) * plane] ** 2;
      y[i] = values[i] / power(bias + (alpha / size) * squares, beta);
    }
    return fromDoubles(x.dtype, y, shape);
  },
  onnx: { opType: 'LRN' },
});
