/** Operators of one operand, element by element. */
import type { Value } from '../../../ir/define_op.ts';
import { type DType, dtypeOfOnnxCode, isHalf } from '../../../ir/dtype.ts';
import { onnxTypeName } from '../container/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

/** `attributes`: name in ONNX, its default, and its name here where that differs. */
const unary = (
  name: string,
  op: string,
  attributes: Readonly<Record<string, number | readonly [fallback: number, name: string]>> = {},
): OnnxOp =>
  defineOnnxOp({
    name,
    inputs: ['X'],
    attributes: [...Object.keys(attributes), 'consumed_inputs'],
    import(ctx) {
      const attrs = Object.entries(attributes).map(([key, spec]) => {
        const [fallback, ours] = typeof spec === 'number' ? [spec, key] : spec;
        return [ours, ctx.attr.float(key, fallback)];
      });
      return ctx.emit(op, [ctx.get('X')], Object.fromEntries(attrs));
    },
  });

const identity = (ctx: NodeContext, x: Value): Value => ctx.emit('nn.identity', [x]);

/** Min and max of Clip: attributes before version 11, operands since. */
function clip(ctx: NodeContext): Value {
  const x = ctx.get('input');
  if (ctx.opset < 11) {
    return ctx.emit('nn.clip', [x], { min: ctx.attr.float('min', -Infinity), max: ctx.attr.float('max', Infinity) });
  }
  const [min, max] = [ctx.find('min'), ctx.find('max')];
  for (const bound of [min, max]) {
    if (bound && bound.type.shape.length > 1) ctx.refuse('min and max should be scalars', 'min');
  }
  const constant = [min, max].every((bound) => bound === undefined || ctx.constantOf(bound) !== undefined);
  if (constant && (x.type.dtype === 'f32' || isHalf(x.type.dtype))) {
    // One operator, which rounds halves once; a bound that is not a number bounds nothing.
    const bound = (name: 'min' | 'max', none: number): number => {
      const given = ctx.scalarOf(name) ?? none;
      return Number.isNaN(given) ? none : given;
    };
    return ctx.emit('nn.clip', [x], { min: bound('min', -Infinity), max: bound('max', Infinity) });
  }
  const above = min ? ctx.emit('nn.max', [x, min]) : x;
  return max ? ctx.emit('nn.min', [above, max]) : above;
}

export const unaryOps: readonly OnnxOp[] = [
  unary('Relu', 'nn.relu'),
  unary('LeakyRelu', 'nn.leaky_relu', { alpha: 0.01 }),
  unary('Elu', 'nn.elu', { alpha: 1 }),
  unary('Selu', 'nn.selu', { alpha: 1.6732631921768188, gamma: 1.0507010221481323 }),
  unary('Celu', 'nn.celu', { alpha: 1 }),
  unary('Sigmoid', 'nn.sigmoid'),
  unary('HardSigmoid', 'nn.hard_sigmoid', { alpha: 0.2, beta: 0.5 }),
  unary('HardSwish', 'nn.hard_swish'),
  unary('Tanh', 'nn.tanh'),
  unary('Softplus', 'nn.softplus'),
  unary('Softsign', 'nn.softsign'),
  unary('ThresholdedRelu', 'nn.thresholded_relu', { alpha: 1 }),
  unary('Mish', 'nn.mish'),
  unary('Exp', 'nn.exp'),
  unary('Log', 'nn.log'),
  unary('Sqrt', 'nn.sqrt'),
  unary('Erf', 'nn.erf'),
  unary('Neg', 'nn.neg'),
  unary('Abs', 'nn.abs'),
  unary('Floor', 'nn.floor'),
  unary('Ceil', 'nn.ceil'),
  unary('Round', 'nn.round'),
  unary('Reciprocal', 'nn.reciprocal'),
  unary('Sign', 'nn.sign'),
  unary('Not', 'nn.not'),
  unary('Sin', 'nn.sin'),
  unary('Cos', 'nn.cos'),
  defineOnnxOp({
    name: 'Gelu',
    inputs: ['X'],
    attributes: ['approximate'],
    import: (ctx) => ctx.emit('nn.gelu', [ctx.get('X')], { approximate: ctx.attr.string('approximate', 'none') }),
  }),
  defineOnnxOp({
    name: 'Swish',
    inputs: ['X'],
    attributes: ['alpha'],
    import(ctx) {
      const x = ctx.get('X');
      const alpha = ctx.attr.float('alpha', 1);
      const scaled = alpha === 1 ? x : ctx.emit('nn.mul', [x, ctx.scalar(x.type.dtype as DType, alpha, 'alpha')]);
      return ctx.emit('nn.mul', [x, ctx.emit('nn.sigmoid', [scaled])]);
    },
  }),
  defineOnnxOp({
    name: 'Clip',
    since: 6,
    inputs: ['input: T', 'min?: T', 'max?: T'],
    attributes: ['min', 'max'],
    operandsSince: { min: 11, max: 11 },
    import: clip,
  }),
  defineOnnxOp({ name: 'Identity', inputs: ['input'], import: (ctx) => identity(ctx, ctx.get('input')) }),
  defineOnnxOp({
    name: 'Dropout',
    inputs: ['data', 'ratio?', 'training_mode?'],
    outputs: 2,
    attributes: ['seed', 'ratio', 'is_test', 'consumed_inputs'],
    operandsSince: { ratio: 12, training_mode: 12 },
    attributesUntil: { is_test: 7 },
    import(ctx) {
      const x = ctx.get('data');
      const training = ctx.opset < 7 ? !ctx.attr.flag('is_test') : (ctx.scalarOf('training_mode') ?? 0) !== 0;
      if (training) ctx.unsupported('dropout in training mode');
      const y = ctx.emit('nn.identity', [x]);
      if (!ctx.wants(1)) return y;
      // nothing is dropped: all ones since version 12. What it meant before nobody said, and ONNX Runtime writes zeros
      const mask = ctx.scalar(ctx.opset < 10 ? (x.type.dtype as DType) : 'bool', ctx.opset < 12 ? 0 : 1, 'mask');
      return [y, ctx.emit('nn.expand', [mask], { shape: x.type.shape })];
    },
  }),
  defineOnnxOp({
    name: 'Cast',
    since: 6,
    inputs: ['input'],
    attributes: ['to', 'saturate', 'round_mode'],
    import(ctx) {
      const code = ctx.attr.int('to') ?? ctx.refuse("the attribute 'to' is missing");
      const to = dtypeOfOnnxCode(code) ?? ctx.unsupported(`a cast to ${onnxTypeName(code)}`);
      return ctx.castAs(ctx.get('input'), to);
    },
  }),
  defineOnnxOp({
    name: 'CastLike',
    since: 15,
    inputs: ['input', 'target_type'],
    attributes: ['saturate', 'round_mode'],
    import(ctx) {
      const { dtype } = ctx.get('target_type').type;
      return ctx.castAs(ctx.get('input'), dtype as DType);
    },
  }),
];
