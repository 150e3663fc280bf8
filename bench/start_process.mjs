/**
 * A model from the start of a process to its first output, and the longest time for which a timer of 10 ms waits meanwhile.
 * Usage: node bench/start_process.mjs DIST ENGINE MODEL THREADS; it prints milliseconds and KiB as JSON.
 */
import { pathToFileURL } from 'node:url';

const [, , dist, engine, path, threads] = process.argv;
const sizeOf = (dims) => dims.reduce((a, b) => a * b, 1);
const arrays = { float32: Float32Array, uint8: Uint8Array, int8: Int8Array, int64: BigInt64Array, int32: Int32Array };
const zeros = (Tensor, type, dims) => new Tensor(type, new arrays[type](sizeOf(dims)), dims);
const known = (dims) => dims.map((dim) => (typeof dim === 'number' && dim > 0 ? dim : 1));

let last = performance.now();
let timerMs = 0;
const timer = setInterval(() => {
  const now = performance.now();
  timerMs = Math.max(timerMs, now - last - 10);
  last = now;
}, 10);

if (engine === 'onnxruntime') {
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const session = await InferenceSession.create(path, { intraOpNumThreads: Number(threads), logSeverityLevel: 4 });
  const feeds = session.inputMetadata.map(({ name, type, shape }) => [name, zeros(Tensor, type, known(shape))]);
  await session.run(Object.fromEntries(feeds));
} else {
  const { compile, Tensor } = await import(pathToFileURL(`${dist}/index.js`));
  const model = await compile(path, { threads: Number(threads) });
  await model.run(
    Object.fromEntries(model.inputs.map(({ name, type, dims }) => [name, zeros(Tensor, type, known(dims))])),
  );
}
const coldMs = performance.now();
await new Promise((resolve) => setTimeout(resolve, 30)); // the timer that waited last
clearInterval(timer);
console.log(JSON.stringify({ coldMs, timerMs, peakKiB: process.resourceUsage().maxRSS }));
process.exit(0);
