/** Records the program of a group of nodes. */
import { type Node, sameShape, type ValueId } from '../../../ir/index.ts';
import type { PlainLayout } from '../layout.ts';
import type { Recorder } from '../recorder.ts';
import { emitNode } from './elementwise_instructions.ts';
import { ElementwiseProgram } from './elementwise_program.ts';

/** The layout in which most operands of the whole shape lie already. */
function commonLayout(nodes: readonly Node[], r: Recorder, shape: readonly number[]): PlainLayout {
  const made = new Set(nodes.flatMap(({ results }) => results));
  const whole = nodes
    .flatMap(({ operands }) => operands)
    .filter((id): id is ValueId => id !== null && !made.has(id) && !r.isConstant(id) && sameShape(r.shape(id), shape));
  const channelsLast = whole.filter((id) => r.preferredLayout(id) === 'channels-last').length;
  return 2 * channelsLast > whole.length ? 'channels-last' : 'row-major';
}

/** One command for nodes whose results have one shape; `isRead` has the results that others read, and the last one is written always. */
export function recordElementwise(nodes: readonly Node[], r: Recorder, isRead: ReadonlySet<ValueId>): void {
  const results = nodes.map((node) => node.results[0]);
  const shape = r.shape(results[0]);
  const program = new ElementwiseProgram(r, shape, commonLayout(nodes, r, shape));
  for (const node of nodes) emitNode(node, program);
  program.record(results.filter((id, i) => i === results.length - 1 || isRead.has(id)));
}
