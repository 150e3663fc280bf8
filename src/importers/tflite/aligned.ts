/** Operands of operators that work element by element, in one layout. */
import { isComputable, type Shape, type Value } from '../../ir/index.ts';
import type { Result } from './define_tflite_op.ts';
import { type Layout, LEAST_RANK, moved, permutationTo } from './layouts.ts';
import type { Operand, OperatorContext } from './operator_context.ts';

/** The layout in which most of the computed operands are there already; channels first where that is a tie. */
export function commonLayout(ctx: OperatorContext, operands: readonly Operand[]): Layout {
  const computed = operands.filter(({ placed, shape }) => {
    const known = placed.known('last');
    const isConstant = known && isComputable(known) && ctx.constantOf(known) !== undefined;
    return shape.length >= LEAST_RANK && !isConstant;
  });
  const count = (layout: Layout): number => computed.filter(({ placed }) => placed.known(layout)).length;
  return count('first') > 0 && count('first') >= count('last') ? 'first' : 'last';
}

/** An operand whose axes are those at the end of a tensor of rank `rank`, so that it broadcasts to that tensor in the layout. */
function spread(ctx: OperatorContext, operand: Operand, rank: number, layout: Layout): Value {
  const { shape } = operand;
  if (shape.length === rank) return ctx.in(layout, operand.placed);
  const x = ctx.last(operand);
  if (layout === 'last' || shape.every((dim) => dim === 1)) return x;
  const ones: Shape = Array<number>(rank - shape.length).fill(1);
  return moved(ctx, ctx.reshape(x, [...ones, ...shape]), permutationTo(layout, rank));
}

export interface Aligned {
  /** Values of one layout; they broadcast as in numpy. */
  readonly values: readonly Value[];
  readonly layout: Layout;
  /** A result in that layout. */
  result(value: Value): Result;
}

export function aligned(ctx: OperatorContext, operands: readonly Operand[]): Aligned {
  const rank = Math.max(...operands.map(({ shape }) => shape.length));
  const layout = commonLayout(ctx, operands);
  const values = operands.map((operand) => spread(ctx, operand, rank, layout));
  return { values, layout, result: (value) => ({ value, layout }) };
}

/** One operand in the layout that it has. */
export function held(ctx: OperatorContext, x: Operand): Aligned & { readonly x: Value } {
  const found = aligned(ctx, [x]);
  return { ...found, x: found.values[0] };
}
