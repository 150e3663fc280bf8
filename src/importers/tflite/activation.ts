/** Fused activations. */
import type { Activation } from '../../formats/tflite/index.ts';
import { nnClip, nnRelu, type Value } from '../../ir/index.ts';
import { activationRange, clampTo, type TfliteQuantized } from '../../numerics/index.ts';
import { tabulated } from './byte_table.ts';
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
  return tabulated(ctx, x, [dtype, dtype], (value) => clampTo(min, max, value));
}

const bounds = {
  RELU6: { min: 0, max: 6 },
  RELU_N1_TO_1: { min: -1, max: 1 },
  RELU_0_TO_1: { min: 0, max: 1 },
} as const;

/** A clamp on floats and plain integers. */
export const bounded = (ctx: OperatorContext, x: Value, kind: 'RELU' | keyof typeof bounds): Value =>
  kind === 'RELU' ? ctx.emit(nnRelu, { x }) : ctx.emit(nnClip, { x }, bounds[kind]);

/** A fused activation on floats and plain integers. */
export function activated(ctx: OperatorContext, x: Value, activation: Activation | undefined): Value {
  const kind = clampOf(ctx, activation);
  return kind === 'NONE' ? x : bounded(ctx, x, kind);
}
