/**
 * Forms of operators over which ONNX Runtime ends the process, by a signal or in std::terminate. No part may hand them to it: nobody
 * can catch them.
 */
import { fail } from '../../diagnostics/index.ts';
import {
  carriedName,
  type Graph,
  type ITensor,
  isOp,
  isStatic,
  type Node,
  opaqueOp,
  typeOf,
  type ValueId,
} from '../../ir/index.ts';
import type { Region } from '../backend.ts';

/** Operators that fall over an operand without elements, or leave results unwritten, at least in some of their forms: over any, or over the first ones. */
const overNothing: ReadonlyMap<string, number> = new Map([
  ['Einsum', Number.POSITIVE_INFINITY],
  ['GRU', Number.POSITIVE_INFINITY],
  ['LSTM', Number.POSITIVE_INFINITY],
  ['RNN', Number.POSITIVE_INFINITY], // its last state is what the memory held, that of the others also
  ['TopK', 1],
  ['com.microsoft.DynamicQuantizeLSTM', Number.POSITIVE_INFINITY],
  ['com.microsoft.FusedMatMul', Number.POSITIVE_INFINITY],
  ['com.microsoft.GroupQueryAttention', 1],
  ['com.microsoft.QLinearSoftmax', Number.POSITIVE_INFINITY],
  ['com.microsoft.TransposeMatMul', Number.POSITIVE_INFINITY],
]);

/** The operands without whose elements ONNX Runtime ends the process. */
const neededBy = (node: Node): readonly ValueId[] => {
  const first = isOp(node, opaqueOp) ? (overNothing.get(String(node.attrs.operator)) ?? 0) : 0;
  return node.operands.slice(0, first).filter((id) => id !== null);
};

const isEmpty = (graph: Graph, id: ValueId): boolean => graph.values[id].type.shape.includes(0);

/** True for a node whose operands have to be looked at in a run: they come from other parts. */
export const standsApart = (node: Node, graph: Graph): boolean =>
  neededBy(node).some((id) => {
    const type = typeOf(graph, id);
    return type.dtype === 'opaque' || !isStatic(type.shape);
  });

/** Why a carried node is not for ONNX Runtime; undefined where it may be. */
export function endsProcess(node: Node, graph: Graph): string | undefined {
  if (!isOp(node, opaqueOp)) return undefined;
  if (node.attrs.operator === 'com.microsoft.Attention' && node.operands[2] === null)
    return 'ONNX Runtime ends the process over attention without a bias';
  return neededBy(node).some((id) => isEmpty(graph, id))
    ? 'ONNX Runtime ends the process over operands without elements'
    : undefined;
}

/** @throws UnskewError U5002 for an operand that turns out to be empty in a run, of a node that stands apart */
export function refuseEmpty({ graph, nodes, inputs }: Region): (given: readonly ITensor[]) => void {
  const looked = nodes
    .filter((node) => standsApart(node, graph))
    .flatMap((node) =>
      neededBy(node).flatMap((id) => {
        const at = inputs.indexOf(id);
        return at < 0 ? [] : [{ node, at }];
      }),
    );
  return (given) => {
    const found = looked.find(({ at }) => given[at].shape.includes(0));
    if (found === undefined) return;
    const [{ node, at }, { operator }] = [found, found.node.attrs];
    fail(
      'U5002',
      `${carriedName(String(operator))} is given '${inputs[at]}' without elements, over which ONNX Runtime ends the process`,
      node.loc,
    );
  };
}
