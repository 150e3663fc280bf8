/** From an int32 accumulator to a quantized tensor, or to a float one. */

import { nnAdd, nnDiv, nnMul, qnnRequantize, type Value } from '../../../ir/index.ts';
import { requantizeModes } from '../../../numerics/index.ts';
import { numbersOf } from '../../../tensors/index.ts';
import { type KnownScales, requantized } from '../../kit/requantize.ts';
import type { NodeContext } from '../node_context.ts';
import type { OnnxProfile } from '../profiles.ts';

export interface Scales {
  readonly a: Value;
  readonly b: Value;
  readonly y: Value;
}

/** multiplier = a·b/y as the profile computes it; then qnn.requantize along `axis`. */
export function requantize(
  ctx: NodeContext,
  accumulator: Value,
  scales: Scales,
  zeroPoint: Value,
  axis: number,
): Value {
  const { profile } = ctx;
  if (!isQuotient(profile)) {
    const { known, shape } = knownScales(ctx, scales);
    return requantized(ctx, profile, accumulator, known, zeroPoint, { axis }, shape);
  }
  const { arithmetic } = requantizeModes[profile];
  const [sa, sb, sy] = [scales.a, scales.b, scales.y].map((scale) => ctx.cast(scale, arithmetic));
  const multiplier = ctx.emit(nnDiv, { a: ctx.emit(nnMul, { a: sa, b: sb }), b: sy });
  const attrs = { axis, ...requantizeModes[profile] };
  return ctx.emit(qnnRequantize, { x: accumulator, multiplier, zy: zeroPoint }, attrs);
}

/** True when the multiplier is a·b/y, each operation rounded to one type: it may be computed while the model runs. */
const isQuotient = (profile: OnnxProfile): profile is (typeof quotients)[number] =>
  quotients.some((known) => known === profile);
const quotients = ['ort', 'onnx-spec', 'torch-fbgemm'] as const;

/** The scales that the other profiles make factors of. */
function knownScales(ctx: NodeContext, { a, b, y }: Scales): { known: KnownScales; shape: number[] } {
  const [sa, sb, sy] = [a, b, y].map((scale) => {
    const t = ctx.constantOf(ctx.cast(scale, 'f32'));
    return t ?? ctx.refuseProfile('needs scales that are constants', 'ort takes scales that are computed');
  });
  if (sa.data.length !== 1 || sy.data.length !== 1)
    ctx.refuseProfile('takes one scale of the source and one of the result', 'ort takes one for each row');
  const known = { source: Number(sa.data[0]), weights: numbersOf(sb), result: Number(sy.data[0]) };
  return { known, shape: sb.data.length === 1 ? [] : [...sb.shape] };
}

/** fl(fl(fl(acc)·scale) + bias) */
export function scaled(ctx: NodeContext, accumulator: Value, scale: Value, bias?: Value): Value {
  const y = ctx.emit(nnMul, { a: ctx.cast(accumulator, 'f32'), b: scale });
  return bias ? ctx.emit(nnAdd, { a: y, b: bias }) : y;
}
