/** Runs that overlap, of all sizes and kinds, with each other and with the end of their model. */
import { describe, expect, it } from 'vitest';
import { compile, importModel, UnskewError } from '../../src/index.ts';
import { batch, expectedOf, network } from './network.ts';
import { expectSame } from './support.ts';

const graph = await importModel(network());
const expected = expectedOf(graph);

const isDeep = process.env.UNSKEW_DEEP !== undefined;

/** `disposed`, or the other outcome. */
const codeOf = (reason: unknown): unknown => (reason instanceof UnskewError ? reason.code : reason);

describe('runs at once', () => {
  it.each([1, 2])('100 over 8 sizes, on %d threads, equal the interpreter', async (threads) => {
    const model = await compile(graph, { threads });
    for (let round = 0; round < (isDeep ? 50 : 1); round++) {
      const cases = Array.from({ length: 100 }, (_, i) => [1 + ((i * 5) % 8), i % 3] as const);
      const results = await Promise.all(cases.map(([size, seed]) => model.run(batch(size, seed))));
      for (const [i, [size, seed]] of cases.entries()) expectSame(results[i].y, await expected(size, seed));
    }
    model.dispose();
  });

  it('and synchronous ones between them', async () => {
    const model = await compile(graph, { threads: 2, keptShapes: 2 });
    const runs: Promise<void>[] = [];
    for (let i = 0; i < 30; i++) {
      const [size, seed] = [1 + (i % 4), i % 3];
      const right = await expected(size, seed);
      if (i % 3 === 2) expect(model.runSync(batch(size, seed)).y).toEqual(right);
      else runs.push(model.run(batch(size, seed)).then(({ y }) => expect(y).toEqual(right)));
    }
    await Promise.all(runs);
    model.dispose();
  });

  it('of which one is wrong: it alone rejects', async () => {
    const model = await compile(graph, { threads: 2 });
    const wrong = { x: { type: 'uint8', data: new Uint8Array(3), dims: [1, 4, 6, 6] } };
    const runs = [batch(1, 1), wrong, batch(2, 2), wrong, batch(1, 2)].map((feed) => model.run(feed));
    const results = await Promise.allSettled(runs);
    expect(results.map((r) => (r.status === 'fulfilled' ? r.value.y : codeOf(r.reason)))).toEqual([
      await expected(1, 1),
      'U4001',
      await expected(2, 2),
      'U4001',
      await expected(1, 2),
    ]);
    expect(() => model.runSync(wrong)).toThrow(/U4001/);
    expect(model.runSync(batch(1, 1)).y).toEqual(await expected(1, 1));
    model.dispose();
  });

  it('10,000 that wait are all computed', async () => {
    const model = await compile(network(false), { threads: 2 });
    const feed = batch(1);
    const { y } = await model.run(feed);
    const results = await Promise.all(Array.from({ length: 10_000 }, () => model.run(feed)));
    for (const result of results) expectSame(result.y, y);
    model.dispose();
  });

  it('of two models take turns', async () => {
    const [busy, other] = await Promise.all([1, 2].map(() => compile(network(false), { threads: 2 })));
    // A run takes longer than its promise: runs that end together settle together, model by model.
    const large = batch(4000);
    await Promise.all([busy.run(large), other.run(batch(1))]);
    let ended = 0;
    const runs = Array.from({ length: 100 }, () => busy.run(large).then(() => ended++));
    await other.run(batch(1));
    expect(ended).toBeLessThan(50);
    await Promise.all(runs);
    for (const model of [busy, other]) model.dispose();
  });
});

describe('dispose', () => {
  for (const [name, interpreted] of [
    ['of one session', false],
    ['of several', true],
  ] as const)
    for (const threads of [1, 2])
      it(`during runs ${name} on ${threads} threads: runs that have not ended reject`, async () => {
        const model = await compile(network(interpreted), { threads });
        const ended = await model.run(batch(1000)); // runs of less than 0.1 ms may end at once
        const runs = Array.from({ length: 20 }, (_, i) => model.run(batch(1000 + (i % 4))));
        model.dispose();
        model.dispose();
        for (const result of await Promise.allSettled(runs))
          expect(result.status === 'rejected' && codeOf(result.reason)).toBe('U4002');
        await expect(model.run(batch(1))).rejects.toThrow(/U4002.*has been disposed of/);
        expect(() => model.runSync(batch(1))).toThrow(/U4002.*has been disposed of/);
        expect(() => model.profile(batch(1))).toThrow(/U4002.*has been disposed of/);
        expect(ended.y.dims).toEqual([1000, 4, 6, 6]); // results stay
      });

  it('between steps of a run leaves other models alone', async () => {
    const [gone, stays] = await Promise.all([1, 2].map(() => compile(graph, { threads: 2 })));
    for (let i = 0; i < 10; i++) {
      const runs = [gone, stays].map((model) => model.run(batch(2, i % 3)));
      if (i === 5) setImmediate(() => gone.dispose());
      const [, kept] = await Promise.allSettled(runs);
      expect(kept).toMatchObject({ status: 'fulfilled', value: { y: await expected(2, i % 3) } });
    }
    stays.dispose();
  });
});
