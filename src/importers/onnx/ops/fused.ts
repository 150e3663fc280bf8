/** Operators that ONNX Runtime's graph optimizations make of several ones. */
import {
  type AnyOp,
  type GivenAttrs,
  nnAdd,
  nnCelu,
  nnClip,
  nnConv,
  nnElu,
  nnGelu,
  nnGroupNorm,
  nnHardSigmoid,
  nnHardSwish,
  nnLayerNorm,
  nnLeakyRelu,
  nnMatmul,
  nnMul,
  nnRelu,
  nnRmsNorm,
  nnSelu,
  nnSigmoid,
  nnSoftplus,
  nnSoftsign,
  nnTanh,
  nnThresholdedRelu,
  type Value,
} from '../../../ir/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';
import { part } from './attention_parts.ts';
import { gemm } from './matmul.ts';
import { swish } from './unary.ts';
import { convAttributes, convOf, toChannelsFirst, toChannelsLast } from './windows.ts';

const domain = 'com.microsoft';

/** Activations that fused operators end in, with their parameters in the order of a list of numbers. */
const activations: Readonly<Record<string, readonly [op: AnyOp, ...parameters: string[]]>> = {
  Relu: [nnRelu],
  Tanh: [nnTanh],
  Sigmoid: [nnSigmoid],
  Softplus: [nnSoftplus],
  Softsign: [nnSoftsign],
  HardSwish: [nnHardSwish],
  LeakyRelu: [nnLeakyRelu, 'alpha'],
  ThresholdedRelu: [nnThresholdedRelu, 'alpha'],
  Elu: [nnElu, 'alpha'],
  Celu: [nnCelu, 'alpha'],
  Selu: [nnSelu, 'alpha', 'gamma'],
  HardSigmoid: [nnHardSigmoid, 'alpha', 'beta'],
  Clip: [nnClip, 'min', 'max'],
};

/** The activation of a fused operator; `given` finds a parameter by its name or its place in a list. */
function activated(ctx: NodeContext, x: Value, given: (name: string, at: number) => number | undefined): Value {
  const name = ctx.attr.string('activation', '');
  if (name === '') return x;
  const [op, ...parameters] = activations[name] ?? ctx.unsupported(`the activation '${name}'`);
  const known = parameters.map((parameter, i) => [parameter, given(parameter, i)] as const);
  const [y] = ctx.emitList(op, [x], Object.fromEntries(known.filter(([, value]) => value !== undefined)) as GivenAttrs);
  return y;
}

/** Batch axes before or behind the rows: [rows, batch…, columns] → [batch…, rows, columns]; then rows and columns exchanged. */
function turned(ctx: NodeContext, x: Value, name: 'A' | 'B'): Value {
  const rank = x.type.shape.length;
  if (rank < 2) return x;
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  const batched = ctx.attr.flag(`transBatch${name}`) ? [...axes.slice(1, -1), 0, rank - 1] : axes;
  const [rows, columns] = batched.slice(-2);
  return ctx.transpose(x, ctx.attr.flag(`trans${name}`) ? [...batched.slice(0, -2), columns, rows] : batched);
}

/** α·A·B */
function fusedMatMul(ctx: NodeContext): Value {
  // ONNX Runtime reads the elements of A in their own order there, as if A had the shape of its transpose
  if (ctx.attr.flag('transA') && ctx.get('A').type.shape.length > 1 && ctx.get('B').type.shape.length === 1)
    ctx.unsupported('a transposed matrix times a vector');
  const [a, b] = [turned(ctx, ctx.get('A'), 'A'), turned(ctx, ctx.get('B'), 'B')];
  const product = ctx.emit(nnMatmul, { a, b });
  const alpha = ctx.attr.float('alpha', 1);
  return alpha === 1 ? product : ctx.emit(nnMul, { a: product, b: ctx.scalar(product.type.dtype, alpha, 'alpha') });
}

/** The activation of a fused operator that lists its parameters. */
export function activatedBy(ctx: NodeContext, x: Value): Value {
  const parameters = ctx.attr.floats('activation_params') ?? [];
  return activated(ctx, x, (_, at) => parameters[at]);
}

/** activation(convolution + bias + Z) */
function fusedConv(ctx: NodeContext): Value {
  const [x, w, z] = [ctx.get('X'), ctx.get('W'), ctx.find('Z')];
  const { source, attrs } = convOf(ctx, x, w);
  const y = ctx.emit(nnConv, { x: source, w, bias: ctx.find('B') }, attrs);
  const sum = z ? ctx.emit(nnAdd, { a: y, b: z }) : y;
  return activatedBy(ctx, sum);
}

const withBias = (ctx: NodeContext, x: Value, bias: Value | undefined): Value =>
  bias ? ctx.emit(nnAdd, { a: x, b: bias }) : x;

/** input + skip + bias, normalized, and the sum itself. */
function skipped(ctx: NodeContext, normalize: (sum: Value, epsilon: number) => Value): readonly (Value | undefined)[] {
  const [x, skip] = [ctx.get('input'), ctx.get('skip')];
  const sum = withBias(ctx, ctx.emit(nnAdd, { a: x, b: skip }), ctx.find('bias'));
  if (sum.type.shape.length !== x.type.shape.length)
    ctx.refuse(`[${skip.type.shape}] does not broadcast to [${x.type.shape}]`, 'U2005', { input: 'skip' });
  return [normalize(sum, ctx.attr.float('epsilon', 1e-12)), undefined, undefined, sum];
}

/** Groups of channels of [N, H, W, C] or [N, C, H, W]; with activation 1 the result times its sigmoid. */
function groupNorm(ctx: NodeContext): Value {
  const isLast = ctx.attr.flag('channels_last', true);
  const x = isLast ? toChannelsFirst(ctx, ctx.get('X')) : ctx.get('X');
  const attrs = { groups: ctx.attr.int('groups', 32), epsilon: ctx.attr.float('epsilon', 1e-5) };
  const y = ctx.emit(nnGroupNorm, { x, scale: ctx.get('gamma'), bias: ctx.get('beta') }, attrs);
  const end = ctx.attr.flag('activation') ? swish(ctx, y, 1) : y;
  return isLast ? toChannelsLast(ctx, end) : end;
}

/** The left half of the columns of x + bias times gelu of the right one. */
function biasSplitGelu(ctx: NodeContext): Value {
  const sum = withBias(ctx, ctx.get('X'), ctx.get('bias'));
  const width = sum.type.shape.at(-1);
  if (typeof width !== 'number' || width % 2 !== 0) return ctx.unsupported(`${width} columns`);
  const axis = sum.type.shape.length - 1;
  const right = ctx.emit(nnGelu, { x: part(ctx, sum, axis, width / 2, width) });
  return ctx.emit(nnMul, { a: part(ctx, sum, axis, 0, width / 2), b: right });
}

const matMulAttributes = ['alpha', 'transA', 'transB', 'transBatchA', 'transBatchB'];
const skipInputs = ['input: T', 'skip: T', 'gamma: T'];

export const fusedOps: readonly OnnxOp[] = [
  defineOnnxOp({ domain, name: 'Gelu', inputs: ['X'], import: (ctx) => ctx.emit(nnGelu, { x: ctx.get('X') }) }),
  defineOnnxOp({
    domain,
    name: 'BiasGelu',
    inputs: ['A: T', 'B: T'],
    import: (ctx) => ctx.emit(nnGelu, { x: withBias(ctx, ctx.get('A'), ctx.get('B')) }),
  }),
  defineOnnxOp({
    domain,
    name: 'FastGelu',
    inputs: ['X: T', 'bias?: T'],
    import: (ctx) => ctx.emit(nnGelu, { x: withBias(ctx, ctx.get('X'), ctx.find('bias')) }, { approximate: 'tanh' }),
  }),
  defineOnnxOp({
    domain,
    name: 'QuickGelu',
    inputs: ['X'],
    attributes: ['alpha'],
    import: (ctx) => swish(ctx, ctx.get('X'), ctx.attr.float('alpha', 1.702)),
  }),
  defineOnnxOp({
    domain,
    name: 'BiasSplitGelu',
    inputs: ['X: T', 'bias: T'],
    import: biasSplitGelu,
  }),
  defineOnnxOp({
    domain,
    name: 'BiasAdd',
    inputs: ['X: T', 'bias: T', 'skip: T'],
    import: (ctx) => withBias(ctx, withBias(ctx, ctx.get('X'), ctx.get('bias')), ctx.get('skip')),
  }),
  defineOnnxOp({
    domain,
    name: 'FusedMatMul',
    inputs: ['A: T', 'B: T'],
    attributes: matMulAttributes,
    import: fusedMatMul,
  }),
  defineOnnxOp({
    domain,
    name: 'TransposeMatMul',
    inputs: ['A: T', 'B: T'],
    attributes: matMulAttributes,
    import: fusedMatMul,
  }),
  defineOnnxOp({
    domain,
    name: 'FusedGemm',
    inputs: ['A: T', 'B: T', 'C?: T'],
    attributes: [
      'alpha',
      'beta',
      'transA',
      'transB',
      'activation',
      'activation_alpha',
      'activation_beta',
      'activation_gamma',
    ],
    import(ctx) {
      if (ctx.attr.string('activation', '') === 'Clip') ctx.unsupported('an activation that needs bounds');
      return activated(ctx, gemm(ctx), (name) => ctx.attr.float(`activation_${name}`));
    },
  }),
  defineOnnxOp({
    domain,
    name: 'FusedConv',
    inputs: ['X: T', 'W: T', 'B?: T', 'Z?: T'],
    attributes: [...convAttributes, 'activation', 'activation_params'],
    import: fusedConv,
  }),
  defineOnnxOp({
    domain,
    name: 'SkipLayerNormalization',
    inputs: [...skipInputs, 'beta?: T', 'bias?: T'],
    outputs: 4,
    attributes: ['epsilon'],
    import(ctx) {
      const scale = { scale: ctx.get('gamma'), bias: ctx.find('beta') };
      return skipped(ctx, (x, epsilon) => ctx.emit(nnLayerNorm, { x, ...scale }, { axis: -1, epsilon }));
    },
  }),
  defineOnnxOp({
    domain,
    name: 'SkipSimplifiedLayerNormalization',
    inputs: [...skipInputs, 'bias?: T'],
    outputs: 4,
    attributes: ['epsilon'],
    import: (ctx) =>
      skipped(ctx, (x, epsilon) => ctx.emit(nnRmsNorm, { x, scale: ctx.get('gamma') }, { axis: -1, epsilon })),
  }),
  defineOnnxOp({
    name: 'SimplifiedLayerNormalization',
    inputs: ['X', 'scale'],
    outputs: 2,
    attributes: ['axis', 'epsilon', 'stash_type'],
    import(ctx) {
      const axis = ctx.attr.int('axis', -1);
      const attrs = { axis, epsilon: ctx.attr.float('epsilon', 1e-5) };
      return [ctx.emit(nnRmsNorm, { x: ctx.get('X'), scale: ctx.get('scale') }, attrs)];
    },
  }),
  defineOnnxOp({
    domain,
    name: 'GroupNorm',
    inputs: ['X: T', 'gamma: M', 'beta: M'],
    attributes: ['activation', 'channels_last', 'epsilon', 'groups'],
    import: groupNorm,
  }),
];
