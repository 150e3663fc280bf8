/** Binding symbolic dimensions to sizes. */
import { UnskewError } from '../diagnostics/index.ts';
import { inferTypes } from './builder.ts';
import type { AttrSpec, AttrValue } from './define_op.ts';
import { bindDim } from './dims.ts';
import type { Graph, Node } from './graph.ts';
import { checkSizes } from './limits.ts';
import { type AnyOp, opOf } from './op_table.ts';
import { topologicalOrder } from './order.ts';
import { parseType } from './parse_type.ts';
import { formatType, type NodeId, type Shape, type TensorType, type ValueId } from './types.ts';

/** The graph with its symbols bound to sizes: every type inferred again, so that derived sizes are numbers too. */
export function specialize(graph: Graph, bindings: ReadonlyMap<string, number>): Graph {
  if (bindings.size === 0) return graph;
  const values: Record<ValueId, Graph['values'][ValueId]> = Object.assign(Object.create(null), graph.values);
  const nodes: Record<NodeId, Node> = Object.assign(Object.create(null), graph.nodes);
  for (const id of graph.inputs) {
    values[id] = { ...values[id], type: bindType(values[id].type, bindings) };
    checkSizes(values[id].type, { input: id }, 'the input');
  }
  for (const node of topologicalOrder(graph).order) {
    const op = opOf(node);
    const attrs = bindAttrs(op, node.attrs, bindings);
    if (attrs !== node.attrs) nodes[node.id] = { ...node, attrs };
    const types = inferTypes(
      op,
      node.operands.map((id) => id && values[id].type),
      attrs,
      node.loc,
    );
    node.results.forEach((id, i) => {
      values[id] = { ...values[id], type: bindType(types[i], bindings) };
    });
  }
  return { ...graph, nodes, values };
}

const bindType = (type: TensorType, bindings: ReadonlyMap<string, number>): TensorType => ({
  ...type,
  shape: type.shape.map((dim) => bindDim(dim, bindings)),
});

/** Attributes whose sizes are known by now. */
export function bindAttrs(op: AnyOp, attrs: Node['attrs'], bindings: ReadonlyMap<string, number>): Node['attrs'] {
  let bound: Record<string, AttrValue> | undefined;
  for (const [name, value] of Object.entries(attrs)) {
    const given = bindAttr(op.attrs[name].kind, value, bindings);
    if (given !== value) bound = { ...(bound ?? attrs), [name]: given };
  }
  return bound ?? attrs;
}

/** A body that does not fit the sizes stays as it is, for it may never run. */
function bindBody(body: Graph, bindings: ReadonlyMap<string, number>): Graph {
  try {
    return specialize(body, bindings);
  } catch (error) {
    if (error instanceof UnskewError) return body;
    throw error;
  }
}

function bindAttr(kind: AttrSpec['kind'], value: AttrValue, bindings: ReadonlyMap<string, number>): AttrValue {
  if (kind === 'dims') {
    const dims = value as Shape;
    return dims.some((dim) => typeof dim === 'string') ? dims.map((dim) => bindDim(dim, bindings)) : value;
  }
  if (kind === 'graph') return bindBody(value as Graph, bindings);
  if (kind !== 'types') return value;
  const texts = value as readonly string[];
  const bound = texts.map((text) => {
    const type = parseType(text);
    return type ? formatType(bindType(type, bindings)) : text;
  });
  return bound.every((text, i) => text === texts[i]) ? value : bound;
}
