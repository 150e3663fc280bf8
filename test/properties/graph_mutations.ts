/** Changes of a graph at a random place, of every kind that keeps it a graph, as a mistaken rewrite might make it. */
import {
  constantOf,
  type Graph,
  type ITensor,
  inferTypes,
  isFloat,
  type Node,
  nodesOf,
  type OpName,
  opOf,
  sameShape,
  topologicalOrder,
  type ValueId,
  valueIdsOf,
  verify,
} from '../../src/ir/index.ts';

/** A number from 0 to n − 1. */
export type Draw = (n: number) => number;

/** Changes a node; returns a changed graph when other nodes or constants are needed. */
type Mutation = (graph: Graph, node: Node, draw: Draw) => Graph | undefined;

const replaced = (graph: Graph, node: Node): Graph => ({ ...graph, nodes: { ...graph.nodes, [node.id]: node } });
const withOperand = (node: Node, at: number, id: ValueId | null): Node => ({
  ...node,
  operands: node.operands.map((own, i) => (i === at ? id : own)),
});

/** A constant operand with other elements. */
const constant =
  (change: (data: number[], at: number, draw: Draw, t: ITensor) => void): Mutation =>
  (graph, node, draw) => {
    const at = draw(node.operands.length);
    const id = node.operands[at];
    const t = constantOf(graph, id);
    if (!id || t === undefined || t.data.length === 0 || typeof t.data[0] === 'bigint') return undefined;
    const data = t.data.slice() as unknown as number[];
    change(data, draw(data.length), draw, t);
    if (data.every((v, i) => Object.is(v, t.data[i]))) return undefined;
    const name = `${id}.other` as ValueId;
    const value = { type: graph.values[id].type, constant: graph.pool.add({ ...t, data } as unknown as ITensor) };
    return replaced({ ...graph, values: { ...graph.values, [name]: value } }, withOperand(node, at, name));
  };

/** The operand through a node of one result of the same type. */
function through(graph: Graph, node: Node, at: number, op: string, attrs: Node['attrs']): Graph {
  const id = node.operands[at] as ValueId;
  const name = `${id}.moved` as ValueId;
  const inserted = { id: name, op, operands: [id], attrs, results: [name], loc: {} } as unknown as Node;
  const values = { ...graph.values, [name]: { type: graph.values[id].type } };
  return replaced({ ...graph, values, nodes: { ...graph.nodes, [name]: inserted } }, withOperand(node, at, name));
}

const words: Readonly<Record<string, readonly string[]>> = {
  rounding: ['half-even', 'half-up', 'half-away'],
  zeroPointAt: ['before', 'after'],
  to: ['u8', 's8'],
};
const otherOps: Readonly<Partial<Record<OpName, OpName>>> = {
  'nn.add': 'nn.sub',
  'nn.sub': 'nn.add',
  'nn.mul': 'nn.add',
  'nn.max': 'nn.min',
  'nn.min': 'nn.max',
};

export const mutations: Readonly<Record<string, Mutation>> = {
  'an element of a constant': constant((data, at, draw, { dtype }) => {
    data[at] = isFloat(dtype)
      ? data[at] * [2, 1.0000002, -1, 0.5, 0][draw(5)]
      : data[at] + [1, -1, 2, 128, -64][draw(5)];
  }),
  'two elements of a constant': constant((data, at, draw) => {
    const other = draw(data.length);
    [data[at], data[other]] = [data[other], data[at]];
  }),
  'an attribute'(graph, node, draw) {
    const names = Object.keys(node.attrs);
    if (names.length === 0) return undefined;
    const name = names[draw(names.length)];
    const value = changedAttribute(name, node.attrs[name], draw);
    return value === undefined ? undefined : replaced(graph, { ...node, attrs: { ...node.attrs, [name]: value } });
  },
  'an operand'(graph, node, draw) {
    const at = draw(node.operands.length);
    const id = node.operands[at];
    if (!id) return undefined;
    const { dtype, shape } = graph.values[id].type;
    const others = valueIdsOf(graph).filter((other) => {
      const { type } = graph.values[other];
      return other !== id && type.dtype === dtype && sameShape(type.shape, shape);
    });
    return others.length === 0 ? undefined : replaced(graph, withOperand(node, at, others[draw(others.length)]));
  },
  'the order of operands'(graph, node) {
    const [a, b, ...rest] = node.operands;
    return b === undefined ? undefined : replaced(graph, { ...node, operands: [b, a, ...rest] });
  },
  'an operand left out'(graph, node, draw) {
    const at = draw(node.operands.length);
    return at === 0 || !node.operands[at] ? undefined : replaced(graph, withOperand(node, at, null));
  },
  'the operator'(graph, node) {
    const op = otherOps[node.op];
    return op ? replaced(graph, { ...node, op }) : undefined;
  },
  'axes of one size': (graph, node, draw) => {
    const at = draw(node.operands.length);
    const id = node.operands[at];
    if (!id || graph.values[id].constant !== undefined) return undefined;
    const { shape } = graph.values[id].type;
    const [p, q] = [draw(Math.max(shape.length, 1)), draw(Math.max(shape.length, 1))];
    if (p === q || shape[p] !== shape[q] || shape[p] === 1) return undefined;
    return through(graph, node, at, 'nn.transpose', { perm: shape.map((_, i) => (i === p ? q : i === q ? p : i)) });
  },
};

function changedAttribute(name: string, value: Node['attrs'][string], draw: Draw): Node['attrs'][string] | undefined {
  if (typeof value === 'number') return value + [1, -1, 3][draw(3)];
  if (typeof value === 'boolean') return !value;
  if (typeof value === 'string') return words[name]?.find((word) => word !== value);
  if (!Array.isArray(value) || value.length === 0 || !value.every((v) => typeof v === 'number')) return undefined;
  const list = [...value] as number[];
  const [i, j] = [draw(list.length), draw(list.length)];
  if (draw(2) === 0) [list[i], list[j]] = [list[j], list[i]];
  else list[i] += [1, -1][draw(2)];
  return list.some((v) => v < 0) || list.every((v, k) => v === value[k]) ? undefined : list;
}

/**
 * The graph with one change, its types inferred again; undefined when it is not a graph with these outputs any more.
 */
export function mutant(graph: Graph, mutation: Mutation, draw: Draw): Graph | undefined {
  const nodes = nodesOf(graph);
  const changed = nodes.length === 0 ? undefined : mutation(graph, nodes[draw(nodes.length)], draw);
  if (changed === undefined || topologicalOrder(changed).cyclic.length > 0) return undefined;
  const values: Record<ValueId, Graph['values'][ValueId]> = { ...changed.values };
  try {
    for (const node of topologicalOrder(changed).order) {
      const { operands, attrs, results, loc } = node;
      const types = inferTypes(
        opOf(node),
        operands.map((id) => id && values[id].type),
        attrs,
        loc,
      );
      results.forEach((id, i) => {
        values[id] = { ...values[id], type: types[i] };
      });
    }
  } catch {
    return undefined;
  }
  const typed = { ...changed, values };
  const keeps = graph.outputs.every(
    (id) =>
      values[id].type.dtype === graph.values[id].type.dtype &&
      sameShape(values[id].type.shape, graph.values[id].type.shape),
  );
  return keeps && verify(typed).length === 0 ? typed : undefined;
}
