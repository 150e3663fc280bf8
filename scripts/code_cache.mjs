// Keeps the compiled code of dist/parts in build/code for this version of Node.js (scripts/load_part.cjs), so that a process does not compile
// it again. Models that use what most models use are compiled and run here, since only functions that were called have code.
// Usage: node scripts/code_cache.mjs [--quiet]
import { EventEmitter } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import threads from 'node:worker_threads';
import { compile, exportOnnx, parse, Tensor } from '../dist/index.js';

const ROOT = resolve(import.meta.dirname, '..');
const { keepCode } = createRequire(import.meta.url)('../dist/parts/load_part.cjs');

const sizeOf = (dims) => dims.reduce((a, b) => a * b, 1);

/** Constants of a graph as its text holds them: bytes that differ, scales of 1/16. */
function constants(types) {
  const lines = Object.entries(types).map(([name, type]) => {
    const [, dtype, dims] = type.match(/^(\w+)\[(.*)\]$/);
    const size = sizeOf(dims.split(',').map(Number));
    const data =
      dtype === 'f32'
        ? new Float32Array(size).fill(1 / 16)
        : dtype === 's32'
          ? Int32Array.from({ length: size }, (_, i) => i - 4)
          : Uint8Array.from({ length: size }, (_, i) => (i * 7) & 127);
    return `@${name} : ${type} = base64"${Buffer.from(data.buffer).toString('base64')}"`;
  });
  return `constants {\n${lines.join('\n')}\n}`;
}

/** Quantized and dequantized again with one scale. */
const requantized = (from, to, type) => `
  %${to}_q = qnn.quantize(%${from}, 0.0625:f32, zp=3:u8) : u8${type}
  %${to} = qnn.dequantize(%${to}_q, 0.0625:f32, zp=3:u8) : f32${type}`;

/** A convolution of quantized weights with a scale for each channel, as quantizers of ONNX write it. */
const convolution = (name, { from, to, weights, group = 1, strides = 1, pads = 0, type, channels }) => `
  %${name}_dw = qnn.dequantize(@${name}_w, @${name}_s, zp=@${name}_z) {axis=0} : f32${weights}
  %${name}_db = qnn.dequantize(@${name}_b, @${name}_bs) {axis=0} : f32[${channels}]
  %${to} = nn.conv(%${from}, %${name}_dw, bias=%${name}_db) {strides=[${strides},${strides}], pads=[${pads},${pads},${pads},${pads}], dilations=[1,1], group=${group}} : f32${type}`;
const ofConvolution = (name, weights, channels) => ({
  [`${name}_w`]: `s8${weights}`,
  [`${name}_s`]: `f32[${channels}]`,
  [`${name}_z`]: `s8[${channels}]`,
  [`${name}_b`]: `s32[${channels}]`,
  [`${name}_bs`]: `f32[${channels}]`,
});

const image = `graph @image(%input: f32[1,3,32,32]) -> (%scores) {${requantized('input', 'x', '[1,3,32,32]')}
${convolution('a', { from: 'x', to: 'a1', weights: '[16,3,3,3]', strides: 2, pads: 1, type: '[1,16,16,16]', channels: 16 })}
  %a2 = nn.relu(%a1) : f32[1,16,16,16]${requantized('a2', 'a3', '[1,16,16,16]')}
${convolution('b', { from: 'a3', to: 'b1', weights: '[16,1,3,3]', group: 16, pads: 1, type: '[1,16,16,16]', channels: 16 })}
  %b2 = nn.relu(%b1) : f32[1,16,16,16]${requantized('b2', 'b3', '[1,16,16,16]')}
${convolution('c', { from: 'b3', to: 'c1', weights: '[16,16,1,1]', type: '[1,16,16,16]', channels: 16 })}${requantized('c1', 'c2', '[1,16,16,16]')}
  %c3 = nn.add(%c2, %a3) : f32[1,16,16,16]${requantized('c3', 'c4', '[1,16,16,16]')}
  %d1 = nn.max_pool(%c4) {kernel=[2,2], strides=[2,2], pads=[0,0,0,0], dilations=[1,1]} : f32[1,16,8,8]${requantized('d1', 'd2', '[1,16,8,8]')}
  %e1 = nn.reduce_mean(%d2) {axes=[2,3], keepdims=true} : f32[1,16,1,1]${requantized('e1', 'e2', '[1,16,1,1]')}
  %e3 = nn.reshape(%e2) {shape=[1,16]} : f32[1,16]
  %f_dw = qnn.dequantize(@f_w, 0.0625:f32, zp=5:u8) : f32[16,10]
  %scores = nn.matmul(%e3, %f_dw) : f32[1,10]
}
${constants({
  ...ofConvolution('a', '[16,3,3,3]', 16),
  ...ofConvolution('b', '[16,1,3,3]', 16),
  ...ofConvolution('c', '[16,16,1,1]', 16),
  f_w: 'u8[16,10]',
})}`;

/** A dynamically quantized product with a normalization, GELU and a softmax, for any number of rows. */
const rows = `graph @rows(%x: f32[rows,32]) -> (%y) {
  %m = nn.reduce_mean(%x) {axes=[1], keepdims=true} : f32[rows,1]
  %c = nn.sub(%x, %m) : f32[rows,32]
  %p = nn.mul(%c, %c) : f32[rows,32]
  %v = nn.reduce_mean(%p) {axes=[1], keepdims=true} : f32[rows,1]
  %e = nn.add(%v, 0.00001:f32) : f32[rows,1]
  %d = nn.sqrt(%e) : f32[rows,1]
  %n = nn.div(%c, %d) : f32[rows,32]
  %q, %s, %z = qnn.dynamic_quantize(%n) : u8[rows,32], f32[], u8[]
  %i = qnn.matmul(%q, @w, za=%z) : s32[rows,32]
  %f = nn.cast(%i) {to="f32"} : f32[rows,32]
  %t = nn.mul(%s, 0.0625:f32) : f32[]
  %g = nn.mul(%f, %t) : f32[rows,32]
  %h = nn.div(%g, 1.4142135:f32) : f32[rows,32]
  %k = nn.erf(%h) : f32[rows,32]
  %l = nn.add(%k, 1:f32) : f32[rows,32]
  %o = nn.mul(%g, %l) : f32[rows,32]
  %y = nn.softmax(%o) {axis=1} : f32[rows,32]
}
${constants({ w: 's8[32,32]' })}`;

async function run(source, rowCount) {
  const model = await compile(source);
  const feed = Object.fromEntries(
    model.inputs.map(({ name, type, dims }) => {
      const sizes = dims.map((dim) => (typeof dim === 'number' ? dim : rowCount));
      const data = type === 'float32' ? new Float32Array(sizeOf(sizes)) : new Uint8Array(sizeOf(sizes));
      return [name, new Tensor(type, data, sizes)];
    }),
  );
  await model.run(feed);
  model.runSync(feed);
  return model;
}

/**
 * Models are compiled in this thread: each has code of its own, and this one alone gives it. `compile` does so where the system gives no
 * other one.
 */
threads.Worker = class extends EventEmitter {
  constructor() {
    super();
    setImmediate(() => this.emit('error', Object.assign(new Error('no thread'), { code: 'ERR_WORKER_INIT_FAILED' })));
  }
  postMessage() {}
  async terminate() {}
};

const folder = mkdtempSync(join(tmpdir(), 'unskew-code-'));
try {
  for (const [name, text] of Object.entries({ image, rows })) {
    const path = join(folder, `${name}.onnx`);
    writeFileSync(path, exportOnnx(parse(text)));
    const model = await run(path, 3);
    if (name === 'rows')
      for (const rowCount of [4, 5, 7])
        model.runSync({ x: new Tensor('float32', new Float32Array(32 * rowCount), [rowCount, 32]) });
    model.dispose();
  }
  // Packages have no examples: importers of other formats are then compiled as they are used.
  for (const example of [
    'examples/02-pytorch/mobilenet_quantized.pt',
    'examples/04-tensorflow/mobilenet_v1_0.25_128_quant.tflite',
  ]) {
    const path = join(ROOT, example);
    if (existsSync(path)) (await run(readFileSync(path), 1)).dispose();
  }
  const bytes = keepCode();
  if (!process.argv.includes('--quiet'))
    console.log(`${(bytes / 2 ** 20).toFixed(1)} MiB of code for Node.js ${process.version}`);
} finally {
  rmSync(folder, { recursive: true });
}
