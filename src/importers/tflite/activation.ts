/** Fused activations. */
import type { Activation } from '../../formats/tflite/index.ts';
import { lutOf, nnClip, nnRelu, qnnLut, type Value } from '../../ir/index.ts';
import { activationRange, clampTo, type TfliteQuantized } from '../../numerics/index.ts';
import type { OperatorContext } from './operator_context.ts';
import type { TfliteProfile } from './profiles.ts';

type Clamp = 'NONE' | 'RELU' | 'RELU_N1_TO_1' | 'RELU6';

/** The activation, where it limits a range: all of them but TANH and SIGN_BIT, which kernels of single operators pass over. */
export function clampOf(ctx: OperatorContext, activation: Activation | undefined): Clamp {
  if (activation === undefined) return ctx.refuse('the fused activation is not known');
  if (activation === 'TANH' || activation === 'SIGN_BIT') return ctx.unsupported(`the fused activation ${activation}`);
  return activation;
}

/** The range of the integers that a fused activation leaves, as attributes of qnn.requantize; `engine` computes the operator. */
export const rangeOf = (
  ctx: OperatorContext,
  activation: Activation | undefined,
  q: TfliteQuantized,
  engine: TfliteProfile = 'tflite',
) => activationRange(clampOf(ctx, activation), q, engine);

/** A fused activation on integers that were computed without it. */
export function clamped(
  ctx: OperatorContext,
  x: Value,
  activation: Activation | undefined,
  q: TfliteQuantized,
  engine: TfliteProfile = 'tflite',
): Value {
  const { low: min, high: max } = rangeOf(ctx, activation, q, engine);
  if (activation === 'NONE') return x;
  const { dtype } = q;
  if (dtype === 's16') return ctx.emit(nnClip, { x }, { min, max });
  const table = lutOf(dtype, dtype, (value) => clampTo(min, max, value));
  return ctx.emit(qnnLut, { x, table: ctx.constant(table, 'clamp') });
}

const bounds = { RELU6: { min: 0, max: 6 }, RELU_N1_TO_1: { min: -1, max: 1 } } as const;

/** A fused activation on floats and plain integers. */
export function activated(ctx: OperatorContext, x: Value, activation: Activation | undefined): Value {
  const kind = clampOf(ctx, activation);
  if (kind === 'NONE') return x;
  return kind === 'RELU' ? ctx.emit(nnRelu, { x }) : ctx.emit(nnClip, { x }, bounds[kind]);
}
