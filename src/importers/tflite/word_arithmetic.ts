/**
 * Sums and products of 16-bit integers, whose zero points are 0, as the reference kernels compute them; XNNPACK does not take them.
 *
 *   general        t = 2·max(sa, sb):   y = two(two(a·2^15, sa/t) ± two(b·2^15, sb/t), t/(2^15·sy))
 *   powers of two  y = sat(down(a, ka) ± down(b, kb)),   k = log2(sy/s), one of which is 0
 *   products       y = two(a·b, fl(fl(sa·sb)/sy))
 *
 * two is the product in fixed point with two roundings (numerics/requantize.ts), down(x, k) is x/2^k with ties away from zero.
 */
import type { Activation } from '../../formats/tflite/index.ts';
import { nnAdd, nnMul, type Value } from '../../ir/index.ts';
import { scalar } from '../../tensors/index.ts';
import { rangeOf } from './activation.ts';
import type { OperatorContext, PerTensor } from './operator_context.ts';
import { rescaled } from './rescale.ts';

const LEFT_SHIFT = 15;

interface Words {
  /** Both operands at shapes that broadcast. */
  readonly values: readonly Value[];
  /** Those of the operands and of the result. */
  readonly quantizations: readonly [PerTensor, PerTensor, PerTensor];
  readonly activation: Activation | undefined;
}

function endOf(ctx: OperatorContext, { quantizations, activation }: Words) {
  if (quantizations.some(({ zeroPoint }) => zeroPoint !== 0)) ctx.unsupported('16-bit integers with a zero point');
  if (ctx.outputType() !== 's16') ctx.unsupported(`16-bit integers that become ${ctx.outputType()}`);
  return { to: 's16', ...rangeOf(ctx, activation, { dtype: 's16', ...quantizations[2] }) } as const;
}

/** The exponent of a power of two, within what TensorFlow Lite takes for one. */
function exponentOf(scale: number): number | undefined {
  const exponent = Math.log2(scale);
  const nearest = Math.round(exponent);
  return Math.abs(exponent - nearest) < 1e-3 ? nearest : undefined;
}

/** `sign` −1: the second is subtracted. `powers`: scales may be powers of two, for which there is a shorter way. */
export function sumOfWords(ctx: OperatorContext, words: Words, sign: 1 | -1, powers: boolean): Value {
  const end = endOf(ctx, words);
  const [a, b] = words.values.map((x) => ctx.cast(x, 's32'));
  const [sa, sb, sy] = words.quantizations.map(({ scale }) => scale);
  const exponents = [sa, sb, sy].map(exponentOf);
  const [ea, eb, ey] = exponents;
  if (powers && ea !== undefined && eb !== undefined && ey !== undefined)
    return sumOfPowers(ctx, [a, b], [ey - ea, ey - eb], sign, end);
  const twice = 2 * Math.max(sa, sb);
  const raised = (x: Value, factor: number): Value => {
    const shifted = ctx.emit(nnMul, { a: x, b: ctx.constant(scalar('s32', 2 ** LEFT_SHIFT), 'shift') });
    return rescaled(ctx, shifted, [factor], { to: 's32' });
  };
  const sum = ctx.emit(nnAdd, { a: raised(a, sa / twice), b: raised(b, (sign * sb) / twice) });
  return rescaled(ctx, sum, [twice / (2 ** LEFT_SHIFT * sy)], end);
}

function sumOfPowers(
  ctx: OperatorContext,
  values: readonly Value[],
  shifts: readonly number[],
  sign: 1 | -1,
  end: Parameters<typeof rescaled>[3],
): Value {
  if (Math.min(...shifts) !== 0) ctx.unsupported('scales of powers of two, none of which is that of the result');
  const down = (x: Value, shift: number, factor: number): Value => {
    const quotient =
      shift === 0 ? x : rescaled(ctx, x, [2 ** -shift], { to: 's32', arithmetic: 'f64', rounding: 'half-away' });
    return factor === 1 ? quotient : ctx.emit(nnMul, { a: quotient, b: ctx.constant(scalar('s32', -1), 'sign') });
  };
  const sum = ctx.emit(nnAdd, { a: down(values[0], shifts[0], 1), b: down(values[1], shifts[1], sign) });
  return rescaled(ctx, sum, [1], { ...end, arithmetic: 'f64' });
}

export function productOfWords(ctx: OperatorContext, words: Words): Value {
  const end = endOf(ctx, words);
  const [a, b] = words.values.map((x) => ctx.cast(x, 's32'));
  const [sa, sb, sy] = words.quantizations.map(({ scale }) => scale);
  const factor = Math.fround(Math.fround(sa * sb) / sy);
  return rescaled(ctx, ctx.emit(nnMul, { a, b }), [factor], end);
}
