/** Times plans against each other on the addon, without the costs at the border of a model. */
import type { BufferRef, Command, OneDnnBinding, SessionSpec } from '../codegen/onednn/binding.ts';
import type { Plan } from '../codegen/onednn/plan.ts';
import { type Graph, type Node, type NodeId, nnMaxPool, type ValueId, valueId, view } from '../ir/index.ts';

export interface TimingOptions {
  /** Turns of every contender; the least time counts. */
  readonly rounds: number;
  /** The intended time of one turn in µs: a faster plan runs several times. */
  readonly turn: number;
}

export const usualTiming: TimingOptions = { rounds: 32, turn: 400 };

/** Contenders this much slower than the first are not worth all rounds. */
const HOPELESS = 2;
const TURNS_OF_HOPELESS = 8;
/** The turns of one session. Times depend on the addresses of its buffers by a few percent, so it is renewed. */
const TURNS_OF_A_SESSION = 4;

/**
 * Microseconds of one run of each plan; undefined for one that does not run on the addon as a whole. Turns are
 * interleaved and their order alternates, so that a busy or slowly clocking machine treats all alike; least times count,
 * since noise only ever adds. Plans run several times in a row: their weights are in cache as far as they fit.
 */
export function timePlans(
  plans: readonly Plan[],
  binding: OneDnnBinding,
  { rounds, turn }: TimingOptions = usualTiming,
): (number | undefined)[] {
  const specs = plans.map(specOf);
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

/** Marks nodes that stand for preceding layers: `timePlans` leaves them out. */
const neighbours = { prefix: 'neighbour.', op: nnMaxPool.name } as const;

/**
 * The graph with a neighbour before every input that has spatial axes, so that the input comes in the layout that
 * layers of a network leave behind, channels last.
 */
export function withNeighbours(graph: Graph): Graph {
  const nodes: Record<NodeId, Node> = {};
  const values: Record<ValueId, Graph['values'][ValueId]> = { ...graph.values };
  const inputs = graph.inputs.map((id) => {
    const { type } = graph.values[id];
    if (type.shape.length < 3 || (type.dtype !== 'u8' && type.dtype !== 's8')) return id;
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
 * The commands of a plan of one native segment, without neighbours and without the copies that bring inputs and outputs
 * from and to row-major order. Their buffers become places of the arena.
 */
function specOf({ steps }: Plan): SessionSpec | undefined {
  const [step] = steps;
  if (steps.length !== 1 || step.kind !== 'native') return undefined;
  const { threads, arenaBytes, inputBytes, outputBytes, commands } = step.spec;
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
    step.nodes.filter((n) => view(nnMaxPool, n)?.x.startsWith(neighbours.prefix)).map((n) => n.id),
  );
  const kept = commands
    .filter((command, i) => !isNeighbour.has(step.labels[i]) && !isBorderCopy(command))
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
