/** Runs and drops models, and measures their remains: `node --expose-gc --import tsx child.ts models|workers COUNT`. / */
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout as after, setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { importModel, Tensor } from '../../src/index.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { Model } from '../../src/runtime/model.ts';
import { floats, sums } from './network.ts';

declare const gc: () => void;

/** Names of the threads of the addon. */
const threads = (): string[] =>
  readdirSync('/proc/self/task').flatMap((task) => {
    try {
      const name = readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim();
      return name.startsWith('unskew') ? [name] : [];
    } catch {
      return []; // it has ended meanwhile
    }
  });

async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    gc();
    await nextTurn();
  }
}

/** MiB of the process after collection. */
async function resident(): Promise<number> {
  await settle();
  return process.memoryUsage.rss() / 2 ** 20;
}

const compiled = compileGraph(await importModel(sums()), { threads: 2 });
/** A session of this network holds 4 MiB, and so does each result. */
const large = floats(2 ** 20);
const disposed = (error: { readonly code?: string }): void => {
  if (error.code !== 'U4002') throw error;
};

const scenarios: Readonly<Record<string, (i: number) => Promise<void>>> = {
  async disposed(i) {
    const model = new Model(compiled, { threads: 1 + (i % 2) });
    await model.run(large);
    model.runSync(large);
    model.dispose();
  },
  async dropped(i) {
    await new Model(compiled, { threads: 1 + (i % 2) }).run(large);
    if (i % 10 === 0) await settle();
  },
  async 'disposed during runs'(i) {
    const model = new Model(compiled, { threads: 1 + (i % 2) });
    const runs = [1, 2, 3].map(() => model.run(large).catch(disposed));
    if (i % 3 === 0) await nextTurn();
    model.dispose();
    await Promise.all(runs);
  },
  async 'dropped during runs'(i) {
    void new Model(compiled, { threads: 1 + (i % 2) }).run(large);
    await nextTurn();
    if (i % 10 === 0) await settle();
  },
};

/** One model, other sizes each time. */
function shapes(): (i: number) => Promise<void> {
  const model = new Model(compiled, { threads: 2, keptShapes: 4 });
  return async (i) => {
    await model.run(floats(2 ** 20 + i));
  };
}

/** Terminated while it compiles, or while runs go on. */
async function worker(i: number): Promise<void> {
  const file = JSON.stringify(new URL('./worker.ts', import.meta.url).href);
  const load = `import('tsx/esm/api').then(({ register }) => (register(), import(${file})));`;
  const one = new Worker(load, { eval: true, workerData: { compiles: i % 2 === 0 } });
  await new Promise((resolve, reject) => one.once('message', resolve).once('error', reject));
  await after(3 * i);
  await one.terminate();
}

/** Threads end on their own, without a collection: as many as are left after a while. */
async function threadsLeft(): Promise<number> {
  for (let i = 0; i < 100 && threads().length > availableParallelism(); i++) await after(50);
  return threads().length;
}

const [kind, count] = process.argv.slice(2);
const results: Record<string, { grown: number; threads: number }> = {};
const all = kind === 'workers' ? { workers: worker } : { ...scenarios, 'of ever other sizes': shapes() };
for (const [name, one] of Object.entries(all)) {
  const warming = kind === 'workers' ? 1 : 10;
  for (let i = 0; i < warming; i++) await one(i);
  const before = await resident();
  for (let i = 0; i < Number(count); i++) await one(warming + i);
  // a dropped model ends its threads when it is collected, a disposed one at once
  if (name.startsWith('dropped')) await settle();
  const left = await threadsLeft();
  results[name] = { grown: (await resident()) - before, threads: left };
}
const model = new Model(compiled, { threads: 2 });
const { y } = await model.run({ x: new Tensor('float32', [1, -2], [2]) });
console.log(JSON.stringify({ results, sums: [...y.data] }));
