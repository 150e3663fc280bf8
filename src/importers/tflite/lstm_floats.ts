/**
 * An LSTM on floats, as LiteRT's kernel has it (tensorflow/lite/kernels/lstm_eval, LstmStepFloat); σ: the logistic function, f: the
 * activation of the options.
 *
 *   gate(g) = bias_g + W_g·x + R_g·h + p_g·c, the output gate with the new c;  with layer normalization n(W_g·x + R_g·h + p_g·c)·k_g + bias_g
 *   n(v)    = (v − mean)/√(mean of (v − mean)² + 1e-8), over the cells
 *   c = σ(gate(forget))·c + i·f(gate(cell));  i = σ(gate(input)), or 1 − σ(gate(forget)) without an input gate
 *   h = σ(gate(output))·f(c), or with a projection P·h + bias;  c and P·h + bias are clipped where there is a clip
 */
import type { Activation } from '../../formats/tflite/index.ts';
import {
  nnAdd,
  nnClip,
  nnDiv,
  nnMatmul,
  nnMul,
  nnReduceMean,
  nnSigmoid,
  nnSqrt,
  nnSub,
  nnTanh,
  type Value,
} from '../../ir/index.ts';
import { activated } from './activation.ts';
import {
  type Gate,
  type GateName,
  inARow,
  type LstmArithmetic,
  type LstmClips,
  type LstmLayer,
  sideBySide,
  sliced,
} from './lstm_layer.ts';
import type { Operand, OperatorContext } from './operator_context.ts';

const EPSILON = 1e-8;

export function floatLstm(
  ctx: OperatorContext,
  layer: LstmLayer,
  { cellClip, projectionClip }: LstmClips,
  activation: Activation | undefined,
): LstmArithmetic {
  const { gates, projection, projectionBias, outputState, cellState, batch, cells, outputs } = layer;
  const isNormalized = gates.some(({ norm }) => norm);
  const operands = gates.flatMap((gate) => [gate.weights, gate.recurrence, gate.bias, gate.peephole, gate.norm]);
  for (const operand of [...operands, projection, projectionBias, outputState, cellState])
    if (operand && operand.dtype !== 'f32') ctx.unsupported(`'${operand.name}' of ${operand.dtype}`);
  const w = sideBySide(
    ctx,
    gates.map((gate) => gate.weights),
  );
  const r = sideBySide(
    ctx,
    gates.map((gate) => gate.recurrence),
  );
  const biases = inARow(
    ctx,
    gates.map((gate) => gate.bias),
  );
  const shaped = (x: Value) => (activation === 'TANH' ? ctx.emit(nnTanh, { x }) : activated(ctx, x, activation));
  const clipped = (x: Value, clip: number) => (clip > 0 ? ctx.emit(nnClip, { x }, { min: -clip, max: clip }) : x);
  return {
    start: {
      output: ctx.reshape(ctx.last(outputState), [batch, outputs]),
      cell: ctx.reshape(ctx.last(cellState), [batch, cells]),
    },
    stored: (state) => state,
    ofSequence(rows) {
      const sum = ctx.emit(nnMatmul, { a: rows, b: w });
      return isNormalized ? sum : ctx.emit(nnAdd, { a: sum, b: biases });
    },
    step(part, { output, cell }) {
      const sums = ctx.emit(nnAdd, { a: part, b: ctx.emit(nnMatmul, { a: output, b: r }) });
      const gateOf = (name: GateName, c: Value): Value => {
        const at = gates.findIndex((gate) => gate.name === name);
        return completed(ctx, gates[at], sliced(ctx, sums, 1, at * cells, (at + 1) * cells), c);
      };
      const sigmoidOf = (name: GateName, c: Value) => ctx.emit(nnSigmoid, { x: gateOf(name, c) });
      const forget = sigmoidOf('forget', cell);
      const input =
        gates.length === 4 ? sigmoidOf('input', cell) : ctx.emit(nnSub, { a: ctx.scalar('f32', 1, 'one'), b: forget });
      const added = ctx.emit(nnMul, { a: input, b: shaped(gateOf('cell', cell)) });
      const next = clipped(ctx.emit(nnAdd, { a: ctx.emit(nnMul, { a: forget, b: cell }), b: added }), cellClip);
      const shown = ctx.emit(nnMul, { a: sigmoidOf('output', next), b: shaped(next) });
      if (projection === undefined) return { output: shown, cell: next };
      const weights = ctx.permuted(projection, [1, 0], [cells, outputs]);
      const product = ctx.emit(nnMatmul, { a: shown, b: weights });
      const biased = projectionBias ? ctx.emit(nnAdd, { a: product, b: ctx.last(projectionBias) }) : product;
      return { output: clipped(biased, projectionClip), cell: next };
    },
  };
}

/** A gate's sum with peephole, normalization and, behind it, the bias. */
function completed(ctx: OperatorContext, { bias, peephole, norm }: Gate, sum: Value, cell: Value): Value {
  const whole = peephole ? ctx.emit(nnAdd, { a: sum, b: ctx.emit(nnMul, { a: cell, b: ctx.last(peephole) }) }) : sum;
  return norm ? normalized(ctx, whole, norm, bias) : whole;
}

function normalized(ctx: OperatorContext, x: Value, norm: Operand, bias: Operand): Value {
  const mean = (v: Value) => ctx.emit(nnReduceMean, { x: v }, { axes: [1] });
  const centred = ctx.emit(nnSub, { a: x, b: mean(x) });
  const variance = mean(ctx.emit(nnMul, { a: centred, b: centred }));
  const guarded = ctx.emit(nnAdd, { a: variance, b: ctx.scalar('f32', Math.fround(EPSILON), 'epsilon') });
  const unit = ctx.emit(nnDiv, { a: centred, b: ctx.emit(nnSqrt, { x: guarded }) });
  const scaled = ctx.emit(nnMul, { a: unit, b: ctx.last(norm) });
  return ctx.emit(nnAdd, { a: scaled, b: ctx.last(bias) });
}
