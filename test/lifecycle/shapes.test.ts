/** Sessions by sizes: made once, kept while they are of use, disposed of when they are not. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { compile, importModel, type Model } from '../../src/index.ts';
import { GraphBuilder } from '../../src/ir/index.ts';
import { nnSoftmax } from '../../src/ir/ops/nn_softmax.op.ts';
import { batch, expectedOf, network } from './network.ts';
import { watchSessions } from './support.ts';

afterEach(() => vi.restoreAllMocks());

const sizesOf = (sessions: readonly { readonly size: number }[]) => sessions.map(({ size }) => size);
const alive = <T extends { readonly disposed: boolean }>(sessions: readonly T[]) => sessions.filter((s) => !s.disposed);
const native = (keptShapes?: number): Promise<Model> =>
  compile(network(false), { threads: 1, ...(keptShapes && { keptShapes }) });

describe('sessions of a model with symbolic sizes', () => {
  it('go when they are the least recently used', async () => {
    const sessions = watchSessions();
    const model = await native(2);
    const steps: readonly (readonly [run: number, alive: readonly number[]])[] = [
      [1, [1]],
      [2, [1, 2]],
      [1, [1, 2]], // 2 is the least recently used now, although 1 is older
      [3, [1, 3]],
      [1, [1, 3]],
      [2, [1, 2]],
      [3, [2, 3]],
    ];
    for (const [size, expected] of steps) {
      await model.run(batch(size));
      expect(sizesOf(alive(sessions)).sort()).toEqual(expected);
    }
    expect(sizesOf(sessions)).toEqual([1, 2, 3, 2, 3]);
    model.dispose();
    expect(alive(sessions)).toEqual([]);
  });

  it('go so too when runs are synchronous, timed or both', async () => {
    const sessions = watchSessions();
    const model = await native(2);
    model.runSync(batch(1));
    model.profile(batch(2));
    model.runSync(batch(1));
    model.profile(batch(3));
    expect(sizesOf(alive(sessions))).toEqual([1, 3]);
    model.dispose();
  });

  it.each([
    ['all that are small, unless said', undefined, 12],
    ['as many as said', 3, 3],
    ['one', 1, 1],
    ['all', 100, 12],
  ])('are kept: %s', async (_name, keptShapes, kept) => {
    const sessions = watchSessions();
    const model = await native(keptShapes);
    for (let size = 1; size <= 12; size++) await model.run(batch(size));
    expect(alive(sessions)).toHaveLength(kept);
    model.dispose();
  });

  it('are 8 where these take much memory', async () => {
    const sessions = watchSessions();
    const b = new GraphBuilder();
    const x = b.input('x', 'f32', ['n', 2 ** 20]);
    const model = await compile(
      b.finish([b.emit(nnSoftmax, { x: b.emit(nnSoftmax, { x }, { axis: 1 }) }, { axis: 0 })]),
      { threads: 1 },
    );
    for (let n = 1; n <= 11; n++)
      model.runSync({ x: { type: 'float32', dims: [n, 2 ** 20], data: new Float32Array(n * 2 ** 20) } });
    expect(alive(sessions)).toHaveLength(8);
    model.dispose();
  });

  it('are made once for first runs at once, and are kept while runs use them', async () => {
    const sessions = watchSessions();
    const model = await native(2);
    const runs = Array.from({ length: 40 }, (_, i) => model.run(batch(1 + (i % 5), i)));
    // those that are not there yet wait for a family of plans
    expect([1, 2, 3, 4, 5].slice(0, sessions.length)).toEqual(sizesOf(sessions));
    expect(alive(sessions)).toHaveLength(sessions.length);
    await Promise.all(runs);
    expect(sizesOf(sessions)).toEqual([1, 2, 3, 4, 5]);
    expect(alive(sessions)).toHaveLength(2);
    model.dispose();
  });

  it('are kept for synchronous runs in the middle of others', async () => {
    const sessions = watchSessions();
    const model = await native(1);
    const expected = expectedOf(await importModel(network(false)));
    const first = model.run(batch(4, 1));
    for (let size = 1; size <= 3; size++)
      expect(model.runSync(batch(size)).y.data).toEqual((await expected(size, 0)).data);
    const again = model.run(batch(4, 2));
    expect((await first).y.data).toEqual((await expected(4, 1)).data);
    expect((await again).y.data).toEqual((await expected(4, 2)).data);
    expect(alive(sessions)).toHaveLength(1);
    model.dispose();
  });

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '4' as never, null as never])(
    'cannot be kept for %s sets of sizes',
    async (keptShapes) => {
      await expect(compile(network(), { keptShapes })).rejects.toThrow(
        /U4002.*keptShapes should be a whole number from 1/,
      );
    },
  );
});

describe('a number of threads', () => {
  it.each([0, -1, 1.5, 4097, 1e9, Number.NaN, Number.POSITIVE_INFINITY, '2' as never, null as never])(
    'cannot be %s',
    async (threads) => {
      for (const backend of ['onednn', 'reference'] as const)
        await expect(compile(network(), { threads, backend })).rejects.toThrow(/U4002.*threads.*from 1 to 4096/);
    },
  );
});
