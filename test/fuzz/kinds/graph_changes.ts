/** Changes of graphs that leave them graphs: rebuilt node by node, with types inferred anew from the place of the change on. */
import { UnskewError } from '../../../src/diagnostics/index.ts';
import {
  type AnyOp,
  type AnyValue,
  type AttrSpecs,
  type AttrValue,
  allOps,
  constantOf,
  dtypes,
  type Graph,
  GraphBuilder,
  type ITensor,
  isFloat,
  type Node,
  opOf,
  topologicalOrder,
  type ValueId,
} from '../../../src/ir/index.ts';
import { filled, nonFinitePattern, patterns } from '../../../src/testing/contents.ts';
import { changedNumber, type Draw, hostileFloats, once, pick, weighted } from '../draw.ts';

/** Limits the tries of another place and change when types do not fit. */
const MOST_TRIES = 8;

/** A graph with one change; undefined where no drawn change has types that fit. */
export function changeGraph(graph: Graph, draw: Draw): Graph | undefined {
  for (let i = 0; i < MOST_TRIES; i++) {
    try {
      return rebuilt(graph, draw);
    } catch (error) {
      if (!(error instanceof UnskewError)) throw error;
    }
  }
  return undefined;
}

type Kind = 'attribute' | 'operator' | 'operand' | 'constant' | 'insert' | 'input' | 'output';
const changesByWeight: readonly (readonly [number, Kind])[] = [
  [6, 'attribute'],
  [5, 'constant'],
  [5, 'insert'],
  [3, 'operator'],
  [3, 'operand'],
  [2, 'input'],
  [1, 'output'],
];

function rebuilt(graph: Graph, draw: Draw): Graph {
  const { order } = topologicalOrder(graph);
  const kind = weighted(draw, changesByWeight);
  const victim = pick(draw, order);
  const b = new GraphBuilder(graph.name);
  const values = new Map<ValueId, AnyValue>();
  const constants = Object.keys(graph.values).filter((id) => graph.values[id as ValueId].constant) as ValueId[];
  const changedConstant = kind === 'constant' ? pick(draw, constants) : undefined;
  for (const id of constants) {
    const tensor = constantOf(graph, id) as ITensor;
    values.set(id, b.constant(id === changedConstant ? otherContents(tensor, draw) : tensor, id));
  }
  const changedInput = kind === 'input' ? pick(draw, graph.inputs) : undefined;
  for (const id of graph.inputs) {
    const { dtype, shape } = graph.values[id].type;
    values.set(id, id === changedInput ? otherInput(b, id, { dtype, shape }, draw) : b.input(id, dtype, shape));
  }
  for (const node of order) {
    const changed = node === victim ? changedNode(node, kind, values, draw) : node;
    const op = opOf(changed);
    const operands = changed.operands.map((id) => (id === null ? null : (values.get(id) as AnyValue)));
    const names = changed.op === node.op ? { names: node.results } : {};
    const results = b.emitList(op, operands, changed.attrs, { ...names, loc: node.loc });
    node.results.forEach((id, i) => {
      const result = results[i] ?? results[0];
      values.set(id, node === victim && kind === 'insert' && i === 0 ? inserted(b, result, values, draw) : result);
    });
  }
  const outputs = graph.outputs.map((id) => values.get(id) as AnyValue);
  if (kind === 'output') outputs.splice(draw(outputs.length + 1), draw(2), values.get(victim.results[0]) as AnyValue);
  return { ...b.finish(outputs), ...(graph.symbols && { symbols: graph.symbols }) };
}

function changedNode(node: Node, kind: Kind, values: ReadonlyMap<ValueId, AnyValue>, draw: Draw): Node {
  switch (kind) {
    case 'attribute':
      return { ...node, attrs: otherAttributes(node, draw) };
    case 'operator': {
      const alike = allOps.filter(
        (op) =>
          op.name !== 'opaque' &&
          Object.keys(op.operands).length >= node.operands.length &&
          !op.name.startsWith('dnnl'),
      );
      const op = pick(draw, alike);
      const kept = Object.entries(node.attrs).filter(([name]) => name in op.attrs);
      return { ...node, op: op.name, attrs: { ...drawnAttributes(op, node, draw), ...Object.fromEntries(kept) } };
    }
    case 'operand': {
      const at = draw(node.operands.length);
      const now = node.operands[at];
      const type = now === null ? undefined : values.get(now)?.type;
      const fitting = [...values].filter(([, { type: other }]) => once(draw, 5) || other.dtype === type?.dtype);
      const [id] = pick(draw, fitting.length > 0 ? fitting : [...values]);
      const specs = Object.values(opOf(node).operands);
      const isOptional = specs[at]?.presence === 'optional';
      return { ...node, operands: node.operands.with(at, isOptional && once(draw, 3) ? null : id) };
    }
    default:
      return node;
  }
}

function otherAttributes(node: Node, draw: Draw): Node['attrs'] {
  const specs = opOf(node).attrs;
  const name = pick(draw, Object.keys(specs));
  if (name === undefined) return node.attrs;
  return { ...node.attrs, [name]: otherValue(specs[name], node.attrs[name], draw) };
}

function otherValue({ kind, values }: AttrSpecs[string], now: AttrValue | undefined, draw: Draw): AttrValue {
  if (values) return pick(draw, values);
  if (typeof now === 'boolean' || kind === 'bool') return !now;
  if (typeof now === 'string') return pick(draw, [...Object.keys(dtypes), now, 'x']);
  if (typeof now === 'number')
    return kind === 'float'
      ? pick<number>(draw, hostileFloats)
      : once(draw, 4)
        ? changedNumber(draw, now, false)
        : draw(4);
  const list = [...((now as readonly number[] | undefined) ?? [])];
  const at = draw(list.length);
  if (list.length === 0 || once(draw, 8)) return once(draw, 2) ? [...list, draw(3)] : list.slice(1);
  if (typeof list[at] !== 'number') return list;
  list[at] = once(draw, 5) ? changedNumber(draw, list[at], kind === 'floats') : draw(4);
  return list;
}

/** Draws small values for the attributes that an operator requires. */
function drawnAttributes(op: AnyOp, node: Node, draw: Draw): Record<string, AttrValue> {
  const needed = Object.entries(op.attrs).filter(([, spec]) => spec.default === undefined);
  return Object.fromEntries(
    needed.map(([name, { kind, values }]): [string, AttrValue] => {
      if (values) return [name, pick(draw, values)];
      if (kind === 'bool') return [name, once(draw, 2)];
      if (kind === 'string') return [name, pick(draw, Object.keys(dtypes))];
      if (kind === 'int' || kind === 'float') return [name, draw(3)];
      const { length } = Object.values(node.attrs).find((value) => Array.isArray(value)) ?? { length: 1 + draw(4) };
      return [name, Array.from({ length: length as number }, () => draw(3))];
    }),
  );
}

/** An operator of one operand behind a value; who reads the value reads its result, where that has a type that fits. */
function inserted(b: GraphBuilder, value: AnyValue, values: ReadonlyMap<ValueId, AnyValue>, draw: Draw): AnyValue {
  const { dtype, shape } = value.type;
  const op = pick(
    draw,
    allOps.filter(({ name, operands }) => {
      const [first, ...others] = Object.values(operands);
      return !/^dnnl|opaque/.test(name) && first?.dtypes.includes(dtype) && others.length < 3;
    }),
  );
  const specs = Object.values(op.operands);
  const operands = specs.map((spec, i) => {
    if (i === 0) return value;
    if (spec.presence !== 'required' && once(draw, 2)) return null;
    const fitting = [...values.values()].filter(({ type }) => spec.dtypes.includes(type.dtype));
    return fitting.length > 0 ? pick(draw, fitting) : null;
  });
  const like = { attrs: { shape: shape as readonly number[] } } as unknown as Node;
  return b.emitList(op, operands, drawnAttributes(op, like, draw))[0];
}

function otherContents(tensor: ITensor, draw: Draw): ITensor {
  const { dtype, shape } = tensor;
  const data = tensor.data.slice() as Float32Array;
  if (once(draw, 2)) {
    const pattern = isFloat(dtype) && once(draw, 3) ? nonFinitePattern : pick(draw, patterns);
    return filled(dtype, shape, { pattern, seed: draw(1000) }) as ITensor;
  }
  if (data.length === 0 || !(isFloat(dtype) ? dtype === 'f32' : dtypes[dtype].bits < 64)) return tensor;
  const { min = 0, max = 1 } = dtypes[dtype] as { min?: number; max?: number };
  data[draw(data.length)] = isFloat(dtype) ? pick<number>(draw, hostileFloats) : pick(draw, [min, max, 0, 1, max - 1]);
  return { ...tensor, data } as ITensor;
}

function otherInput(b: GraphBuilder, id: string, { dtype, shape }: AnyValue['type'], draw: Draw): AnyValue {
  if (once(draw, 4)) return b.input(id, pick(draw, ['u8', 's8', 'f32', 's32'] as const), shape);
  const at = draw(shape.length);
  if (shape.length === 0) return b.input(id, dtype, [2]);
  return b.input(id, dtype, shape.with(at, pick(draw, ['N', 1, 2, 3, 5, 0, Number(shape[at]) + 1 || 4])));
}
