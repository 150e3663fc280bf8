/** Models that nothing here can run, told when they are compiled. */
import type { Backend } from '../codegen/index.ts';
import { fail } from '../diagnostics/index.ts';
import { partOriginOf } from '../importers/index.ts';
import {
  bodiesIn,
  carriedName,
  type Dim,
  type Graph,
  hasBodies,
  isCarriedInitializer,
  isOp,
  type Node,
  nodesOf,
  nodesWithBodies,
  opaqueOp,
  openSymbols,
  symbolsIn,
  topologicalOrder,
  type ValueId,
} from '../ir/index.ts';

/**
 * Refuses operators that nothing here computes when a model is compiled, not when it is run.
 *
 * @throws UnskewError U2008
 */
export function refuseUnknown(graph: Graph, asked: readonly Backend[]): void {
  const isOnnxRuntimeAsked = asked.some(({ name }) => name === 'onnxruntime');
  const isRefused = (node: Node): boolean =>
    isOp(node, opaqueOp) &&
    (isCarriedInitializer(node)
      ? !isOnnxRuntimeAsked || graph.outputs.includes(node.id)
      : asked.every((backend) => backend.accepts(node, graph) !== undefined));
  for (const node of nodesWithBodies(graph)) for (const [, body] of bodiesIn(node)) refuseUnknown(body, asked);
  const node = topologicalOrder(graph).order.find(isRefused);
  if (node === undefined || !isOp(node, opaqueOp)) return;
  const reasonOf = (id: ValueId | null) => graph.origin?.unsupported.find(({ value }) => value === id)?.reason;
  // a node without a reason of its own is opaque because of an operand
  const reader = node.operands.find((id) => reasonOf(id) !== undefined);
  const own = node.results.map(reasonOf).find((reason) => reason !== undefined);
  const why = own ?? (reader && `of '${reader}' ${reasonOf(reader)}`);
  const isOpen = graph.inputs.some((id) => {
    const { dtype, shape } = graph.values[id].type;
    return dtype === 'opaque' || shape.some((dim) => typeof dim === 'string');
  });
  fail(
    'U2008',
    `${carriedName(node.attrs.operator)} is not supported and cannot be run${why === undefined ? '' : `: ${why}`}`,
    node.loc,
    `${isOpen ? 'sizes may help: inputShapes in the API, --shape on the command line; ' : ''}${isOnnxRuntimeAsked ? '' : ELSEWHERE}unskew inspect lists what is not supported${isCarriedOn(graph) ? `, and ${CARRIES}` : ''}`,
  );
}

const ELSEWHERE = 'run and bench hand it to ONNX Runtime where the package onnxruntime-node is installed; ';
const CARRIES = 'unskew rewrite carries it through into ONNX that other runtimes run';

/** Operators of ONNX that nobody here knows stay as they are in a rewritten file; those of other formats have no form in ONNX. */
const isCarriedOn = (graph: Graph): boolean => partOriginOf(graph) !== undefined;

/**
 * A size that depends on the values of a tensor, on no size of an input and on none that an operator counts: nobody can say how large the
 * results are.
 *
 * @throws UnskewError U2008
 */
export function refuseOpenSizes(graph: Graph): void {
  // sizes that carried operators and bodies decide are known when they have run
  if (nodesOf(graph).some((node) => isOp(node, opaqueOp) || hasBodies(node))) return;
  const given = new Set([
    ...openSymbols(graph),
    ...graph.inputs.flatMap((id) => graph.values[id].type.shape.flatMap((d) => [d, ...symbolsIn(d)])),
  ]);
  const isOpen = (dim: Dim): boolean => !given.has(dim) && symbolsIn(dim).some((symbol) => !given.has(symbol));
  for (const node of topologicalOrder(graph).order) {
    const open = node.results.flatMap((id) => graph.values[id].type.shape.filter(isOpen))[0];
    if (open === undefined) continue;
    fail(
      'U2008',
      `the size ${open} of the result of ${node.op} follows from the values of a tensor, not from sizes of inputs, and such a model cannot be run`,
      node.loc,
      ...(isCarriedOn(graph) ? [CARRIES] : []),
    );
  }
}
