/** From an int32 accumulator to a quantized tensor, or to a float one. */

import { nnAdd, nnDiv, nnMul, qnnRequantize, type Value } from '../../../ir/index.ts';
import { requantizeFactors, requantizeModes } from '../../../numerics/index.ts';
import { numbersOf, tensor } from '../../../tensors/index.ts';
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
  const attrs = { axis, ...requantizeModes[profile] };
  if (!isQuotient(profile)) {
    const { multiplier, second } = knownFactors(ctx, scales);
    return ctx.emit(qnnRequantize, { x: accumulator, multiplier, zy: zeroPoint, second }, attrs);
  }
  const { arithmetic } = requantizeModes[profile];
  const [sa, sb, sy] = [scales.a, scales.b, scales.y].map((scale) => ctx.cast(scale, arithmetic));
  const multiplier = ctx.emit(nnDiv, { a: ctx.emit(nnMul, { a: sa, b: sb }), b: sy });
  return ctx.emit(qnnRequantize, { x: accumulator, multiplier, zy: zeroPoint }, attrs);
}

/** True when the multiplier is a·b/y, each operation rounded to one type: it may be computed while the model runs. */
const isQuotient = (profile: OnnxProfile): profile is (typeof quotients)[number] =>
  quotients.some((known) => known === profile);
const quotients = ['ort', 'onnx-spec', 'torch-fbgemm'] as const;

/** The factors of the other profiles, which are worked out here. */
function knownFactors(ctx: NodeContext, { a, b, y }: Scales) {
  const [sa, sb, sy] = [a, b, y].map((scale) => {
    const t = ctx.constantOf(ctx.cast(scale, 'f32'));
    return t ?? ctx.refuseProfile('needs scales that are constants', 'ort takes scales that are computed');
  });
  if (sa.data.length !== 1 || sy.data.length !== 1)
    ctx.refuseProfile('takes one scale of the source and one of the result', 'ort takes one for each row');
  const sw = numbersOf(sb);
  const { dtype, ...factors } = requantizeFactors(ctx.profile, Number(sa.data[0]), sw, Number(sy.data[0]));
  const constant = (values: readonly number[], name: string) =>
    ctx.constant(tensor(dtype, values, sb.data.length === 1 ? [] : sb.shape), name);
  return {
    multiplier: constant(factors.multiplier, 'multiplier'),
    second: factors.second && constant(factors.second, 'second'),
  };
}

/** fl(fl(fl(acc)·scale) + bias) */
export function scaled(ctx: NodeContext, accumulator: Value, scale: Value, bias?: Value): Value {
  const y = ctx.emit(nnMul, { a: ctx.cast(accumulator, 'f32'), b: scale });
  return bias ? ctx.emit(nnAdd, { a: y, b: bias }) : y;
}
