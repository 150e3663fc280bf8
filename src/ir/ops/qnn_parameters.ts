/**
 * Quantization parameters as operands: their allowed shapes, and the elements of x that each element of them belongs
 * to.
 *
 * A parameter of x is one of
 *   - per tensor: shape [] or [1];
 *   - per axis: shape [C], C the size of `axis` of x;
 *   - by broadcasting: of the rank of x, every size 1 or that of x (blocks, rows times columns).
 */

import { atChannel, type ITensor } from '../../tensors/index.ts';
import { type OperandTypes, type Refuse, tensorOf } from '../define_op.ts';
import { formatType, type Shape, sameShape, type TensorType } from '../types.ts';
import { byte } from './operand_types.ts';

export const isPerTensor = (shape: Shape): boolean => shape.length === 0 || (shape.length === 1 && shape[0] === 1);

/** Refuses a parameter with more than one element. */
export function checkScalar(type: TensorType, name: string, refuse: Refuse): void {
  if (!isPerTensor(type.shape)) refuse.limit(`'${name}' should be a scalar, but is ${formatType(type)}`, name);
}

/** Refuses a parameter whose shape differs from the three above. */
export function checkParameter(type: TensorType, x: Shape, axis: number, name: string, refuse: Refuse): void {
  const { shape } = type;
  if (isPerTensor(shape)) return;
  if (shape.length === 1) {
    if (axis < 0 || axis >= x.length)
      refuse(`axis ${axis} is outside the input of rank ${x.length}, and '${name}' is ${formatType(type)}`, name);
    if (typeof x[axis] === 'number' && typeof shape[0] === 'number' && x[axis] !== shape[0])
      refuse(`'${name}' has ${shape[0]} elements, axis ${axis} of the input has ${x[axis]}`, name);
    return;
  }
  const fits = shape.length === x.length && shape.every((dim, i) => dim === 1 || mayEqual(dim, x[i]));
  if (!fits)
    refuse.limit(`'${name}' of shape [${shape.join(', ')}] does not fit an input of shape [${x.join(', ')}]`, name);
}

/** Refuses a zero point that has another element type than the data, or is neither a scalar nor of `shape`. */
export function checkZeroPoint(
  type: TensorType | undefined,
  data: Pick<TensorType, 'dtype'>,
  shape: Shape,
  name: string,
  refuse: Refuse,
): void {
  if (type === undefined) return;
  if (type.dtype !== data.dtype)
    refuse(`'${name}' is of type ${type.dtype}, the data it belongs to of type ${data.dtype}`, name);
  if (isPerTensor(type.shape) || sameShape(type.shape, shape)) return;
  const expected = isPerTensor(shape) ? 'a scalar' : `a scalar or of shape [${shape.join(', ')}]`;
  refuse.limit(`'${name}' should be ${expected}, but is ${formatType(type)}`, name);
}

const mayEqual = (a: Shape[number], b: Shape[number]): boolean =>
  a === b || typeof a === 'string' || typeof b === 'string';

/** The element of a parameter that may be absent (0) or one for all. */
export function elementAt(parameter: ITensor | undefined, index: number): number {
  if (parameter === undefined) return 0;
  return Number(atChannel<number | bigint>(parameter.data, index));
}

/**
 * Calls `visit(start, end, index)` for every run of consecutive elements of x that share the parameter element `index`,
 * in the order of the elements.
 */
export function forEachRun(
  x: readonly number[],
  parameter: readonly number[],
  axis: number,
  visit: (start: number, end: number, index: number) => void,
): void {
  const sizes = broadcastForm(x.length, parameter, axis);
  const shared = sizes.findLastIndex((size) => size !== 1) + 1;
  const run = x.slice(shared).reduce((a, b) => a * b, 1);
  const walk = (depth: number, position: number, index: number): void => {
    if (depth === shared) {
      visit(position * run, (position + 1) * run, index);
      return;
    }
    for (let i = 0; i < x[depth]; i++) {
      walk(depth + 1, position * x[depth] + i, sizes[depth] === 1 ? index : index * sizes[depth] + i);
    }
  };
  walk(0, 0, 0);
}

function broadcastForm(rank: number, parameter: readonly number[], axis: number): readonly number[] {
  if (parameter.length === rank && rank !== 1) return parameter;
  const form = new Array<number>(rank).fill(1);
  if (!isPerTensor(parameter)) form[axis] = parameter[0];
  return form;
}

/** The operands of an operator from one quantized tensor to another; all parameters are scalars. */
export const unaryQuantized = {
  x: byte,
  sx: tensorOf('f32'),
  zx: byte,
  sy: tensorOf('f32'),
  zy: byte,
} as const;

/** Refuses parameters that are not scalars, and zero points with another type than x. */
export function checkUnary({ x, sx, zx, sy, zy }: OperandTypes<typeof unaryQuantized>, refuse: Refuse): void {
  checkScalar(sx, 'sx', refuse);
  checkScalar(sy, 'sy', refuse);
  checkZeroPoint(zx, x, [], 'zx', refuse);
  checkZeroPoint(zy, x, [], 'zy', refuse);
}
