import {
  isOp,
  type Node,
  nnConcat,
  nnDepthToSpace,
  nnExpand,
  nnGlobalMaxPool,
  nnIdentity,
  nnMaxPool,
  nnPad,
  nnReshape,
  nnSpaceToDepth,
  nnTile,
  nnTranspose,
  ofType,
  oneOf,
  opOf,
  qnnQuantize,
  type Value,
  type ValueView,
} from '../../ir/index.ts';
import { belowClamps, type Clamped, clampsOf } from '../qdq/activation.ts';
import { type Output, outputOf, type QuantizeMatch, quantized, requirePrivate } from '../qdq/parameters.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import type { GraphEditor } from '../rewrite/editor.ts';
import { planned, type Refusals } from '../rewrite/plan.ts';
import { defineRule } from '../rewrite/rule.ts';

interface Early {
  readonly mover: Node;
  /** Relu and Clip between the mover and the quantize, innermost first. */
  readonly clamps: readonly Node[];
  /** The integers that they leave. */
  readonly clamped: Clamped;
  /** Counts the leading operands that are data; the rest are positions. */
  readonly data: number;
  readonly y: Output;
  /** The number that nn.pad fills with, where it fills with one. */
  readonly fill: number | undefined;
}

/** Operators that choose among elements by position or by order, and have no more of them before than after. */
const isMover = oneOf(
  ...[nnIdentity, nnReshape, nnTranspose, nnConcat, nnPad, nnExpand, nnTile],
  ...[nnDepthToSpace, nnSpaceToDepth, nnMaxPool, nnGlobalMaxPool],
);

function plan(match: QuantizeMatch, refusals: Refusals): Early {
  const { graph, x } = match;
  const mover = belowClamps(graph, x);
  if (mover === undefined || !isMover(mover)) return refusals.unrelated(`%${x.id} is not moved`);
  const y = outputOf(match, refusals);
  const clamped = clampsOf(graph, x, y);
  requirePrivate(graph, clamped.inner, refusals.refuse);
  const clamps = clamped.inner.slice(0, -1).flatMap((id) => graph.producer(id) ?? []);
  const data = isOp(mover, nnConcat) ? mover.operands.length : 1;
  const pad = graph.view(nnPad, mover);
  return { mover, clamps: clamps.reverse(), clamped, data, y, fill: pad && fillOf(graph, pad, refusals) };
}

function fillOf(
  graph: GraphEditor,
  { value, attrs }: ValueView<typeof nnPad>,
  { refuse }: Refusals,
): number | undefined {
  const real = value === undefined ? 0 : graph.tensor(value)?.data[0];
  if (real === undefined) return refuse('the pad value is computed at run time', value);
  return attrs.mode === 'constant' ? Number(real) : undefined;
}

function emit(
  { mover, clamps, data, y, fill }: Early,
  a: Algebra,
  { graph, attrs }: QuantizeMatch,
  pad: (real: number) => number,
): Value {
  const operands = mover.operands.map((id, i) => {
    if (id === null) return null;
    if (i >= data) return graph.value(id);
    const parameters = { scale: y.scale, ...(y.zp && { zp: y.zp }) };
    const x = clamps.reduce((v, clamp) => again(a, clamp, [v]), graph.value(id));
    return a.emit(qnnQuantize, { x: ofType(x, 'f32'), ...parameters }, attrs);
  });
  if (fill !== undefined) operands[1] = a.b.scalar(y.dtype, pad(fill));
  return again(a, mover, operands);
}

/** The same operator on other operands. */
const again = (a: Algebra, node: Node, operands: readonly (Value | null)[]): Value =>
  a.b.emitList(opOf(node), operands, node.attrs, { loc: node.loc })[0];

/** The integer that a pad value becomes. */
const padInteger = ({ y, clamped: { low, high } }: Early, real: number): number =>
  Math.min(Math.max(quantized(y, real), low), high);

/** Concatenation of operands with different parameters, MaxPool after a convolution, Flatten in front of a quantize. */
export const quantizeEarly = defineRule({
  name: 'quantize-early',
  root: qnnQuantize,
  law: 'quantize(clip(move(x, …))) = move(quantize(clip(x)), …)   for operators that choose elements by position or by order; a pad value is quantized too',
  exactness: 'bit-exact',
  ...planned(plan, (early, a, match: QuantizeMatch) => emit(early, a, match, (real) => padInteger(early, real)), {
    what: 'pads the integers with 0',
    emit: (early, a, match) => emit(early, a, match, () => 0),
  }),
});
