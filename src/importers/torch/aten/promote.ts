/** Element types of binary operators: https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc */

import { TorchTensor } from '../../../formats/torch/index.ts';
import type { Value } from '../../../ir/index.ts';
import { type DType, dtypes, isFloat, isHalf, isSigned } from '../../../tensors/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import { categoryOf } from '../operators/category.ts';
import type { TorchContext } from '../operators/context.ts';
import { describe, type GraphTensor, isUnderstood, numberOf, type TorchValue } from '../values.ts';

/** A number in the place of a tensor, in the type that it has by itself. */
interface Constant {
  readonly number: number;
  readonly dtype: DType;
}
export type Side = GraphTensor | Constant;

const isConstant = (side: Side): side is Constant => 'number' in side;

export const constantSide = (number: number, isWrittenAsFloat = false): Constant => ({
  number,
  dtype: isWrittenAsFloat || !Number.isInteger(number) ? 'f32' : 's64',
});

/** A tensor, or a number: a stored tensor without axes is one, and takes part in promotion as its type has it. */
export function sideOf(ctx: TorchContext, value: TorchValue, isWrittenAsFloat = false): Side {
  if (value instanceof TorchTensor && value.shape.length === 0 && !isHalf(value.type.dtype)) {
    const number = numberOf(value);
    if (number !== undefined) return { number, dtype: value.type.dtype };
  }
  if (isUnderstood(value)) return tensorSide(ctx, ctx.graph(value));
  const number = numberOf(value);
  if (number !== undefined) return constantSide(number, isWrittenAsFloat);
  return ctx.unsupported(`arithmetic of ${describe(value)}`);
}

export const operand = (ctx: TorchContext, args: Arguments, name: string): Side =>
  sideOf(ctx, args.value(name), args.isFloat(name));

const tensorSide = (ctx: TorchContext, x: GraphTensor): GraphTensor =>
  x.quantization ? ctx.unsupported('arithmetic of a quantized tensor') : x;

/** The signed integers of twice the bits, as far as there are any. */
const signedAbove: Readonly<Record<number, DType>> = { 8: 's16', 16: 's32', 32: 's64', 64: 's64' };

/** The type of both. u8 with s8 gives s16, f16 with bf16 f32. */
export function promoted(a: DType, b: DType): DType {
  if (a === b) return a;
  const [x, y] = [dtypes[a], dtypes[b]];
  if (categoryOf(a) !== categoryOf(b)) return categoryOf(a) > categoryOf(b) ? a : b;
  if (isFloat(a)) return x.bits === y.bits ? 'f32' : x.bits > y.bits ? a : b;
  const [small, large] = x.bits <= y.bits ? [a, b] : [b, a];
  if (isSigned(large) && dtypes[small].bits < dtypes[large].bits) return large;
  if (dtypes[large].kind === dtypes[small].kind) return large;
  return signedAbove[dtypes[large].bits];
}

/** The strength of a side in type promotion: numbers yield to tensors, tensors without axes to those with axes. */
const strength = (side: Side): number => (isConstant(side) ? 0 : side.shape.length === 0 ? 1 : 2);

function resultType(a: Side, b: Side): DType {
  if (strength(a) === strength(b)) return promoted(a.dtype, b.dtype);
  const [strong, yielding] = strength(a) > strength(b) ? [a.dtype, b.dtype] : [b.dtype, a.dtype];
  return categoryOf(yielding) > categoryOf(strong) ? (categoryOf(yielding) === 2 ? 'f32' : yielding) : strong;
}

/** Two operands of one type. */
export function samePromoted(ctx: TorchContext, a: Side, b: Side, isFloating = false): readonly [Value, Value] {
  const common = resultType(a, b);
  const dtype = isFloating && !isFloat(common) ? 'f32' : common;
  const as = (x: Side) => (isConstant(x) ? ctx.scalar(dtype, x.number, 'scalar') : ctx.cast(x.value, dtype));
  return [as(a), as(b)];
}

/** The tensor among operands that their result lies in memory like. */
export function likeOf(...sides: readonly Side[]): GraphTensor | undefined {
  const tensors = sides.filter((side): side is GraphTensor => !isConstant(side));
  return tensors.find(({ channelsLast }) => channelsLast) ?? tensors[0];
}
