/** Binding symbolic dimensions to sizes. */
import { UnskewError } from '../diagnostics/index.ts';
import { bodiesIn, hasBodies } from './bodies.ts';
import { bodyInputTypes, isContradicted, type OperandTypes, refusedBody, resultsOfBodies } from './body_types.ts';
import { inferTypes } from './builder.ts';
import type { AttrSpec, AttrValue } from './define_op.ts';
import { bindDim } from './dims.ts';
import type { Graph, Node } from './graph.ts';
import { checkSizes } from './limits.ts';
import { type AnyOp, opOf } from './op_table.ts';
import { topologicalOrder } from './order.ts';
import { parseType } from './parse_type.ts';
import { formatType, type NodeId, type Shape, sameShape, type TensorType, type ValueId } from './types.ts';

/**
 * The graph with its symbols bound to sizes: every type inferred again, so that derived sizes are numbers too.
 *
 * @param given types of inputs that are known besides
 */
export function specialize(
  graph: Graph,
  bindings: ReadonlyMap<string, number>,
  given: ReadonlyMap<ValueId, TensorType> = new Map(),
): Graph {
  const isGiven = ([id, { shape }]: readonly [ValueId, TensorType]) => sameShape(shape, graph.values[id].type.shape);
  if (bindings.size === 0 && [...given].every(isGiven)) return graph;
  const values: Record<ValueId, Graph['values'][ValueId]> = Object.assign(Object.create(null), graph.values);
  const nodes: Record<NodeId, Node> = Object.assign(Object.create(null), graph.nodes);
  for (const id of graph.inputs) {
    values[id] = { ...values[id], type: given.get(id) ?? bindType(values[id].type, bindings) };
    checkSizes(values[id].type, { input: id }, 'the input');
  }
  for (const node of topologicalOrder(graph).order) {
    const actual = node.operands.map((id) => id && values[id].type);
    const bound = bindNode(graph, node, actual, bindings);
    if (bound !== node) nodes[node.id] = bound;
    const types = inferTypes(opOf(node), actual, bound.attrs, node.loc);
    node.results.forEach((id, i) => {
      values[id] = { ...values[id], type: bindType(types[i], bindings) };
    });
  }
  return { ...graph, nodes, values };
}

/** The node with attributes whose sizes are known by now. @param actual types of its operands, that the graph may not know */
export function bindNode(
  graph: Graph,
  node: Node,
  actual: OperandTypes['actual'],
  bindings: ReadonlyMap<string, number>,
): Node {
  const attrs = bindAttrs(opOf(node), node.attrs, bindings);
  if (hasBodies(node)) {
    const types = { declared: node.operands.map((id) => id && graph.values[id].type), actual };
    const bodies = Object.fromEntries(
      bodiesIn(node).map(([name, body]) => [name, bindBody(node, body, types, bindings)] as const),
    );
    const results = resultsOfBodies(node, bodies, actual, (dim) => bindDim(dim, bindings));
    return { ...node, attrs: { ...attrs, ...bodies, results } };
  }
  return attrs === node.attrs ? node : { ...node, attrs };
}

const bindType = (type: TensorType, bindings: ReadonlyMap<string, number>): TensorType => ({
  ...type,
  shape: type.shape.map((dim) => bindDim(dim, bindings)),
});

/** Attributes whose sizes are known by now, but for graphs. */
function bindAttrs(op: AnyOp, attrs: Node['attrs'], bindings: ReadonlyMap<string, number>): Node['attrs'] {
  let bound: Record<string, AttrValue> | undefined;
  for (const [name, value] of Object.entries(attrs)) {
    const given = bindAttr(op.attrs[name].kind, value, bindings);
    if (given !== value) bound = { ...(bound ?? attrs), [name]: given };
  }
  return bound ?? attrs;
}

/** A body that does not fit the sizes is no error, for it may never run. */
function bindBody(node: Node, body: Graph, types: OperandTypes, bindings: ReadonlyMap<string, number>): Graph {
  const inputs = bodyInputTypes(node, body, types, (dim) => bindDim(dim, bindings));
  try {
    return specialize(body, bindings, inputs);
  } catch (error) {
    if (!(error instanceof UnskewError)) throw error;
    return isContradicted(body, inputs) ? refusedBody(body, inputs, error.diagnostics[0]) : body;
  }
}

function bindAttr(kind: AttrSpec['kind'], value: AttrValue, bindings: ReadonlyMap<string, number>): AttrValue {
  if (kind === 'dims') {
    const dims = value as Shape;
    return dims.some((dim) => typeof dim === 'string') ? dims.map((dim) => bindDim(dim, bindings)) : value;
  }
  if (kind !== 'types') return value;
  const texts = value as readonly string[];
  const bound = texts.map((text) => {
    const type = parseType(text);
    return type ? formatType(bindType(type, bindings)) : text;
  });
  return bound.every((text, i) => text === texts[i]) ? value : bound;
}
