/** SVDF: a layer whose weights are of low rank in time and features, and that remembers the features of earlier runs. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import { nnAdd, nnConcat, nnMatmul, nnMul, nnReduceSum, nnSlice, qnnMatmul, type Value } from '../../../ir/index.ts';
import { svdfFactors } from '../../../numerics/index.ts';
import { activated } from '../activation.ts';
import { defineTfliteOp, last, type TfliteOp } from '../define_tflite_op.ts';
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
  if (!Number.isInteger(units)) ctx.refuse(`${filters} filters do not divide into units of rank ${rank}`, 'U2005');
  return { x, features, time, bias, state, batch, depth, filters, memory, units };
}

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

/** Bytes, with words for time; the kernel passes over the fused activation. */
function ofIntegers(ctx: OperatorContext, layer: Layer): Value {
  const { x, features, time, state, depth, filters } = layer;
  const [qx, qw, qt, qs, qy] = [x.tensor, features.tensor, time.tensor, state.tensor, ctx.output()].map((tensor) =>
    ctx.perTensor(tensor),
  );
  if (qw.zeroPoint !== 0 || qt.zeroPoint !== 0 || qs.zeroPoint !== 0)
    ctx.unsupported('weights or state with a zero point');
  if (ctx.outputType() !== 's8') ctx.unsupported(`a result of ${ctx.outputType()}`);
  const factors = svdfFactors({ x: qx.scale, features: qw.scale, time: qt.scale, state: qs.scale, y: qy.scale });
  const weights = ctx.permuted(features, [1, 0], [depth, filters]);
  const sum = ctx.emit(qnnMatmul, { a: ctx.last(x), b: weights, za: zeroPointOf(ctx, x) });
  checkSums(ctx, depth * 255 * 128, factors.feature);
  const latest = rescaled(ctx, sum, [factors.feature], { to: 's16' });
  const runs = ctx.cast(remembered(ctx, layer, latest), 's32');
  checkSums(ctx, 2 ** 31 - 1, factors.result);
  const total = summed(ctx, layer, runs, ctx.cast(ctx.last(time), 's32'));
  return rescaled(ctx, total, [factors.result], { to: 's8', zeroPoint: qy.zeroPoint });
}

const svdf = defineTfliteOp({
  name: 'SVDF',
  inputs: ['x', 'features', 'time', 'bias?', 'state'],
  options: tfliteOptions.svdfOptions,
  import(ctx, { rank, activation }) {
    const layer = layerOf(ctx, rank);
    const { x, features, time, bias, state, depth, filters } = layer;
    const types = [x, features, time, ...(bias ? [bias] : []), state].map(({ dtype }) => dtype);
    const are = (...wanted: string[]) => String(types) === String(bias ? wanted : wanted.toSpliced(3, 1));
    if (are('s8', 's8', 's16', 's32', 's16')) return last(ofIntegers(ctx, layer));
    if (!are('f32', 'f32', 'f32', 'f32', 'f32')) return ctx.unsupported(`SVDF of ${types.join(', ')}`);
    const weights = ctx.permuted(features, [1, 0], [depth, filters]);
    const latest = ctx.emit(nnMatmul, { a: ctx.last(x), b: weights });
    const total = summed(ctx, layer, remembered(ctx, layer, latest), ctx.last(time));
    return last(activated(ctx, total, activation));
  },
});

export const svdfOps: readonly TfliteOp[] = [svdf];
