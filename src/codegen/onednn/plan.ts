/**
 * From a graph of static shapes to something that runs: native segments (one N-API call each) and, where no primitive
 * or kernel serves, single nodes on the interpreter. A network of known operators is one segment.
 */
import {
  type AttrSpecs,
  constantOf,
  dtypes,
  findOp,
  type Graph,
  isStatic,
  type Node,
  sizeOf,
  topologicalOrder,
  typeOf,
  type ValueId,
} from '../../ir/index.ts';
import type { OneDnnBinding, SessionSpec } from './binding.ts';
import { GraphView, lowerings } from './lower/index.ts';
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
  const view = new GraphView(graph, binding);
  const reasons = new Map(topologicalOrder(graph).order.map((node) => [node, refusal(node, view)]));
  const groups = grouped(graph, reasons);
  const steps = groups.map((nodes, index): NativeStep | ReferenceStep => {
    const reason = reasons.get(nodes[0]);
    if (reason !== undefined) return { kind: 'reference', node: nodes[0], reason };
    return record(graph, binding, threads, nodes, groups.slice(index + 1).flat());
  });
  return { graph, steps };
}

/** Why a node cannot be recorded, undefined when it can. */
function refusal(node: Node, view: GraphView): string | undefined {
  const lowering = lowerings[node.op];
  if (lowering === undefined) return 'no primitive or kernel computes it';
  for (const id of [...node.operands, ...node.results]) {
    if (id === null) continue;
    const { dtype, shape } = typeOf(view.graph, id);
    if (!isStatic(shape)) return 'a shape depends on run-time values';
    if (sizeOf(shape) === 0) return 'an empty tensor';
    if (shape.length > 6 || dtypes[dtype as keyof typeof dtypes] === undefined)
      return `the type ${dtype} of rank ${shape.length}`;
  }
  return beyondNative(node, view) ?? lowering.refuses?.(node, view);
}

/** Primitives and kernels take sizes and steps of 32 bits, and windows over one to three axes. */
const NATIVE_MOST = 2 ** 31 - 1;
const NATIVE_AXES = 3;

function beyondNative(node: Node, view: GraphView): string | undefined {
  const specs = findOp(node.op)?.attrs as AttrSpecs;
  for (const [name, value] of Object.entries(node.attrs)) {
    const { kind } = specs[name];
    if (kind !== 'int' && kind !== 'ints') continue;
    const far = [value].flat().find((item) => (item as number) > NATIVE_MOST || (item as number) < -NATIVE_MOST - 1);
    if (far !== undefined) return `${name} of ${far}, which has more than 32 bits`;
  }
  for (const id of [...node.operands, ...node.results]) {
    const far = id !== null && (view.shape(id) as readonly number[]).find((size) => size > NATIVE_MOST);
    if (far) return `an axis of ${far}, which has more than 32 bits`;
  }
  const axes = Array.isArray(node.attrs.dilations) ? node.attrs.dilations.length : 0;
  return axes > NATIVE_AXES ? `a window over ${axes} axes` : undefined;
}

/** As few groups as a greedy schedule finds: all native nodes that are ready, then one reference node, and so on. */
function grouped(graph: Graph, reasons: ReadonlyMap<Node, string | undefined>): Node[][] {
  const done = new Set<ValueId>(graph.inputs);
  const ready = (node: Node) =>
    node.operands.every((id) => id === null || done.has(id) || graph.values[id].constant !== undefined);
  const groups: Node[][] = [];
  let left = [...reasons.keys()];
  const take = (wanted: (node: Node) => boolean): Node[] => {
    const taken: Node[] = [];
    const rest: Node[] = [];
    for (const node of left) {
      if (!wanted(node) || !ready(node)) rest.push(node);
      else {
        taken.push(node);
        for (const id of node.results) done.add(id);
      }
    }
    left = rest;
    return taken;
  };
  while (left.length > 0) {
    const native = take((node) => reasons.get(node) === undefined);
    if (native.length > 0) groups.push(native);
    groups.push(...take((node) => reasons.get(node) !== undefined).map((node) => [node]));
  }
  return groups;
}

function record(
  graph: Graph,
  binding: OneDnnBinding,
  threads: number,
  nodes: readonly Node[],
  later: readonly Node[],
): NativeStep {
  const made = new Set(nodes.flatMap((n) => n.results));
  const read = new Set(nodes.flatMap((n) => n.operands));
  const inputs = [...read].filter(
    (id): id is ValueId => id !== null && !made.has(id) && constantOf(graph, id) === undefined,
  );
  const wanted = new Set<ValueId | null>([...graph.outputs, ...later.flatMap((n) => n.operands)]);
  const outputs = [...made].filter((id) => wanted.has(id));
  const recorder = new Recorder(graph, binding, threads, inputs, outputs);
  for (const node of nodes) {
    recorder.label(node.id);
    lowerings[node.op].lower(node, recorder);
  }
  const { spec, labels } = recorder.finish();
  return { kind: 'native', nodes, inputs, outputs, spec, labels };
}
