import { type AnyOp, findOp, type Node, type Value, type ValueId } from '../../ir/index.ts';
import { qnnQuantize } from '../../ir/ops/qnn_quantize.op.ts';
import { type Output, outputOf, type QuantizeMatch, quantized, requirePrivate } from '../qdq/parameters.ts';
import { planned, type Refusals } from '../qdq/plan.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import type { GraphEditor } from '../rewrite/editor.ts';
import { defineRule } from '../rewrite/rule.ts';

interface Early {
  readonly mover: Node;
  /** How many leading operands are data; the rest are positions. */
  readonly data: number;
  readonly y: Output;
}

/** Operators that choose among elements by position or by order, and have no more of them before than after. */
const movers: ReadonlySet<string> = new Set([
  'nn.identity',
  'nn.reshape',
  'nn.transpose',
  'nn.concat',
  'nn.pad',
  'nn.expand',
  'nn.tile',
  'nn.depth_to_space',
  'nn.space_to_depth',
  'nn.max_pool',
  'nn.global_max_pool',
]);

function plan(match: QuantizeMatch, refusals: Refusals): Early {
  const { graph, x } = match;
  const mover = graph.producer(x.id);
  if (mover === undefined || !movers.has(mover.op)) return refusals.unrelated(`%${x.id} is not moved`);
  const y = outputOf(match, refusals);
  requirePrivate(graph, [x.id], refusals.refuse);
  const data = mover.op === 'nn.concat' ? mover.operands.length : 1;
  if (mover.op === 'nn.pad' && padValue(graph, mover) === undefined)
    refusals.refuse('the pad value is computed at run time', graph.value(mover.operands[1] as ValueId));
  return { mover, data, y };
}

/** What nn.pad fills with, absent 0. */
function padValue(graph: GraphEditor, { operands }: Node): number | undefined {
  return operands[1] ? (graph.constant(operands[1])?.data[0] as number | undefined) : 0;
}

function emit(
  { mover, data, y }: Early,
  a: Algebra,
  { graph, attrs }: QuantizeMatch,
  pad: (real: number) => number,
): Value {
  const operands = mover.operands.map((id, i) => {
    if (id === null || i >= data) return id && graph.value(id);
    const parameters = { scale: y.scale, ...(y.zp && { zp: y.zp }) };
    return a.emit(qnnQuantize, { x: graph.value(id) as Value<'f32'>, ...parameters }, attrs);
  });
  if (mover.op === 'nn.pad' && mover.attrs.mode === 'constant')
    operands[1] = a.b.scalar(y.dtype, pad(padValue(graph, mover) as number));
  return a.b.emitList(findOp(mover.op) as AnyOp, operands as Value[], mover.attrs, { loc: mover.loc })[0];
}

/** Concatenation of operands with different parameters, MaxPool after a convolution, Flatten in front of a quantize. */
export const quantizeEarly = defineRule({
  name: 'quantize-early',
  root: qnnQuantize,
  law: 'quantize(move(x, …)) = move(quantize(x), …)   for operators that choose elements by position or by order; a pad value is quantized too',
  exactness: 'bit-exact',
  ...planned(plan, (early, a, match: QuantizeMatch) => emit(early, a, match, (real) => quantized(early.y, real)), {
    what: 'pads the integers with 0',
    emit: (early, a, match) => emit(early, a, match, () => 0),
  }),
});
