/**
 * What a process does to models and what is left of them: `node --expose-gc --import tsx child.ts SCENARIO COUNT`. Prints JSON.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { importModel } from '../../src/index.ts';
import { compileGraph, Model } from '../../src/runtime/compile.ts';
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
/** Of half a MiB, as what a session holds and each result. */
const large = floats(2 ** 17);
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

const [scenario, count] = process.argv.slice(2);
const one = scenarios[scenario] ?? shapes();
for (let i = 0; i < 20; i++) await one(i);
const before = await resident();
for (let i = 0; i < Number(count); i++) await one(i);
const grown = (await resident()) - before;
console.log(JSON.stringify({ grown, threads: [...new Set(threads())].sort(), count: threads().length }));

/** One model, other sizes each time. */
function shapes(): (i: number) => Promise<void> {
  const model = new Model(compiled, { threads: 2, keptShapes: 4 });
  return async (i) => {
    await model.run(floats(2 ** 17 + i));
  };
}
