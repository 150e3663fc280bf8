/**
 * A MobileNetV2 that PyTorch quantized, zero points and all, classifies photographs: legalized to symmetric int8
 * convolutions plus corrections, run on oneDNN, and compared with the interpreter, logit for logit.
 *
 *   npm run demo
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compile, importModel, Tensor } from 'unskew';
import { inTerminal, normalized, readPhoto } from './photo.ts';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const classes = readFileSync(here('classes.txt'), 'utf8').trim().split('\n');
const photos = ['dog', 'flower', 'china'];

// 1. Import and compile.
const start = performance.now();
const graph = await importModel(here('mobilenet_v2_quantized.onnx'));
const imported = performance.now();
const model = await compile(graph);
const compiled = performance.now();
const reference = await compile(graph, { backend: 'reference' });
console.log(
  `MobileNetV2, quantized by PyTorch: imported in ${(imported - start).toFixed(0)} ms, compiled in ${(compiled - imported).toFixed(0)} ms\n`,
);

// 2. What was done to the zero points.
console.log(
  table(
    ['layer', 'zero point', 'correction', 'cost'],
    model.strategies.map((s) => [
      s.layer,
      String(s.zeroPoint ?? 'at run time'),
      s.chosen,
      `${s.ways.find((w) => w.name === s.chosen)?.cost.toFixed(2)}x`,
    ]),
  ),
);
const ways = new Map<string, number>();
for (const { chosen } of model.strategies) ways.set(chosen, (ways.get(chosen) ?? 0) + 1);
console.log(
  `\n${model.strategies.length} layers had a zero point to correct: ${[...ways].map(([way, n]) => `${n} by ${way}`).join(', ')}`,
);
console.log(`corrections: ${model.certificate.verdict} (${model.certificate.entries.length} rewritten nodes)\n`);

// 3. Photographs through both back ends.
let differing = 0;
const [input] = model.inputs;
for (const name of photos) {
  const photo = readPhoto(here(`photos/${name}.ppm`));
  const feeds = { [input.name]: new Tensor('float32', normalized(photo), [1, 3, photo.height, photo.width]) };
  const logits = (await model.run(feeds))[model.outputs[0].name].data as Float32Array;
  const expected = (await reference.run(feeds))[model.outputs[0].name].data as Float32Array;
  differing += logits.filter((logit, i) => logit !== expected[i]).length;
  const top = [...logits.keys()].sort((a, b) => logits[b] - logits[a]).slice(0, 5);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
  if (process.stdout.isTTY && !process.env.NO_COLOR) console.log(inTerminal(photo, 32));
  console.log(`${name}.ppm`);
  console.log(
    table(
      ['class', 'probability'],
      top.map((c) => [`  ${classes[c]}`, `${((100 * Math.exp(logits[c])) / total).toFixed(1)} %`]),
    ),
    '\n',
  );
}

// 4. The verdict, and the time.
const photo = readPhoto(here('photos/dog.ppm'));
const feeds = { [input.name]: new Tensor('float32', normalized(photo), [1, 3, photo.height, photo.width]) };
const addon = await median(300, () => model.run(feeds));
const interpreter = await median(1, () => reference.run(feeds));
console.log(`logits that differ between addon and interpreter: ${differing} of ${photos.length * 1000}`);
console.log(`time per photograph: addon ${addon.toFixed(2)} ms, interpreter ${interpreter.toFixed(0)} ms`);
model.dispose();
if (differing > 0) process.exitCode = 3;

/** Milliseconds. */
async function median(runs: number, body: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    await body();
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[Math.floor(runs / 2)];
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, c) => Math.max(title.length, ...rows.map((row) => row[c].length)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, c) => (c === 0 ? cell.padEnd(widths[c]) : cell.padStart(widths[c]))).join('  ');
  return [line(header), line(widths.map((w) => '─'.repeat(w))), ...rows.map(line)].join('\n');
}
