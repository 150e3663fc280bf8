/**
 * The interpreter: the meaning of a graph. Runs the `evaluate` of every operator in topological order; never calls the
 * addon. Feeds and results are internal tensors; `src/index.ts` wraps it for the public API.
 */
import { assert, fail, withLocation } from '../diagnostics/index.ts';
import type { ITensor } from '../tensors/index.ts';
import { hasBodies } from './bodies.ts';
import { inferTypes } from './builder.ts';
import type { RunBody } from './define_op.ts';
import { constantOf, type Graph, type Node, namedDim, namedType } from './graph.ts';
import { interpreterScratch, refuseTooLarge } from './memory_need.ts';
import { type AnyOp, opOf } from './op_table.ts';
import { learnSizes } from './open_sizes.ts';
import { opaqueOp } from './ops/opaque.op.ts';
import { topologicalOrder } from './order.ts';
import { ForeignBuffers } from './owned_results.ts';
import { bindNode, specialize } from './specialize.ts';
import { formatType, isStaticType, type TensorType, type ValueId } from './types.ts';

export type Feeds = Readonly<Record<string, ITensor>>;

export interface InterpretOptions {
  /** Called with every node's results: layer-by-layer comparison, tracing. */
  readonly observe?: (node: Node, results: readonly ITensor[]) => void;
}

/**
 * Evaluates the graph.
 *
 * @param feeds a tensor for every graph input, by name; sizes of symbolic dimensions follow from them
 * @returns a tensor for every graph output, by name; none shares memory with a feed, a constant or another result
 * @throws UnskewError U4001 for a feed that is missing, unknown or does not fit, U2008 for an opaque operator, U1006
 * when it needs more memory than is free
 */
export const interpret = (graph: Graph, feeds: Feeds, options?: InterpretOptions): Record<string, ITensor> =>
  evaluateGraph(specialize(graph, checkFeeds(graph, feeds)), feeds, options);

/**
 * The same for a graph that is known to fit its feeds.
 *
 * @throws UnskewError U2008 for an opaque operator, U1006 where more memory is needed than is free
 */
export function evaluateGraph(graph: Graph, feeds: Feeds, { observe }: InterpretOptions = {}): Record<string, ITensor> {
  refuseTooLarge(graph, 'now', (node) => interpreterScratch(graph, node));
  const foreign = new ForeignBuffers();
  const values = new Map<ValueId, ITensor>(graph.inputs.map((id) => [id, foreign.note(feeds[id])]));
  const valueAt = (id: ValueId): ITensor => {
    const known = values.get(id);
    if (known) return known;
    const constant = constantOf(graph, id);
    assert(constant, `%${id} has no value yet`);
    return foreign.note(constant);
  };
  const { order } = topologicalOrder(graph);
  const pending = usesOf(graph, order);
  const sizes = new Map<string, number>();
  for (const id of graph.inputs) learnSizes(sizes, graph.values[id].type.shape, feeds[id].shape);
  for (const node of order) {
    const operands = node.operands.map((id) => (id === null ? null : valueAt(id)));
    const isBound = sizes.size === 0 && !hasBodies(node);
    const results = evaluateNode(isBound ? node : bindNode(graph, node, operands.map(typeOfTensor), sizes), operands);
    observe?.(node, results);
    node.results.forEach((id, i) => {
      values.set(id, results[i]);
      learnSizes(sizes, graph.values[id].type.shape, results[i].shape);
    });
    for (const id of node.operands) {
      if (id === null) continue;
      const left = (pending.get(id) ?? 0) - 1;
      pending.set(id, left);
      if (left === 0) values.delete(id); // nobody reads it any more
    }
  }
  return Object.fromEntries(graph.outputs.map((id) => [id, foreign.owned(valueAt(id))]));
}

/** Evaluates one node on concrete operands; result types are inferred anew from the concrete shapes. */
export function evaluateNode(
  node: Pick<Node, 'op' | 'attrs' | 'loc'>,
  operands: readonly (ITensor | null)[],
): readonly ITensor[] {
  const op = opOf(node);
  const types = inferTypes(op, operands.map(typeOfTensor), node.attrs, node.loc);
  const known = types.filter(isStaticType);
  const isOpen = op === opaqueOp || op.openSize !== undefined || op.traits.includes('bodies');
  if (known.length < types.length && !isOpen) {
    const open = types.flatMap(({ shape }) => shape.filter((dim) => typeof dim === 'string'));
    fail(
      'U2005',
      `${node.op} makes a result of a size that nothing tells before it: ${[...new Set(open)].join(', ')}`,
      node.loc,
      'give inputShapes, or --shape NAME=SIZES',
    );
  }
  const run: RunBody = ({ body, feeds }) => {
    const graph = bodyAt(node.attrs[body] as Graph, feeds);
    const results = evaluateGraph(graph, feeds);
    return graph.outputs.map((id) => results[id]);
  };
  const result = withLocation(node.loc, () => op.evaluate(named(op, operands), node.attrs, known, run));
  return Array.isArray(result) ? result : [result as ITensor];
}

const typeOfTensor = (tensor: ITensor | null): TensorType | null =>
  tensor && { dtype: tensor.dtype, shape: tensor.shape };

/** A body at the sizes of its feeds. @throws UnskewError U4001 for a feed that does not fit */
export const bodyAt = (body: Graph, feeds: Feeds): Graph =>
  specialize(
    body,
    bodySizes(body, feeds),
    new Map(body.inputs.map((id) => [id, typeOfTensor(feeds[id]) as TensorType])),
  );

/** The sizes in the types of inputs of a body. A known size may be another one: see body_types.ts. */
export function bodySizes(body: Graph, feeds: Feeds): Map<string, number> {
  const bindings = checkFeeds(body, feeds, { isBody: true });
  for (const id of body.inputs) learnSizes(bindings, body.values[id].type.shape, feeds[id].shape);
  return bindings;
}

/** Operands by their declared names. */
function named(op: AnyOp, operands: readonly (ITensor | null)[]): Parameters<AnyOp['evaluate']>[0] {
  const record: Record<string, ITensor | readonly (ITensor | null)[]> = {};
  Object.entries(op.operands).forEach(([name, spec], i) => {
    if (spec.presence === 'variadic') record[name] = operands.slice(i);
    else if (operands[i]) record[name] = operands[i];
  });
  return record as Parameters<AnyOp['evaluate']>[0];
}

/**
 * Counts the readers of each value. The caller reads outputs once more, so they are never freed; nobody frees
 * constants.
 */
function usesOf(graph: Graph, order: readonly Node[]): Map<ValueId, number> {
  const uses = new Map<ValueId, number>();
  const use = (id: ValueId | null) => id !== null && uses.set(id, (uses.get(id) ?? 0) + 1);
  for (const node of order) node.operands.forEach(use);
  graph.outputs.forEach(use);
  return uses;
}

const SEVERAL_SIZES =
  'sizes of one name are equal; where no operator needs it, an ONNX file compiles for others: inputShapes with the shapes of these inputs, or --shape NAME=SIZES for each';

/** Refuses feeds that do not fit the graph's inputs; returns the sizes of the symbols they bind. */
export function checkFeeds(graph: Graph, feeds: Feeds, { isBody = false } = {}): Map<string, number> {
  const bindings = new Map<string, number>();
  const inputs = new Set<string>(graph.inputs);
  for (const name of Object.keys(feeds)) {
    if (!inputs.has(name)) {
      fail('U4001', `the model has no input '${name}'`, { input: name }, `its inputs are: ${graph.inputs.join(', ')}`);
    }
  }
  for (const id of graph.inputs) {
    const { type } = graph.values[id];
    const feed = Object.hasOwn(feeds, id) ? feeds[id] : undefined; // an input may be called 'constructor'
    const shown = () => formatType(namedType(graph, type));
    if (feed === undefined) fail('U4001', `the input '${id}' (${shown()}) is missing`, { input: id });
    // a decoder has dozens of inputs for every word, which fit
    const refuse = (more = '', hint?: string): never =>
      fail('U4001', `the input '${id}' should be ${shown()}, but is ${formatType(feed)}${more}`, { input: id }, hint);
    if (feed.dtype !== type.dtype || feed.shape.length !== type.shape.length) refuse();
    type.shape.forEach((dim, axis) => {
      const size = feed.shape[axis];
      const known = typeof dim !== 'number' ? (bindings.get(dim) ?? size) : isBody ? size : dim;
      if (known !== size && typeof dim === 'number') refuse();
      if (known !== size) refuse(`, and ${namedDim(graph, dim)} is ${known} elsewhere`, SEVERAL_SIZES);
      if (typeof dim === 'string') bindings.set(dim, size);
    });
  }
  for (const [symbol, { min = 0, max = Infinity }] of Object.entries(graph.symbols ?? {})) {
    const size = bindings.get(symbol) ?? min;
    if (size >= min && size <= max) continue;
    const input = graph.inputs.find((id) => graph.values[id].type.shape.includes(symbol));
    const taken = max === Infinity ? `${min} and more` : `${min} to ${max}`;
    fail('U4001', `the size ${namedDim(graph, symbol)} is ${size}, but the model takes ${taken}`, {
      input: input ?? symbol,
    });
  }
  return bindings;
}
