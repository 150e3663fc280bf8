/** Times graphs against each other on the addon, without what the border of a model costs. */
import {
  type Graph,
  isByteType,
  type Node,
  type NodeId,
  nnMaxPool,
  nodesOf,
  topologicalOrder,
  type ValueId,
  valueId,
  view,
} from '../../ir/index.ts';
import { keyOf } from '../../passes/index.ts';
import { wholeOf } from '../partition.ts';
import { type Timing, type TimingOptions, usualTiming } from '../timing.ts';
import { whyNotRecorded } from './accepts.ts';
import type { BufferRef, Command, OneDnnBinding, SessionSpec } from './binding.ts';
import type { Isa, Machine } from './machine.ts';
import { isOurs } from './our_kernel.ts';
import { planRegion } from './plan.ts';

/** Contenders this much slower than the first are not worth all rounds. */
const HOPELESS = 2;
const TURNS_OF_HOPELESS = 8;
/** The turns of one session. Times depend on the addresses of its buffers by a few percent, so it is renewed. */
const TURNS_OF_A_SESSION = 4;

/** `Timing` on a machine. */
export const timedKey = ({ isa }: Machine, graph: Graph): ReturnType<Timing['keyOf']> =>
  keyOf(
    graph,
    topologicalOrder(graph).order.map((node) => withoutNumbers(graph, node, isa)),
  );

export const timesOf = (
  { threads }: Machine,
  binding: OneDnnBinding,
  ...[graphs, options]: Parameters<Timing['time']>
): ReturnType<Timing['time']> =>
  timeCommands(
    graphs.map((graph) => commandsOf(graph, binding, threads)),
    binding,
    options,
  );

/** Our kernels take zero point and bias as numbers that sums begin with: nothing depends on whether there are any. */
const withoutNumbers = (graph: Graph, node: Node, isa: Isa): Node =>
  isOurs(graph, node, { isa })
    ? {
        ...node,
        attrs: { ...node.attrs, sourceZeroPoint: 0 },
        operands: node.operands.map((id, i) => (i === 2 ? null : id)),
      }
    : node;

/**
 * Microseconds of one run of each list of commands; undefined where there is none. Turns are
 * interleaved and their order alternates, so that a busy or slowly clocking machine treats all alike; least times count,
 * since noise only ever adds. Plans run several times in a row: their weights are in cache as far as they fit.
 */
function timeCommands(
  specs: readonly (SessionSpec | undefined)[],
  binding: OneDnnBinding,
  { rounds, turn }: TimingOptions = usualTiming,
): (number | undefined)[] {
  const reference = specs.find((spec) => spec !== undefined);
  if (reference === undefined) return specs.map(() => undefined);
  const once = Math.max(runOnce(binding, reference), 1);
  const repeats = Math.min(Math.max(Math.ceil(turn / once), 1), 100);
  const least = specs.map(() => Number.POSITIVE_INFINITY);
  const first = specs.indexOf(reference);
  for (let round = 0; round < rounds; ) {
    const order = [...specs.keys()].filter(
      (i) => specs[i] && (round < TURNS_OF_HOPELESS || least[i] <= HOPELESS * least[first]),
    );
    const sessions = order.map((i) => ({ i, session: binding.session(repeated(specs[i]!, repeats)) }));
    for (let turns = 0; turns < TURNS_OF_A_SESSION && round < rounds; turns++, round++) {
      for (const { i, session } of round % 2 === 0 ? sessions : [...sessions].reverse()) {
        const took = time(() => session.runSync([], []));
        least[i] = Math.min(least[i], took);
      }
    }
    for (const { session } of sessions) session.dispose();
  }
  return specs.map((spec, i) => spec && least[i] / repeats);
}

function time(work: () => void): number {
  const start = performance.now();
  work();
  return (performance.now() - start) * 1000;
}

function runOnce(binding: OneDnnBinding, spec: SessionSpec): number {
  const session = binding.session(spec);
  const least = Math.min(...Array.from({ length: 4 }, () => time(() => session.runSync([], []))));
  session.dispose();
  return least;
}

/** Marks nodes that stand for preceding layers: `commandsOf` leaves them out. */
const neighbours = { prefix: 'neighbour.', op: nnMaxPool.name } as const;

/**
 * The graph with a neighbour before every input that has spatial axes, so that the input comes in the layout that
 * layers of a network leave behind, channels last.
 */
function withNeighbours(graph: Graph): Graph {
  const nodes: Record<NodeId, Node> = {};
  const values: Record<ValueId, Graph['values'][ValueId]> = { ...graph.values };
  const inputs = graph.inputs.map((id) => {
    const { type } = graph.values[id];
    if (type.shape.length < 3 || !isByteType(type.dtype)) return id;
    const before = valueId(`${neighbours.prefix}${id}`);
    const [ones, zeros] = [1, 0].map((n) => type.shape.slice(2).map(() => n));
    values[before] = { type };
    nodes[id] = {
      id,
      op: neighbours.op,
      operands: [before],
      attrs: { kernel: ones, strides: ones, pads: [...zeros, ...zeros], dilations: ones, ceilMode: false },
      results: [id],
      loc: {},
    };
    return before;
  });
  return { ...graph, inputs, nodes: { ...nodes, ...graph.nodes }, values };
}

/**
 * The commands of a graph with neighbours, without those and without the copies that bring inputs and outputs from and to
 * row-major order. Their buffers become places of the arena. Undefined for a graph that does not run on the addon as a whole.
 */
function commandsOf(alone: Graph, binding: OneDnnBinding, threads: number): SessionSpec | undefined {
  const graph = withNeighbours(alone);
  if (nodesOf(graph).some((node) => whyNotRecorded(node, graph) !== undefined)) return undefined;
  const { spec, labels } = planRegion(wholeOf(graph), binding, { threads });
  const { arenaBytes, inputBytes, outputBytes, commands } = spec;
  let end = arenaBytes;
  const place = (bytes: number): BufferRef => {
    const offset = Math.ceil(end / 64) * 64;
    end = offset + bytes;
    return { space: 'arena', offset };
  };
  const [inputs, outputs] = [inputBytes.map(place), outputBytes.map(place)];
  const moved = (ref: BufferRef): BufferRef =>
    ref.space === 'input' ? inputs[ref.index] : ref.space === 'output' ? outputs[ref.index] : ref;
  const isNeighbour = new Set<string>(
    nodesOf(graph)
      .filter((n) => view(nnMaxPool, n)?.x.startsWith(neighbours.prefix))
      .map((n) => n.id),
  );
  const kept = commands
    .filter((command, i) => !isNeighbour.has(labels[i]) && !isBorderCopy(command))
    .map((command) => ({
      ...command,
      arguments: Object.fromEntries(Object.entries(command.arguments).map(([name, ref]) => [name, moved(ref)])),
    }));
  return { threads, arenaBytes: end, inputBytes: [], outputBytes: [], commands: kept };
}

const isBorderCopy = ({ kind, arguments: { source, destination }, ...command }: Command): boolean =>
  kind === 'kernel' &&
  'kernel' in command &&
  command.kernel.name === 'copy' &&
  (source.space === 'input' || destination.space === 'output');

const repeated = (spec: SessionSpec, times: number): SessionSpec => ({
  ...spec,
  commands: Array.from({ length: times }, () => spec.commands).flat(),
});
