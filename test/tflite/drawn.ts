/** Operators drawn at random with what they give, computed in plain loops over the positions of the result. */
import { type ITensor, newArray, sizeOf, stridesOf, tensor } from '../../src/tensors/index.ts';
import { type Draw, once, pick } from '../fuzz/draw.ts';
import type { OperatorTest } from './layout_law.ts';

export type Position = readonly number[];

/** A tensor of a shape, element by element. */
export function made(like: ITensor, shape: readonly number[], at: (position: Position) => number): ITensor {
  const data = newArray(like.dtype, sizeOf(shape));
  const strides = stridesOf(shape);
  for (let i = 0; i < data.length; i++) {
    const position = shape.map((size, axis) => Math.floor(i / strides[axis]) % size);
    data[i] = at(position);
  }
  return { dtype: like.dtype, shape, data };
}

/** The element of a tensor at a position. */
export function read({ shape, data }: ITensor, position: Position): number {
  if (position.length !== shape.length) throw new Error(`[${position}] is not a position in [${shape}]`);
  return Number(data[position.reduce((at, p, axis) => at * shape[axis] + p, 0)]);
}

export const between = (draw: Draw, low: number, high: number): number => low + draw(high - low + 1);

export function operand(draw: Draw, shape: readonly number[]): ITensor {
  const dtype = pick(draw, ['u8', 's8', 'f32'] as const);
  const low = dtype === 'u8' ? 0 : -128;
  return tensor(
    dtype,
    Array.from({ length: sizeOf(shape) }, () => low + draw(256)),
    shape,
  );
}

export const shapeOf = (draw: Draw, most = 4, ranks: readonly number[] = [1, 2, 3, 4, 4, 4, 5]): number[] =>
  Array.from({ length: pick(draw, ranks) }, () => between(draw, 1, most));

export const quantization = { scale: 0.5, zeroPoint: 7 };
export const x = (value: ITensor) => ({ value, ...(value.dtype !== 'f32' && quantization) });
export const constant = (values: readonly number[], shape: readonly number[] = [values.length]) => ({
  value: tensor('s32', [...values], [...shape]),
  isConstant: true,
});
export const result = ({ dtype, shape }: ITensor) => ({ dtype, shape, ...(dtype !== 'f32' && quantization) });

export interface Case {
  readonly test: OperatorTest;
  readonly expected: readonly ITensor[];
}

export const caseOf = (
  name: string,
  operands: OperatorTest['operands'],
  expected: readonly ITensor[],
  options?: OperatorTest['options'],
): Case => ({ test: { name, operands, results: expected.map(result), ...(options && { options }) }, expected });

export const any = (draw: Draw, ranks?: readonly number[]): ITensor => operand(draw, shapeOf(draw, 4, ranks));

/** A permutation of the axes. */
export function permutation(draw: Draw, rank: number): readonly number[] {
  const left = Array.from({ length: rank }, (_, axis) => axis);
  return Array.from({ length: rank }, () => left.splice(draw(left.length), 1)[0]);
}

export const negativeOrNot = (draw: Draw, axis: number, rank: number): number => (once(draw, 3) ? axis - rank : axis);
