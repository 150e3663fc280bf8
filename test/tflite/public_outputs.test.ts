/** Outputs of public networks on the addon, and on ONNX Runtime once no product has a zero point: LiteRT's integers. */
import { describe, expect } from 'vitest';
import { importTflite } from '../../src/importers/tflite/import.ts';
import { tfliteProfiles } from '../../src/importers/tflite/profiles.ts';
import { addonAvailable } from '../../src/runtime/addon.ts';
import { itWhole } from '../support/corpus.ts';
import { engines } from './engines.ts';
import { fileOf, recordedModels } from './public_models.ts';
import { compareOutputs } from './public_outputs.ts';

const models = [
  'google-coral__test_data__mobilenet_v2_1.0_224_quant.tflite',
  'google-coral__test_data__tf2_mobilenet_v2_1.0_224_ptq.tflite',
  'google-coral__test_data__movenet_single_pose_lightning_ptq.tflite',
  'google-coral__test_data__keras_lstm_mnist_ptq.tflite',
  'mlcommons__tiny__pretrainedResnet_quant.tflite',
  'mlcommons__tiny__model_ToyCar_quant.tflite',
  'tensorflow__tflite-micro__dtln_noise_suppression.tflite',
];

describe.each(tfliteProfiles)('public networks in the profile %s', (profile) => {
  itWhole(
    'have equal outputs',
    async () => {
      const recorded = recordedModels();
      const wrong: string[] = [];
      for (const name of models) {
        const model = recorded.get(name);
        if (model === undefined) throw new Error(`no answers are recorded for ${name}`);
        const graph = importTflite(fileOf(name), { profile, state: 'inputs-and-outputs' });
        for (const on of addonAvailable().available ? (['addon', 'symmetric'] as const) : (['symmetric'] as const)) {
          const engine = await engines[on](graph);
          const found = await compareOutputs(graph, name, model, profile, engine);
          await engine.close();
          expect(found.equal, name).toBeGreaterThanOrEqual(4);
          wrong.push(...found.wrong.map((why) => `${name} on ${on}: ${why}`));
        }
      }
      expect(wrong).toEqual([]);
    },
    120_000,
  );
});
