/** Prints, for every public model, how many layers are equal to LiteRT's, and the first that is not. */
import { UnskewError } from '../../src/diagnostics/index.ts';
import { importTflite } from '../../src/importers/tflite/import.ts';
import { tfliteProfiles } from '../../src/importers/tflite/profiles.ts';
import { compareLayers, fileOf, recordedModels, SETS } from './public_models.ts';

const [only = ''] = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const sets = process.argv.includes('--all') ? SETS : [0];
for (const [name, model] of recordedModels()) {
  if (!name.includes(only)) continue;
  for (const profile of tfliteProfiles) {
    const head = `${name.slice(0, 60).padEnd(60)} ${profile.padEnd(8)}`;
    try {
      const graph = importTflite(fileOf(name), { file: name, profile, state: 'inputs-and-outputs' });
      const carried = graph.origin?.unsupported ?? [];
      if (carried.length > 0) {
        const reasons = [...new Set(carried.map(({ operator, reason }) => `${operator}: ${reason}`))];
        console.log(head, `${carried.length} carried:`, reasons.join('; '));
        continue;
      }
      if (model.layers === undefined) {
        console.log(head, 'not recorded');
        continue;
      }
      for (const set of sets) {
        const start = performance.now();
        const { equal, wrong, unseen } = compareLayers(graph, name, model, profile, set);
        const first = wrong.length > 0 ? `${wrong.length} wrong, first ${wrong[0]}` : '';
        console.log(
          head,
          set,
          `${equal} equal, ${unseen} unseen`,
          first,
          `${Math.round(performance.now() - start)} ms`,
        );
      }
    } catch (error) {
      console.log(head, error instanceof UnskewError ? error.message.split('\n')[0] : error);
    }
  }
}
