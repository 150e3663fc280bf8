/** Pools. Windows never reach into the padding: means divide by the number of cells that they cover. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import {
  nnAdd,
  nnAveragePool,
  nnDiv,
  nnFloor,
  nnGreater,
  nnMaxPool,
  nnMul,
  nnSqrt,
  nnSub,
  nnWhere,
  type PoolAttrs,
  qnnAveragePool,
  qnnConv,
  type Value,
} from '../../../ir/index.ts';
import { isByteType, scalar, sizeOf, tensor } from '../../../tensors/index.ts';
import { activated, clamped } from '../activation.ts';
import { defineTfliteOp, first, type TfliteOp } from '../define_tflite_op.ts';
import type { Operand, OperatorContext } from '../operator_context.ts';
import { wideSum } from '../wide_product.ts';
import { type WindowOptions, windowsOf } from '../windows.ts';

interface Pool extends WindowOptions {
  readonly filterHeight: number;
  readonly filterWidth: number;
}

function poolAttrs(ctx: OperatorContext, { shape }: Operand, options: Pool): PoolAttrs {
  if (shape.length !== 4) ctx.refuse(`the input has rank ${shape.length}, not 4`, 'U2005');
  const kernel = [options.filterHeight, options.filterWidth];
  const wrong = kernel.find((size) => !(size > 0));
  if (wrong !== undefined) ctx.refuse(`a window of ${wrong}`);
  return { kernel, ...windowsOf(ctx, options, shape.slice(1, 3), kernel), ceilMode: false };
}

const maxPool = defineTfliteOp({
  name: 'MAX_POOL_2D',
  inputs: ['x'],
  options: tfliteOptions.pool2dOptions,
  import(ctx, options) {
    const x = ctx.get('x');
    const { dtype } = x;
    const y = ctx.emit(nnMaxPool, { x: ctx.first(x) }, poolAttrs(ctx, x, options));
    if (!isByteType(dtype) && dtype !== 's16') return first(activated(ctx, y, options.activation));
    const engine = isByteType(dtype) ? ctx.profile : 'tflite';
    return first(clamped(ctx, y, options.activation, { dtype, ...ctx.perTensor(ctx.output()) }, engine));
  },
});

/**
 * (Σq ± ⌊n/2⌋)/n of 16-bit integers, cut towards zero: sums by a convolution with ones, quotients in binary64, where one of such
 * numbers is an integer only when it is one.
 */
function averageOfWords(ctx: OperatorContext, x: Operand, { kernel, strides, pads, dilations }: PoolAttrs): Value {
  const [, height, width, channels] = ctx.staticShape(x.shape, 'a mean of 16-bit integers');
  const ones = (type: 's8' | 's32', shape: readonly number[]) =>
    tensor(type, Array<number>(sizeOf(shape)).fill(1), shape);
  const attrs = { strides, pads, dilations };
  const filter = ctx.constant(ones('s8', [channels, 1, ...kernel]), 'ones');
  const sum = wideSum(ctx, ctx.first(x), sizeOf(kernel), (bytes) =>
    ctx.emit(qnnConv, { x: bytes, w: filter }, { ...attrs, group: channels }),
  );
  const cells = ctx.constant(ones('s8', [1, 1, height, width]), 'ones');
  const window = ctx.constant(ones('s8', [1, 1, ...kernel]), 'ones');
  const count = ctx.cast(ctx.emit(qnnConv, { x: cells, w: window }, { ...attrs, group: 1 }), 'f64');
  const half = ctx.emit(nnFloor, { x: ctx.emit(nnMul, { a: count, b: ctx.constant(scalar('f64', 0.5), 'half') }) });
  const real = ctx.cast(sum, 'f64');
  const condition = ctx.emit(nnGreater, { a: real, b: ctx.constant(scalar('f64', 0), 'zero') });
  const nudged = ctx.emit(nnWhere, {
    cond: condition,
    a: ctx.emit(nnAdd, { a: real, b: half }),
    b: ctx.emit(nnSub, { a: real, b: half }),
  });
  return ctx.cast(ctx.emit(nnDiv, { a: nudged, b: count }), 's16');
}

/** Bytes are averaged as they are; see numerics/tflite_pool.ts. */
const averagePool = defineTfliteOp({
  name: 'AVERAGE_POOL_2D',
  inputs: ['x'],
  options: tfliteOptions.pool2dOptions,
  import(ctx, options) {
    const x = ctx.get('x');
    const { dtype } = x;
    const attrs = poolAttrs(ctx, x, options);
    const source = ctx.first(x);
    if (dtype === 'f32')
      return first(activated(ctx, ctx.emit(nnAveragePool, { x: source }, attrs), options.activation));
    if (dtype === 's16') {
      const q = { dtype, ...ctx.perTensor(ctx.output()) };
      return first(clamped(ctx, averageOfWords(ctx, x, attrs), options.activation, q, 'tflite'));
    }
    if (!isByteType(dtype)) return ctx.unsupported(`a mean of ${dtype}`);
    const { scale, zeroPoint } = ctx.perTensor(ctx.output());
    const [s, z] = [ctx.scalar('f32', scale, 'scale'), ctx.scalar(dtype, zeroPoint, 'zero_point')];
    const operands = { x: source, sx: s, zx: z, sy: s, zy: z };
    const y = ctx.emit(qnnAveragePool, operands, { ...attrs, recipe: 'tflite' });
    return first(clamped(ctx, y, options.activation, { dtype, scale, zeroPoint }));
  },
});

/** √(Σx²/n) */
const l2Pool = defineTfliteOp({
  name: 'L2_POOL_2D',
  inputs: ['x'],
  options: tfliteOptions.pool2dOptions,
  import(ctx, options) {
    const x = ctx.get('x');
    if (x.dtype !== 'f32') ctx.unsupported(`a root of squares of ${x.dtype}`);
    const source = ctx.first(x);
    const squares = ctx.emit(nnMul, { a: source, b: source });
    const mean = ctx.emit(nnAveragePool, { x: squares }, poolAttrs(ctx, x, options));
    return first(activated(ctx, ctx.emit(nnSqrt, { x: mean }), options.activation));
  },
});

export const poolOps: readonly TfliteOp[] = [maxPool, averagePool, l2Pool];
