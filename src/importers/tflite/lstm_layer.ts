/** The operands of an LSTM by their parts, and its weights as they are multiplied: those of all gates side by side. */
import { nnConcat, nnSlice, type Value } from '../../ir/index.ts';
import { type ITensor, newArray, transposed } from '../../tensors/index.ts';
import type { Operand, OperatorContext } from './operator_context.ts';

/** In this order side by side; a layer without an input gate has three. */
const gateNames = ['input', 'forget', 'output', 'cell'] as const;
export type GateName = (typeof gateNames)[number];

export const lstmInputs = [
  'x',
  ...['input weights?', 'forget weights', 'cell weights', 'output weights'],
  ...['input recurrence?', 'forget recurrence', 'cell recurrence', 'output recurrence'],
  ...['input peephole?', 'forget peephole?', 'output peephole?'],
  ...['input bias?', 'forget bias', 'cell bias', 'output bias'],
  ...['projection?', 'projection bias?', 'output state', 'cell state'],
  ...['input norm?', 'forget norm?', 'cell norm?', 'output norm?'],
];

export interface Gate {
  readonly name: GateName;
  /** [C, I]. */
  readonly weights: Operand;
  /** [C, O]. */
  readonly recurrence: Operand;
  /** [C], as peephole and norm. */
  readonly bias: Operand;
  readonly peephole: Operand | undefined;
  /** The coefficients of layer normalization. */
  readonly norm: Operand | undefined;
}

/** Limits of the cells and of what a projection gives, above and below zero; 0 stands for none. */
export interface LstmClips {
  readonly cellClip: number;
  readonly projectionClip: number;
}

/** B sequences of T steps of I numbers; C cells, O outputs: as many as cells without a projection. */
export interface LstmLayer {
  readonly x: Operand;
  readonly gates: readonly Gate[];
  /** [O, C], and [O]. */
  readonly projection: Operand | undefined;
  readonly projectionBias: Operand | undefined;
  readonly outputState: Operand;
  readonly cellState: Operand;
  /** [T, B, I] rather than [B, T, I]. */
  readonly isTimeMajor: boolean;
  readonly batch: number;
  readonly steps: number;
  readonly depth: number;
  readonly cells: number;
  readonly outputs: number;
}

export function lstmLayer(ctx: OperatorContext, isTimeMajor: boolean): LstmLayer {
  const x = ctx.get('x');
  if (x.shape.length !== 3) ctx.unsupported(`a sequence of rank ${x.shape.length}`);
  const [first, second, depth] = ctx.staticShape(x.shape, 'a sequence');
  const [batch, steps] = isTimeMajor ? [second, first] : [first, second];
  const names = gateNames.filter((name) => name !== 'input' || ctx.find('input weights'));
  const gates = names.map((name) => ({
    name,
    weights: ctx.get(`${name} weights`),
    recurrence: ctx.get(`${name} recurrence`),
    bias: ctx.get(`${name} bias`),
    peephole: name === 'cell' ? undefined : ctx.find(`${name} peephole`),
    norm: ctx.find(`${name} norm`),
  }));
  const [cells, outputs] = ctx.staticShape(ctx.get('output recurrence').shape, 'weights');
  const [projection, projectionBias] = [ctx.find('projection'), ctx.find('projection bias')];
  const [outputState, cellState] = [ctx.get('output state'), ctx.get('cell state')];
  const check = (operand: Operand | undefined, shape: readonly number[]) => {
    if (operand && String(operand.shape) !== String(shape))
      ctx.refuse(`'${operand.name}' is [${operand.shape.join(', ')}], not [${shape.join(', ')}]`, 'U2005');
  };
  for (const { weights, recurrence, bias, peephole, norm } of gates) {
    check(weights, [cells, depth]);
    check(recurrence, [cells, outputs]);
    check(bias, [cells]);
    check(peephole, [cells]);
    check(norm, [cells]);
  }
  check(projection, [outputs, cells]);
  check(projectionBias, [outputs]);
  check(outputState, outputState.shape.length === 1 ? [batch * outputs] : [batch, outputs]);
  check(cellState, cellState.shape.length === 1 ? [batch * cells] : [batch, cells]);
  if (gates.some(({ norm }) => (norm === undefined) !== (gates[0].norm === undefined)))
    ctx.refuse('some gates are normalized, and some are not');
  if (projection === undefined && cells !== outputs)
    ctx.refuse(`${cells} cells do not become ${outputs} outputs without a projection`, 'U2005');
  const sizes = { isTimeMajor, batch, steps, depth, cells, outputs };
  return { x, gates, projection, projectionBias, outputState, cellState, ...sizes };
}

/** The weights of all gates side by side, to be multiplied from the right: [I, n·C]. */
export function sideBySide(ctx: OperatorContext, weights: readonly Operand[]): Value {
  const parts = weights.map((operand) => ctx.known(operand));
  const [{ dtype, shape }] = parts;
  const [cells, depth] = shape;
  if (parts.some((part) => part.dtype !== dtype)) ctx.unsupported('gates with weights of several types');
  const load = (): ITensor => {
    const data = newArray(dtype, parts.length * cells * depth);
    parts.forEach((part, i) => {
      for (let k = 0; k < part.data.length; k++) data[i * cells * depth + k] = part.data[k];
    });
    return transposed({ dtype, shape: [parts.length * cells, depth], data }, [1, 0]);
  };
  return ctx.lazy({ dtype, shape: [depth, parts.length * cells] }, load, weights[0].tensor.name);
}

/** The biases of all gates, one after the other: [n·C]. */
export const inARow = (ctx: OperatorContext, biases: readonly Operand[]): Value =>
  ctx.emit(nnConcat, { xs: biases.map((bias) => ctx.last(bias)) }, { axis: 0 });

export const sliced = (ctx: OperatorContext, x: Value, axis: number, start: number, end: number): Value =>
  ctx.emit(nnSlice, { x }, { starts: [start], ends: [end], axes: [axis], steps: [1] });

export interface LstmState {
  /** [B, O]. */
  readonly output: Value;
  /** [B, C]. */
  readonly cell: Value;
}

/** The arithmetic of a layer. */
export interface LstmArithmetic {
  /** The state as the steps compute it, and as the file declares it. */
  readonly start: LstmState;
  stored(state: LstmState): LstmState;
  /** The part of the gates' sums that comes from the sequence, for all of its rows [B·T, I] at once: [B·T, n·C]. */
  ofSequence(rows: Value): Value;
  /** One step from that part of it, [B, n·C]. */
  step(part: Value, state: LstmState): LstmState;
}

/** All steps: the outputs, in the order of the sequence; the state behind the last one is set. */
export function unrolled(ctx: OperatorContext, layer: LstmLayer, arithmetic: LstmArithmetic): Value {
  const { x, gates, isTimeMajor, batch, steps, depth, cells, outputs, outputState, cellState } = layer;
  const ordered = (size: number, inner: number) => (isTimeMajor ? [size, batch, inner] : [batch, size, inner]);
  const axis = isTimeMajor ? 0 : 1;
  const width = gates.length * cells;
  const rows = arithmetic.ofSequence(ctx.reshape(ctx.last(x), [batch * steps, depth]));
  const all = ctx.reshape(rows, ordered(steps, width));
  const ys: Value[] = [];
  let state = arithmetic.start;
  for (let step = 0; step < steps; step++) {
    const part = steps === 1 ? rows : ctx.reshape(sliced(ctx, all, axis, step, step + 1), [batch, width]);
    state = arithmetic.step(part, state);
    ys.push(ctx.reshape(state.output, ordered(1, outputs)));
  }
  const { output, cell } = arithmetic.stored(state);
  ctx.setState(outputState, ctx.reshape(output, outputState.shape));
  ctx.setState(cellState, ctx.reshape(cell, cellState.shape));
  return ys.length === 1 ? ys[0] : ctx.emit(nnConcat, { xs: ys }, { axis });
}
