/** Comparisons, truth values, and functions that are compositions of simpler ones. */
import type { Value } from '../../../ir/define_op.ts';
import { type DType, isFloat } from '../../../ir/dtype.ts';
import type { GraphTensor } from '../values.ts';
import type { Arguments } from './arguments.ts';
import type { TorchContext } from './context.ts';
import { defineTorchOp, type TorchOp } from './define_torch_op.ts';
import { binary, promoted, unary } from './float_elementwise.ts';
import { clamped, mapped } from './quantized_elementwise.ts';

const number = (ctx: TorchContext, x: Value, value: number): Value =>
  ctx.scalar(x.type.dtype as DType, value, 'number');

const truth = (ctx: TorchContext, x: Value): Value => ctx.cast(x, 'bool');

/** logical_and(a, b) of anything, bitwise_and and a & b of truth values. */
const logical = (name: string, op: string): readonly TorchOp[] => [
  ...binary(`aten::logical_${name}(Tensor self, Tensor other)`, (ctx, a, b) =>
    ctx.emit(op, [truth(ctx, a), truth(ctx, b)]),
  ),
  ...[`bitwise_${name}`, `__${name}__`].flatMap((form) =>
    binary(`aten::${form}(any self, any other)`, (ctx, a, b) =>
      a.type.dtype === 'bool' ? ctx.emit(op, [a, b]) : ctx.unsupported(`bits of ${a.type.dtype}`),
    ),
  ),
];

/** f of x as it is, by nodes. */
const composed = (schema: string, build: (ctx: TorchContext, x: Value, args: Arguments) => Value): readonly TorchOp[] =>
  unary(schema, { real: build });

/** x where it is above or below the bounds, else another number. */
const shrunk = (ctx: TorchContext, x: Value, lambd: number, shift: number): Value => {
  const above = ctx.emit('nn.where', [
    ctx.emit('nn.greater', [x, number(ctx, x, lambd)]),
    ctx.emit('nn.sub', [x, number(ctx, x, shift)]),
    number(ctx, x, 0),
  ]);
  return ctx.emit('nn.where', [
    ctx.emit('nn.less', [x, number(ctx, x, -lambd)]),
    ctx.emit('nn.add', [x, number(ctx, x, shift)]),
    above,
  ]);
};

const truncated = (ctx: TorchContext, x: Value): Value =>
  ctx.emit('nn.mul', [ctx.emit('nn.sign', [x]), ctx.emit('nn.floor', [ctx.emit('nn.abs', [x])])]);

/** ⌊a/b⌋; integers by the remainder, which has the sign of b. */
function floorDivided(ctx: TorchContext, a: Value, b: Value): Value {
  if (isFloat(a.type.dtype as DType)) return ctx.emit('nn.floor', [ctx.emit('nn.div', [a, b])]);
  return ctx.emit('nn.div', [ctx.emit('nn.sub', [a, ctx.emit('nn.mod', [a, b])]), b]);
}

/** self + value·(a ∘ b) */
const added = (name: string, op: string): readonly TorchOp[] =>
  defineTorchOp({
    schema: `aten::${name}(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1)`,
    import(ctx, args) {
      const [a, b] = promoted(ctx, args.value('tensor1'), args.value('tensor2'), op === 'nn.div');
      const inner = ctx.emit(op, [a, b]);
      const scaled =
        args.number('value') === 1 ? inner : ctx.emit('nn.mul', [inner, number(ctx, inner, args.number('value'))]);
      const x = ctx.graph(args.tensor('self'));
      return ctx.result(ctx.emit('nn.add', [x.value, scaled]), x);
    },
  });

function glu(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = ctx.graph(args.tensor('self'));
  if (x.quantization) return ctx.unsupported('a quantized operand');
  const axis = ctx.axis(args.int('dim'), x.shape.length);
  const [size] = ctx.staticShape([x.shape[axis]], 'a gated unit');
  if (size % 2 !== 0) ctx.refuse(`an axis of ${size} has no halves`, 'U2005');
  const half = (start: number): Value =>
    ctx.emit('nn.slice', [x.value], { starts: [start], ends: [start + size / 2], axes: [axis], steps: [1] });
  return ctx.result(ctx.emit('nn.mul', [half(0), ctx.emit('nn.sigmoid', [half(size / 2)])]), x);
}

const LN2 = Math.fround(Math.LN2);
const bound = (args: Arguments, name: string): number | undefined => (args.has(name) ? args.number(name) : undefined);

export const floatLogicOps: readonly TorchOp[] = [
  ...logical('and', 'nn.and'),
  ...logical('or', 'nn.or'),
  ...logical('xor', 'nn.xor'),
  ...defineTorchOp({
    schema: ['aten::logical_not(Tensor self)', 'aten::bitwise_not(Tensor self)'],
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      return ctx.result(ctx.emit('nn.not', [truth(ctx, x.value)]), x);
    },
  }),
  ...binary('aten::ne(any self, any other)', (ctx, a, b) => ctx.emit('nn.not', [ctx.emit('nn.equal', [a, b])])),
  ...binary('aten::remainder(any self, any other)', (ctx, a, b) => ctx.emit('nn.mod', [a, b])),
  ...binary('aten::fmod(any self, any other)', (ctx, a, b) => ctx.emit('nn.mod', [a, b], { fmod: true })),
  ...binary('aten::floor_divide(any self, any other)', floorDivided),
  ...binary('aten::max(Tensor self, Tensor other)', (ctx, a, b) => ctx.emit('nn.max', [a, b])),
  ...binary('aten::min(Tensor self, Tensor other)', (ctx, a, b) => ctx.emit('nn.min', [a, b])),
  ...defineTorchOp({
    schema: ['aten::isnan(Tensor self)'],
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      return ctx.result(ctx.emit('nn.not', [ctx.emit('nn.equal', [x.value, x.value])]), x);
    },
  }),
  ...defineTorchOp({
    schema: ['aten::isinf(Tensor self)'],
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      if (!isFloat(x.dtype)) return ctx.unsupported('infinities among integers');
      const size = ctx.emit('nn.abs', [x.value]);
      return ctx.result(ctx.emit('nn.equal', [size, number(ctx, size, Infinity)]), x);
    },
  }),
  ...unary('aten::threshold(Tensor self, Scalar threshold, Scalar value)', {
    real: (ctx, x, args) =>
      ctx.emit('nn.where', [
        ctx.emit('nn.greater', [x, number(ctx, x, args.number('threshold'))]),
        x,
        number(ctx, x, args.number('value')),
      ]),
    quantized(ctx, x, args) {
      const [least, value] = [Math.fround(args.number('threshold')), Math.fround(args.number('value'))];
      return mapped(ctx, x, (v) => (v > least ? v : value), undefined);
    },
  }),
  ...composed('aten::hardshrink(Tensor self, Scalar lambd=0.5)', (ctx, x, args) =>
    shrunk(ctx, x, args.number('lambd'), 0),
  ),
  ...composed('aten::softshrink(Tensor self, Scalar lambd=0.5)', (ctx, x, args) =>
    shrunk(ctx, x, args.number('lambd'), args.number('lambd')),
  ),
  ...composed('aten::log_sigmoid(Tensor self)', (ctx, x) =>
    ctx.emit('nn.neg', [ctx.emit('nn.softplus', [ctx.emit('nn.neg', [x])])]),
  ),
  ...composed('aten::log1p(Tensor self)', (ctx, x) => ctx.emit('nn.log', [ctx.emit('nn.add', [x, number(ctx, x, 1)])])),
  ...composed('aten::expm1(Tensor self)', (ctx, x) => ctx.emit('nn.sub', [ctx.emit('nn.exp', [x]), number(ctx, x, 1)])),
  ...composed('aten::log2(Tensor self)', (ctx, x) =>
    ctx.emit('nn.div', [ctx.emit('nn.log', [x]), number(ctx, x, LN2)]),
  ),
  ...composed('aten::tan(Tensor self)', (ctx, x) =>
    ctx.emit('nn.div', [ctx.emit('nn.sin', [x]), ctx.emit('nn.cos', [x])]),
  ),
  ...composed('aten::trunc(Tensor self)', truncated),
  ...composed('aten::frac(Tensor self)', (ctx, x) => ctx.emit('nn.sub', [x, truncated(ctx, x)])),
  ...composed(
    'aten::rrelu(Tensor self, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, any generator=None)',
    (ctx, x, args) => ctx.emit('nn.leaky_relu', [x], { alpha: (args.number('lower') + args.number('upper')) / 2 }),
  ),
  ...added('addcmul', 'nn.mul'),
  ...added('addcdiv', 'nn.div'),
  ...defineTorchOp({
    schema: 'aten::lerp(Tensor self, Tensor end, any weight)',
    import(ctx, args) {
      const [a, b, like] = promoted(ctx, args.value('self'), args.value('end'), true);
      const difference = ctx.emit('nn.sub', [b, a]);
      const [d, w] = promoted(ctx, ctx.result(difference), args.value('weight'), true);
      return ctx.result(ctx.emit('nn.add', [a, ctx.emit('nn.mul', [d, w])]), like);
    },
  }),
  ...defineTorchOp({ schema: 'aten::glu(Tensor self, int dim=-1)', import: glu }),
  ...unary('aten::clip(Tensor self, Scalar? min=None, Scalar? max=None)', {
    real: (ctx, x, args) =>
      ctx.emit('nn.clip', [x], { min: bound(args, 'min') ?? -Infinity, max: bound(args, 'max') ?? Infinity }),
    quantized: (ctx, x, args) => clamped(ctx, x, bound(args, 'min'), bound(args, 'max')),
  }),
];
