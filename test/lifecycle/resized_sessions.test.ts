/** Sessions whose sizes change in place compute what new ones do, to the bit, in whatever order sizes come. */
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { PlanFamilies } from '../../src/codegen/index.ts';
import type { SessionTemplate } from '../../src/codegen/onednn/binding.ts';
import type { Value } from '../../src/ir/define_op.ts';
import { type Graph, GraphBuilder, type ITensor, specialize, tensor } from '../../src/ir/index.ts';
import { nnAdd } from '../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnMatmul } from '../../src/ir/ops/nn_matmul.op.ts';
import { nnConcat, nnReshape, nnTranspose } from '../../src/ir/ops/nn_movement.op.ts';
import { nnSoftmax } from '../../src/ir/ops/nn_softmax.op.ts';
import { qnnDynamicQuantize } from '../../src/ir/ops/qnn_dynamic_quantize.op.ts';
import { qnnMatmul } from '../../src/ir/ops/qnn_matmul.op.ts';
import { loadAddon } from '../../src/runtime/addon.ts';
import { openHere } from '../../src/runtime/backends.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { Executable } from '../../src/runtime/executable.ts';
import { feedsOf } from '../../src/testing/index.ts';
import { draws } from '../support/draws.ts';

const [HEADS, WIDTH] = [3, 8];

/** A word behind `past` others: products by packed weights of both kinds, of values of the run, and the words before, which grow. */
function decoder(): Graph {
  const b = new GraphBuilder();
  const x = b.input('x', 'f32', ['batch', 'length', HEADS * WIDTH]);
  const past = b.input('past', 'f32', ['batch', HEADS, 'past', WIDTH]);
  const weight = (seed: number) =>
    b.constant(
      tensor(
        'f32',
        Float32Array.from({ length: (HEADS * WIDTH) ** 2 }, (_, i) => Math.sin(i * 0.7 + seed)),
        [HEADS * WIDTH, HEADS * WIDTH],
      ),
    );
  const heads = (of: Value<'f32'>) =>
    b.emit(
      nnTranspose,
      { x: b.emit(nnReshape, { x: of }, { shape: ['batch', 'length', HEADS, WIDTH] }) },
      { perm: [0, 2, 1, 3] },
    );
  const query = heads(b.emit(nnMatmul, { a: x, b: weight(1) }));
  const present = b.emit(nnConcat, { xs: [past, heads(b.emit(nnMatmul, { a: x, b: weight(2) }))] }, { axis: 2 });
  const scores = b.emit(nnMatmul, { a: query, b: b.emit(nnTranspose, { x: present }, { perm: [0, 1, 3, 2] }) });
  const mixed = b.emit(nnMatmul, { a: b.emit(nnSoftmax, { x: scores }, { axis: -1 }), b: present });
  const rows = b.emit(
    nnReshape,
    { x: b.emit(nnTranspose, { x: mixed }, { perm: [0, 2, 1, 3] }) },
    { shape: ['batch', 'length', HEADS * WIDTH] },
  );
  const { y: byte, zp } = b.emit(qnnDynamicQuantize, { x: b.emit(nnAdd, { a: rows, b: x }) });
  const bytes = Uint8Array.from({ length: HEADS * WIDTH * 40 }, (_, i) => (i * 37) % 256);
  const sums = b.emit(qnnMatmul, {
    a: byte,
    b: b.constant(tensor('u8', bytes, [HEADS * WIDTH, 40])),
    za: zp,
    zb: b.constant(tensor('u8', [131], [])),
  });
  return b.finish([rows, present, sums]);
}
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
