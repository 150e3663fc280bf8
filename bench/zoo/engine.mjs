/**
 * unskew or ONNX Runtime in a Node.js process of its own, as an application has them: protocol.ts says what it answers.
 * The arguments are engine, model, threads and the file of inputs. unskew is the compiled library in dist/.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const [, , engine, path, threadsGiven, feedsFile] = process.argv;
const threads = Number(threadsGiven);
const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  uint8: Uint8Array,
  int8: Int8Array,
  bool: Uint8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  float16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
};

function arrayOf({ type, data }) {
  const bytes = Uint8Array.from(Buffer.from(data, 'base64'));
  return new arrays[type](bytes.buffer, 0, bytes.length / arrays[type].BYTES_PER_ELEMENT);
}

async function startUnskew(feeds, runSync) {
  const { compile, Tensor } = await import('../../dist/index.js');
  const tensors = Object.fromEntries(
    Object.entries(feeds).map(([name, given]) => [name, new Tensor(given.type, arrayOf(given), given.dims)]),
  );
  const model = await compile(path, { threads });
  const run = runSync ? () => model.runSync(tensors) : () => model.run(tensors);
  await run();
  return {
    run,
    started: { interpreted: model.fallbacks.length },
  };
}

async function startOnnxRuntime(feeds) {
  const { InferenceSession, Tensor, env } = await import('onnxruntime-node');
  const tensors = Object.fromEntries(
    Object.entries(feeds).map(([name, given]) => [name, new Tensor(given.type, arrayOf(given), given.dims)]),
  );
  const session = await InferenceSession.create(path, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 4,
  });
  const run = () => session.run(tensors);
  await run();
  return { run, started: { version: env.versions.node ?? env.versions.common } };
}

const say = (answer) => console.log(JSON.stringify(answer));

async function medianOf(run, ms) {
  await run();
  const times = [];
  for (const end = performance.now() + ms; performance.now() < end || times.length === 0; ) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[times.length >> 1];
}

function stored(outputs) {
  const entries = Object.entries(outputs).map(([name, { type, dims, data }]) => {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    return [name, { type, dims, data: bytes.toString('base64') }];
  });
  return JSON.stringify(Object.fromEntries(entries));
}

async function serve(run) {
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    if (request.do === 'time') say(await medianOf(run, request.ms));
    else if (request.do === 'outputs') {
      writeFileSync(request.file, stored(await run()));
      say(true);
    } else say(Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]));
  }
}

try {
  const feeds = JSON.parse(readFileSync(feedsFile, 'utf8'));
  const { run, started } = await (engine === 'onnxruntime'
    ? startOnnxRuntime(feeds)
    : startUnskew(feeds, engine === 'unskew-sync'));
  say(started);
  await serve(run);
} catch (error) {
  say({ refused: String(error?.message ?? error).split('\n')[0] });
}
process.exit(0);
