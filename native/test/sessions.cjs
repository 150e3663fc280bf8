// Sessions, wrong arguments, collection and workers, for native/check_memory: node --expose-gc sessions.cjs ADDON
const { resolve } = require('node:path');
const { Worker, isMainThread, workerData } = require('node:worker_threads');

const addon = isMainThread ? resolve(process.argv[2]) : workerData;
const binding = require(addon);
const memory = binding.memory(Uint8Array.from({ length: 256 }, (_, i) => i + 1));

function incrementing(count, steps) {
  const commands = Array.from({ length: steps }, (_, i) => ({
    kind: 'kernel',
    kernel: { name: 'lut', count },
    arguments: {
      source: i === 0 ? { space: 'input', index: 0 } : { space: 'arena', offset: 0 },
      destination: i === steps - 1 ? { space: 'output', index: 0 } : { space: 'arena', offset: 0 },
      table: { space: 'constant', memory },
    },
  }));
  return { threads: 2, arenaBytes: count, inputBytes: [count], outputBytes: [count], commands };
}

const increments = (count, steps) => binding.session(incrementing(count, steps));

// One session at many sizes, while runs of the size before wait; where the arena stays, so do the places of all arguments.
async function resizes() {
  const template = binding.sessionTemplate(incrementing(100, 3));
  const sizesOf = (count, arenaBytes = count) => ({
    numbers: Float64Array.of(count, count, count, count, count),
    offsets: new Float64Array(4),
    arenaBytes,
  });
  const session = template.session(sizesOf(64));
  for (let i = 0, before = 64; i < 60; i++) {
    const count = 1 + ((i * 7919) % 200_000);
    const input = new Uint8Array(before).fill(i);
    const runs = i % 3 > 0 ? [session.run([input]), session.run([input])] : [];
    refused(() => template.resize(session, { ...sizesOf(count), arenaBytes: count - 1 }));
    template.resize(session, sizesOf(count, i % 8 < 4 ? count : 200_000));
    for (const [output] of await Promise.all(runs))
      if (output.length !== before || output.some((byte) => byte !== i + 3)) throw new Error('a wrong result');
    before = count;
  }
  session.dispose();
  refused(() => template.resize(session, sizesOf(64)));
}

function refused(body) {
  try {
    body();
  } catch {
    return;
  }
  throw new Error('not refused');
}

async function main() {
  for (let i = 0; i < 60; i++) {
    const session = increments(100_000, 3);
    const [input, output] = [new Uint8Array(100_000), new Uint8Array(100_000)];
    const runs = [session.run([input]), session.run([input])];
    if (i % 3 > 0) session.runSync([input], [output]);
    if (i % 2 > 0) session.dispose();
    refused(() => session.run([input.subarray(1)]));
    await Promise.allSettled(runs);
  }
  await resizes();
  const desc = binding.desc('u8', [1, 16, 4, 4], 'channels-last');
  refused(() => binding.desc('u8', [0], 'any'));
  refused(() => new desc.constructor());
  refused(() => binding.convolution({ source: desc, weights: desc }, 1));
  binding.pack(new Uint8Array(256), desc, binding.desc('u8', [1, 16, 4, 4], 'row-major'), 2);
  gc();
  if (!isMainThread) return;
  for (let i = 0; i < 4; i++) {
    const worker = new Worker(__filename, { workerData: addon });
    if (i % 2 > 0) setTimeout(() => worker.terminate(), 50);
    await new Promise((done, fail) => worker.once('exit', done).once('error', fail));
  }
  console.log('sessions.cjs: passed');
}

main();
