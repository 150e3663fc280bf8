/**
 * Discrete Fourier transforms as products with matrices of cosines and sines:
 *
 *   y[k] = s·Σ_t x[t]·e^(∓2πi·tk/N),   − and s = 1 forward, + and s = 1/N backward.
 *
 * https://onnx.ai/onnx/operators/onnx__DFT.html, https://onnx.ai/onnx/operators/onnx__STFT.html
 */
import { nnGather, nnMatmul, nnMul, tensor, type Value } from '../../../ir/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

/** Larger matrices take longer than the fast transform of a library. */
const MOST_ELEMENTS = 2 ** 22;

interface Transform {
  /** The samples that there are, each of one number or of two. */
  readonly samples: number;
  readonly parts: number;
  /** N: further samples are 0, and samples from there on are left out. */
  readonly length: number;
  readonly isInverse: boolean;
  /** The signal is real: frequencies that are left out are conjugates of those that are there. */
  readonly isOneSided: boolean;
  /** A factor of each sample. */
  readonly window?: ArrayLike<number>;
}

/** Results, and numbers of each of them. */
function resultOf({ length, isInverse, isOneSided }: Transform): readonly [count: number, parts: number] {
  if (!isOneSided) return [length, 2];
  return isInverse ? [length, 1] : [Math.floor(length / 2) + 1, 2];
}

/** [samples·parts, results·parts]. */
function matrixOf(transform: Transform): Float64Array {
  const { samples, parts, length, isInverse, isOneSided, window } = transform;
  const [count, resultParts] = resultOf(transform);
  const matrix = new Float64Array(samples * parts * count * resultParts);
  const sign = isInverse ? 1 : -1;
  for (let t = 0; t < Math.min(samples, length); t++) {
    // backward and one-sided, a frequency stands for its conjugate as well
    const isPaired = isInverse && isOneSided && t > 0 && 2 * t < length;
    const isBeyond = isInverse && isOneSided && 2 * t > length;
    const factor = (isBeyond ? 0 : isPaired ? 2 : 1) * (isInverse ? 1 / length : 1) * (window?.[t] ?? 1);
    for (let k = 0; k < count; k++) {
      const angle = (2 * Math.PI * ((t * k) % length)) / length;
      const [cos, sin] = [factor * Math.cos(angle), sign * factor * Math.sin(angle)];
      const values = [
        [cos, sin],
        [-sin, cos],
      ];
      for (let part = 0; part < parts; part++)
        for (let result = 0; result < resultParts; result++)
          matrix[((t * parts + part) * count + k) * resultParts + result] = values[part][result];
    }
  }
  return matrix;
}

/** The transform of the last axis of x, [..., samples·parts]: [..., results·parts]. */
function transformed(ctx: NodeContext, x: Value, transform: Transform): Value {
  const [count, parts] = resultOf(transform);
  const rows = transform.samples * transform.parts;
  if (rows * count * parts > MOST_ELEMENTS) return ctx.unsupported(`a transform of ${transform.length} samples`);
  const dtype = x.type.dtype === 'f64' ? 'f64' : 'f32';
  const matrix = ctx.constant(tensor(dtype, matrixOf(transform), [rows, count * parts]), 'transform');
  return ctx.castAs(ctx.emit(nnMatmul, { a: ctx.cast(x, dtype), b: matrix }), x.type.dtype);
}

const partsOf = (ctx: NodeContext, size: unknown): number =>
  size === 1 || size === 2
    ? size
    : ctx.unsupported('the last axis should hold real numbers, or real and imaginary ones');

const lengthOf = (ctx: NodeContext, size: unknown): number =>
  typeof size === 'number' ? size : ctx.unsupported('a number of samples that only the run knows');

function dft(ctx: NodeContext): Value {
  const x = ctx.get('input');
  const { shape } = x.type;
  const rank = shape.length;
  const given = ctx.opset < 20 ? ctx.attr.int('axis', 1) : (ctx.scalarOf('axis') ?? -2);
  const axis = given < 0 ? given + rank : given;
  if (rank < 2 || axis < 0 || axis >= rank - 1) return ctx.refuse(`axis ${given} is no axis of samples`, 'U2005');
  const [samples, parts] = [lengthOf(ctx, shape[axis]), partsOf(ctx, shape[rank - 1])];
  const [isInverse, isOneSided] = ['inverse', 'onesided'].map((name) => ctx.attr.int(name, 0) !== 0);
  const length = ctx.scalarOf('dft_length') ?? (isInverse && isOneSided ? 2 * (samples - 1) : samples);
  if (length < 1) return ctx.refuse(`a transform of ${length} samples`, 'U2005');
  const transform = { samples, parts, length, isInverse, isOneSided };
  const others = shape.flatMap((_, i) => (i === axis || i === rank - 1 ? [] : [i]));
  const perm = [...others, axis, rank - 1];
  const sizes = others.map((i) => shape[i]);
  const y = transformed(ctx, ctx.reshape(ctx.transpose(x, perm), [...sizes, 1, samples * parts]), transform);
  const back = shape.map((_, i) => perm.indexOf(i));
  return ctx.transpose(ctx.reshape(y, [...sizes, ...resultOf(transform)]), back);
}

/** Windows of the signal, each transformed. */
function stft(ctx: NodeContext): Value {
  const signal = ctx.get('signal');
  const { shape } = signal.type;
  const [batch, size, last = 1] = shape;
  if (shape.length < 2 || shape.length > 3) return ctx.refuse('the signal should be [batch, samples, 1 or 2]', 'U2005');
  const [samples, parts, step] = [lengthOf(ctx, size), partsOf(ctx, last), ctx.number('frame_step')];
  const window = ctx.find('window');
  const length = ctx.scalarOf('frame_length') ?? lengthOf(ctx, window?.type.shape[0] ?? samples);
  if (step < 1 || length < 1 || length > samples)
    return ctx.refuse(`no frame of ${length} samples, each ${step} behind another, lies in ${samples}`, 'U2005');
  const frames = Math.floor((samples - length) / step) + 1;
  const at = Int32Array.from({ length: frames * length }, (_, i) => Math.floor(i / length) * step + (i % length));
  const indices = ctx.constant(tensor('s32', at, [frames, length]), 'frames');
  const framed = ctx.emit(nnGather, { x: ctx.reshape(signal, [batch, samples, parts]), indices }, { axis: 1 });
  const known = window && ctx.constantOf(window);
  const weighted =
    window === undefined || known ? framed : ctx.emit(nnMul, { a: framed, b: ctx.reshape(window, [length, 1]) });
  const isOneSided = ctx.attr.int('onesided', 1) !== 0;
  const transform = {
    samples: length,
    parts,
    length,
    isInverse: false,
    isOneSided,
    ...(known && { window: Float64Array.from(known.data, Number) }),
  };
  const y = transformed(ctx, ctx.reshape(weighted, [batch, frames, length * parts]), transform);
  return ctx.reshape(y, [batch, frames, ...resultOf(transform)]);
}

export const fourierOps: readonly OnnxOp[] = [
  defineOnnxOp({
    name: 'DFT',
    since: 17,
    inputs: ['input: T1', 'dft_length?', 'axis?'],
    attributes: ['axis', 'inverse', 'onesided'],
    operandsSince: { axis: 20 },
    attributesUntil: { axis: 20 },
    import: dft,
  }),
  defineOnnxOp({
    name: 'STFT',
    since: 17,
    inputs: ['signal: T1', 'frame_step', 'window?: T1', 'frame_length?'],
    attributes: ['onesided'],
    import: stft,
  }),
];
