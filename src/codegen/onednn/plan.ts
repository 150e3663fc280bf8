/** A region as one list of commands: one N-API call each run. A network of known operators is one region. */
import { assert } from '../../diagnostics/index.ts';
import { type Graph, isStaticType, typeOf, type ValueId } from '../../ir/index.ts';
import type { Plan, Region } from '../backend.ts';
import { atOnce, type Steps } from '../steps.ts';
import type { Arenas, OneDnnBinding, SessionSpec } from './binding.ts';
import { countedIn, type OutputType } from './counted.ts';
import type { KeptConstants } from './kept_constants.ts';
import { recordShuffle, shufflesOf } from './lower/channel_shuffle.ts';
import { homesOf } from './lower/concatenations.ts';
import { clustersOf, readOutside } from './lower/elementwise_clusters.ts';
import { recordElementwise } from './lower/elementwise_record.ts';
import { lower } from './lower/index.ts';
import type { Machine } from './machine.ts';
import { NativeForm } from './native_form.ts';
import { bytesOfPlan, open } from './open_session.ts';
import { Recorder } from './recorder.ts';

/** Milliseconds of one step while a session is made. */
const PART = 8;

export interface NativePlan extends Plan {
  readonly spec: SessionSpec;
  /** The node that each command belongs to. */
  readonly labels: readonly string[];
}

/** In steps, with one for each command or so. */
export function* planningOf(
  region: Region,
  binding: OneDnnBinding,
  machine: Pick<Machine, 'threads' | 'kernels'>,
  kept?: KeptConstants,
  arenas?: Arenas,
): Steps<NativePlan> {
  const { graph, nodes, inputs, outputs } = region;
  const recorder = new Recorder(graph, binding, machine, inputs, outputs, kept);
  // primitives alone have no programs
  const clusters = machine.kernels === 'onednn' ? nodes.map((node) => [node]) : clustersOf(graph, nodes);
  recorder.settle(homesOf(graph, nodes, outputs));
  const isRead = readOutside(clusters, outputs);
  const shuffles = shufflesOf(graph, nodes, outputs);
  const waiting = new Set([...shuffles.values()].flatMap((shuffle) => shuffle.nodes));
  for (const cluster of clusters) {
    yield;
    const last = cluster[cluster.length - 1];
    const shuffle = shuffles.get(last);
    recorder.begin(last);
    if (shuffle) {
      const left = recordShuffle(shuffle, recorder) ? [] : shuffle.nodes.filter((node) => waiting.delete(node));
      for (const node of left) lower(node, recorder);
    } else if (cluster.length > 1) recordElementwise(cluster, recorder, isRead);
    else if (!waiting.has(last)) lower(last, recorder);
  }
  yield;
  const recording = recorder.finish();
  const { spec, labels } = recording;
  const types = outputs.map((id) => outputType(graph, id));
  return {
    spec,
    labels,
    ...bytesOfPlan(spec.arenaBytes, [...spec.inputBytes, ...spec.outputBytes], labels.length),
    open: (expendable) => open({ nodes, labels, types }, binding.session(spec, arenas, expendable)),
    *opening(expendable) {
      const opening = binding.opening(spec, arenas, expendable);
      for (;;) {
        yield;
        const session = opening.advance(PART);
        if (session) return open({ nodes, labels, types }, session);
      }
    },
    form: () => new NativeForm(nodes, recording, types, binding, arenas),
  };
}

export const planRegion = (...given: Parameters<typeof planningOf>): NativePlan => atOnce(planningOf(...given));

function outputType(graph: Graph, id: ValueId): OutputType {
  const type = countedIn(graph).get(id) ?? typeOf(graph, id);
  assert(isStaticType(type), `%${id} has no static type`);
  return type;
}
