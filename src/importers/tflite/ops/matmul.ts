/** FULLY_CONNECTED and BATCH_MATMUL. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import { elementsOf, nnAdd, nnMatmul, qnnMatmul, type Value } from '../../../ir/index.ts';
import { activated } from '../activation.ts';
import { defineTfliteOp, last, type TfliteOp } from '../define_tflite_op.ts';
import type { Operand, OperatorContext } from '../operator_context.ts';
import { isByte, requantizedProduct, weightScales, zeroPointOf } from '../quantized_product.ts';

/** x as rows of `depth` elements, whatever axes it has: the last axis need not be the depth. */
function rowsOf(ctx: OperatorContext, x: Operand, depth: number): Value {
  const value = ctx.last(x);
  if (x.shape.length === 2 && x.shape[1] === depth) return value;
  const { shape } = x;
  const rows = shape.at(-1) === depth ? elementsOf(shape.slice(0, -1)) : undefined;
  if (rows !== undefined) return ctx.reshape(value, [rows, depth]);
  const size = ctx.staticShape(shape, 'a fully connected layer').reduce((a, b) => a * b, 1);
  if (size % depth !== 0) ctx.refuse(`weights of depth ${depth} do not fit [${shape.join(', ')}]`, 'U2005');
  return ctx.reshape(value, [size / depth, depth]);
}

/** The weights are [O, I]: y = x·wᵀ + bias. */
const fullyConnected = defineTfliteOp({
  name: 'FULLY_CONNECTED',
  inputs: ['x', 'weights', 'bias?'],
  options: tfliteOptions.fullyConnectedOptions,
  import(ctx, options) {
    const [x, weights] = [ctx.get('x'), ctx.get('weights')];
    if (options.weightsFormat !== 0) ctx.unsupported('shuffled weights');
    const [filters, depth] = ctx.staticShape(weights.shape, 'weights');
    if (weights.shape.length !== 2) ctx.refuse(`the weights have rank ${weights.shape.length}, not 2`, 'U2005');
    const rows = rowsOf(ctx, x, depth);
    const w = ctx.permuted(weights, [1, 0], [depth, filters]);
    const bias = ctx.find('bias');
    const { activation } = options;
    const shaped = (y: Value) => last(options.keepNumDims ? ctx.reshape(y, [...x.shape.slice(0, -1), filters]) : y);
    if (isByte(x.dtype) && isByte(weights.dtype)) {
      const scales = weightScales(ctx, weights, 0);
      const sum = ctx.emit(qnnMatmul, { a: rows, b: w, za: zeroPointOf(ctx, x), zb: zeroPointOf(ctx, weights) });
      return shaped(
        requantizedProduct(ctx, sum, { kind: 'fully-connected', source: x, scales, bias, activation, axis: 1 }),
      );
    }
    if (x.dtype !== 'f32' || weights.dtype !== 'f32')
      ctx.unsupported(`a fully connected layer of ${x.dtype} with weights of ${weights.dtype}`);
    const sum = ctx.emit(nnMatmul, { a: rows, b: w });
    const y = bias ? ctx.emit(nnAdd, { a: sum, b: ctx.last(bias) }) : sum;
    return shaped(activated(ctx, y, activation));
  },
});

export const matmulOps: readonly TfliteOp[] = [fullyConnected];
