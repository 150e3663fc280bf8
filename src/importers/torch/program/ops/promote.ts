/** Element types of binary operators: https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc */
import type { Value } from '../../../../ir/define_op.ts';
import { type DType, dtypes, isFloat } from '../../../../ir/dtype.ts';
import type { ExportContext } from '../context.ts';

/** Truth values, integers, floats: a tensor with axes only yields to a higher one. */
const category = (dtype: DType): number => (dtype === 'bool' ? 0 : isFloat(dtype) ? 2 : 1);

/** The signed integers of twice the bytes, as far as there are any. */
const signedAbove: Readonly<Record<number, DType>> = { 1: 's16', 2: 's32', 4: 's64', 8: 's64' };

/** The type of both. u8 with s8 gives s16, f16 with bf16 f32. */
export function promoted(a: DType, b: DType): DType {
  if (a === b) return a;
  const [x, y] = [dtypes[a], dtypes[b]];
  if (category(a) !== category(b)) return category(a) > category(b) ? a : b;
  if (isFloat(a)) return x.bytes === y.bytes ? 'f32' : x.bytes > y.bytes ? a : b;
  const [small, large] = x.bytes <= y.bytes ? [a, b] : [b, a];
  if (dtypes[large].kind === 'signed' && dtypes[small].bytes < dtypes[large].bytes) return large;
  if (dtypes[large].kind === dtypes[small].kind) return large;
  return signedAbove[dtypes[large].bytes];
}

/** Two operands of one type; a number in the place of a tensor takes its type unless it is of a higher category. */
export function samePromoted(ctx: ExportContext, a: Value | number, b: Value | number): readonly [Value, Value] {
  const dtype = resultType(typeof a === 'number' ? a : a.type, typeof b === 'number' ? b : b.type);
  const as = (x: Value | number) => (typeof x === 'number' ? ctx.scalar(dtype, x) : ctx.cast(x, dtype));
  return [as(a), as(b)];
}

type Kind = number | Value['type'];

function resultType(a: Kind, b: Kind): DType {
  const weak = (x: Kind) => typeof x === 'number' || x.shape.length === 0;
  const dtypeOf = (x: Kind): DType => (typeof x === 'number' ? (Number.isInteger(x) ? 's64' : 'f32') : x.dtype);
  const [left, right] = [dtypeOf(a), dtypeOf(b)];
  if (weak(a) === weak(b) && typeof a === typeof b) return promoted(left, right);
  const aYields = typeof a === 'number' || (typeof b !== 'number' && weak(a));
  const [strong, yielding] = aYields ? [right, left] : [left, right];
  return category(yielding) > category(strong) ? (category(yielding) === 2 ? 'f32' : yielding) : strong;
}

/** Integers become f32 where an operator gives floats. */
export const asFloat = (ctx: ExportContext, x: Value): Value => (isFloat(x.type.dtype) ? x : ctx.cast(x, 'f32'));
