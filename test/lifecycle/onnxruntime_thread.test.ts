/** The thread of ONNX Runtime with a package in its place that is slow, fails, ends the thread or answers what cannot be sent. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ITensor } from '../../src/ir/index.ts';
import { Thread } from '../../src/runtime/onnxruntime/thread.ts';

/** What a run does with its input: [kind, number of elements to give back, elements …]. */
const kinds = { gives: 0, fails: 1, endsThread: 2, cannotBeSent: 3, isLong: 4 } as const;
/** Longer than it takes until a caller looks whether the thread lives. */
const LONG = 1500;

const packageText = `
const asleep = (milliseconds) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
// as in a thread that has to wait for a processor between an answer and what it writes about it
const { add } = Atomics;
Atomics.add = (...given) => (asleep(3), add(...given));
exports.Tensor = class {
  constructor(type, data, dims) {
    Object.assign(this, { type, data, dims });
  }
};
const run = async ({ x: { data: [kind, count, ...elements] } }) => {
  if (kind === ${kinds.fails}) throw new Error('no such run');
  if (kind === ${kinds.endsThread}) process.exit(1);
  if (kind === ${kinds.isLong}) asleep(${LONG});
  const dims = kind === ${kinds.cannotBeSent} ? [() => count] : [count];
  return { y: new exports.Tensor('float32', Float32Array.from(elements.slice(0, count)), dims) };
};
exports.InferenceSession = {
  create: async () => ({
    inputNames: ['x'],
    outputNames: ['y'],
    outputMetadata: [{ isTensor: true, type: 'float32', shape: ['n'] }],
    run,
    release: async () => undefined,
  }),
};`;

const folder = mkdtempSync(join(tmpdir(), 'unskew-'));
const file = join(folder, 'package.cjs');
writeFileSync(file, packageText);
afterAll(() => rmSync(folder, { recursive: true }));

/** Elements are first, first + 1, … */
const inputs = (kind: keyof typeof kinds, first: number, count = 4, length = 4): [ITensor] => [
  {
    dtype: 'f32',
    shape: [length + 2],
    data: Float32Array.from([kinds[kind], count, ...Array.from({ length }, (_, i) => first + i)]),
  },
];
const expected = (first: number, count = 4) => [
  { dtype: 'f32', shape: [count], data: Float32Array.from({ length: count }, (_, i) => first + i) },
];

function opened() {
  const thread = new Thread(file);
  return { thread, session: thread.open(new Uint8Array(), 1) };
}

describe('a run in the lane', () => {
  it('gives its own results right behind an answer, and leaves nothing that waits', async () => {
    const { thread, session } = opened();
    for (let length = 1; length <= 20; length++) {
      // each length makes a new lane: a run that tells the sizes, one that sends the lane, one in it
      for (let round = 0; round < 2; round++)
        expect(await Promise.resolve(session.run(inputs('gives', 8 * length + round, length, length)))).toEqual(
          expected(8 * length + round, length),
        );
      for (let round = 2; round < 5; round++)
        expect(session.runSync(inputs('gives', 8 * length + round, length, length))).toEqual(
          expected(8 * length + round, length),
        );
      expect(thread.isBusy).toBe(false);
    }
  });

  it('that fails right behind an answer gives its reason', () => {
    const { thread, session } = opened();
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 3; i++) session.runSync(inputs('gives', i));
      expect(() => session.runSync(inputs('fails', 0))).toThrow(/U5002.*no such run/);
      expect(thread.isBusy).toBe(false);
    }
  });

  it('has the sizes of its own results after an answer of others that was delivered meanwhile', async () => {
    const { thread, session } = opened();
    const other = thread.open(new Uint8Array(), 1);
    for (let i = 0; i < 4; i++) session.runSync(inputs('gives', i));
    const all = [other.run(inputs('gives', 0)), session.run(inputs('gives', 10, 2))];
    other.runSync(inputs('gives', 0)); // delivers both
    for (const count of [2, 2, 3, 3, 3, 4, 0, 0, 0])
      expect(session.runSync(inputs('gives', 20, count))).toEqual(expected(20, count));
    expect(await Promise.all(all)).toEqual([expected(0), expected(10, 2)]);
    for (const count of [2, 2, 2, 4, 4, 1])
      expect(session.runSync(inputs('gives', 30, count))).toEqual(expected(30, count));
  });

  it('rejects where it fails, and never throws', async () => {
    const { session } = opened();
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 3; i++) session.runSync(inputs('gives', i));
      const failing = session.run(inputs('fails', 0));
      expect(failing).toBeInstanceOf(Promise);
      await expect(failing).rejects.toMatchObject({ code: 'U5002' });
    }
  });
});

describe.each(['cannotBeSent', 'endsThread'] as const)('%s', (kind) => {
  const reason = { cannotBeSent: /U5002.*could not be cloned/, endsThread: /U5002.*ended/ }[kind];

  it.each([0, 3])('after %i runs is an error of runs that are waited for', (runs) => {
    const { thread, session } = opened();
    for (let i = 0; i < runs; i++) session.runSync(inputs('gives', i));
    expect(() => session.runSync(inputs(kind, 0))).toThrow(reason);
    expect(thread.hasEnded).toBe(kind === 'endsThread');
    expect(thread.isBusy).toBe(false);
    if (thread.hasEnded) expect(() => session.runSync(inputs('gives', 0))).toThrow(reason);
    else expect(session.runSync(inputs('gives', 1))).toEqual(expected(1));
  });

  it('is an error of all runs that wait', async () => {
    const { thread, session } = opened();
    const all = [session.run(inputs('gives', 1)), session.run(inputs(kind, 0)), session.run(inputs('gives', 2))];
    const [first, second, third] = await Promise.allSettled(all);
    expect(first).toEqual({ status: 'fulfilled', value: expected(1) });
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'U5002' } });
    if (kind === 'cannotBeSent') expect(third).toEqual({ status: 'fulfilled', value: expected(2) });
    else expect(third).toMatchObject({ status: 'rejected', reason: { code: 'U5002' } });
    expect(thread.isBusy).toBe(false);
  });
});

it('a long run is waited for, in the lane and outside', () => {
  const { session } = opened();
  for (const [i, kind] of (['isLong', 'gives', 'isLong', 'gives'] as const).entries())
    expect(session.runSync(inputs(kind, i))).toEqual(expected(i));
});
