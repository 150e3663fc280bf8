/** Recurrent layers. */
import { isWordOf, nnGru, nnLstm, qnnDynamicLstm, type Value } from '../../../ir/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

const usual = ['sigmoid', 'tanh', 'tanh'];

/** Refuses what changes the recurrence. */
function refuseOthers(ctx: NodeContext, operands: readonly string[], functions: readonly string[] = usual): void {
  for (const name of operands) if (ctx.find(name)) ctx.unsupported(`the operand '${name}'`);
  const isUsual = (ctx.attr.strings('activations') ?? []).every(
    (name, i) => name.toLowerCase() === functions[i % functions.length],
  );
  if (!isUsual) ctx.unsupported("the attribute 'activations'");
  for (const name of ['activation_alpha', 'activation_beta', 'clip'])
    if (ctx.attr.has(name)) ctx.unsupported(`the attribute '${name}'`);
  if (ctx.attr.flag('input_forget')) ctx.unsupported("the attribute 'input_forget'");
}

/** Attributes of all recurrent layers but the plain one. */
const attributes = ['hidden_size', 'direction', 'activations', 'activation_alpha', 'activation_beta', 'clip'];

/** Sequences of one batch that have lengths of their own are refused; lengths that all are the whole say nothing. */
function refuseLengths(ctx: NodeContext): void {
  const lengths = ctx.find('sequence_lens');
  const steps = ctx.get('X').type.shape[isBatchFirst(ctx) ? 1 : 0];
  const known = lengths && ctx.constantOf(lengths);
  if (
    lengths &&
    !(known && Array.from<number | bigint, number>(known.data, Number).every((length) => length === steps))
  )
    ctx.unsupported("the operand 'sequence_lens'");
}

const isBatchFirst = (ctx: NodeContext): boolean => ctx.attr.int('layout', 0) === 1;
/** [batch, …] and [steps or directions, batch, …] into one another. */
const turned = (ctx: NodeContext, x: Value): Value =>
  isBatchFirst(ctx) ? ctx.transpose(x, [1, 0, ...x.type.shape.slice(2).map((_, i) => i + 2)]) : x;
const stateOf = (ctx: NodeContext, name: string): Value | undefined => {
  const state = ctx.find(name);
  return state && turned(ctx, state);
};

/** y: [steps, directions, batch, hidden], and last states: [directions, batch, hidden]. */
const resultsOf = (ctx: NodeContext, y: Value, ...states: readonly Value[]): readonly Value[] => [
  isBatchFirst(ctx) ? ctx.transpose(y, [2, 0, 1, 3]) : y,
  ...states.map((state) => turned(ctx, state)),
];

/** The operands of a layer of floats, in the order of steps that ours has. */
function operandsOf(ctx: NodeContext) {
  const way = ctx.attr.string('direction', 'forward').toLowerCase();
  if (!isWordOf(nnLstm.attrs.direction, way)) return ctx.refuse(`the direction '${way}' is unknown`);
  const states = { h: stateOf(ctx, 'initial_h') };
  return {
    layer: { x: turned(ctx, ctx.get('X')), w: ctx.get('W'), r: ctx.get('R'), bias: ctx.find('B'), ...states },
    way,
  };
}

function lstm(ctx: NodeContext): readonly Value[] {
  refuseOthers(ctx, ['P']);
  refuseLengths(ctx);
  const { layer, way } = operandsOf(ctx);
  const { y, lastH, lastC } = ctx.emit(nnLstm, { ...layer, c: stateOf(ctx, 'initial_c') }, { direction: way });
  return resultsOf(ctx, y, lastH, lastC);
}

function dynamicLstm(ctx: NodeContext): readonly Value[] {
  refuseOthers(ctx, ['P']);
  refuseLengths(ctx);
  const { layer, way } = operandsOf(ctx);
  const of = (name: 'W' | 'R') => ({ scale: ctx.get(`${name}_scale`), zero: ctx.get(`${name}_zero_point`) });
  const [w, r] = [of('W'), of('R')];
  const products = { sw: w.scale, zw: w.zero, sr: r.scale, zr: r.zero };
  const { y, lastH, lastC } = ctx.emit(
    qnnDynamicLstm,
    { ...layer, ...products, c: ctx.find('initial_c') },
    { direction: way },
  );
  return [y, lastH, lastC];
}

function gru(ctx: NodeContext): readonly Value[] {
  refuseOthers(ctx, [], ['sigmoid', 'tanh']);
  refuseLengths(ctx);
  const { layer, way } = operandsOf(ctx);
  const linearBeforeReset = ctx.attr.flag('linear_before_reset');
  const { y, lastH } = ctx.emit(nnGru, layer, { direction: way, linearBeforeReset });
  return resultsOf(ctx, y, lastH);
}

export const recurrentOps: readonly OnnxOp[] = [
  defineOnnxOp({
    name: 'LSTM',
    since: 7,
    inputs: ['X: T', 'W: T', 'R: T', 'B?: T', 'sequence_lens?', 'initial_h?: T', 'initial_c?: T', 'P?: T'],
    outputs: 3,
    attributes: [...attributes, 'input_forget', 'layout'],
    import: lstm,
  }),
  defineOnnxOp({
    name: 'GRU',
    since: 7,
    inputs: ['X: T', 'W: T', 'R: T', 'B?: T', 'sequence_lens?', 'initial_h?: T'],
    outputs: 2,
    attributes: [...attributes, 'linear_before_reset', 'layout'],
    import: gru,
  }),
  defineOnnxOp({
    domain: 'com.microsoft',
    name: 'DynamicQuantizeLSTM',
    inputs: [
      'X: T',
      'W: T2',
      'R: T2',
      'B?: T',
      'sequence_lens?: T1',
      'initial_h?: T',
      'initial_c?: T',
      'P?: T',
      'W_scale: T',
      'W_zero_point: T2',
      'R_scale: T',
      'R_zero_point: T2',
    ],
    outputs: 3,
    attributes: [...attributes, 'input_forget'],
    import: dynamicLstm,
  }),
];
