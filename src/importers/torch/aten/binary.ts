/** Functions of two tensors, element by element, and choices between them. */

import {
  nnAdd,
  nnAnd,
  nnDiv,
  nnEqual,
  nnFloor,
  nnGreater,
  nnGreaterOrEqual,
  nnLess,
  nnLessOrEqual,
  nnMax,
  nnMin,
  nnMod,
  nnMul,
  nnNot,
  nnOr,
  nnPow,
  nnSub,
  nnWhere,
  nnXor,
  type OpWith,
  type Value,
} from '../../../ir/index.ts';
import { isFloat } from '../../../tensors/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import type { GraphTensor } from '../values.ts';
import { constantSide, likeOf, operand, type Side, samePromoted } from './promote.ts';
import { times } from './unary.ts';

type Body = (ctx: TorchContext, a: Side, b: Side, args: Arguments) => Value;

/** `self` and `other`, a number in the place of one of them. */
const sides = (schema: string | readonly string[], body: Body): readonly TorchOp[] =>
  defineTorchOp({
    schema,
    import(ctx, args) {
      const [first, second] = args.names;
      const [a, b] = [operand(ctx, args, first), operand(ctx, args, second)];
      return ctx.result(body(ctx, a, b, args), likeOf(a, b));
    },
  });

const binary = (
  schema: string | readonly string[],
  body: (ctx: TorchContext, a: Value, b: Value, args: Arguments) => Value,
): readonly TorchOp[] => sides(schema, (ctx, a, b, args) => body(ctx, ...samePromoted(ctx, a, b), args));

/** `.Tensor` and `.Scalar`. */
const overloads = (name: string, more = ''): readonly string[] => [
  `aten::${name}.Tensor(Operand self, Operand other${more})`,
  `aten::${name}.Scalar(Operand self, Operand other${more})`,
];

type Arithmetic = typeof nnAdd | typeof nnSub | typeof nnMul;

/** Truth values are added as integers would be, modulo 2: nobody means that. */
function arithmetic(ctx: TorchContext, op: Arithmetic, left: Side, right: Side): Value {
  const [a, b] = samePromoted(ctx, left, right);
  if (a.type.dtype !== 'bool') return ctx.emit(op, { a, b });
  return op === nnMul ? ctx.emit(nnAnd, { a, b }) : ctx.unsupported(`${op.name.slice(3)} of truth values`);
}

/** other·alpha */
function scaled(ctx: TorchContext, other: Side, args: Arguments): Side {
  const alpha = args.number('alpha');
  if (alpha === 1) return other;
  if ('number' in other) return constantSide(alpha * other.number, other.dtype === 'f32' || args.isFloat('alpha'));
  return ctx.result(times(ctx, other.value, alpha), other);
}

/** ⌊a/b⌋; integers by the remainder, which has the sign of b. */
function floorDivided(ctx: TorchContext, a: Value, b: Value): Value {
  if (isFloat(a.type.dtype)) return ctx.emit(nnFloor, { x: ctx.emit(nnDiv, { a, b }) });
  return ctx.emit(nnDiv, { a: ctx.emit(nnSub, { a, b: ctx.emit(nnMod, { a, b }) }), b });
}

function divided(ctx: TorchContext, left: Side, right: Side, args: Arguments): Value {
  const mode = args.has('rounding_mode') ? args.string('rounding_mode') : '';
  const [a, b] = samePromoted(ctx, left, right, mode === '');
  if (mode === '') return ctx.emit(nnDiv, { a, b });
  if (mode === 'floor') return floorDivided(ctx, a, b);
  if (mode === 'trunc' && !isFloat(a.type.dtype)) return ctx.emit(nnDiv, { a, b });
  return ctx.unsupported(`a division with rounding mode ${mode}`);
}

/** x² is x·x. */
function power(ctx: TorchContext, base: Side, exponent: Side): Value {
  const isSquare = 'number' in exponent && exponent.number === 2 && !('number' in base);
  const [a, b] = samePromoted(ctx, base, exponent);
  return isSquare ? ctx.emit(nnMul, { a, b: a }) : ctx.emit(nnPow, { a, b });
}

/** logical_and(a, b) of anything, bitwise_and and a & b of truth values. */
const logical = (name: string, op: typeof nnAnd | typeof nnOr | typeof nnXor): readonly TorchOp[] => [
  ...defineTorchOp({
    schema: `aten::logical_${name}(Tensor self, Tensor other)`,
    import(ctx, args) {
      const [a, b] = ['self', 'other'].map((side) => ctx.cast(ctx.plain(args.tensor(side)), 'bool'));
      return ctx.result(ctx.emit(op, { a, b }), ctx.graph(args.tensor('self')));
    },
  }),
  ...binary([...overloads(`bitwise_${name}`), ...overloads(`__${name}__`)], (ctx, a, b) =>
    a.type.dtype === 'bool' ? ctx.emit(op, { a, b }) : ctx.unsupported(`bits of ${a.type.dtype}`),
  ),
];

const comparisons: Readonly<Record<string, OpWith<'a' | 'b'>>> = {
  eq: nnEqual,
  gt: nnGreater,
  lt: nnLess,
  ge: nnGreaterOrEqual,
  le: nnLessOrEqual,
};

/** self + value·(a ∘ b) */
const added = (name: string, op: typeof nnMul | typeof nnDiv): readonly TorchOp[] =>
  defineTorchOp({
    schema: `aten::${name}(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1)`,
    import(ctx, args) {
      const [a, b] = samePromoted(ctx, operand(ctx, args, 'tensor1'), operand(ctx, args, 'tensor2'), op === nnDiv);
      const inner = ctx.result(ctx.emit(op, { a, b }));
      const factor = args.number('value');
      const part = ctx.result(times(ctx, inner.value, factor));
      const x = operand(ctx, args, 'self');
      return ctx.result(arithmetic(ctx, nnAdd, x, part), likeOf(x));
    },
  });

function lerp(ctx: TorchContext, args: Arguments): GraphTensor {
  const [start, end] = [operand(ctx, args, 'self'), operand(ctx, args, 'end')];
  const [a, b] = samePromoted(ctx, start, end, true);
  const difference = ctx.result(ctx.emit(nnSub, { a: b, b: a }));
  const [d, w] = samePromoted(ctx, difference, operand(ctx, args, 'weight'), true);
  return ctx.result(ctx.emit(nnAdd, { a, b: ctx.emit(nnMul, { a: d, b: w }) }), likeOf(start, end));
}

function choice(ctx: TorchContext, args: Arguments): GraphTensor {
  const cond = ctx.cast(ctx.plain(args.tensor('condition')), 'bool');
  const [yes, no] = [operand(ctx, args, 'self'), operand(ctx, args, 'other')];
  const [a, b] = samePromoted(ctx, yes, no);
  return ctx.result(ctx.emit(nnWhere, { cond, a, b }), likeOf(yes, no));
}

export const binaryOps: readonly TorchOp[] = [
  ...sides(overloads('add', ', Scalar alpha=1'), (ctx, a, b, args) => arithmetic(ctx, nnAdd, a, scaled(ctx, b, args))),
  ...sides(overloads('sub', ', Scalar alpha=1'), (ctx, a, b, args) => arithmetic(ctx, nnSub, a, scaled(ctx, b, args))),
  ...sides(overloads('rsub', ', Scalar alpha=1'), (ctx, a, b, args) => arithmetic(ctx, nnSub, b, scaled(ctx, a, args))),
  ...sides(overloads('mul'), (ctx, a, b) => arithmetic(ctx, nnMul, a, b)),
  ...sides(
    [
      ...overloads('div'),
      ...['Tensor_mode', 'Scalar_mode'].map(
        (form) => `aten::div.${form}(Operand self, Operand other, str? rounding_mode)`,
      ),
    ],
    divided,
  ),
  ...sides(
    [
      'aten::pow.Tensor_Scalar(Tensor self, Scalar exponent)',
      'aten::pow.Tensor_Tensor(Tensor self, Tensor exponent)',
      'aten::pow.Scalar(Scalar self, Tensor exponent)',
    ],
    power,
  ),
  ...binary(overloads('remainder'), (ctx, a, b) => ctx.emit(nnMod, { a, b })),
  ...binary(overloads('fmod'), (ctx, a, b) => ctx.emit(nnMod, { a, b }, { fmod: true })),
  ...binary(['aten::floor_divide(Operand self, Operand other)', ...overloads('floor_divide')], floorDivided),
  ...binary(['aten::maximum(Tensor self, Tensor other)', 'aten::max.other(Tensor self, Tensor other)'], (ctx, a, b) =>
    ctx.emit(nnMax, { a, b }),
  ),
  ...binary(['aten::minimum(Tensor self, Tensor other)', 'aten::min.other(Tensor self, Tensor other)'], (ctx, a, b) =>
    ctx.emit(nnMin, { a, b }),
  ),
  ...Object.entries(comparisons).flatMap(([name, op]) =>
    binary(overloads(name), (ctx, a, b) => ctx.emit(op, { a, b })),
  ),
  ...binary(overloads('ne'), (ctx, a, b) => ctx.emit(nnNot, { x: ctx.emit(nnEqual, { a, b }) })),
  ...logical('and', nnAnd),
  ...logical('or', nnOr),
  ...logical('xor', nnXor),
  ...added('addcmul', nnMul),
  ...added('addcdiv', nnDiv),
  ...defineTorchOp({
    schema: ['Scalar', 'Tensor'].map((form) => `aten::lerp.${form}(Tensor self, Tensor end, Operand weight)`),
    import: lerp,
  }),
  ...defineTorchOp({
    schema: ['self', 'ScalarSelf', 'ScalarOther', 'Scalar'].map(
      (form) => `aten::where.${form}(Tensor condition, Operand self, Operand other)`,
    ),
    import: choice,
  }),
];
