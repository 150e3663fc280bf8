/** SOFTMAX of 16-bit integers, in operators on integers: see numerics/tflite_word_softmax.ts. */
import {
  nnAdd,
  nnClip,
  nnDiv,
  nnGather,
  nnGreaterOrEqual,
  nnMul,
  nnReduceMax,
  nnReduceSum,
  nnSub,
  type Value,
} from '../../ir/index.ts';
import {
  exponentialOfWord,
  LEAST_SUM_BITS,
  MOST_SUM_BITS,
  MOST_WORDS_OF_A_SOFTMAX,
  reciprocalOfWord,
  wordSoftmaxFactor,
} from '../../numerics/index.ts';
import { scalar, tensor } from '../../tensors/index.ts';
import type { OperatorContext } from './operator_context.ts';
import { checkSums, rescaled } from './rescale.ts';
import { tabulatedWords } from './word_table.ts';

const MOST_DISTANCE = 65535;

/** The softmax of x·β along an axis, x of s16 with the scale sx. */
export function softmaxOfWords(
  ctx: OperatorContext,
  x: Value,
  { axis, sx, beta }: { readonly axis: number; readonly sx: number; readonly beta: number },
): Value {
  const [length] = ctx.staticShape([x.type.shape[axis]], 'a softmax');
  if (length > MOST_WORDS_OF_A_SOFTMAX) ctx.unsupported(`a softmax of ${length} 16-bit integers`);
  const factor = wordSoftmaxFactor(sx, beta);
  checkSums(ctx, MOST_DISTANCE, factor);
  const whole = (value: number) => ctx.constant(scalar('s32', value), 'constant');
  const wide = ctx.cast(x, 's32');
  const top = ctx.emit(nnReduceMax, { x: wide }, { axes: [axis], keepdims: true });
  const distance = ctx.emit(nnSub, { a: wide, b: top });
  const steps = rescaled(ctx, distance, [factor], { to: 's16', zeroPoint: 32767 });
  const terms = tabulatedWords(ctx, steps, 's32', exponentialOfWord);
  const sum = ctx.emit(nnReduceSum, { x: terms }, { axes: [axis], keepdims: true });
  const of = byBits(ctx, sum);
  const raised = ctx.emit(nnMul, { a: sum, b: of((bits) => 2 ** (31 - bits)) });
  // ⌊(n + 2^13)/2^14⌋ = ⌊(⌊n/2^13⌋ + 1)/2⌋, which stays in int32
  const halves = ctx.emit(nnAdd, { a: ctx.emit(nnDiv, { a: raised, b: whole(2 ** 13) }), b: whole(1) });
  const rounded = ctx.emit(nnDiv, { a: halves, b: whole(2) });
  const centred = ctx.emit(nnSub, { a: rounded, b: whole(2 ** 15 + 2 ** 16) });
  const inRange = ctx.cast(ctx.emit(nnClip, { x: centred }, { min: -32768, max: 32767 }), 's16');
  const reciprocal = tabulatedWords(ctx, inRange, 's32', reciprocalOfWord);
  const product = ctx.emit(nnMul, { a: terms, b: reciprocal });
  const near = ctx.emit(nnAdd, { a: product, b: of((bits) => 2 ** (bits - 2)) });
  const quotient = ctx.emit(nnDiv, { a: near, b: of((bits) => 2 ** (bits - 1)) });
  return ctx.cast(ctx.emit(nnClip, { x: quotient }, { min: 0, max: 32767 }), 's16');
}

/** A function of the number of bits of a sum: the powers of two that it reaches are counted. */
function byBits(ctx: OperatorContext, sum: Value): (f: (bits: number) => number) => Value {
  const powers = Array.from({ length: MOST_SUM_BITS - LEAST_SUM_BITS }, (_, i) => 2 ** (LEAST_SUM_BITS + i));
  const a = ctx.reshape(sum, [...sum.type.shape, 1]);
  const b = ctx.constant(tensor('s32', powers, [powers.length]), 'powers');
  const isReached = ctx.cast(ctx.emit(nnGreaterOrEqual, { a, b }), 's32');
  const axes = [sum.type.shape.length];
  const indices = ctx.emit(nnReduceSum, { x: isReached }, { axes, keepdims: false });
  return (f) => {
    const values = [LEAST_SUM_BITS, ...powers.map((_, i) => LEAST_SUM_BITS + 1 + i)].map(f);
    return ctx.emit(nnGather, { x: ctx.constant(tensor('s32', values), 'table'), indices }, { axis: 0 });
  };
}
