/** From an int32 accumulator to a quantized tensor, or to a float one. */
import type { Value } from '../../../ir/define_op.ts';
import { requantizeModes } from '../../../numerics/index.ts';
import type { NodeContext } from '../node_context.ts';

export interface Scales {
  readonly a: Value;
  readonly b: Value;
  readonly y: Value;
}

/** multiplier = a·b/y in the precision of the profile, each operation rounded; then qnn.requantize along `axis`. */
export function requantize(
  ctx: NodeContext,
  accumulator: Value,
  { a, b, y }: Scales,
  zeroPoint: Value,
  axis: number,
): Value {
  const mode = requantizeModes[ctx.profile];
  const [sa, sb, sy] = [a, b, y].map((scale) => ctx.cast(scale, mode.arithmetic));
  const multiplier = ctx.emit('nn.div', [ctx.emit('nn.mul', [sa, sb]), sy]);
  return ctx.emit('qnn.requantize', [accumulator, multiplier, zeroPoint], { axis, ...mode });
}

/** fl(fl(fl(acc)·scale) + bias) */
export function scaled(ctx: NodeContext, accumulator: Value, scale: Value, bias?: Value): Value {
  const y = ctx.emit('nn.mul', [ctx.cast(accumulator, 'f32'), scale]);
  return bias ? ctx.emit('nn.add', [y, bias]) : y;
}
