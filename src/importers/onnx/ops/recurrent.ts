/** Recurrent layers, a step after another: the number of steps is known where the model is read. */
import {
  isWordOf,
  nnAdd,
  nnConcat,
  nnGru,
  nnLstm,
  nnMul,
  nnSigmoid,
  nnSlice,
  nnTanh,
  qnnDynamicQuantize,
  qnnMatmul,
  tensor,
  type Value,
} from '../../../ir/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';
import { scaled } from './requantize.ts';

/** Steps × directions beyond which a graph would be too long. */
const MOST_STEPS = 2048;

/** x[…, start to end, …], without the axis where it has one position. */
const part = (ctx: NodeContext, x: Value, axis: number, start: number, end: number): Value =>
  ctx.emit(nnSlice, { x }, { starts: [start], ends: [end], axes: [axis], steps: [1] });
const at = (ctx: NodeContext, x: Value, i: number): Value =>
  ctx.reshape(part(ctx, x, 0, i, i + 1), x.type.shape.slice(1));

/** Weights of one direction: bytes, their scale and zero point. */
interface Weights {
  readonly b: Value;
  readonly scale: Value;
  readonly zb: Value;
}

function weightsOf(ctx: NodeContext, name: 'W' | 'R', direction: number): Weights {
  return {
    b: at(ctx, ctx.get(name), direction),
    scale: at(ctx, ctx.get(`${name}_scale`), direction),
    zb: at(ctx, ctx.get(`${name}_zero_point`), direction),
  };
}

/** fl(fl(Σ (a − za)(b − zb))·fl(sa·sb)), a quantized by its own range. */
function product(ctx: NodeContext, x: Value, { b, scale, zb }: Weights): Value {
  const { y: a, scale: own, zp: za } = ctx.emit(qnnDynamicQuantize, { x });
  return scaled(ctx, ctx.emit(qnnMatmul, { a, b, za, zb }), ctx.emit(nnMul, { a: own, b: scale }));
}

interface State {
  readonly h: Value;
  readonly c: Value;
}

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

/**
 * One direction. With gates i, o, f, c side by side and the activations σ, tanh, tanh:
 *
 *   g = fl(fl(x·W + h·R) + fl(bW + bR));   c' = f·c + i·tanh(g_c);   h' = o·tanh(c')
 */
function direction(ctx: NodeContext, index: number, backwards: boolean, start: State): { steps: Value[]; last: State } {
  const x = ctx.get('X');
  const [length, batch, width] = x.type.shape;
  const hidden = ctx.attr.int('hidden_size', 0);
  const [w, r] = [weightsOf(ctx, 'W', index), weightsOf(ctx, 'R', index)];
  const rows = ctx.reshape(x, [Number(length) * Number(batch), width]);
  const inputs = ctx.reshape(product(ctx, rows, w), [length, batch, 4 * hidden]);
  const given = ctx.find('B');
  const bias = given && at(ctx, given, index);
  const added =
    bias && ctx.emit(nnAdd, { a: part(ctx, bias, 0, 0, 4 * hidden), b: part(ctx, bias, 0, 4 * hidden, 8 * hidden) });
  let { h, c } = start;
  const steps: Value[] = [];
  for (let i = 0; i < Number(length); i++) {
    const step = backwards ? Number(length) - 1 - i : i;
    const sum = ctx.emit(nnAdd, { a: at(ctx, inputs, step), b: product(ctx, h, r) });
    const gates = added ? ctx.emit(nnAdd, { a: sum, b: added }) : sum;
    const gate = (g: number) => part(ctx, gates, 1, g * hidden, (g + 1) * hidden);
    const sigmoid = (g: number) => ctx.emit(nnSigmoid, { x: gate(g) });
    const kept = ctx.emit(nnMul, { a: sigmoid(2), b: c });
    const taken = ctx.emit(nnMul, { a: sigmoid(0), b: ctx.emit(nnTanh, { x: gate(3) }) });
    c = ctx.emit(nnAdd, { a: kept, b: taken });
    h = ctx.emit(nnMul, { a: sigmoid(1), b: ctx.emit(nnTanh, { x: c }) });
    steps[step] = h;
  }
  return { steps, last: { h, c } };
}

function dynamicLstm(ctx: NodeContext): readonly Value[] {
  refuseOthers(ctx, ['sequence_lens', 'P']);
  const [length, batch] = ctx.get('X').type.shape;
  const hidden = ctx.attr.int('hidden_size', 0);
  const way = ctx.attr.string('direction', 'forward').toLowerCase();
  const count = way === 'bidirectional' ? 2 : 1;
  if (typeof length !== 'number' || typeof batch !== 'number')
    return ctx.unsupported('a number of steps that only the run knows');
  if (length * count > MOST_STEPS) return ctx.unsupported(`${length} steps`);
  const zeros = tensor('f32', new Float32Array(batch * hidden), [batch, hidden]);
  const initial = (name: string, i: number): Value => {
    const given = ctx.find(name);
    return given ? at(ctx, given, i) : ctx.constant(zeros, 'zeros');
  };
  const done = Array.from({ length: count }, (_, i) =>
    direction(ctx, i, way === 'reverse' || i === 1, { h: initial('initial_h', i), c: initial('initial_c', i) }),
  );
  const joined = (xs: Value[], axis: number): Value => (xs.length === 1 ? xs[0] : ctx.emit(nnConcat, { xs }, { axis }));
  const all = done.map(({ steps }) =>
    joined(
      steps.map((h) => ctx.reshape(h, [1, 1, batch, hidden])),
      0,
    ),
  );
  const last = (of: keyof State) =>
    joined(
      done.map((d) => ctx.reshape(d.last[of], [1, batch, hidden])),
      0,
    );
  return [joined(all, 1), last('h'), last('c')];
}

/** Attributes of all recurrent layers but the plain one. */
const attributes = ['hidden_size', 'direction', 'activations', 'activation_alpha', 'activation_beta', 'clip'];

/** The operands of a layer of floats, in the order of steps that ours has. */
function operandsOf(ctx: NodeContext) {
  if (ctx.attr.int('layout', 0) !== 0) ctx.unsupported("the attribute 'layout'");
  const way = ctx.attr.string('direction', 'forward').toLowerCase();
  if (!isWordOf(nnLstm.attrs.direction, way)) return ctx.refuse(`the direction '${way}' is unknown`);
  const states = { h: ctx.find('initial_h') };
  return { layer: { x: ctx.get('X'), w: ctx.get('W'), r: ctx.get('R'), bias: ctx.find('B'), ...states }, way };
}

function lstm(ctx: NodeContext): readonly Value[] {
  refuseOthers(ctx, ['sequence_lens', 'P']);
  const { layer, way } = operandsOf(ctx);
  const { y, lastH, lastC } = ctx.emit(nnLstm, { ...layer, c: ctx.find('initial_c') }, { direction: way });
  return [y, lastH, lastC];
}

function gru(ctx: NodeContext): readonly Value[] {
  refuseOthers(ctx, ['sequence_lens'], ['sigmoid', 'tanh']);
  const { layer, way } = operandsOf(ctx);
  const linearBeforeReset = ctx.attr.flag('linear_before_reset');
  const { y, lastH } = ctx.emit(nnGru, layer, { direction: way, linearBeforeReset });
  return [y, lastH];
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
