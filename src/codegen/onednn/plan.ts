/** A region as one list of commands: one N-API call each run. A network of known operators is one region. */
import { assert, fail, messageOf, systemCode } from '../../diagnostics/index.ts';
import {
  bytesOf,
  type Graph,
  type ITensor,
  isStaticType,
  newArray,
  type StaticType,
  sizeOf,
  typeOf,
  type ValueId,
  viewAs,
} from '../../ir/index.ts';
import type { Plan, Region, Session } from '../backend.ts';
import type { OneDnnBinding, SessionSpec } from './binding.ts';
import type { KeptConstants } from './kept_constants.ts';
import { clustersOf, readOutside } from './lower/elementwise_clusters.ts';
import { recordElementwise } from './lower/elementwise_record.ts';
import { lower } from './lower/index.ts';
import type { Machine } from './machine.ts';
import { Recorder } from './recorder.ts';

export interface NativePlan extends Plan {
  readonly spec: SessionSpec;
  /** The node that each command belongs to. */
  readonly labels: readonly string[];
}

export function planRegion(
  region: Region,
  binding: OneDnnBinding,
  machine: Pick<Machine, 'threads' | 'kernels'>,
  kept?: KeptConstants,
): NativePlan {
  const { graph, nodes, inputs, outputs } = region;
  const recorder = new Recorder(graph, binding, machine, inputs, outputs, kept);
  // primitives alone have no programs
  const clusters = machine.kernels === 'onednn' ? nodes.map((node) => [node]) : clustersOf(graph, nodes);
  const isRead = readOutside(clusters, outputs);
  for (const cluster of clusters) {
    const last = cluster[cluster.length - 1];
    recorder.begin(last);
    if (cluster.length === 1) lower(last, recorder);
    else recordElementwise(cluster, recorder, isRead);
  }
  const { spec, labels } = recorder.finish();
  const bytesOfRun = sum([...spec.inputBytes, ...spec.outputBytes]);
  return {
    spec,
    labels,
    bytesOfRun,
    bytes: spec.arenaBytes + bytesOfRun,
    open: () => open(region, { spec, labels }, binding),
  };
}

function open(
  { graph, nodes, outputs }: Region,
  { spec, labels }: Pick<NativePlan, 'spec' | 'labels'>,
  binding: OneDnnBinding,
): Session {
  const session = binding.session(spec);
  const types = outputs.map((id) => staticType(graph, id));
  const fresh = () =>
    types.map(({ dtype, shape }): ITensor => ({ dtype, shape, data: newArray(dtype, sizeOf(shape)) }));
  return {
    run: async (inputs) => {
      const results = await session.run(buffersOf(inputs)).catch(refusedPosition);
      return types.map(({ dtype, shape }, i): ITensor => ({ dtype, shape, data: viewAs(dtype, results[i]) }));
    },
    runSync(inputs) {
      const results = fresh();
      withPositions(() => session.runSync(buffersOf(inputs), buffersOf(results)));
      return results;
    },
    profile(inputs) {
      const results = fresh();
      const perCommand = withPositions(() => session.profile(buffersOf(inputs), buffersOf(results)));
      const byNode = new Map<string, number>();
      labels.forEach((label, i) => {
        byNode.set(label, (byNode.get(label) ?? 0) + perCommand[i]);
      });
      const times = nodes.map(({ id, op }) => ({ node: id, op, microseconds: byNode.get(id) ?? 0 }));
      return { outputs: results, times };
    },
    dispose: () => session.dispose(),
  };
}

/** Fails as the interpreter does where a position that was computed lies outside of its axis. */
function refusedPosition(error: unknown): never {
  if (systemCode(error) === 'ERR_POSITION') fail('U2005', messageOf(error));
  throw error;
}

function withPositions<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    return refusedPosition(error);
  }
}

const buffersOf = (tensors: readonly ITensor[]): Uint8Array[] => tensors.map(({ data }) => bytesOf(data));

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

function staticType(graph: Graph, id: ValueId): StaticType {
  const type = typeOf(graph, id);
  assert(isStaticType(type), `%${id} has no static type`);
  return type;
}
