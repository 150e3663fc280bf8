/** Compares graphs node by node, constants bit by bit; names of constants that stand where they are used mean nothing. */
import { bytesOf, constantOf, type Graph, type Node, topologicalOrder, type ValueId } from '../../src/ir/index.ts';

/** The contents of a graph as plain data. */
export function contentsOf(graph: Graph): unknown {
  const { values, name, symbols, profile } = graph;
  const isOutput = new Set(graph.outputs);
  const operand = (id: ValueId | null): unknown => {
    const constant = constantOf(graph, id);
    if (id === null || constant === undefined) return id;
    const { dtype, shape, data } = constant;
    const isNamed = isOutput.has(id) || data.length > 8;
    return { ...(isNamed && { id }), dtype, shape: [...shape], bytes: Buffer.from(bytesOf(data)).toString('base64') };
  };
  const nodeOf = ({ op, operands, attrs, results, loc }: Node): unknown => ({
    op,
    attrs,
    loc,
    operands: operands.map(operand),
    results: results.map((id) => [id, values[id].type]),
  });
  return {
    name,
    symbols,
    profile,
    inputs: graph.inputs.map((id) => [id, values[id].type]),
    outputs: graph.outputs.map(operand),
    nodes: topologicalOrder(graph).order.map(nodeOf),
  };
}
