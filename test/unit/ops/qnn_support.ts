/** Helpers for the tests of the qnn operators: calling one operator, and drawing operands. */
import fc from 'fast-check';
import { completeAttrs } from '../../../src/ir/builder.ts';
import type { AttrValue } from '../../../src/ir/define_op.ts';
import { evaluateNode } from '../../../src/ir/interpret.ts';
import type { AnyOp } from '../../../src/ir/op_table.ts';
import { type DType, dtypes } from '../../../src/tensors/dtype.ts';
import { type ITensor, sizeOf, tensor } from '../../../src/tensors/tensor.ts';

type Operand = ITensor | null | undefined;

/** The results of one operator, through the checks of its declaration. */
export function evaluateAll(
  op: AnyOp,
  operands: readonly Operand[],
  attrs: Readonly<Record<string, AttrValue>> = {},
): readonly ITensor[] {
  const node = { op: op.name, attrs: completeAttrs(op, attrs, {}), loc: {} };
  return evaluateNode(
    node,
    operands.map((t) => t ?? null),
  );
}

export const evaluate = (...call: Parameters<typeof evaluateAll>): ITensor => evaluateAll(...call)[0];

/** The elements of the first result. */
export const elements = (...call: Parameters<typeof evaluateAll>): number[] =>
  Array.from(evaluate(...call).data as ArrayLike<number>);

export type Byte = 'u8' | 's8';
export const bytes: fc.Arbitrary<Byte> = fc.constantFrom('u8', 's8');

/** Values of a type, its ends and zero more often than others. */
export function elementOf(dtype: DType): fc.Arbitrary<number> {
  const { min, max } = dtypes[dtype];
  const special = [min, max, 0, -1, 127, 128].filter((v) => v >= min && v <= max);
  return fc.oneof(fc.constantFrom(...special), fc.integer({ min, max }));
}

export const tensorOf = <D extends DType>(dtype: D, shape: readonly number[]): fc.Arbitrary<ITensor<D>> =>
  fc
    .array(elementOf(dtype), { minLength: sizeOf(shape), maxLength: sizeOf(shape) })
    .map((values) => tensor(dtype, values, shape));

/** Absent, a scalar, or one per channel. */
export const zeroPointOf = (dtype: Byte, channels?: number): fc.Arbitrary<ITensor | undefined> =>
  fc.oneof(
    fc.constant(undefined),
    tensorOf(dtype, []),
    ...(channels === undefined ? [] : [tensorOf(dtype, [channels])]),
  );

/** binary32 numbers, log-uniform. */
export const scaleBetween = (low: number, high: number): fc.Arbitrary<number> =>
  fc.double({ min: Math.log2(low), max: Math.log2(high), noNaN: true }).map((exponent) => Math.fround(2 ** exponent));

/** Index tuples of a shape, row major. */
export function indicesOf(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (outer, size) => outer.flatMap((i) => Array.from({ length: size }, (_, k) => [...i, k])),
    [[]],
  );
}

/** Element at an index tuple, as a BigInt. */
export function at({ shape, data }: ITensor, index: readonly number[]): bigint {
  return BigInt(data[index.reduce((flat, i, axis) => flat * shape[axis] + i, 0)]);
}

/** The zero point of a channel. */
export const zeroAt = (zeroPoint: ITensor | undefined, channel: number): bigint =>
  zeroPoint === undefined ? 0n : BigInt(zeroPoint.data[zeroPoint.data.length === 1 ? 0 : channel]);
