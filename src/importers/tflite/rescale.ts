/** qnn.rescale from factors: round(x·factor) + zero point in wider integers. */
import { type AttrArguments, qnnRescale, type Value } from '../../ir/index.ts';
import { factorsOf, type Multiplier, signedFixedMultiplier } from '../../numerics/index.ts';
import { type ByteType, scalar, tensor } from '../../tensors/index.ts';
import type { OperatorContext } from './operator_context.ts';

interface RescaleTo extends AttrArguments<typeof qnnRescale.attrs> {
  readonly to: ByteType | 's16' | 's32';
  readonly zeroPoint?: number;
}

/** x of s32 or s64; one factor, or one for each position along `axis`. */
export function rescaled(ctx: OperatorContext, x: Value, factors: readonly number[], to: RescaleTo): Value {
  const inF64 = (factor: number): Multiplier => ({ arithmetic: 'f64', factor });
  return rescaledBy(ctx, x, factors.map(to.arithmetic === 'f64' ? inF64 : signedFixedMultiplier), to);
}

/** The same by multipliers of the arithmetic. */
export function rescaledBy(
  ctx: OperatorContext,
  x: Value,
  multipliers: readonly Multiplier[],
  { to, zeroPoint = 0, ...attrs }: RescaleTo,
): Value {
  const { dtype, multiplier, second } = factorsOf(multipliers);
  const shape = multipliers.length === 1 ? [] : [multipliers.length];
  const constant = (values: readonly number[], name: string) => ctx.constant(tensor(dtype, values, shape), name);
  const parts = { multiplier: constant(multiplier, 'multiplier'), second: second && constant(second, 'shift') };
  const zy = ctx.constant(scalar(to, zeroPoint), 'zero_point');
  return ctx.emit(qnnRescale, { x, ...parts, zy }, attrs);
}

/** Refuses a factor from 1 up where the kernels' left shift of a sum of that size could leave int32. */
export function checkSums(ctx: OperatorContext, most: number, factor: number): void {
  const { shift } = signedFixedMultiplier(factor);
  if (most * 2 ** Math.max(shift, 0) >= 2 ** 31)
    ctx.unsupported(`the factor ${factor} is so large that integers overflow`);
}
