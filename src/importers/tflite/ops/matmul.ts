/** FULLY_CONNECTED and BATCH_MATMUL. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import { elementsOf, nnAdd, nnMatmul, qnnMatmul, type Value } from '../../../ir/index.ts';
import { isByteType } from '../../../tensors/index.ts';
import { activated } from '../activation.ts';
import { defineTfliteOp, last, type TfliteOp } from '../define_tflite_op.ts';
import { hybridRows } from '../hybrid_product.ts';
import type { Operand, OperatorContext } from '../operator_context.ts';
import { type ProductEnd, requantizedProduct, weightScales, zeroPointOf } from '../quantized_product.ts';
import { rescaledProduct, wideProduct, wideSum } from '../wide_product.ts';

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
    const [x, weights] = [ctx.get('x'), ctx.weights('weights')];
    if (options.weightsFormat !== 0) ctx.unsupported('shuffled weights');
    const [filters, depth] = ctx.staticShape(weights.shape, 'weights');
    if (weights.shape.length !== 2) ctx.refuse(`the weights have rank ${weights.shape.length}, not 2`, 'U2005');
    const rows = rowsOf(ctx, x, depth);
    const w = ctx.permuted(weights, [1, 0], [depth, filters]);
    const bias = ctx.find('bias');
    const { activation } = options;
    const shaped = (y: Value) => last(options.keepNumDims ? ctx.reshape(y, [...x.shape.slice(0, -1), filters]) : y);
    if (isByteType(weights.dtype) && (isByteType(x.dtype) || x.dtype === 's16')) {
      const end = {
        kind: 'fully-connected',
        source: x,
        scales: weightScales(ctx, weights, 0),
        bias,
        activation,
        axis: 1,
      } as const;
      const zb = zeroPointOf(ctx, weights);
      const product = (a: Value, za?: Value) => ctx.emit(qnnMatmul, { a, b: w, za, zb });
      return shaped(
        x.dtype === 's16'
          ? rescaledProduct(ctx, wideSum(ctx, rows, depth, product), end)
          : requantizedProduct(ctx, product(rows, zeroPointOf(ctx, x)), end),
      );
    }
    if (x.dtype === 'f32' && weights.dtype === 's8') {
      const reference = options.asymmetricQuantizeInputs ? 'asymmetric' : 'symmetric';
      const recipe = ctx.profile === 'xnnpack' ? 'xnnpack' : reference;
      return shaped(activated(ctx, hybridRows(ctx, rows, w, { weights, bias, recipe }), activation));
    }
    if (x.dtype !== 'f32' || weights.dtype !== 'f32')
      ctx.unsupported(`a fully connected layer of ${x.dtype} with weights of ${weights.dtype}`);
    const sum = ctx.emit(nnMatmul, { a: rows, b: w });
    const y = bias ? ctx.emit(nnAdd, { a: sum, b: ctx.last(bias) }) : sum;
    return shaped(activated(ctx, y, activation));
  },
});

/** Both operands are computed, or one of them constant; `adjX` and `adjY` transpose the last two axes. */
const batchMatmul = defineTfliteOp({
  name: 'BATCH_MATMUL',
  inputs: ['x', 'y'],
  options: tfliteOptions.batchMatMulOptions,
  import(ctx, { adjX, adjY }) {
    const [x, y] = [ctx.get('x'), ctx.get('y')];
    const [a, b] = [transposedIf(ctx, adjX, ctx.last(x)), transposedIf(ctx, adjY, ctx.last(y))];
    if (x.dtype === 'f32' && y.dtype === 'f32') return last(ctx.emit(nnMatmul, { a, b }));
    if (x.dtype !== y.dtype) return ctx.unsupported(`a product of ${x.dtype} and ${y.dtype}`);
    const end: ProductEnd = {
      kind: 'convolution',
      source: x,
      scales: [ctx.perTensor(y.tensor).scale],
      bias: undefined,
      activation: 'NONE',
      axis: 0,
      // XNNPACK takes weights that are constant
      ...(ctx.constantOf(b) === undefined && { arithmetic: 'tflite' }),
    };
    if (x.dtype === 's16') {
      const depth = Number(a.type.shape.at(-1) ?? 0);
      return last(rescaledProduct(ctx, wideProduct(ctx, a, b, depth), end));
    }
    const sum = ctx.emit(qnnMatmul, { a, b, za: zeroPointOf(ctx, x), zb: zeroPointOf(ctx, y) });
    return last(requantizedProduct(ctx, sum, end));
  },
});

function transposedIf(ctx: OperatorContext, isTransposed: boolean, x: Value): Value {
  const rank = x.type.shape.length;
  const perm = Array.from({ length: rank }, (_, axis) => axis);
  return isTransposed ? ctx.transpose(x, [...perm.slice(0, -2), rank - 1, rank - 2]) : x;
}

export const matmulOps: readonly TfliteOp[] = [fullyConnected, batchMatmul];
