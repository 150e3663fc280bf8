/**
 * A MobileNetV2 as PyTorch saved it (TorchScript, quantized for the engine qnnpack) classifies photographs without PyTorch and
 * without Python: imported, legalized to symmetric int8 convolutions plus corrections, run on oneDNN, and compared with what
 * PyTorch itself computed, logit for logit.
 *
 *   npm run example:pytorch
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compile, importModel, Tensor } from 'unskew';
import { inTerminal, normalized, readPhoto } from '../01-classify/photo.ts';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const classes = readFileSync(here('../01-classify/classes.txt'), 'utf8').trim().split('\n');
const photos = ['dog', 'flower', 'china'];
/** The quantization of the last layer. */
const [SCALE, ZERO_POINT] = [0.15309934318065643, 75];

// 1. Import and compile. The archive does not say how large its images are, nor which engine it is for.
const start = performance.now();
const graph = await importModel(here('mobilenet_quantized.pt'), {
  profile: 'torch-qnnpack',
  inputShapes: { X: [1, 3, 224, 224] },
});
const imported = performance.now();
const model = await compile(graph);
const compiled = performance.now();
console.log(
  `MobileNetV2 from TorchScript: imported in ${(imported - start).toFixed(0)} ms, compiled in ${(compiled - imported).toFixed(0)} ms`,
);
const ways = new Map<string, number>();
for (const { chosen } of model.strategies) ways.set(chosen, (ways.get(chosen) ?? 0) + 1);
console.log(
  `${model.strategies.length} layers had a zero point to correct: ${[...ways].map(([way, n]) => `${n} by ${way}`).join(', ')}`,
);
console.log(`corrections: ${model.certificate.verdict} (${model.certificate.entries.length} rewritten nodes)\n`);

// 2. Photographs.
const recorded = integersOf(readFileSync(here('mobilenet_logits.npy')));
let differing = 0;
for (const [i, name] of photos.entries()) {
  const photo = readPhoto(here(`../01-classify/photos/${name}.ppm`));
  const { output } = await model.run({
    [model.inputs[0].name]: new Tensor('float32', normalized(photo), [1, 3, photo.height, photo.width]),
  });
  const logits = output.data as Float32Array;
  differing += logits.filter((y, c) => Math.round(y / SCALE) + ZERO_POINT !== recorded[1000 * i + c]).length;
  const top = [...logits.keys()].sort((a, b) => logits[b] - logits[a]).slice(0, 3);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
  if (process.stdout.isTTY && !process.env.NO_COLOR) console.log(inTerminal(photo, 32));
  console.log(`${name}.ppm`);
  for (const c of top)
    console.log(
      `  ${classes[c].slice(0, 40).padEnd(40)} ${((100 * Math.exp(logits[c])) / total).toFixed(1).padStart(5)} %`,
    );
}

// 3. The verdict.
console.log(`\nlogits that differ from PyTorch's: ${differing} of ${photos.length * 1000}`);
model.dispose();
if (differing > 0) process.exitCode = 3;

/** The bytes of an array of uint8 in NumPy's format. */
function integersOf(npy: Uint8Array): Uint8Array {
  return npy.subarray(10 + npy[8] + 256 * npy[9]);
}
