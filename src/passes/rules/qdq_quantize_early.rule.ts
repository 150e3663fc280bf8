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
  oneOf,
  opOf,
  type Value,
  type ValueId,
} from '../../ir/index.ts';
import { qnnQuantize } from '../../ir/ops/qnn_quantize.op.ts';
import { belowClamps, type Clamped, clampsOf } from '../qdq/activation.ts';
import { type Output, outputOf, type QuantizeMatch, quantized, requirePrivate } from '../qdq/parameters.ts';
import { planned, type Refusals } from '../qdq/plan.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import type { GraphEditor } from '../rewrite/editor.ts';
import { defineRule } from '../rewrite/rule.ts';

interface Early {
  readonly mover: Node;
  /** Relu and Clip between the mover and the quantize, innermost first. */
  readonly clamps: readonly Node[];
  /** The integers that they leave. */
  readonly clamped: Clamped;
  /** How many leading operands are data; the rest are positions. */
  readonly data: number;
  readonly y: Output;
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
  const clamps = clamped.inner.slice(0, -1).map((id) => graph.producer(id) as Node);
  const data = isOp(mover, nnConcat) ? mover.operands.length : 1;
  if (isOp(mover, nnPad) && padValue(graph, mover) === undefined)
    refusals.refuse('the pad value is computed at run time', graph.value(mover.operands[1] as ValueId));
  return { mover, clamps: clamps.reverse(), clamped, data, y };
}

/** What nn.pad fills with, absent 0. */
function padValue(graph: GraphEditor, { operands }: Node): number | undefined {
  return operands[1] ? (graph.constant(operands[1])?.data[0] as number | undefined) : 0;
}

function emit(
  { mover, clamps, data, y }: Early,
  a: Algebra,
  { graph, attrs }: QuantizeMatch,
  pad: (real: number) => number,
): Value {
  const operands = mover.operands.map((id, i) => {
    if (id === null || i >= data) return id && graph.value(id);
    const parameters = { scale: y.scale, ...(y.zp && { zp: y.zp }) };
    const x = clamps.reduce((v, clamp) => again(a, clamp, [v]), graph.value(id));
    return a.emit(qnnQuantize, { x: x as Value<'f32'>, ...parameters }, attrs);
  });
  if (isOp(mover, nnPad) && mover.attrs.mode === 'constant')
    operands[1] = a.b.scalar(y.dtype, pad(padValue(graph, mover) as number));
  return again(a, mover, operands as Value[]);
}

/** The same operator on other operands. */
const again = (a: Algebra, node: Node, operands: readonly Value[]): Value =>
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
