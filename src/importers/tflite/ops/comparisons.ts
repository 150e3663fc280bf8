/** Comparisons, LOGICAL_AND and LOGICAL_OR, SELECT and SELECT_V2. */
import {
  nnAnd,
  nnEqual,
  nnGreater,
  nnGreaterOrEqual,
  nnLess,
  nnLessOrEqual,
  nnNot,
  nnOr,
  nnWhere,
  type OpWith,
  type Value,
} from '../../../ir/index.ts';
import { type TfliteQuantized, tfliteComparable } from '../../../numerics/index.ts';
import { type ByteType, type DType, dtypes, isByteType } from '../../../tensors/index.ts';
import { aligned } from '../aligned.ts';
import { tabulatedPair } from '../byte_table.ts';
import { defineTfliteOp, type TfliteOp } from '../define_tflite_op.ts';
import type { OperatorContext } from '../operator_context.ts';

type Comparable = OpWith<'a' | 'b'>;

interface Comparison {
  readonly name: string;
  readonly types: readonly DType[];
  emit(ctx: OperatorContext, a: Value, b: Value): Value;
  test(a: number, b: number): boolean;
}

/** True where equal scales and zero points order bytes as the integers in memory: small scales make neighbours equal. */
function keepsOrder(dtype: ByteType, a: TfliteQuantized, b: TfliteQuantized): boolean {
  if (a.scale !== b.scale || a.zeroPoint !== b.zeroPoint) return false;
  const of = tfliteComparable(a);
  const { min, max } = dtypes[dtype];
  for (let q = min; q < max; q++) if (of(q) >= of(q + 1)) return false;
  return true;
}

const comparison = ({ name, types, emit, test }: Comparison): TfliteOp =>
  defineTfliteOp({
    name,
    inputs: ['a', 'b'],
    import(ctx) {
      const operands = [ctx.get('a'), ctx.get('b')] as const;
      const [{ dtype, tensor }, other] = operands;
      if (other.dtype !== dtype) ctx.unsupported(`${name} of ${dtype} and ${other.dtype}`);
      const { values, result } = aligned(ctx, operands);
      const [a, b] = values;
      if (types.includes(dtype)) return result(emit(ctx, a, b));
      if (!isByteType(dtype)) return ctx.unsupported(`${name} of ${dtype}`);
      const [qa, qb] = [tensor, other.tensor].map((of) => ({ dtype, ...ctx.perTensor(of) }));
      // the kernels shift left by less than no bits then, which C leaves open
      if (qa.scale >= 1 || qb.scale >= 1) ctx.unsupported(`${name} of bytes whose scale is not below 1`);
      if (keepsOrder(dtype, qa, qb)) return result(emit(ctx, a, b));
      const [left, right] = [tfliteComparable(qa), tfliteComparable(qb)];
      return result(tabulatedPair(ctx, [a, b], [dtype, 'bool'], (p, q) => (test(left(p), right(q)) ? 1 : 0)));
    },
  });

const by =
  (op: Comparable) =>
  (ctx: OperatorContext, a: Value, b: Value): Value =>
    ctx.emit(op, { a, b });

const numbers: readonly DType[] = ['f32', 's32', 's64'];
const withBooleans: readonly DType[] = [...numbers, 'bool'];

const logical = (name: string, op: Comparable): TfliteOp =>
  defineTfliteOp({
    name,
    inputs: ['a', 'b'],
    import(ctx) {
      const { values, result } = aligned(ctx, [ctx.get('a'), ctx.get('b')]);
      const [a, b] = values;
      return result(ctx.emit(op, { a, b }));
    },
  });

/** SELECT takes a condition for each position along the first axis, too; SELECT_V2 broadcasts all three. */
const select = (name: string, isByRow: boolean): TfliteOp =>
  defineTfliteOp({
    name,
    inputs: ['cond', 'a', 'b'],
    import(ctx) {
      const [cond, a, b] = [ctx.get('cond'), ctx.get('a'), ctx.get('b')];
      if (a.dtype !== b.dtype) ctx.unsupported(`${name} of ${a.dtype} and ${b.dtype}`);
      const rank = a.shape.length;
      if (isByRow && cond.shape.length === 1 && rank > 1) {
        const { values, result } = aligned(ctx, [a, b]);
        // the first axis is the first in either layout
        const rows = ctx.reshape(ctx.last(cond), [...cond.shape, ...Array<number>(rank - 1).fill(1)]);
        return result(ctx.emit(nnWhere, { cond: rows, a: values[0], b: values[1] }));
      }
      const { values, result } = aligned(ctx, [cond, a, b]);
      return result(ctx.emit(nnWhere, { cond: values[0], a: values[1], b: values[2] }));
    },
  });

export const comparisonOps: readonly TfliteOp[] = [
  comparison({ name: 'EQUAL', types: withBooleans, emit: by(nnEqual), test: (a, b) => a === b }),
  comparison({
    name: 'NOT_EQUAL',
    types: withBooleans,
    emit: (ctx, a, b) => ctx.emit(nnNot, { x: ctx.emit(nnEqual, { a, b }) }),
    test: (a, b) => a !== b,
  }),
  comparison({ name: 'LESS', types: numbers, emit: by(nnLess), test: (a, b) => a < b }),
  comparison({ name: 'LESS_EQUAL', types: numbers, emit: by(nnLessOrEqual), test: (a, b) => a <= b }),
  comparison({ name: 'GREATER', types: numbers, emit: by(nnGreater), test: (a, b) => a > b }),
  comparison({ name: 'GREATER_EQUAL', types: numbers, emit: by(nnGreaterOrEqual), test: (a, b) => a >= b }),
  logical('LOGICAL_AND', nnAnd),
  logical('LOGICAL_OR', nnOr),
  select('SELECT', true),
  select('SELECT_V2', false),
];
