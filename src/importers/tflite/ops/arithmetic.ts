/** ADD, SUB, MUL and ADD_N. */
import { type OptionsType, tfliteOptions } from '../../../formats/tflite/index.ts';
import { nnAdd, nnMul, nnSub, type OpWith, qnnAdd, qnnMul, type Value } from '../../../ir/index.ts';
import {
  type QLinearBinary,
  tfliteAddConstants,
  tfliteMulMultiplier,
  xnnpackTakesAdd,
  xnnpackTakesMul,
} from '../../../numerics/index.ts';
import { type DType, isByteType } from '../../../tensors/index.ts';
import { activated, clamped } from '../activation.ts';
import { type Aligned, aligned } from '../aligned.ts';
import { defineTfliteOp, type Result, type TfliteOp } from '../define_tflite_op.ts';
import { isDelegable } from '../delegate.ts';
import type { Operand, OperatorContext } from '../operator_context.ts';
import { productOfWords, sumOfWords } from '../word_arithmetic.ts';

interface Fused {
  readonly activation: Parameters<typeof activated>[2];
  /** 16-bit sums may be shifted where scales are powers of two. */
  readonly potScaleInt16?: boolean;
}

/** The operator on floats and plain integers, and the sum or product of bytes. */
interface Arithmetic {
  readonly plain: OpWith<'a' | 'b'>;
  readonly types: readonly DType[];
  readonly quantized: typeof qnnAdd | typeof qnnMul;
  /** −1: the second operand is subtracted. */
  readonly sign: 1 | -1;
  /** True when the delegate computes it. */
  takes(q: QLinearBinary): boolean;
  /** True when the integers of the reference kernels may overflow. */
  overflows(q: QLinearBinary): boolean;
}

const sums = {
  quantized: qnnAdd,
  takes: xnnpackTakesAdd,
  overflows: (q: QLinearBinary) => tfliteAddConstants(q).sum.shift > 0,
} as const;

const add: Arithmetic = { ...sums, plain: nnAdd, types: ['f32', 's32', 's64'], sign: 1 };
const sub: Arithmetic = { ...sums, plain: nnSub, types: ['f32', 's32', 's64'], sign: -1 };
const mul: Arithmetic = {
  plain: nnMul,
  types: ['f32', 's32', 's64', 'u32'],
  quantized: qnnMul,
  sign: 1,
  takes: xnnpackTakesMul,
  // a product of bytes has 17 bits
  overflows: (q) => tfliteMulMultiplier(q).shift > 14,
};

function ofBytes(
  ctx: OperatorContext,
  { quantized, sign, takes, overflows }: Arithmetic,
  [a, b]: readonly [Operand, Operand],
  { values }: Aligned,
  { activation }: Fused,
): Value {
  const dtype = ctx.outputType();
  if (!isByteType(dtype) || a.dtype !== dtype || b.dtype !== dtype)
    return ctx.unsupported(`a sum or product of ${a.dtype} and ${b.dtype} that becomes ${dtype}`);
  const [qa, qb, qy] = [a.tensor, b.tensor, ctx.output()].map((tensor) => ctx.perTensor(tensor));
  const q: QLinearBinary = {
    dtype,
    scaleA: qa.scale,
    zeroPointA: qa.zeroPoint,
    scaleB: sign * qb.scale,
    zeroPointB: qb.zeroPoint,
    scaleC: qy.scale,
    zeroPointC: qy.zeroPoint,
  };
  const engine = isDelegable(ctx, [a, b]) && takes(q) ? 'xnnpack' : 'tflite';
  if (engine === 'tflite' && overflows(q))
    ctx.unsupported('the scale of the result is so small that integers overflow');
  const scale = (value: number) => ctx.scalar('f32', value, 'scale');
  const zero = (value: number) => ctx.scalar(dtype, value, 'zero_point');
  const y = ctx.emit(
    quantized,
    {
      a: values[0],
      sa: scale(q.scaleA),
      za: zero(q.zeroPointA),
      b: values[1],
      sb: scale(q.scaleB),
      zb: zero(q.zeroPointB),
      sy: scale(q.scaleC),
      zy: zero(q.zeroPointC),
    },
    { recipe: engine },
  );
  return clamped(ctx, y, activation, { dtype, ...qy }, engine);
}

function ofWords(
  ctx: OperatorContext,
  { quantized, sign }: Arithmetic,
  [a, b]: readonly [Operand, Operand],
  { values }: Aligned,
  { activation, potScaleInt16 = false }: Fused,
): Value {
  const quantizations = [ctx.perTensor(a.tensor), ctx.perTensor(b.tensor), ctx.perTensor(ctx.output())] as const;
  const words = { values, quantizations, activation };
  return quantized === qnnMul ? productOfWords(ctx, words) : sumOfWords(ctx, words, sign, potScaleInt16);
}

const arithmetic = <O extends Fused>(name: string, options: OptionsType<O>, how: Arithmetic): TfliteOp =>
  defineTfliteOp({
    name,
    inputs: ['a', 'b'],
    options,
    import(ctx, fused): Result {
      const operands = [ctx.get('a'), ctx.get('b')] as const;
      const [{ dtype }, other] = operands;
      const both = aligned(ctx, operands);
      if (isByteType(dtype)) return both.result(ofBytes(ctx, how, operands, both, fused));
      if (dtype === 's16' && other.dtype === 's16') return both.result(ofWords(ctx, how, operands, both, fused));
      if (!how.types.includes(dtype) || other.dtype !== dtype)
        ctx.unsupported(`${name} of ${dtype} and ${other.dtype}`);
      if (dtype === 'u32' && fused.activation !== 'NONE') ctx.unsupported(`${name} of u32 with a fused activation`);
      const [a, b] = both.values;
      return both.result(activated(ctx, ctx.emit(how.plain, { a, b }), fused.activation));
    },
  });

const addN = defineTfliteOp({
  name: 'ADD_N',
  inputs: ['xs...'],
  import(ctx) {
    const operands = ctx.rest();
    const [{ dtype }] = operands;
    if ((dtype !== 'f32' && dtype !== 's32') || operands.some((x) => x.dtype !== dtype))
      ctx.unsupported(`ADD_N of ${dtype}`);
    const all = aligned(ctx, operands);
    return all.result(all.values.reduce((a, b) => ctx.emit(nnAdd, { a, b })));
  },
});

export const arithmeticOps: readonly TfliteOp[] = [
  arithmetic('ADD', tfliteOptions.addOptions, add),
  arithmetic('SUB', tfliteOptions.subOptions, sub),
  arithmetic('MUL', tfliteOptions.mulOptions, mul),
  addN,
];
