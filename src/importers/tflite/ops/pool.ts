/** Pools. Windows never reach into the padding: means divide by the number of cells that they cover. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import { nnAveragePool, nnMaxPool, nnMul, nnSqrt, type PoolAttrs, qnnAveragePool } from '../../../ir/index.ts';
import { isByteType } from '../../../tensors/index.ts';
import { activated, clamped } from '../activation.ts';
import { defineTfliteOp, first, type TfliteOp } from '../define_tflite_op.ts';
import type { Operand, OperatorContext } from '../operator_context.ts';
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
