/**
 * Prints, for every public model, how many layers are equal to LiteRT's, and the first that is not; with
 * `--on interpreter,addon,onnxruntime,symmetric`, how many outputs are.
 */
import { UnskewError } from '../../src/diagnostics/index.ts';
import { importTflite } from '../../src/importers/tflite/import.ts';
import { type TfliteProfile, tfliteProfiles } from '../../src/importers/tflite/profiles.ts';
import type { Graph } from '../../src/ir/index.ts';
import { type EngineName, engines, enginesAsked, wordsOf } from './engines.ts';
import { compareLayers, fileOf, type RecordedModel, recordedModels, SETS } from './public_models.ts';
import { compareOutputs } from './public_outputs.ts';

const words = process.argv.slice(2);
const [only = ''] = wordsOf(words);
const sets = words.includes('--all') ? SETS : [0];
const asked = words.includes('--on') ? enginesAsked(words) : [];

const print = (name: string, profile: TfliteProfile, rest: readonly string[]): void =>
  console.log(
    [
      name
        .replace(/^.*__/, '')
        .replace(/\.tflite$/, '')
        .slice(0, 32)
        .padEnd(32),
      profile.padEnd(7),
      ...rest,
    ].join('  '),
  );

const textOf = (error: unknown): string =>
  error instanceof UnskewError ? `refused: ${error.message.split('\n')[0]}` : `FAILS: ${error}`;

/** The reason why the answers of a model cannot be compared. */
function reasonOf(graph: Graph, { fails, dies, cut }: RecordedModel): string | undefined {
  const carried = graph.origin?.unsupported ?? [];
  if (carried.length > 0)
    return `carried: ${[...new Set(carried.map(({ operator, reason }) => `${operator}: ${reason}`))].join('; ')}`;
  return fails !== undefined || dies !== undefined || cut !== undefined ? 'LiteRT does not run it' : undefined;
}

async function outputs(graph: Graph, name: string, model: RecordedModel, profile: TfliteProfile, on: EngineName) {
  const start = performance.now();
  try {
    const engine = await engines[on](graph);
    const opened = performance.now();
    const { equal, floats, largest, wrong } = await compareOutputs(graph, name, model, profile, engine);
    await engine.close();
    print(name, profile, [
      on.padEnd(11),
      `${equal} equal`.padStart(9),
      `${floats} last bits`.padStart(12),
      `${wrong.length} wrong`.padStart(8),
      `${((opened - start) / 1000).toFixed(2)} s to open`.padStart(15),
      `${((performance.now() - opened) / 1000).toFixed(2)} s to run`.padStart(14),
      ...(floats > 0 ? [`floats by ${largest.toExponential(1)} of the largest`] : []),
      ...wrong.slice(0, 1),
    ]);
  } catch (error) {
    print(name, profile, [on.padEnd(11), textOf(error)]);
  }
}

function layers(graph: Graph, name: string, model: RecordedModel, profile: TfliteProfile): void {
  for (const set of sets) {
    const start = performance.now();
    const { equal, wrong, unseen } = compareLayers(graph, name, model, profile, set);
    const first = wrong.length > 0 ? [`${wrong.length} wrong, first ${wrong[0]}`] : [];
    const took = `${Math.round(performance.now() - start)} ms`;
    print(name, profile, [`set ${set}`, `${equal} equal, ${unseen} unseen`, ...first, took]);
  }
}

for (const [name, model] of recordedModels()) {
  if (!name.includes(only)) continue;
  for (const profile of tfliteProfiles) {
    try {
      const graph = importTflite(fileOf(name), { file: name, profile, state: 'inputs-and-outputs' });
      const reason = reasonOf(graph, model);
      if (reason !== undefined) print(name, profile, [reason]);
      else if (asked.length === 0) layers(graph, name, model, profile);
      else for (const on of asked) await outputs(graph, name, model, profile, on);
    } catch (error) {
      print(name, profile, [textOf(error)]);
    }
  }
}
