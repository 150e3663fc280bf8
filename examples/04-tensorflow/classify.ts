/**
 * A MobileNet that TensorFlow Lite quantized to uint8 classifies photographs: source, weights and results all have zero points that
 * are not 0. The file is read as it is, and the integers are those of LiteRT.
 *
 *   npm run example:tensorflow
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compile, importModel, Tensor } from 'unskew';
import { readPhoto, shrunk } from '../01-classify/photo.ts';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
/** TensorFlow puts a class for the background in front. */
const classes = ['background', ...readFileSync(here('../01-classify/classes.txt'), 'utf8').trim().split('\n')];
const SIDE = 128;

const photos = ['dog', 'flower', 'china'];
/** The scores that LiteRT 2.3.0 computes for the photographs (make_fixture.py): uint8 [3, 1001] behind a header of 128 bytes. */
const recorded = (profile: string): Uint8Array => readFileSync(here(`scores_${profile}.npy`)).subarray(128);

let differing = 0;
for (const profile of ['xnnpack', 'tflite'] as const) {
  const graph = await importModel(here('mobilenet_v1_0.25_128_quant.tflite'), { profile });
  const model = await compile(graph);
  const [input] = model.inputs;
  const [output] = model.outputs;
  console.log(`In the arithmetic of ${profile}:`);
  const scores: number[] = [];
  for (const name of photos) {
    const photo = readPhoto(here(`../01-classify/photos/${name}.ppm`));
    const feeds = { [input.name]: new Tensor('uint8', shrunk(photo, SIDE), [1, SIDE, SIDE, 3]) };
    const result = (await model.run(feeds))[output.name].data as Uint8Array;
    const top = [...result.keys()].sort((a, b) => result[b] - result[a]).slice(0, 3);
    console.log(
      `  ${name}.ppm: ${top.map((c) => `${classes[c]} ${((100 * result[c]) / 256).toFixed(0)} %`).join(', ')}`,
    );
    scores.push(...result);
  }
  const wrong = scores.filter((score, i) => score !== recorded(profile)[i]).length;
  const convolutions = Object.values(graph.nodes).filter(({ op }) => op === 'qnn.conv');
  const shifted = convolutions.filter(({ operands: [, , , zeroPointOfWeights] }) => zeroPointOfWeights);
  console.log(
    `  ${convolutions.length} convolutions, ${shifted.length} over weights with a zero point; what was compiled is ${model.certificate.verdict}`,
  );
  console.log(`  integers that differ from LiteRT's: ${wrong} of ${scores.length}\n`);
  differing += wrong;
  model.dispose();
}
if (differing > 0) process.exitCode = 3;
