/** The search for a family of plans goes in turns of the event loop; the runs that wait for it are like all others. */
import { describe, expect, it } from 'vitest';
import { compile, type Model, UnskewError } from '../../src/index.ts';
import { decoder, HEADS, WIDTH } from './decoder.ts';

const graph = decoder();

function feedsAt(past: number, seed = 1) {
  const floats = (dims: readonly number[]) => ({
    type: 'float32' as const,
    dims,
    data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 0.3 + seed)),
  });
  return { x: floats([1, 1, HEADS * WIDTH]), past: floats([1, HEADS, past, WIDTH]) };
}

const listed = (results: Awaited<ReturnType<Model['run']>>) =>
  Object.values(results).map(({ dims, data }) => [[...dims], [...(data as Float32Array)]]);

/** What a model gives that has seen no other sizes. */
async function expectedAt(past: number, seed?: number) {
  const model = await compile(graph, { threads: 1 });
  const results = listed(await model.run(feedsAt(past, seed)));
  model.dispose();
  return results;
}

/** A model whose next size begins the search. */
async function begun(): Promise<Model> {
  const model = await compile(graph, { threads: 1 });
  for (const past of [33, 35]) await model.run(feedsAt(past));
  return model;
}

describe('runs that wait for the search', () => {
  it('read their feeds before, and let the event loop turn', async () => {
    const model = await begun();
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const runs = [37, 37, 39, 37].map((past, i) => {
      const feeds = feedsAt(past, i);
      const run = model.run(feeds).then(listed);
      for (const { data } of Object.values(feeds)) data.fill(9);
      return run;
    });
    const results = await Promise.all(runs);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
    for (const [i, past] of [37, 37, 39, 37].entries()) expect(results[i]).toEqual(await expectedAt(past, i));
    model.dispose();
  });

  it('leave synchronous ones alone, which end it', async () => {
    const model = await begun();
    const run = model.run(feedsAt(37, 3));
    expect(listed(model.runSync(feedsAt(37, 4)))).toEqual(await expectedAt(37, 4));
    expect(listed(model.runSync(feedsAt(41, 5)))).toEqual(await expectedAt(41, 5));
    expect(listed(await run)).toEqual(await expectedAt(37, 3));
    model.dispose();
  });

  it('reject when the model is disposed of', async () => {
    const model = await begun();
    const runs = Promise.allSettled([37, 38, 37].map((past) => model.run(feedsAt(past))));
    model.dispose();
    for (const run of await runs) {
      expect(run.status).toBe('rejected');
      const { reason } = run as PromiseRejectedResult;
      expect(reason).toBeInstanceOf(UnskewError);
      expect(reason.code).toBe('U4002');
    }
  });
});
