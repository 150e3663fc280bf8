/** Reductions. */

import {
  isList,
  nnAbs,
  nnIdentity,
  nnLog,
  nnMul,
  nnReduceL1,
  nnReduceL2,
  nnReduceLogSum,
  nnReduceMax,
  nnReduceMin,
  nnReduceSumSquare,
  type Op,
  ops,
  type Reduction,
  type Value,
} from '../../../ir/index.ts';
import { byForm, definedByForm, givenOf } from '../by_form.ts';
import type { OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

/** Without axes all of them are reduced, or none with `noop_with_empty_axes`: this still applies its function to each element. */
function noAxes(ctx: NodeContext, op: Reduction): Value | undefined {
  const axes = givenOf(ctx, op, 'axes') ?? [];
  if (!isList(axes) || axes.length > 0 || !ctx.attr.flag('noop_with_empty_axes')) return undefined;
  const x = ctx.get('data');
  switch (op) {
    case nnReduceL1:
    case nnReduceL2:
      return ctx.emit(nnAbs, { x });
    case nnReduceSumSquare:
      return ctx.emit(nnMul, { a: x, b: x });
    case nnReduceLogSum:
      return ctx.emit(nnLog, { x });
    default:
      return ctx.emit(nnIdentity, { x });
  }
}

/** Extremes of truth values, false before true: of none the least is true and the greatest false. */
function ofBooleans(ctx: NodeContext, op: Reduction): Value | undefined {
  const x = ctx.get('data');
  if (x.type.dtype !== 'bool' || !(op === nnReduceMax || op === nnReduceMin)) return undefined;
  const [y] = byForm(ctx, op, (i) => (i === 0 ? ctx.cast(x, 'u8') : ctx.operand(i)));
  return ctx.cast(y, 'bool');
}

const isReduction = (op: Op): op is Reduction => op.name.startsWith('nn.reduce_');

export const reduceOps: readonly OnnxOp[] = Object.values(ops)
  .filter(isReduction)
  .map((op) =>
    definedByForm(op, {
      attributes: ['noop_with_empty_axes'],
      import: (ctx) => noAxes(ctx, op) ?? ofBooleans(ctx, op),
    }),
  );
