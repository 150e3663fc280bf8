/** Real numbers as integers, in steps that end in binary64. */
import { nnAbs, nnAdd, nnClip, nnFloor, nnMul, nnRound, nnSign, type Value } from '../../ir/index.ts';
import { type ByteType, dtypes } from '../../tensors/index.ts';
import type { OperatorContext } from './operator_context.ts';

export type StoredRounding = 'half-even' | 'half-away';

interface Target {
  readonly dtype: ByteType | 's16';
  readonly zeroPoint: number;
}

/** round(v) + zero point of binary64 numbers v, saturated: rha(v) = sign(v)·⌊|v| + 1/2⌋. */
export function stored(ctx: OperatorContext, v: Value, { dtype, zeroPoint }: Target, rounding: StoredRounding): Value {
  const number = (value: number) => ctx.scalar('f64', value);
  const away = () => {
    const size = ctx.emit(nnFloor, { x: ctx.emit(nnAdd, { a: ctx.emit(nnAbs, { x: v }), b: number(0.5) }) });
    return ctx.emit(nnMul, { a: size, b: ctx.emit(nnSign, { x: v }) });
  };
  const whole = rounding === 'half-even' ? ctx.emit(nnRound, { x: v }) : away();
  const { min, max } = dtypes[dtype];
  return ctx.cast(ctx.emit(nnClip, { x: ctx.emit(nnAdd, { a: whole, b: number(zeroPoint) }) }, { min, max }), dtype);
}
