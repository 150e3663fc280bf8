/** The threads of a process: one team serves all sessions and kernels that compute on several threads. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const addon = fileURLToPath(new URL('../../build/Release/unskew.node', import.meta.url));

/** The beginning of the scripts of processes and workers. A session is oneDNN's pooling, or our own table. */
const prelude = `const { readdirSync, readFileSync } = require('node:fs');
const { availableParallelism } = require('node:os');
const { Worker, parentPort } = require('node:worker_threads');
const tasks = () => readdirSync('/proc/self/task').flatMap((task) => {
  try {
    return readFileSync('/proc/self/task/' + task + '/comm', 'utf8').trim();
  } catch {
    return []; // it has ended meanwhile
  }
});
const ours = () => tasks().filter((name) => name.startsWith('unskew')).sort();
const addon = ${JSON.stringify(addon)};
const dims = [1, 64, 64, 64], bytes = 64 ** 3;
const made = (binding, kind, threads) => {
  const desc = binding.desc('u8', dims, 'channels-last');
  const commands = kind === 'primitive'
    ? [{ kind, primitive: binding.pooling({ algorithm: 'max', source: desc, destination: desc, kernel: [3, 3], strides: [1, 1], dilations: [1, 1], padsBegin: [1, 1], padsEnd: [1, 1] }, threads),
        arguments: { source: { space: 'input', index: 0 }, destination: { space: 'output', index: 0 } } }]
    : [{ kind, kernel: { name: 'lut', count: bytes }, arguments: { source: { space: 'input', index: 0 }, destination: { space: 'output', index: 0 },
        table: { space: 'constant', memory: binding.memory(Uint8Array.from({ length: 256 }, (_, i) => i)) } } }];
  const session = binding.session({ threads, arenaBytes: 0, inputBytes: [bytes], outputBytes: [bytes], commands });
  const call = (name) => {
    const value = Math.floor(Math.random() * 256), input = new Uint8Array(bytes).fill(value), output = new Uint8Array(bytes);
    const check = ([output]) => { if (!output.every((x) => x === value)) throw new Error('wrong output'); };
    return name === 'run' ? Promise.resolve(session.run([input])).then(check) : check([output], session.runSync([input], [output]));
  };
  return { run: () => call('run'), runSync: () => call('runSync'), dispose: () => session.dispose() };
};
const inWorker = (script) => new Promise((resolve, reject) => {
  const worker = new Worker(prelude + '(async () => {' + script + '})()', { eval: true });
  worker.once('exit', resolve).once('error', reject);
});
`;

function process_(script: string): unknown {
  const text = `const prelude = ${JSON.stringify(prelude)};\n${prelude}(async () => {${script}})().then((result) => console.log(JSON.stringify(result)))`;
  const { stdout, stderr, status, signal } = spawnSync(process.execPath, ['-e', text], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  return JSON.parse(stdout);
}

interface Counted {
  readonly processors: number;
  readonly names: readonly string[];
  readonly others: number;
}

describe('threads that compute', () => {
  it('are as many as the processors, for all work on several threads and all callers', () => {
    const { processors, names, others } = process_(`
      const binding = require(addon), before = tasks().length;
      const sessions = ['primitive', 'kernel', 'primitive', 'kernel'].map((kind, i) => made(binding, kind, i < 2 ? 64 : availableParallelism()));
      const source = binding.desc('u8', dims, 'row-major'), destination = binding.desc('u8', dims, 'channels-last');
      for (let round = 0; round < 20; round++) {
        const runs = sessions.map((session) => session.run());
        for (const session of sessions) session.runSync();
        binding.pack(new Uint8Array(bytes), source, destination, 64);
        await Promise.all(runs);
      }
      const names = ours();
      return { processors: availableParallelism(), names, others: tasks().length - names.length - before };
    `) as Counted;
    // oneDNN's regions come to our team: libgomp would have added threads of another name, or more of ours.
    expect({ others, count: names.length }).toEqual({ others: 0, count: processors > 1 ? processors : 4 });
  });

  it('are shared by workers', () => {
    const { processors, names } = process_(`
      const binding = require(addon);
      const work = \`
        const session = made(require(addon), 'primitive', 64);
        for (let round = 0; round < 10; round++) {
          const run = session.run();
          session.runSync();
          await run;
        }\`;
      const session = made(binding, 'kernel', 64);
      const workers = [1, 2, 3].map(() => inWorker(work));
      for (let round = 0; round < 20; round++) await session.run(), session.runSync();
      await Promise.all(workers);
      return { processors: availableParallelism(), names: ours() };
    `) as Counted;
    expect(names.length).toBeLessThanOrEqual(Math.max(processors, 4));
  });

  it('are absent for runSync with one thread, and one for each session for run', () => {
    expect(
      process_(`
        const binding = require(addon), before = tasks().length;
        const sessions = ['primitive', 'kernel'].map((kind) => made(binding, kind, 1));
        const counts = [];
        for (const name of ['runSync', 'run']) {
          await Promise.all(sessions.map((session) => session[name]()));
          counts.push(tasks().length - before);
        }
        for (const session of sessions) session.dispose();
        while (ours().length > 0) await new Promise(setImmediate);
        return counts;
      `),
    ).toEqual([0, 2]);
  });

  it('go on when all workers that loaded the addon have gone', () => {
    expect(
      process_(`
        const work = "const s = made(require(addon), 'primitive', 64); await s.run(); s.runSync();";
        await inWorker(work);
        const between = ours().length;
        await new Promise((done) => setTimeout(done, 50));
        await inWorker(work);
        return ours().length - between;
      `),
    ).toBe(0);
  });

  it('leave the event loop free while a run goes on that dispose finds begun', () => {
    const [waited, settled] = process_(`
      const binding = require(addon);
      const count = 4_000_000, table = { space: 'constant', memory: binding.memory(new Uint8Array(256)) };
      const commands = Array.from({ length: 4000 }, () => ({ kind: 'kernel', kernel: { name: 'lut', count },
        arguments: { source: { space: 'input', index: 0 }, destination: { space: 'output', index: 0 }, table } }));
      const session = binding.session({ threads: 2, arenaBytes: 0, inputBytes: [count], outputBytes: [count], commands });
      const runs = [1, 2].map(() => session.run([new Uint8Array(count)]));
      await new Promise((done) => setTimeout(done, 20));
      const start = performance.now();
      session.dispose();
      const disposed = performance.now();
      const settled = await Promise.allSettled(runs);
      return [(disposed - start) / (performance.now() - start), settled.map(({ status }) => status)];
    `) as [number, string[]];
    expect(settled).toEqual(['fulfilled', 'rejected']);
    expect(waited).toBeLessThan(0.5);
  });
});
