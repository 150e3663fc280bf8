/**
 * An engine of Node.js in a process of its own, as an application has it: protocol.ts says what it gets and answers.
 * unskew is the compiled library in dist/.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const { engine, model: path, threads, feeds: feedsFile, profile, isa } = JSON.parse(process.argv[2]);
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
const importing = profile === undefined ? {} : { profile };

const tensorsOf = (feeds, Tensor) =>
  feeds.map((each) => Object.fromEntries(Object.entries(each).map(([name, given]) => [name, tensorOf(given, Tensor)])));

function tensorOf({ type, dims, data }, Tensor) {
  const bytes = Uint8Array.from(Buffer.from(data, 'base64'));
  return new Tensor(type, new arrays[type](bytes.buffer, 0, bytes.length / arrays[type].BYTES_PER_ELEMENT), dims);
}

async function startUnskew(feeds, method) {
  const { compile, Tensor } = await import('../../dist/index.js');
  if (isa !== undefined) createRequire(import.meta.url)('../../build/Release/unskew.node').setKernelIsa('avx2');
  const tensors = tensorsOf(feeds, Tensor);
  const model = await compile(path, { threads, ...importing });
  const run = (i) => model[method](tensors[i]);
  await run(0);
  return { run, started: { interpreted: model.fallbacks.length } };
}

async function startOnnxRuntime(feeds) {
  const { InferenceSession, Tensor, env } = await import('onnxruntime-node');
  const tensors = tensorsOf(feeds, Tensor);
  const session = await InferenceSession.create(path, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 4,
  });
  const run = (i) => session.run(tensors[i]);
  await run(0);
  return { run, started: { version: env.versions.node ?? env.versions.common } };
}

/** In QDQ form the graph as written computes floats that integers stand for, so the quantized graph is the meaning. */
async function startInterpreter(feeds) {
  const { importModel, interpret, legalize, Tensor } = await import('../../dist/index.js');
  const { quantized } = legalize(await importModel(path, importing), { target: 'onednn' });
  const outputs = await interpret(quantized, tensorsOf(feeds, Tensor)[0]);
  return { run: () => outputs, started: {} };
}

const starts = {
  unskew: (feeds) => startUnskew(feeds, 'run'),
  'unskew-sync': (feeds) => startUnskew(feeds, 'runSync'),
  onnxruntime: startOnnxRuntime,
  interpreter: startInterpreter,
};

const say = (answer) => console.log(JSON.stringify(answer));

async function timeOf(run, i) {
  const start = performance.now();
  await run(i);
  return performance.now() - start;
}

async function medianOf(run, ms) {
  await run(0);
  const times = [];
  for (const end = performance.now() + ms; performance.now() < end || times.length === 0; )
    times.push(await timeOf(run, 0));
  return times.sort((a, b) => a - b)[times.length >> 1];
}

function stored(outputs) {
  const entries = Object.entries(outputs).map(([name, { type, dims, data }]) => {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    return [name, { type, dims, data: bytes.toString('base64') }];
  });
  return JSON.stringify(Object.fromEntries(entries));
}

const answers = {
  time: (run, { ms }) => medianOf(run, ms),
  pass: async (run, { times }, count) => {
    const all = Array.from({ length: count }, () => []);
    for (const [i, own] of all.entries()) while (own.length < times) own.push(await timeOf(run, i));
    return all;
  },
  outputs: async (run, { file }) => {
    writeFileSync(file, stored(await run(0)));
    return true;
  },
  peak: () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]),
};

try {
  const given = JSON.parse(readFileSync(feedsFile, 'utf8'));
  const { run, started } = await starts[engine](given);
  say(started);
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    say(await answers[request.do](run, request, given.length));
  }
} catch (error) {
  say({ refused: String(error?.message ?? error).split('\n')[0] });
}
process.exit(0);
