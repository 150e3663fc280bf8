/** Functions of two tensors that are not sums or products. Bytes are looked up in tables of pairs. */
import { type OptionsType, tfliteOptions } from '../../../formats/tflite/index.ts';
import {
  nnCast,
  nnClip,
  nnDiv,
  nnFloor,
  nnMax,
  nnMin,
  nnMod,
  nnMul,
  nnPow,
  nnPrelu,
  nnSub,
  type Value,
} from '../../../ir/index.ts';
import {
  floorDivided,
  floorRest,
  type PairFunction,
  type TfliteQuantized,
  tfliteDiv,
  tflitePrelu,
  tfliteSquaredDifference,
} from '../../../numerics/index.ts';
import { type ByteType, byteTypes, type DType, isByteType } from '../../../tensors/index.ts';
import { activated, rangeOf } from '../activation.ts';
import { aligned } from '../aligned.ts';
import { tabulatedPair } from '../byte_table.ts';
import { defineTfliteOp, type TfliteOp } from '../define_tflite_op.ts';
import type { OperatorContext } from '../operator_context.ts';

interface Quantized {
  readonly a: TfliteQuantized;
  readonly b: TfliteQuantized;
  readonly y: TfliteQuantized;
}

interface Pairwise<R> {
  readonly name: string;
  readonly options?: OptionsType<R>;
  /** The element types of `plain`. */
  readonly types: readonly DType[];
  plain(ctx: OperatorContext, a: Value, b: Value, options: R): Value;
  readonly bytes?: {
    readonly types: readonly ByteType[];
    of(ctx: OperatorContext, quantized: Quantized, options: R): PairFunction;
  };
}

/** Scales are not looked at where a tensor has none. */
function quantizedOf(ctx: OperatorContext, dtype: ByteType): Quantized {
  const of = (tensor: Parameters<typeof ctx.perTensor>[0]) => ({ dtype, ...ctx.perTensor(tensor) });
  return { a: of(ctx.get('a').tensor), b: of(ctx.get('b').tensor), y: of(ctx.output()) };
}

function pairwise<R>({ name, options, types, plain, bytes }: Pairwise<R>): TfliteOp {
  return defineTfliteOp<R>({
    name,
    inputs: ['a', 'b'],
    ...(options && { options }),
    import(ctx, given) {
      const operands = [ctx.get('a'), ctx.get('b')] as const;
      const [{ dtype }, other] = operands;
      if (other.dtype !== dtype) ctx.unsupported(`${name} of ${dtype} and ${other.dtype}`);
      const { values, result } = aligned(ctx, operands);
      const [a, b] = values;
      if (types.includes(dtype)) return result(plain(ctx, a, b, given));
      if (!isByteType(dtype) || !bytes?.types.includes(dtype)) return ctx.unsupported(`${name} of ${dtype}`);
      const f = bytes.of(ctx, quantizedOf(ctx, dtype), given);
      return result(tabulatedPair(ctx, [a, b], [dtype, dtype], f));
    },
  });
}

const FLT_MAX = (2 - 2 ** -23) * 2 ** 127;

/** The reference kernels limit quotients to finite numbers, XNNPACK does not. */
function quotient(ctx: OperatorContext, a: Value, b: Value): Value {
  const y = ctx.emit(nnDiv, { a, b });
  const isLimited = ctx.profile === 'tflite' && y.type.dtype === 'f32';
  return isLimited ? ctx.emit(nnClip, { x: y }, { min: -FLT_MAX, max: FLT_MAX }) : y;
}

/** ⌊a/b⌋: floats in binary64, integers by the rest that has the sign of b. */
function floorDiv(ctx: OperatorContext, a: Value, b: Value): Value {
  const { dtype } = a.type;
  if (dtype !== 'f32') {
    const rest = ctx.emit(nnMod, { a, b });
    return ctx.emit(nnDiv, { a: ctx.emit(nnSub, { a, b: rest }), b });
  }
  const wide = (x: Value) => ctx.emit(nnCast, { x }, { to: 'f64' });
  const floor = ctx.emit(nnFloor, { x: ctx.emit(nnDiv, { a: wide(a), b: wide(b) }) });
  return ctx.emit(nnCast, { x: floor }, { to: dtype });
}

function squaredDifference(ctx: OperatorContext, a: Value, b: Value): Value {
  const difference = ctx.emit(nnSub, { a, b });
  return ctx.emit(nnMul, { a: difference, b: difference });
}

const numbers: readonly DType[] = [...byteTypes, 'f32', 's32', 's64'];

export const pairOps: readonly TfliteOp[] = [
  pairwise({
    name: 'SQUARED_DIFFERENCE',
    types: ['f32', 's32'],
    plain: squaredDifference,
    bytes: { types: ['s8'], of: (_, { a, b, y }) => tfliteSquaredDifference(a, b, y) },
  }),
  pairwise({
    name: 'DIV',
    options: tfliteOptions.divOptions,
    types: ['f32', 's32'],
    plain: (ctx, a, b, { activation }) => activated(ctx, quotient(ctx, a, b), activation),
    bytes: {
      types: byteTypes,
      of: (ctx, { a, b, y }, { activation }) => tfliteDiv(a, b, y, rangeOf(ctx, activation, y)),
    },
  }),
  // of s32, C leaves open what becomes of a power that is too large
  pairwise({ name: 'POW', types: ['f32'], plain: (ctx, a, b) => ctx.emit(nnPow, { a, b }) }),
  // of integers, these look at no scale
  pairwise({ name: 'MINIMUM', types: [...numbers, 's16'], plain: (ctx, a, b) => ctx.emit(nnMin, { a, b }) }),
  pairwise({ name: 'MAXIMUM', types: [...numbers, 's16'], plain: (ctx, a, b) => ctx.emit(nnMax, { a, b }) }),
  pairwise({
    name: 'FLOOR_DIV',
    types: ['f32', 's32'],
    plain: floorDiv,
    bytes: { types: ['s8'], of: () => floorDivided },
  }),
  pairwise({
    name: 'FLOOR_MOD',
    types: ['f32', 's32', 's64'],
    plain: (ctx, a, b) => ctx.emit(nnMod, { a, b }),
    bytes: { types: ['s8'], of: () => floorRest },
  }),
  pairwise({
    name: 'PRELU',
    types: ['f32'],
    plain: (ctx, x, slope) => ctx.emit(nnPrelu, { x, slope }),
    bytes: { types: byteTypes, of: (_, { a, b, y }) => tflitePrelu(a, b, y) },
  }),
];
