/**
 * Products of 16-bit sources and 8-bit weights. A word is two bytes, x = 256·h + l with h signed and l unsigned, and a product is
 * linear in its source:
 *
 *   Σ x·w = 256·Σ h·w + Σ l·w
 *
 * so that both sums are those of 8-bit operators, in int32, and are joined in int64, where the bias is added too.
 */
import { nnAdd, nnCast, nnDiv, nnMul, nnSub, qnnMatmul, type Value } from '../../ir/index.ts';
import type { TfliteProduct } from '../../numerics/index.ts';
import { scalar } from '../../tensors/index.ts';
import { rangeOf } from './activation.ts';
import type { OperatorContext } from './operator_context.ts';
import { type ProductEnd, perChannel } from './quantized_product.ts';
import { rescaled } from './rescale.ts';

/** Sums of 64 bits are multiplied by 15 bits; those of FULLY_CONNECTED in binary64. */
const arithmetics = {
  convolution: { arithmetic: 'fixed-wide' },
  'fully-connected': { arithmetic: 'f64', rounding: 'half-away' },
} as const satisfies Readonly<Record<TfliteProduct, object>>;

/** The longest sum of products of a byte and a weight that int32 holds. */
const MOST_PRODUCTS = Math.floor((2 ** 31 - 1) / (255 * 128));

/** The two bytes of each word: h·256 + l. */
export function bytesOfWords(ctx: OperatorContext, x: Value): { readonly high: Value; readonly low: Value } {
  const low = ctx.emit(nnCast, { x }, { to: 'u8' });
  const rest = ctx.emit(nnSub, { a: ctx.cast(x, 's32'), b: ctx.cast(low, 's32') });
  const high = ctx.emit(nnDiv, { a: rest, b: ctx.constant(scalar('s32', 256), 'bytes') });
  return { high: ctx.cast(high, 's8'), low };
}

/** 256·high + low in int64. */
export function joinedSums(ctx: OperatorContext, high: Value, low: Value): Value {
  const raised = ctx.emit(nnMul, { a: ctx.cast(high, 's64'), b: ctx.constant(scalar('s64', 256), 'bytes') });
  return ctx.emit(nnAdd, { a: raised, b: ctx.cast(low, 's64') });
}

/** The sum of a product that `product` emits for a source of bytes; `length` products are added. */
export function wideSum(ctx: OperatorContext, x: Value, length: number, product: (bytes: Value) => Value): Value {
  if (length > MOST_PRODUCTS) ctx.unsupported(`a sum of ${length} products of 16-bit integers`);
  const { high, low } = bytesOfWords(ctx, x);
  return joinedSums(ctx, product(high), product(low));
}

/** The product of two matrices of words: (256·ha + la)·(256·hb + lb), in four products of bytes. */
export function wideProduct(ctx: OperatorContext, a: Value, b: Value, length: number): Value {
  if (!(length <= MOST_PRODUCTS / 2)) ctx.unsupported(`a sum of ${length} products of 16-bit integers`);
  const [left, right] = [bytesOfWords(ctx, a), bytesOfWords(ctx, b)];
  const rowsOf = (bytes: Value): Value => {
    const [high, low] = [right.high, right.low].map((columns) => ctx.emit(qnnMatmul, { a: bytes, b: columns }));
    return joinedSums(ctx, high, low);
  };
  return joinedSums(ctx, rowsOf(left.high), rowsOf(left.low));
}

/** clamp(round((sum + bias)·m)) as 16-bit integers, which have the zero point 0. */
export function rescaledProduct(ctx: OperatorContext, sum: Value, end: ProductEnd): Value {
  const { kind, source, scales, bias, activation, axis } = end;
  if (ctx.outputType() !== 's16') ctx.unsupported(`a product of s16 that becomes ${ctx.outputType()}`);
  const result = { dtype: 's16', ...ctx.perTensor(ctx.output()) } as const;
  const { scale, zeroPoint } = ctx.perTensor(source.tensor);
  if (zeroPoint !== 0 || result.zeroPoint !== 0) ctx.unsupported('16-bit integers with a zero point');
  const added = bias && ctx.cast(perChannel(ctx, bias, sum.type.shape.length - 1 - axis), 's64');
  const x = added ? ctx.emit(nnAdd, { a: sum, b: added }) : sum;
  const factors = scales.map((sw) => (scale * sw) / result.scale);
  return rescaled(ctx, x, factors, { to: 's16', axis, ...arithmetics[kind], ...rangeOf(ctx, activation, result) });
}
