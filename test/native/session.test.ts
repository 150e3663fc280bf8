/** Sessions: order of runs, disposal at any time, memory, workers, exit of the process. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Arenas, Command, NativeSession, SessionOpening, SessionSpec } from '../../src/codegen/onednn/binding.ts';
import { draws } from '../support/draws.ts';
import { binding, constant } from './support.ts';

const addon = fileURLToPath(new URL('../../build/Release/unskew.node', import.meta.url));
const increment = constant(Uint8Array.from({ length: 256 }, (_, i) => i + 1));

/** destination = source + `steps`, through the arena. */
function counter(count: number, steps: number, threads = 1, arenas?: Arenas): NativeSession {
  return binding.session(counting(count, steps, threads), arenas);
}

function counting(count: number, steps: number, threads = 1): SessionSpec {
  const commands: Command[] = Array.from({ length: steps }, (_, i) => ({
    kind: 'kernel',
    kernel: { name: 'lut', count },
    arguments: {
      source: i === 0 ? { space: 'input', index: 0 } : { space: 'arena', offset: 0 },
      destination: i === steps - 1 ? { space: 'output', index: 0 } : { space: 'arena', offset: 0 },
      table: increment,
    },
  }));
  return { threads, arenaBytes: count, inputBytes: [count], outputBytes: [count], commands };
}

describe('a session that is made in parts', () => {
  const made = (opening: SessionOpening): { session: NativeSession; parts: number } => {
    for (let parts = 1; ; parts++) {
      const session = opening.advance(0);
      if (session) return { session, parts };
    }
  };

  it('is the one that is made at once, on one thread and on several', () => {
    for (const threads of [1, 3]) {
      const { session, parts } = made(binding.opening(counting(1000, 5, threads)));
      expect(parts).toBeGreaterThan(5);
      const result = new Uint8Array(1000);
      session.runSync([new Uint8Array(1000).fill(7)], [result]);
      expect(result.every((x) => x === 12)).toBe(true);
      session.dispose();
    }
    expect(binding.opening(counting(1000, 5)).advance(1000)).toBeDefined();
  });

  it('goes its way beside others', () => {
    const openings = [2, 3, 4].map((steps) => binding.opening(counting(64, steps)));
    for (const opening of openings) expect(opening.advance(0)).toBeUndefined();
    for (const [i, opening] of openings.entries()) {
      const [result] = [new Uint8Array(64)];
      made(opening).session.runSync([new Uint8Array(64)], [result]);
      expect(result[0]).toBe(i + 2);
    }
  });

  it('is refused as at once, and cannot go on then, nor when it is there', () => {
    const wrong = { ...counting(1000, 5), arenaBytes: 10 };
    const messageOf = (body: () => unknown) => {
      try {
        body();
      } catch (error) {
        return (error as Error).message;
      }
      return undefined;
    };
    const refused = binding.opening(wrong);
    expect(messageOf(() => made(refused))).toBe(messageOf(() => binding.session(wrong)));
    expect(() => refused.advance(0)).toThrow('was made, or refused');
    const opening = binding.opening(counting(10, 1));
    made(opening);
    expect(() => opening.advance(0)).toThrow('was made, or refused');
    for (const time of [-1, 0.5, Number.NaN, '1' as never])
      expect(() => binding.opening(wrong).advance(time)).toThrow();
  });
});

describe('a session', () => {
  it('runs in order, synchronously and not, on one thread and on several', async () => {
    for (const threads of [1, 2, 4]) {
      const session = counter(100_000, 4, threads);
      const outputs = Array.from({ length: 8 }, () => new Uint8Array(100_000));
      const runs = outputs.map((_, i) => session.run([new Uint8Array(100_000).fill(i)]));
      const last = new Uint8Array(100_000);
      session.runSync([new Uint8Array(100_000).fill(100)], [last]);
      expect(last.every((x) => x === 104)).toBe(true);
      for (const [i, [output]] of (await Promise.all(runs)).entries())
        expect(output.every((x) => x === i + 4)).toBe(true);
      expect(session.profile([last], [outputs[0]])).toHaveLength(4);
      session.dispose();
    }
  });

  it.each([1, 2])('runs synchronously after the runs submitted before, on %d threads', async (threads) => {
    const session = counter(1_000_000, 20, threads);
    const runs = Array.from({ length: 5 }, (_, i) => session.run([new Uint8Array(1_000_000).fill(i)]));
    session.runSync([new Uint8Array(1_000_000)], [new Uint8Array(1_000_000)]);
    session.dispose(); // runs that had not been computed would reject
    for (const [i, [output]] of (await Promise.all(runs)).entries()) expect(output[999_999]).toBe(i + 20);
  });

  it('shares arenas with others of any size: those that run at once have several', async () => {
    for (const threads of [1, 2]) {
      const arenas = binding.arenas();
      const alive: NativeSession[] = [];
      const pending: Promise<void>[] = [];
      for (let i = 0; i < 60; i++) {
        const count = 1000 * ((i * 7) % 11) + 3 * 2 ** (i % 17) + 1;
        const session = counter(count, 3 + (i % 5), threads, arenas);
        alive.push(session);
        const run = async (value: number) => {
          const [output] = await session.run([new Uint8Array(count).fill(value)]);
          expect(output.every((x) => x === value + 3 + (i % 5))).toBe(true);
        };
        pending.push(run(i), run(2 * i));
        if (i % 3 === 0) {
          const output = new Uint8Array(count);
          session.runSync([new Uint8Array(count).fill(100)], [output]);
          expect(output.every((x) => x === 103 + (i % 5))).toBe(true);
        }
        // some go while they run: what they had is then another one's
        if (i % 4 === 3) {
          const gone = pending.splice(0);
          for (const old of alive.splice(0, 3)) old.dispose();
          await Promise.allSettled(gone);
        }
      }
      await Promise.all(pending);
      for (const session of alive) session.dispose();
    }
  });

  it('takes a copy of its inputs, and gives every run outputs of its own', async () => {
    const session = counter(8, 1);
    const input = new Uint8Array(8).fill(1);
    const first = session.run([input]);
    input.fill(50);
    const second = session.run([input]);
    structuredClone(input, { transfer: [input.buffer] });
    const [[a], [b]] = await Promise.all([first, second]);
    expect([a[0], b[0]]).toEqual([2, 51]);
    expect(a.buffer).not.toBe(b.buffer);
  });

  it('takes some inputs by its first steps, into outputs too, and copies the others', async () => {
    const count = 64;
    const step = (name: 'lut' | 'reduce', index: number, table = name === 'lut' && increment): Command => ({
      kind: 'kernel',
      kernel:
        name === 'lut'
          ? { name, count }
          : { name, operation: 'maximum', type: 'u8', outer: 1, length: count, inner: 1 },
      arguments: {
        source: { space: 'input', index },
        destination: { space: 'output', index },
        ...(table && { table }),
      },
    });
    const bytes = [count, count];
    const commands = [step('lut', 0), step('reduce', 1)];
    const session = binding.session({ threads: 1, arenaBytes: 0, inputBytes: bytes, outputBytes: bytes, commands });
    const inputs = [0, 1].map(() => new Uint8Array(count));
    const runs = Array.from({ length: 8 }, (_, i) => {
      for (const input of inputs) input.fill(i * 7);
      return session.run(inputs);
    });
    for (const input of inputs) structuredClone(input, { transfer: [input.buffer] });
    for (const [i, [y, most]] of (await Promise.all(runs)).entries()) {
      expect(y).toEqual(new Uint8Array(count).fill(i * 7 + 1));
      expect(most[0]).toBe(i * 7);
    }
    session.dispose();
  });

  it('gives outputs without elements', async () => {
    const session = counter(0, 1);
    expect(await session.run([new Uint8Array(0)])).toEqual([new Uint8Array(0)]);
  });

  it('computes quick runs at once, and leaves the event loop its turns', async () => {
    for (const threads of [1, 2]) {
      const session = counter(64, 1, threads);
      expect(session.run([new Uint8Array(64)])).toBeInstanceOf(Promise); // nothing is known of it yet
      let [atOnce, handedOver, turns] = [0, 0, 0];
      const until = Date.now() + 1000;
      const timer = setInterval(() => turns++, 1);
      while (turns < 5 && Date.now() < until) {
        const done = session.run([new Uint8Array(64).fill(atOnce % 200)]);
        const [output] = await done;
        expect(output[63]).toBe((atOnce % 200) + 1);
        if (done instanceof Promise) handedOver++;
        else atOnce++;
      }
      clearInterval(timer);
      expect(turns).toBe(5);
      expect(atOnce).toBeGreaterThan(handedOver); // one of 32, unless something else delays a run
      session.dispose();
      expect(() => session.run([new Uint8Array(64)])).toThrow('the session was disposed');
    }
  });

  it('computes nothing at once while a run waits: runs keep their order', async () => {
    const session = counter(64, 1);
    await session.run([new Uint8Array(64)]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(session.run([new Uint8Array(64)])).toHaveLength(1);
    expect(session.run([new Uint8Array(70).subarray(3, 67)])).toHaveLength(1); // bytes need no alignment
    session.dispose();
  });

  it('leaves the event loop free', async () => {
    const session = counter(4_000_000, 40);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await session.run([new Uint8Array(4_000_000)]);
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(0);
    session.dispose();
  });

  it('can be disposed of at any time; runs finish or reject', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('run', 'runSync', 'dispose', 'wait'), { maxLength: 12 }),
        fc.integer({ min: 1, max: 2 }),
        async (actions, threads) => {
          const session = counter(50_000, 2, threads);
          let disposed = false;
          const runs: Promise<void>[] = [];
          for (const action of actions) {
            const [input, output] = [new Uint8Array(50_000).fill(7), new Uint8Array(50_000)];
            if (action === 'dispose') {
              session.dispose();
              disposed = true;
            } else if (action === 'wait') {
              await Promise.allSettled(runs);
            } else if (disposed) {
              const call = () => (action === 'run' ? session.run([input]) : session.runSync([input], [output]));
              expect(call).toThrow('the session was disposed');
            } else if (action === 'runSync') {
              session.runSync([input], [output]);
              expect(output.every((x) => x === 9)).toBe(true);
            } else {
              const done = Promise.resolve(session.run([input]));
              runs.push(done.then(([made]) => expect(made.every((x) => x === 9)).toBe(true)));
            }
          }
          for (const result of await Promise.allSettled(runs)) {
            if (result.status === 'rejected') expect(result.reason.message).toBe('the session was disposed');
          }
        },
      ),
      draws(30),
    );
  });

  it('gives its memory back', async () => {
    const rss = () => process.memoryUsage.rss() / 2 ** 20;
    const use = async (n: number) => {
      for (let i = 0; i < n; i++) {
        const session = counter(1_000_000, 2, 2);
        const [input, output] = [new Uint8Array(1_000_000), new Uint8Array(1_000_000)];
        session.runSync([input], [output]);
        await session.run([input]);
        if (i % 2 === 0) session.dispose();
      }
    };
    await use(50);
    const before = rss();
    await use(400);
    expect(rss() - before).toBeLessThan(200); // 400 sessions hold 1 MB of arena each, and 2 MB of copies
  });

  const inChild = (script: string) =>
    spawnSync(
      process.execPath,
      [
        '--expose-gc',
        '-e',
        `const binding = require(${JSON.stringify(addon)});
      const memory = binding.memory(new Uint8Array(256));
      const make = (count, steps) => binding.session({ threads: 2, arenaBytes: count, inputBytes: [count], outputBytes: [count],
        commands: Array.from({ length: steps }, (_, i) => ({ kind: 'kernel', kernel: { name: 'lut', count }, arguments: {
          source: i === 0 ? { space: 'input', index: 0 } : { space: 'arena', offset: 0 },
          destination: i === steps - 1 ? { space: 'output', index: 0 } : { space: 'arena', offset: 0 },
          table: { space: 'constant', memory } } })) });
      const bytes = (n) => new Uint8Array(n);
      ${script}`,
      ],
      { encoding: 'utf8', timeout: 30_000 },
    );

  it.each([
    [
      'process.exit during runs',
      'const s = make(4e6, 50); for (let i = 0; i < 3; i++) s.run([bytes(4e6)]); setTimeout(() => process.exit(7), 20);',
      7,
    ],
    [
      'an exception during a run',
      'make(4e6, 50).run([bytes(4e6)]); setTimeout(() => { process.exitCode = 7; throw null; }, 5); process.on("uncaughtException", () => process.exit(7));',
      7,
    ],
    [
      'the end of the program with a pending run',
      'make(1e6, 9).run([bytes(1e6)]).then(() => { process.exitCode = 7; });',
      7,
    ],
    [
      'collection while a run is pending',
      'let s = make(4e6, 20); const done = s.run([bytes(4e6)]); s = undefined; gc(); gc(); done.then(() => { gc(); process.exit(7); });',
      7,
    ],
    [
      'collection of idle sessions',
      'for (let i = 0; i < 50; i++) make(1e5, 2).runSync([bytes(1e5)], [bytes(1e5)]); gc(); setImmediate(() => { gc(); process.exit(7); });',
      7,
    ],
  ])('survives %s', (_name, script, status) => {
    const result = inChild(script);
    expect({ status: result.status, signal: result.signal, stderr: result.stderr }).toEqual({
      status,
      signal: null,
      stderr: '',
    });
  });

  it('reads inputs that nobody changes where they are, for as long as it needs them', () => {
    const script = `
      const count = 32e6, peak = () => process.resourceUsage().maxRSS / 1024;
      const kernel = { name: 'reduce', operation: 'maximum', type: 'u8', outer: 1, length: count, inner: 1 };
      const places = { source: { space: 'input', index: 0 }, destination: { space: 'output', index: 0 } };
      const commands = Array.from({ length: 3 }, () => ({ kind: 'kernel', kernel, arguments: places }));
      const s = binding.session({ threads: 2, arenaBytes: 0, inputBytes: [count], outputBytes: [1], commands });
      const inputs = Array.from({ length: 3 }, () => bytes(count).fill(7));
      const run = async (isOurs) => {
        gc();
        const runs = inputs.map((input) => { const list = [input]; const run = s.run(list, isOurs); list[0] = undefined; return run; });
        gc();
        for (const done of runs) if ((await done)[0][0] !== 7) throw new Error('other results');
      };
      run(true).then(async () => {
        await run(true);
        const before = peak();
        await run(true);
        const kept = peak() - before;
        await run(false);
        console.log(JSON.stringify({ kept, copied: peak() - before }));
      });`;
    const { stdout, stderr } = inChild(script);
    expect(stderr).toBe('');
    const { kept, copied } = JSON.parse(stdout);
    expect(kept).toBeLessThan(40);
    expect(copied).toBeGreaterThan(60); // two copies at least: what this test counts can be seen
  });

  it('works in workers, also when they are terminated', async () => {
    const script = `const { parentPort } = require('node:worker_threads');
      const binding = require(${JSON.stringify(addon)});
      const memory = binding.memory(Uint8Array.from({ length: 256 }, (_, i) => i + 1));
      const session = binding.session({ threads: 2, arenaBytes: 0, inputBytes: [2000000], outputBytes: [2000000], commands: [{ kind: 'kernel', kernel: { name: 'lut', count: 2000000 },
        arguments: { source: { space: 'input', index: 0 }, destination: { space: 'output', index: 0 }, table: { space: 'constant', memory } } }] });
      session.run([new Uint8Array(2000000)]).then(([output]) => {
        parentPort.postMessage(output[1999999]);
        const again = () => Promise.resolve(session.run([output])).then(again);
        again(); again(); again();
      });`;
    for (let round = 0; round < 3; round++) {
      const workers = Array.from({ length: 4 }, () => new Worker(script, { eval: true }));
      const answers = workers.map(
        (worker) => new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject)),
      );
      expect(await Promise.all(answers)).toEqual([1, 1, 1, 1]);
      await Promise.all(workers.map((worker) => worker.terminate()));
    }
  });
});
