import { sumOfRun } from '../../numerics/index.ts';
import { byteTypes, doublesOf, dtypes, fromDoubles, type ITensor, isFloat, sizeOf } from '../../tensors/index.ts';
import { attr, defineOp, type Refuse, tensorOf } from '../define_op.ts';
import type { Shape } from '../types.ts';
import { poolAttrs, poolShape } from './pool_geometry.ts';
import { forEachTapOfPlanes, windowCounts } from './pool_windows.ts';

const floats = tensorOf('f32', 'f64');
const ordered = tensorOf(...byteTypes, 's16', 'f32', 'f64');
const likeX = { y: { like: 'x' } } as const;

/**
 * The start of a maximum: NaN, which any element replaces, for types that have it; else a number below every element.
 */
function beforeAny({ dtype }: ITensor, count: number): number {
  if (count > 0) return Number.NaN;
  return isFloat(dtype) ? -Infinity : dtypes[dtype].min;
}

/** maximumNumber of IEEE 754: a number is greater than NaN. */
const greater = (most: number, value: number): number => (value > most || Number.isNaN(most) ? value : most);

/** ONNX MaxPool: https://onnx.ai/onnx/operators/onnx__MaxPool.html */
export const nnMaxPool = defineOp({
  name: 'nn.max_pool',
  doc: 'y[n,c,p] = max of x[n,c,p·stride − pad + tap·dilation] over the taps inside the input (the lowest value when there is none); NaN is passed over for any number (maximumNumber of IEEE 754), as quantizing before or after the maximum wants it. ceilMode counts a last partial window if it starts inside the input or its left padding.',
  operands: { x: ordered },
  attrs: poolAttrs,
  results: likeX,
  infer: ({ x }, attrs, refuse) => ({ dtype: x.dtype, shape: poolShape(x.shape, attrs, refuse) }),
  evaluate({ x }, attrs, [type]) {
    const { shape } = type;
    const values = doublesOf(x);
    const counts = windowCounts(x.shape, shape, attrs, false);
    const y = new Float64Array(sizeOf(shape)).map((_, i) => beforeAny(x, counts[i % counts.length]));
    forEachTapOfPlanes(x.shape, shape, attrs, ({ inputAt, outputAt }, xBase, yBase) => {
      for (let i = 0; i < inputAt.length; i++) {
        const at = yBase + outputAt[i];
        y[at] = greater(y[at], values[xBase + inputAt[i]]);
      }
    });
    return fromDoubles(x.dtype, y, shape);
  },
});

/** ONNX AveragePool: https://onnx.ai/onnx/operators/onnx__AveragePool.html */
export const nnAveragePool = defineOp({
  name: 'nn.average_pool',
  doc: 'The mean of the taps inside the input or, with countIncludePad, inside the padded input, pads being 0; summed in binary64, rounded once. Windows as in nn.max_pool.',
  operands: { x: floats },
  attrs: { ...poolAttrs, countIncludePad: attr.bool(false) },
  results: likeX,
  infer: ({ x }, attrs, refuse) => ({ dtype: x.dtype, shape: poolShape(x.shape, attrs, refuse) }),
  evaluate({ x }, attrs, [type]) {
    const { shape } = type;
    const values = doublesOf(x);
    const y = new Float64Array(sizeOf(shape));
    forEachTapOfPlanes(x.shape, shape, attrs, ({ inputAt, outputAt }, xBase, yBase) => {
      for (let i = 0; i < inputAt.length; i++) y[yBase + outputAt[i]] += values[xBase + inputAt[i]];
    });
    const counts = windowCounts(x.shape, shape, attrs, attrs.countIncludePad);
    for (let i = 0; i < y.length; i++) y[i] /= counts[i % counts.length];
    return fromDoubles(x.dtype, y, shape);
  },
});

/** ONNX LpPool: https://onnx.ai/onnx/operators/onnx__LpPool.html */
export const nnLpPool = defineOp({
  name: 'nn.lp_pool',
  doc: '(Σ |x|ᵖ)^(1/p) over the taps inside the input, in binary64, rounded once. Windows as in nn.max_pool.',
  operands: { x: floats },
  attrs: { ...poolAttrs, p: attr.int(2) },
  results: likeX,
  infer({ x }, attrs, refuse) {
    if (attrs.p < 1) refuse(`p should be positive, but is ${attrs.p}`);
    return { dtype: x.dtype, shape: poolShape(x.shape, attrs, refuse) };
  },
  evaluate({ x }, attrs, [type]) {
    const { shape } = type;
    const powers = doublesOf(x).map((v) => Math.abs(v) ** attrs.p);
    const y = new Float64Array(sizeOf(shape));
    forEachTapOfPlanes(x.shape, shape, attrs, ({ inputAt, outputAt }, xBase, yBase) => {
      for (let i = 0; i < inputAt.length; i++) y[yBase + outputAt[i]] += powers[xBase + inputAt[i]];
    });
    return fromDoubles(
      x.dtype,
      y.map((sum) => sum ** (1 / attrs.p)),
      shape,
    );
  },
});

/** `[N, C, 1, …]` */
function globalShape(x: Shape, refuse: Refuse): Shape {
  if (x.length < 3) refuse(`the input needs a batch, a channel and a spatial axis, but has rank ${x.length}`, 'x');
  return x.map((dim, axis) => (axis < 2 ? dim : 1));
}

/** ONNX GlobalAveragePool: https://onnx.ai/onnx/operators/onnx__GlobalAveragePool.html */
export const nnGlobalAveragePool = defineOp({
  name: 'nn.global_average_pool',
  doc: 'The mean over all spatial axes, which stay with size 1; summed in binary64 as numerics/partial_sums.ts says, rounded once.',
  operands: { x: floats },
  attrs: {},
  results: likeX,
  infer: ({ x }, _attrs, refuse) => ({ dtype: x.dtype, shape: globalShape(x.shape, refuse) }),
  evaluate({ x }, _attrs, [{ shape }]) {
    const y = perPlane(x, (values, from, to) => sumOfRun(values, from, to) / (to - from));
    return fromDoubles(x.dtype, y, shape);
  },
  onnx: { opType: 'GlobalAveragePool' },
});

/** ONNX GlobalMaxPool: https://onnx.ai/onnx/operators/onnx__GlobalMaxPool.html */
export const nnGlobalMaxPool = defineOp({
  name: 'nn.global_max_pool',
  doc: 'The maximum over all spatial axes, which stay with size 1; NaN is passed over for any number.',
  operands: { x: ordered },
  attrs: {},
  results: likeX,
  infer: ({ x }, _attrs, refuse) => ({ dtype: x.dtype, shape: globalShape(x.shape, refuse) }),
  evaluate({ x }, _attrs, [{ shape }]) {
    const most = (values: Float64Array, from: number, to: number) => {
      let result = beforeAny(x, to - from);
      for (let i = from; i < to; i++) result = greater(result, values[i]);
      return result;
    };
    return fromDoubles(x.dtype, perPlane(x, most), shape);
  },
  onnx: { opType: 'GlobalMaxPool' },
});

/** One value for every plane of `[N, C, spatial…]`, of the elements in [from, to). */
function perPlane(x: ITensor, one: (values: Float64Array, from: number, to: number) => number): Float64Array {
  const values = doublesOf(x);
  const size = sizeOf(x.shape.slice(2));
  return new Float64Array(x.shape[0] * x.shape[1]).map((_, plane) => one(values, plane * size, (plane + 1) * size));
}
