/** The outputs of a public model on an engine, compared with those that were recorded. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TfliteProfile } from '../../src/importers/tflite/profiles.ts';
import { bytesOf, type Graph, type ITensor } from '../../src/ir/index.ts';
import { readNpy } from '../support/npy.ts';
import type { Opened } from './engines.ts';
import { expectedFolder, inputsOf, type RecordedModel, random, SETS } from './public_models.ts';
import { nextOf, startOf } from './runs.ts';

export interface RecordedOutput {
  readonly shape: readonly number[];
  readonly sha256: string;
  /** The whole output, where it is small; else samples of it. */
  readonly file?: string;
  readonly first64?: readonly number[];
  readonly at256?: readonly number[];
}

type Recorded = readonly RecordedOutput[] | 'same as ref' | 'same as builtin';

export interface RecordedRun {
  readonly set: number;
  readonly step?: number;
  readonly ref: Recorded;
  readonly builtin: Recorded;
  readonly xnnpack: Recorded;
}

/** Outputs are compared one by one; `floats` are those of another last bit, with the largest difference in the terms of the largest element. */
export interface Comparison {
  readonly equal: number;
  readonly floats: number;
  readonly largest: number;
  readonly wrong: readonly string[];
}

function answerOf(run: RecordedRun, profile: TfliteProfile): readonly RecordedOutput[] {
  let recorded = profile === 'tflite' ? run.ref : run.xnnpack;
  while (typeof recorded === 'string') recorded = recorded === 'same as ref' ? run.ref : run.builtin;
  return recorded;
}

const SAMPLE_SEED = 0x5eed;

/** Pairs of a recorded element and ours. */
function samplesOf(name: string, { file, first64 = [], at256 = [] }: RecordedOutput, got: ITensor): number[][] {
  const ours = (i: number) => Number(got.data[i]);
  if (file !== undefined) {
    const { data } = readNpy(readFileSync(join(expectedFolder, name, file)));
    return Array.from(data as Float32Array, (want, i) => [Number(want), ours(i)]);
  }
  const n = got.data.length;
  return [
    ...first64.map((want, i) => [want, ours(i)]),
    ...at256.map((want, i) => [want, ours(Math.floor((random(SAMPLE_SEED, i) / 2 ** 32) * n))]),
  ];
}

/** Largest difference of floats in the terms of the largest element that sums in another order excuse. */
const SLACK = 2 ** -16;

/** All sets, twice where the model has state. */
export async function compareOutputs(
  graph: Graph,
  name: string,
  model: RecordedModel,
  profile: TfliteProfile,
  engine: Opened,
): Promise<Comparison> {
  const wrong: string[] = [];
  let [equal, floats, largest] = [0, 0, 0];
  for (const set of SETS) {
    let state = startOf(graph);
    for (const run of model.sets?.filter((recorded) => recorded.set === set) ?? []) {
      const results = await engine.run({ ...inputsOf(graph, model, set, run.step), ...state });
      state = nextOf(graph, results);
      for (const [i, want] of answerOf(run, profile).entries()) {
        const got = results[graph.outputs[i]];
        if (createHash('sha256').update(bytesOf(got.data)).digest('hex') === want.sha256) {
          equal++;
          continue;
        }
        const samples = samplesOf(name, want, got);
        const others = samples.filter(([a, b]) => !Object.is(a, b));
        const difference = Math.max(0, ...others.map(([a, b]) => Math.abs(a - b)));
        const most = Math.max(...samples.map(([a]) => Math.abs(a)));
        if (got.dtype === 'f32' && difference <= SLACK * most) {
          floats++;
          largest = Math.max(largest, difference / most);
        } else wrong.push(`set ${set} output ${i}: ${others.length} of ${samples.length}, by ${difference} of ${most}`);
      }
    }
  }
  return { equal, floats, largest, wrong };
}
