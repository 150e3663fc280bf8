/** Comparisons, truth values, and functions that are compositions of simpler ones. */

import type { Value } from '../../../ir/define_op.ts';
import { isFloat } from '../../../ir/dtype.ts';
import {
  nnAbs,
  nnAdd,
  nnAnd,
  nnClip,
  nnCos,
  nnDiv,
  nnEqual,
  nnExp,
  nnFloor,
  nnGreater,
  nnLeakyRelu,
  nnLess,
  nnLog,
  nnMax,
  nnMin,
  nnMod,
  nnMul,
  nnNeg,
  nnNot,
  nnOr,
  nnSigmoid,
  nnSign,
  nnSin,
  nnSlice,
  nnSoftplus,
  nnSub,
  nnWhere,
  nnXor,
} from '../../../ir/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import { clamped, mapped } from '../quantized/elementwise.ts';
import type { GraphTensor } from '../values.ts';
import { binary, promoted, unary } from './elementwise.ts';

const number = (ctx: TorchContext, x: Value, value: number): Value => ctx.scalar(x.type.dtype, value, 'number');

const truth = (ctx: TorchContext, x: Value): Value => ctx.cast(x, 'bool');

/** logical_and(a, b) of anything, bitwise_and and a & b of truth values. */
const logical = (name: string, op: typeof nnAnd | typeof nnOr | typeof nnXor): readonly TorchOp[] => [
  ...binary(`aten::logical_${name}(Tensor self, Tensor other)`, (ctx, a, b) =>
    ctx.emit(op, { a: truth(ctx, a), b: truth(ctx, b) }),
  ),
  ...[`bitwise_${name}`, `__${name}__`].flatMap((form) =>
    binary(`aten::${form}(any self, any other)`, (ctx, a, b) =>
      a.type.dtype === 'bool' ? ctx.emit(op, { a, b }) : ctx.unsupported(`bits of ${a.type.dtype}`),
    ),
  ),
];

/** f of x as it is, by nodes. */
const composed = (schema: string, build: (ctx: TorchContext, x: Value, args: Arguments) => Value): readonly TorchOp[] =>
  unary(schema, { real: build });

/** x where it is above or below the bounds, else another number. */
const shrunk = (ctx: TorchContext, x: Value, lambd: number, shift: number): Value => {
  const above = ctx.emit(nnWhere, {
    cond: ctx.emit(nnGreater, { a: x, b: number(ctx, x, lambd) }),
    a: ctx.emit(nnSub, { a: x, b: number(ctx, x, shift) }),
    b: number(ctx, x, 0),
  });
  return ctx.emit(nnWhere, {
    cond: ctx.emit(nnLess, { a: x, b: number(ctx, x, -lambd) }),
    a: ctx.emit(nnAdd, { a: x, b: number(ctx, x, shift) }),
    b: above,
  });
};

const truncated = (ctx: TorchContext, x: Value): Value =>
  ctx.emit(nnMul, { a: ctx.emit(nnSign, { x }), b: ctx.emit(nnFloor, { x: ctx.emit(nnAbs, { x }) }) });

/** ⌊a/b⌋; integers by the remainder, which has the sign of b. */
function floorDivided(ctx: TorchContext, a: Value, b: Value): Value {
  if (isFloat(a.type.dtype)) return ctx.emit(nnFloor, { x: ctx.emit(nnDiv, { a, b }) });
  return ctx.emit(nnDiv, { a: ctx.emit(nnSub, { a, b: ctx.emit(nnMod, { a, b }) }), b });
}

/** self + value·(a ∘ b) */
const added = (name: string, op: typeof nnMul | typeof nnDiv): readonly TorchOp[] =>
  defineTorchOp({
    schema: `aten::${name}(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1)`,
    import(ctx, args) {
      const [a, b] = promoted(ctx, args.value('tensor1'), args.value('tensor2'), op === nnDiv);
      const inner = ctx.emit(op, { a, b });
      const scaled =
        args.number('value') === 1 ? inner : ctx.emit(nnMul, { a: inner, b: number(ctx, inner, args.number('value')) });
      const x = ctx.graph(args.tensor('self'));
      return ctx.result(ctx.emit(nnAdd, { a: x.value, b: scaled }), x);
    },
  });

function glu(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = ctx.graph(args.tensor('self'));
  if (x.quantization) return ctx.unsupported('a quantized operand');
  const axis = ctx.axis(args.int('dim'), x.shape.length);
  const [size] = ctx.staticShape([x.shape[axis]], 'a gated unit');
  if (size % 2 !== 0) ctx.refuse(`an axis of ${size} has no halves`, 'U2005');
  const half = (start: number): Value =>
    ctx.emit(nnSlice, { x: x.value }, { starts: [start], ends: [start + size / 2], axes: [axis], steps: [1] });
  return ctx.result(ctx.emit(nnMul, { a: half(0), b: ctx.emit(nnSigmoid, { x: half(size / 2) }) }), x);
}

const LN2 = Math.fround(Math.LN2);
const bound = (args: Arguments, name: string): number | undefined => (args.has(name) ? args.number(name) : undefined);

export const floatLogicOps: readonly TorchOp[] = [
  ...logical('and', nnAnd),
  ...logical('or', nnOr),
  ...logical('xor', nnXor),
  ...defineTorchOp({
    schema: ['aten::logical_not(Tensor self)', 'aten::bitwise_not(Tensor self)'],
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      return ctx.result(ctx.emit(nnNot, { x: truth(ctx, x.value) }), x);
    },
  }),
  ...binary('aten::ne(any self, any other)', (ctx, a, b) => ctx.emit(nnNot, { x: ctx.emit(nnEqual, { a, b }) })),
  ...binary('aten::remainder(any self, any other)', (ctx, a, b) => ctx.emit(nnMod, { a, b })),
  ...binary('aten::fmod(any self, any other)', (ctx, a, b) => ctx.emit(nnMod, { a, b }, { fmod: true })),
  ...binary('aten::floor_divide(any self, any other)', floorDivided),
  ...binary('aten::max(Tensor self, Tensor other)', (ctx, a, b) => ctx.emit(nnMax, { a, b })),
  ...binary('aten::min(Tensor self, Tensor other)', (ctx, a, b) => ctx.emit(nnMin, { a, b })),
  ...defineTorchOp({
    schema: ['aten::isnan(Tensor self)'],
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      return ctx.result(ctx.emit(nnNot, { x: ctx.emit(nnEqual, { a: x.value, b: x.value }) }), x);
    },
  }),
  ...defineTorchOp({
    schema: ['aten::isinf(Tensor self)'],
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      if (!isFloat(x.dtype)) return ctx.unsupported('infinities among integers');
      const size = ctx.emit(nnAbs, { x: x.value });
      return ctx.result(ctx.emit(nnEqual, { a: size, b: number(ctx, size, Infinity) }), x);
    },
  }),
  ...unary('aten::threshold(Tensor self, Scalar threshold, Scalar value)', {
    real: (ctx, x, args) =>
      ctx.emit(nnWhere, {
        cond: ctx.emit(nnGreater, { a: x, b: number(ctx, x, args.number('threshold')) }),
        a: x,
        b: number(ctx, x, args.number('value')),
      }),
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
    ctx.emit(nnNeg, { x: ctx.emit(nnSoftplus, { x: ctx.emit(nnNeg, { x }) }) }),
  ),
  ...composed('aten::log1p(Tensor self)', (ctx, x) =>
    ctx.emit(nnLog, { x: ctx.emit(nnAdd, { a: x, b: number(ctx, x, 1) }) }),
  ),
  ...composed('aten::expm1(Tensor self)', (ctx, x) =>
    ctx.emit(nnSub, { a: ctx.emit(nnExp, { x }), b: number(ctx, x, 1) }),
  ),
  ...composed('aten::log2(Tensor self)', (ctx, x) =>
    ctx.emit(nnDiv, { a: ctx.emit(nnLog, { x }), b: number(ctx, x, LN2) }),
  ),
  ...composed('aten::tan(Tensor self)', (ctx, x) =>
    ctx.emit(nnDiv, { a: ctx.emit(nnSin, { x }), b: ctx.emit(nnCos, { x }) }),
  ),
  ...composed('aten::trunc(Tensor self)', truncated),
  ...composed('aten::frac(Tensor self)', (ctx, x) => ctx.emit(nnSub, { a: x, b: truncated(ctx, x) })),
  ...composed(
    'aten::rrelu(Tensor self, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, any generator=None)',
    (ctx, x, args) => ctx.emit(nnLeakyRelu, { x }, { alpha: (args.number('lower') + args.number('upper')) / 2 }),
  ),
  ...added('addcmul', nnMul),
  ...added('addcdiv', nnDiv),
  ...defineTorchOp({
    schema: 'aten::lerp(Tensor self, Tensor end, any weight)',
    import(ctx, args) {
      const [a, b, like] = promoted(ctx, args.value('self'), args.value('end'), true);
      const difference = ctx.emit(nnSub, { a: b, b: a });
      const [d, w] = promoted(ctx, ctx.result(difference), args.value('weight'), true);
      return ctx.result(ctx.emit(nnAdd, { a, b: ctx.emit(nnMul, { a: d, b: w }) }), like);
    },
  }),
  ...defineTorchOp({ schema: 'aten::glu(Tensor self, int dim=-1)', import: glu }),
  ...unary('aten::clip(Tensor self, Scalar? min=None, Scalar? max=None)', {
    real: (ctx, x, args) =>
      ctx.emit(nnClip, { x }, { min: bound(args, 'min') ?? -Infinity, max: bound(args, 'max') ?? Infinity }),
    quantized: (ctx, x, args) => clamped(ctx, x, bound(args, 'min'), bound(args, 'max')),
  }),
];
