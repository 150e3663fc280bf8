/** Sessions whose sizes change in place compute what new ones do, to the bit, in whatever order sizes come. */
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { PlanFamilies } from '../../src/codegen/index.ts';
import type { SessionTemplate } from '../../src/codegen/onednn/binding.ts';
import { type ITensor, specialize } from '../../src/ir/index.ts';
import { loadAddon } from '../../src/runtime/addon.ts';
import { openHere } from '../../src/runtime/backends.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { Executable } from '../../src/runtime/executable.ts';
import { feedsOf } from '../../src/testing/index.ts';
import { draws } from '../support/draws.ts';
import { decoder } from './decoder.ts';

interface Sizes {
  readonly batch: number;
  readonly length: number;
  readonly past: number;
}

const network = decoder();
const [one, two] = [1, 2].map((threads) => ({ threads, graph: compileGraph(network, { threads }).graph }));

const boundTo = (sizes: Sizes): ReadonlyMap<string, number> => new Map(Object.entries(sizes));
const backendsOf = ({ threads }: { threads: number }) => openHere(['onednn'], threads);

/** Results of sessions that are made for these sizes alone. */
function fresh(of: typeof one, sizes: Sizes, seed: number): Record<string, ITensor> {
  const executable = Executable.of(specialize(of.graph, boundTo(sizes)), backendsOf(of));
  const results = executable.runSync(feedsAt(of, sizes, seed));
  executable.dispose();
  return results;
}
const feedsAt = ({ graph }: typeof one, sizes: Sizes, seed: number) =>
  feedsOf(specialize(graph, boundTo(sizes)), { pattern: 'random', seed });

const bytesOf = (results: Readonly<Record<string, ITensor>>) =>
  Object.values(results).map(({ data, shape }) => [
    shape,
    Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'),
  ]);

/** Families of which there is one, over the past, or over the past and the length. */
function familiesOf(of: typeof one, axes: 1 | 2): PlanFamilies {
  const families = new PlanFamilies(of.graph, backendsOf(of));
  for (const past of [33, 35, 37]) families.memberAt(boundTo({ batch: 1, length: axes === 1 ? 1 : past + 8, past }));
  expect(families.memberAt(boundTo({ batch: 1, length: axes === 1 ? 1 : 21, past: 51 }))).toBeDefined();
  return families;
}

/** The calls that give a session other sizes. */
function watchResizes() {
  const binding = loadAddon();
  const make = binding.sessionTemplate.bind(binding);
  const own = new WeakMap<SessionTemplate, SessionTemplate>();
  const counts = { resized: 0 };
  vi.spyOn(binding, 'sessionTemplate').mockImplementation((...given) => {
    const template = make(...given);
    const watched: SessionTemplate = {
      numbers: () => template.numbers(),
      matches: (other) => template.matches(own.get(other) ?? other),
      session: (sizes) => template.session(sizes),
      resize(...sizes) {
        counts.resized++;
        template.resize(...sizes);
      },
    };
    own.set(watched, template);
    return watched;
  });
  return counts;
}
afterEach(() => vi.restoreAllMocks());

const past = fc.oneof(fc.integer({ min: 2, max: 60 }), fc.integer({ min: 2, max: 700 }));
const step = fc.record({
  past,
  length: fc.integer({ min: 2, max: 30 }),
  how: fc.constantFrom('run', 'runSync', 'two runs', 'dispose', 'dispose while it runs' as const),
});

describe.each([
  [1, one],
  [2, two],
])('on %d threads', (_, of) => {
  it.each([1, 2] as const)('over %d axes, up, down and in leaps', async (axes) => {
    const counts = watchResizes();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), fc.nat(100), async (steps, seed) => {
        const families = familiesOf(of, axes);
        for (const { how, ...given } of steps) {
          const sizes = { batch: 1, past: given.past, length: axes === 1 ? 1 : given.length };
          const executable = Executable.at(families, boundTo(sizes));
          const feeds = feedsAt(of, sizes, seed);
          const right = bytesOf(fresh(of, sizes, seed));
          if (how === 'runSync') expect(bytesOf(executable.runSync(feeds))).toEqual(right);
          else {
            const runs = Promise.allSettled(
              Array.from({ length: how === 'two runs' ? 2 : 1 }, () => executable.run(feeds)),
            );
            if (how === 'dispose while it runs') executable.dispose();
            for (const run of await runs) {
              if (run.status === 'fulfilled') expect(bytesOf(run.value)).toEqual(right);
              else expect(how).toBe('dispose while it runs');
            }
          }
          if (how.startsWith('dispose')) executable.dispose();
          else executable.retire();
        }
        families.dispose();
      }),
      draws(8),
    );
    expect(counts.resized).toBeGreaterThan(10);
  });

  it('words one after the other, several at once', async () => {
    const counts = watchResizes();
    const families = familiesOf(of, 1);
    const begin = (past: number) => {
      const sizes = { batch: 1, length: 1, past };
      const executable = Executable.at(families, boundTo(sizes));
      return { executable, sizes, run: executable.run(feedsAt(of, sizes, past)) };
    };
    for (let word = 40; word < 140; word += 3) {
      const all = [begin(word), begin(word + 1), begin(word + 2)];
      for (const { executable, sizes, run } of all) {
        expect(bytesOf(await run)).toEqual(bytesOf(fresh(of, sizes, sizes.past)));
        executable.retire();
      }
    }
    expect(counts.resized).toBeGreaterThan(40);
    families.dispose();
  });
});

it('a session that was left to others is not used any more', () => {
  const families = familiesOf(one, 1);
  const sizes = { batch: 1, length: 1, past: 44 };
  const executable = Executable.at(families, boundTo(sizes));
  executable.retire();
  executable.retire();
  const next = Executable.at(families, boundTo({ ...sizes, past: 45 }));
  executable.dispose();
  expect(() => executable.runSync(feedsAt(one, sizes, 1))).toThrow();
  const later = { ...sizes, past: 45 };
  expect(bytesOf(next.runSync(feedsAt(one, later, 1)))).toEqual(bytesOf(fresh(one, later, 1)));
  families.dispose();
  next.dispose();
});
