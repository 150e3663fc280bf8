/** The uint8 MobileNet of examples/04-tensorflow: the scores that LiteRT computes for photographs, on interpreter and addon. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readPhoto, shrunk } from '../../examples/01-classify/photo.ts';
import { legalize } from '../../src/codegen/index.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { importTflite } from '../../src/importers/tflite/import.ts';
import { tfliteProfiles } from '../../src/importers/tflite/profiles.ts';
import { interpret, tensor, toPublic } from '../../src/ir/index.ts';
import { addonAvailable } from '../../src/runtime/addon.ts';
import { compile } from '../../src/runtime/compile.ts';
import { checkRewrite } from '../../src/testing/index.ts';
import { runOnnx } from '../unit/onnx_export/support.ts';

const folder = join(import.meta.dirname, '../../examples');
const bytes = readFileSync(join(folder, '04-tensorflow/mobilenet_v1_0.25_128_quant.tflite'));
const SIDE = 128;
const photos = ['dog', 'flower', 'china'].map((name) => {
  const photo = readPhoto(join(folder, `01-classify/photos/${name}.ppm`));
  return tensor('u8', shrunk(photo, SIDE), [1, SIDE, SIDE, 3]);
});

describe.each(tfliteProfiles)('a uint8 MobileNet in the profile %s', (profile) => {
  const npy = readFileSync(join(folder, `04-tensorflow/scores_${profile}.npy`));
  const recorded = npy.subarray(10 + npy[8] + 256 * npy[9]);
  const graph = importTflite(bytes, { profile });
  const [input] = graph.inputs;
  const [output] = graph.outputs;
  const scoresOf = (all: readonly ArrayLike<number>[]) => Buffer.from(all.flatMap((scores) => Array.from(scores)));

  it('has the scores of LiteRT on the interpreter', () => {
    const scores = photos.map((photo) => interpret(graph, { [input]: photo })[output].data as Uint8Array);
    expect(scoresOf(scores).equals(recorded)).toBe(true);
  });

  it('has the scores of LiteRT on the addon, where all of it runs natively', async ({ skip }) => {
    const { available } = addonAvailable();
    if (!available) skip('the addon is not built');
    const model = await compile(graph, { threads: 1 });
    const scores: Uint8Array[] = [];
    for (const photo of photos) scores.push((await model.run({ [input]: toPublic(photo) }))[output].data as Uint8Array);
    expect(scoresOf(scores).equals(recorded)).toBe(true);
    expect(model.fallbacks).toEqual([]);
    model.dispose();
  });

  it('has the scores of LiteRT on ONNX Runtime once it is rewritten without zero points', async () => {
    const rewritten = exportOnnx(legalize(graph, { target: 'symmetric' }).graph);
    const scores: Uint8Array[] = [];
    for (const photo of photos)
      scores.push((await runOnnx(rewritten, { [input]: photo }, 'all'))[output].data as Uint8Array);
    expect(scoresOf(scores).equals(recorded)).toBe(true);
  });

  it('means the same without zero points, as the property kit finds', () => {
    expect(checkRewrite(graph, legalize(graph, { target: 'symmetric' }).graph, { runs: 2 }).drawn).toBe(2);
  });
});
