/** SVDF: a layer whose weights are of low rank in time and features, and that remembers the features of earlier runs. */
import { type Activation, tfliteOptions } from '../../../formats/tflite/index.ts';
import { nnAdd, nnConcat, nnMatmul, nnMul, nnReduceSum, nnSlice, qnnMatmul, type Value } from '../../../ir/index.ts';
import { svdfFactors } from '../../../numerics/index.ts';
import { activated } from '../activation.ts';
import { defineTfliteOp, last, type TfliteOp } from '../define_tflite_op.ts';
import { dequantizedProduct, quantizedRows } from '../hybrid_product.ts';
import type { Operand, OperatorContext } from '../operator_context.ts';
import { zeroPointOf } from '../quantized_product.ts';
import { checkSums, rescaled } from '../rescale.ts';

/** The operands and sizes of a layer: B batches of I numbers, F = U·rank filters, M runs that are remembered. */
interface Layer {
  readonly x: Operand;
  readonly features: Operand;
  readonly time: Operand;
  readonly bias: Operand | undefined;
  readonly state: Operand;
  readonly batch: number;
  readonly depth: number;
  readonly filters: number;
  readonly memory: number;
  readonly units: number;
}

function layerOf(ctx: OperatorContext, rank: number): Layer {
  const [x, features, time, state] = ['x', 'features', 'time', 'state'].map((name) => ctx.get(name));
  const bias = ctx.find('bias');
  const [batch, depth] = ctx.staticShape(x.shape, 'a layer with state');
  const [filters] = ctx.staticShape(features.shape, 'weights');
  const [, memory] = ctx.staticShape(time.shape, 'weights');
  const units = filters / rank;
  const expected = [
    [x, [batch, depth]],
    [features, [filters, depth]],
    [time, [filters, memory]],
    [state, [batch, filters * memory]],
    [bias, [units]],
  ] as const;
  for (const [operand, shape] of expected)
    if (operand && String(operand.shape) !== String(shape))
      ctx.refuse(`'${operand.name}' is [${operand.shape.join(', ')}], not [${shape.join(', ')}]`, 'U2005');
  if (memory < 1) ctx.refuse('a memory of no runs', 'U2005');
  if (!Number.isInteger(units)) ctx.refuse(`${filters} filters do not divide into units of rank ${rank}`, 'U2005');
  return { x, features, time, bias, state, batch, depth, filters, memory, units };
}

/** The weights of the features, to be multiplied from the right: [I, F]. */
const columns = (ctx: OperatorContext, { features, depth, filters }: Layer): Value =>
  ctx.permuted(features, [1, 0], [depth, filters]);

/** The memory after this run: [B, F, M], the oldest run first and `latest`, [B, F], at the end. */
function remembered(ctx: OperatorContext, { state, batch, filters, memory }: Layer, latest: Value): Value {
  const old = ctx.reshape(ctx.last(state), [batch, filters, memory]);
  const kept = ctx.emit(nnSlice, { x: old }, { starts: [1], ends: [memory], axes: [2], steps: [1] });
  const next = ctx.emit(nnConcat, { xs: [kept, ctx.reshape(latest, [batch, filters, 1])] }, { axis: 2 });
  ctx.setState(state, ctx.reshape(next, [batch, filters * memory]));
  return next;
}

/** Σ over time and rank, and the bias: [B, U]. `runs` and the weights have one type. */
function summed(ctx: OperatorContext, { bias, batch, filters, units }: Layer, runs: Value, weights: Value): Value {
  const products = ctx.emit(nnMul, { a: runs, b: weights });
  const filtered = ctx.emit(nnReduceSum, { x: products }, { axes: [2], keepdims: false });
  const x = ctx.reshape(filtered, [batch, units, filters / units]);
  const sum = ctx.emit(nnReduceSum, { x }, { axes: [2], keepdims: false });
  return bias ? ctx.emit(nnAdd, { a: sum, b: ctx.last(bias) }) : sum;
}

/** Bytes, with words for time; the kernel asks for RELU, and passes over it. */
function ofIntegers(ctx: OperatorContext, layer: Layer): Value {
  const { x, features, time, state, depth } = layer;
  const y = ctx.perTensor(ctx.output());
  if (ctx.outputType() !== 's8') ctx.unsupported(`a result of ${ctx.outputType()}`);
  const factors = svdfFactors({
    x: ctx.perTensor(x.tensor).scale,
    features: symmetric(ctx, features),
    time: symmetric(ctx, time),
    state: symmetric(ctx, state),
    y: y.scale,
  });
  const sum = ctx.emit(qnnMatmul, { a: ctx.last(x), b: columns(ctx, layer), za: zeroPointOf(ctx, x) });
  checkSums(ctx, depth * 255 * 128, factors.feature);
  const latest = rescaled(ctx, sum, [factors.feature], { to: 's16' });
  const runs = ctx.cast(remembered(ctx, layer, latest), 's32');
  checkSums(ctx, 2 ** 31 - 1, factors.result);
  const total = summed(ctx, layer, runs, ctx.cast(ctx.last(time), 's32'));
  return rescaled(ctx, total, [factors.result], { to: 's8', zeroPoint: y.zeroPoint });
}

const ofFloats = (ctx: OperatorContext, layer: Layer, latest: Value, time: Value, activation: Activation | undefined) =>
  activated(ctx, summed(ctx, layer, remembered(ctx, layer, latest), time), activation);

/** The features of a float source by weights of bytes, as the kernels compute a fully connected layer. */
function ofQuantizedRows(ctx: OperatorContext, layer: Layer, isAsymmetric: boolean): Value {
  const { y, scale, zp } = quantizedRows(ctx, ctx.last(layer.x), isAsymmetric ? 'asymmetric' : 'symmetric');
  const sum = ctx.emit(qnnMatmul, { a: y, b: columns(ctx, layer), za: zp });
  const scales = [symmetric(ctx, layer.features)];
  const row = (v: Value) => ctx.reshape(v, [...v.type.shape, 1]);
  return dequantizedProduct(ctx, sum, { scale, scales, bias: undefined }, { row, channel: (v) => v }, 'tflite');
}

/** fl(q·scale). */
const dequantized = (ctx: OperatorContext, weights: Operand): Value =>
  ctx.emit(nnMul, { a: ctx.cast(ctx.last(weights), 'f32'), b: ctx.scalar('f32', symmetric(ctx, weights), 'scale') });

/** The scale of a tensor without a zero point. */
function symmetric(ctx: OperatorContext, { name, tensor }: Operand): number {
  const { scale, zeroPoint } = ctx.perTensor(tensor);
  return zeroPoint === 0 ? scale : ctx.unsupported(`'${name}' with a zero point`);
}

const svdf = defineTfliteOp({
  name: 'SVDF',
  inputs: ['x', 'features', 'time', 'bias?', 'state'],
  options: tfliteOptions.svdfOptions,
  import(ctx, { rank, activation, asymmetricQuantizeInputs }) {
    const layer = layerOf(ctx, rank);
    const { x, features, time, bias, state } = layer;
    switch ([x, features, time, bias ?? { dtype: 'no bias' }, state].map(({ dtype }) => dtype).join(' ')) {
      case 's8 s8 s16 s32 s16':
      case 's8 s8 s16 no bias s16':
        if (activation !== 'RELU') ctx.unsupported(`the fused activation ${activation} of bytes`);
        return last(ofIntegers(ctx, layer));
      case 'f32 f32 f32 f32 f32':
      case 'f32 f32 f32 no bias f32': {
        const latest = ctx.emit(nnMatmul, { a: ctx.last(x), b: columns(ctx, layer) });
        return last(ofFloats(ctx, layer, latest, ctx.last(time), activation));
      }
      case 'f32 s8 s8 f32 f32':
      case 'f32 s8 s8 no bias f32': {
        const latest = ofQuantizedRows(ctx, layer, asymmetricQuantizeInputs);
        return last(ofFloats(ctx, layer, latest, dequantized(ctx, time), activation));
      }
      default:
        return ctx.unsupported(`weights of ${features.dtype} and ${time.dtype}, and state of ${state.dtype}`);
    }
  },
});

export const svdfOps: readonly TfliteOp[] = [svdf];
