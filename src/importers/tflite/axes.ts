/** Axes of tensors in either layout: operators name the axes of the file, and elements move only where neither layout fits. */
import type { Shape, Value } from '../../ir/index.ts';
import type { Result } from './define_tflite_op.ts';
import { inLayout, type Layout } from './layouts.ts';
import type { Operand, OperatorContext } from './operator_context.ts';

/** A value in a layout: its axis i is axis `order[i]` of the tensor in the file. */
export interface Laid {
  readonly value: Value;
  readonly layout: Layout;
  readonly order: readonly number[];
}

/** An operand in the layout in which it was computed, or in the given one. */
export const laid = (ctx: OperatorContext, { placed, shape }: Operand, layout: Layout = placed.layout): Laid => ({
  value: ctx.in(layout, placed),
  layout,
  order: inLayout(layout, [...shape.keys()]),
});

/** The layout for an operator on several operands: channels first where one of them was computed so. */
export const layoutOf = (operands: readonly Operand[]): Layout =>
  operands.some(({ placed }) => placed.layout === 'first') ? 'first' : 'last';

/** The axis that a constant operand of one element names. */
export function axisOf(ctx: OperatorContext, operand: Operand, rank: number): number {
  const [axis] = ctx.integers(operand);
  return axis === undefined ? ctx.refuse(`'${operand.name}' has no element`, 'U2005') : ctx.axis(axis, rank);
}

/** Axes named by a constant operand, each once, in ascending order. */
export const axesOf = (ctx: OperatorContext, operand: Operand, rank: number): readonly number[] =>
  [...new Set(ctx.integers(operand).map((axis) => ctx.axis(axis, rank)))].sort((a, b) => a - b);

/**
 * A tensor whose axis i is axis `axes[i]` of the given one, or a new axis of one position; axes of one position that are not named are
 * dropped. A reshape where the longer axes stay in their order in one of the layouts, else a transposition.
 */
export function regrouped(
  ctx: OperatorContext,
  { value, layout, order }: Laid,
  axes: readonly (number | undefined)[],
): Result {
  const { shape } = value.type;
  const size = (axis: number | undefined) => (axis === undefined ? 1 : shape[order.indexOf(axis)]);
  const isLong = (axis: number | undefined) => size(axis) !== 1;
  const long = order.filter(isLong);
  for (const target of layout === 'first' ? (['first', 'last'] as const) : (['last', 'first'] as const)) {
    const wanted = inLayout(target, axes);
    const kept = wanted.filter(isLong);
    if (kept.length === long.length && kept.every((axis, i) => axis === long[i]))
      return { value: ctx.reshape(value, wanted.map(size)), layout: target };
  }
  const named = axes.filter((axis) => axis !== undefined);
  const perm = [...named, ...order.filter((axis) => !named.includes(axis))].map((axis) => order.indexOf(axis));
  return { value: ctx.reshape(ctx.transpose(value, perm), axes.map(size)), layout: 'last' };
}

/** The axes from 0 on without some of them. */
export const without = (rank: number, dropped: readonly number[]): readonly number[] =>
  Array.from({ length: rank }, (_, axis) => axis).filter((axis) => !dropped.includes(axis));

/** The axes from 0 on with a new one at a place. */
export const withNew = (rank: number, at: number): readonly (number | undefined)[] =>
  Array.from({ length: rank + 1 }, (_, axis) => (axis === at ? undefined : axis < at ? axis : axis - 1));

/** Refuses axes of more than one position. */
export function checkOfOne(ctx: OperatorContext, shape: Shape, axes: readonly number[]): void {
  const long = axes.find((axis) => shape[axis] !== 1);
  if (long !== undefined) ctx.refuse(`axis ${long} of [${shape.join(', ')}] has more than one position`, 'U2005');
}

/** A position behind every axis; its negative lies before every one. */
export const FAR = 2 ** 31 - 1;
