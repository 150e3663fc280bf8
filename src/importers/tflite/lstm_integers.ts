/** An LSTM on bytes with 16-bit cells; the equations are in numerics/tflite_lstm.ts. Words are held as s32 between operators. */
import { nnAdd, nnClip, nnGather, nnMul, nnSub, qnnMatmul, type Value } from '../../ir/index.ts';
import {
  cellBits,
  clipInSteps,
  gateFactor,
  hiddenFactor,
  logisticTable,
  multiplier32,
  peepholeFactor,
  tanhTable,
} from '../../numerics/index.ts';
import { tensor } from '../../tensors/index.ts';
import {
  type GateName,
  inARow,
  type LstmArithmetic,
  type LstmClips,
  type LstmLayer,
  sideBySide,
  sliced,
} from './lstm_layer.ts';
import type { Operand, OperatorContext, PerTensor } from './operator_context.ts';
import { zeroPointOf } from './quantized_product.ts';
import { checkSums, rescaled } from './rescale.ts';

/** The largest product of two bytes, one of them less a zero point. */
const LARGEST_PRODUCT = 255 * 128;
const WORD = { min: -(2 ** 15), max: 2 ** 15 - 1 } as const;

/** The scale of an operand that has no zero point. */
function scaleOf(ctx: OperatorContext, { name, tensor: t, dtype }: Operand, wanted: string): number {
  if (dtype !== wanted) ctx.unsupported(`'${name}' of ${dtype}`);
  const { scale, zeroPoint } = ctx.perTensor(t);
  if (zeroPoint !== 0) ctx.unsupported(`'${name}' with a zero point`);
  return scale;
}

/** The largest sum of a bias. */
const mostOf = (ctx: OperatorContext, bias: Operand): number =>
  Array.from<number | bigint, number>(ctx.known(bias).data, Number).reduce((most, b) => Math.max(most, Math.abs(b)), 0);

const saturated = (ctx: OperatorContext, x: Value): Value => ctx.emit(nnClip, { x }, WORD);

/** rha(a·b/2^shift). */
function halved(ctx: OperatorContext, a: Value, b: Value, shift: number): Value {
  const x = ctx.emit(nnMul, { a, b });
  return rescaled(ctx, x, [2 ** -shift], { to: 's32', arithmetic: 'f64', rounding: 'half-away' });
}

export function integerLstm(
  ctx: OperatorContext,
  layer: LstmLayer,
  { cellClip, projectionClip }: LstmClips,
): LstmArithmetic {
  const { x, gates, outputState, cellState, depth, cells, outputs } = layer;
  const [source, fed] = [ctx.perTensor(x.tensor), ctx.perTensor(outputState.tensor)];
  if (gates.some(({ norm }) => norm)) ctx.unsupported('layer normalization of integers');
  if (outputState.dtype !== 's8' || ctx.outputType() !== 's8') ctx.unsupported(`outputs of ${outputState.dtype}`);
  const cellScale = scaleOf(ctx, cellState, 's16');
  const bits = cellBits(cellScale) ?? ctx.unsupported(`cells of the scale ${cellScale}`);
  for (const { bias } of gates) if (bias.dtype !== 's32') ctx.unsupported(`a bias of ${bias.dtype}`);
  const most = Math.max(...gates.map(({ bias }) => mostOf(ctx, bias)));
  const factorsOf = (weights: readonly Operand[], { scale }: PerTensor, largest: number): number[] =>
    weights.flatMap((w) => {
      const factor = gateFactor(scaleOf(ctx, w, 's8'), scale);
      checkSums(ctx, largest, factor);
      return Array<number>(cells).fill(factor);
    });
  const [weights, recurrences] = [gates.map((gate) => gate.weights), gates.map((gate) => gate.recurrence)];
  const ofX = factorsOf(weights, source, depth * LARGEST_PRODUCT + most);
  const ofH = factorsOf(recurrences, fed, outputs * LARGEST_PRODUCT);
  const [w, r] = [sideBySide(ctx, weights), sideBySide(ctx, recurrences)];
  const [zx, zh] = [zeroPointOf(ctx, x), zeroPointOf(ctx, outputState)];
  const biases = inARow(
    ctx,
    gates.map(({ bias }) => bias),
  );
  const table = (load: () => Int16Array, name: string) =>
    ctx.lazy({ dtype: 's16', shape: [2 ** 16] }, () => tensor('s16', load()), name);
  const logistic = table(logisticTable, 'logistic');
  const tanh = table(() => tanhTable(3), 'tanh');
  const tanhOfCell = bits === 3 ? tanh : table(() => tanhTable(bits), 'tanh');
  const looked = (values: Value, indices: Value) => ctx.cast(ctx.emit(nnGather, { x: values, indices }), 's32');
  const peephole = peepholes(ctx, layer, bits);
  const result = results(ctx, layer, projectionClip);
  const clip = clipInSteps(cellClip, cellScale, WORD.max);
  const clipped = (c: Value) => (clip > 0 ? ctx.emit(nnClip, { x: c }, { min: -clip, max: clip }) : saturated(ctx, c));
  return {
    start: {
      output: ctx.reshape(ctx.last(outputState), [layer.batch, outputs]),
      cell: ctx.cast(ctx.reshape(ctx.last(cellState), [layer.batch, cells]), 's32'),
    },
    stored: ({ output, cell }) => ({ output, cell: ctx.cast(cell, 's16') }),
    ofSequence(rows) {
      const sum = ctx.emit(nnAdd, { a: ctx.emit(qnnMatmul, { a: rows, b: w, za: zx }), b: biases });
      return rescaled(ctx, sum, ofX, { to: 's32', axis: 1, low: WORD.min, high: WORD.max });
    },
    step(part, { output, cell }) {
      const fromState = rescaled(ctx, ctx.emit(qnnMatmul, { a: output, b: r, za: zh }), ofH, { to: 's32', axis: 1 });
      const sums = saturated(ctx, ctx.emit(nnAdd, { a: part, b: fromState }));
      const gate = (name: GateName, values: Value, c: Value): Value => {
        const at = gates.findIndex((g) => g.name === name) * cells;
        return looked(values, peephole(name, sliced(ctx, sums, 1, at, at + cells), c));
      };
      const forget = gate('forget', logistic, cell);
      const input =
        gates.length === 4
          ? gate('input', logistic, cell)
          : ctx.emit(nnSub, { a: ctx.scalar('s32', WORD.max, 'one'), b: forget });
      const kept = halved(ctx, forget, cell, 15);
      const added = halved(ctx, input, gate('cell', tanh, cell), 15 + bits);
      const next = clipped(ctx.emit(nnAdd, { a: kept, b: added }));
      const shown = ctx.emit(nnMul, { a: gate('output', logistic, next), b: looked(tanhOfCell, next) });
      return { output: result(shown), cell: next };
    },
  };
}

/** Adds the part of a gate's sum that comes from the cells. */
function peepholes(ctx: OperatorContext, { gates, cells, outputs }: LstmLayer, bits: number) {
  if (gates.some((gate) => gate.peephole) && cells !== outputs) ctx.unsupported('peepholes and a projection');
  const factors = new Map(
    gates.flatMap(({ name, peephole }) => {
      if (peephole === undefined) return [];
      const factor = peepholeFactor(scaleOf(ctx, peephole, 's16'), bits);
      checkSums(ctx, 2 ** 30, factor);
      return [[name, { factor, weights: ctx.cast(ctx.last(peephole), 's32') }] as const];
    }),
  );
  return (name: GateName, sum: Value, cell: Value): Value => {
    const found = factors.get(name);
    if (found === undefined) return sum;
    const x = ctx.emit(nnMul, { a: cell, b: found.weights });
    return saturated(ctx, ctx.emit(nnAdd, { a: sum, b: rescaled(ctx, x, [found.factor], { to: 's32' }) }));
  };
}

/** The output of a step from output gate times tanh of the cell. */
function results(ctx: OperatorContext, layer: LstmLayer, projectionClip: number): (shown: Value) => Value {
  const { projection, projectionBias, outputState, cells, outputs } = layer;
  const hidden = ctx.perTensor(ctx.intermediate(4));
  const factor = hiddenFactor(hidden.scale);
  checkSums(ctx, 2 ** 30, factor);
  const bytes = { low: -128, high: 127 };
  const zero = projection ? -hidden.zeroPoint : hidden.zeroPoint;
  const hiddenOf = (shown: Value) =>
    ctx.cast(rescaled(ctx, shown, [factor], { to: 's32', zeroPoint: zero, ...bytes }), 's8');
  if (projection === undefined) return hiddenOf;
  const { scale, zeroPoint } = ctx.perTensor(outputState.tensor);
  const projected = multiplier32(scaleOf(ctx, projection, 's8'), hidden.scale, scale);
  checkSums(ctx, cells * LARGEST_PRODUCT + (projectionBias ? mostOf(ctx, projectionBias) : 0), projected);
  const weights = ctx.permuted(projection, [1, 0], [cells, outputs]);
  const clip = clipInSteps(projectionClip, ctx.perTensor(ctx.output()).scale, 127);
  const range = clip > 0 ? { low: -clip, high: clip } : bytes;
  const za = zero === 0 ? undefined : ctx.scalar('s8', zero, 'zero_point');
  return (shown) => {
    const sum = ctx.emit(qnnMatmul, { a: hiddenOf(shown), b: weights, za });
    const acc = projectionBias ? ctx.emit(nnAdd, { a: sum, b: ctx.last(projectionBias) }) : sum;
    return rescaled(ctx, acc, [projected], { to: 's8', zeroPoint, ...range });
  };
}
