/**
 * From a graph of static shapes to something that runs: native segments (one N-API call each) and, where no primitive
 * or kernel serves, single nodes on the interpreter. A network of known operators is one segment.
 */
import {
  type AttrSpecs,
  constantOf,
  type Graph,
  isDType,
  isStatic,
  type Node,
  opOf,
  sizeOf,
  topologicalOrder,
  typeOf,
  type ValueId,
} from '../../ir/index.ts';
import type { OneDnnBinding, SessionSpec } from './binding.ts';
import { GraphView, isLowered, lower, refusalOf } from './lower/index.ts';
import { Recorder } from './recorder.ts';

export interface NativeStep {
  readonly kind: 'native';
  readonly nodes: readonly Node[];
  readonly inputs: readonly ValueId[];
  readonly outputs: readonly ValueId[];
  readonly spec: SessionSpec;
  /** The node that each command belongs to. */
  readonly labels: readonly string[];
}

export interface ReferenceStep {
  readonly kind: 'reference';
  readonly node: Node;
  /** Why it runs here. */
  readonly reason: string;
}

export interface Plan {
  readonly graph: Graph;
  readonly steps: readonly (NativeStep | ReferenceStep)[];
}

export function buildPlan(graph: Graph, binding: OneDnnBinding, threads: number): Plan {
  const view = new GraphView(graph);
  const reasons = new Map(topologicalOrder(graph).order.map((node) => [node, reasonToInterpret(node, view)]));
  const groups = grouped(reasons);
  const lastRead = new Map<ValueId, number>();
  for (const [index, nodes] of groups.entries())
    for (const { operands } of nodes) for (const id of operands) if (id !== null) lastRead.set(id, index);
  for (const id of graph.outputs) lastRead.set(id, groups.length);
  const steps = groups.map((nodes, index): NativeStep | ReferenceStep => {
    const reason = reasons.get(nodes[0]);
    if (reason !== undefined) return { kind: 'reference', node: nodes[0], reason };
    return record(graph, binding, threads, nodes, (id) => (lastRead.get(id) ?? 0) > index);
  });
  return { graph, steps };
}

/** Why a node cannot be recorded, undefined when it can. */
function reasonToInterpret(node: Node, view: GraphView): string | undefined {
  if (!isLowered(node)) return 'no primitive or kernel computes it';
  for (const id of [...node.operands, ...node.results]) {
    if (id === null) continue;
    const { dtype, shape } = typeOf(view.graph, id);
    if (!isStatic(shape)) return 'a shape depends on run-time values';
    if (sizeOf(shape) === 0) return 'an empty tensor';
    if (shape.length > 6 || !isDType(dtype)) return `the type ${dtype} of rank ${shape.length}`;
  }
  return beyondNative(node, view) ?? refusalOf(node, view);
}

/** Primitives and kernels take sizes and steps of 32 bits, and windows over one to three axes. */
const NATIVE_MOST = 2 ** 31 - 1;
const NATIVE_AXES = 3;
const isNumber = (value: unknown): value is number => typeof value === 'number';

function beyondNative(node: Node, view: GraphView): string | undefined {
  const specs: AttrSpecs = opOf(node).attrs;
  for (const [name, value] of Object.entries(node.attrs)) {
    const { kind } = specs[name];
    if (kind !== 'int' && kind !== 'ints') continue;
    const far = [value].flat().find((item) => isNumber(item) && (item > NATIVE_MOST || item < -NATIVE_MOST - 1));
    if (far !== undefined) return `${name} of ${far}, which has more than 32 bits`;
  }
  for (const id of [...node.operands, ...node.results]) {
    const far = id !== null && view.shape(id).find((size) => isNumber(size) && size > NATIVE_MOST);
    if (far) return `an axis of ${far}, which has more than 32 bits`;
  }
  const axes = Array.isArray(node.attrs.dilations) ? node.attrs.dilations.length : 0;
  return axes > NATIVE_AXES ? `a window over ${axes} axes` : undefined;
}

/** As few groups as a greedy schedule finds: all native nodes that are ready, then one reference node each, and so on. */
function grouped(reasons: ReadonlyMap<Node, string | undefined>): Node[][] {
  // native nodes run in even turns, the others in odd ones: each in the first of its turns in which its operands are there
  const turns: Node[][] = [];
  const made = new Map<ValueId, number>();
  for (const [node, reason] of reasons) {
    const kind = reason === undefined ? 0 : 1;
    let turn = kind;
    for (const id of node.operands) if (id !== null) turn = Math.max(turn, made.get(id) ?? 0);
    if (turn % 2 !== kind) turn++;
    for (const id of node.results) made.set(id, turn);
    while (turns.length <= turn) turns.push([]);
    turns[turn].push(node);
  }
  return turns
    .flatMap((nodes, turn) => (turn % 2 === 0 ? [nodes] : nodes.map((node) => [node])))
    .filter((nodes) => nodes.length > 0);
}

function record(
  graph: Graph,
  binding: OneDnnBinding,
  threads: number,
  nodes: readonly Node[],
  isReadLater: (id: ValueId) => boolean,
): NativeStep {
  const made = new Set(nodes.flatMap((n) => n.results));
  const read = new Set(nodes.flatMap((n) => n.operands));
  const inputs = [...read].filter(
    (id): id is ValueId => id !== null && !made.has(id) && constantOf(graph, id) === undefined,
  );
  const outputs = [...made].filter(isReadLater);
  const recorder = new Recorder(graph, binding, threads, inputs, outputs);
  for (const node of nodes) {
    recorder.begin(node);
    lower(node, recorder);
  }
  const { spec, labels } = recorder.finish();
  return { kind: 'native', nodes, inputs, outputs, spec, labels };
}
