/**
 * Ownership of feeds and results: `run` takes its feeds before it returns, for all readers in the model, and no result shares
 * memory with a feed, with the model or with another result. /
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compile, type Tensor } from '../../src/index.ts';
import { type Graph, GraphBuilder, type ITensor, interpret, tensor, toPublic, type Value } from '../../src/ir/index.ts';
import { nnAdd, nnMax } from '../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnAbs, nnNeg, nnRelu } from '../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnExpand, nnIdentity, nnReshape, nnTranspose } from '../../src/ir/ops/nn_movement.op.ts';
import { isDeep } from '../../src/testing/draws.ts';

const ROWS = 4;
const COLUMNS = 6;

/** A value of any of the types below; f32 stands for all. */
type V = Value<'f32'>;

/** Make a value from earlier ones of its type. s64 and neg run on the interpreter, most of f32 on the addon. */
const makers = {
  identity: (b: GraphBuilder, x: V) => b.emit(nnIdentity, { x }),
  reshape: (b: GraphBuilder, x: V) => {
    const away = b.emit(nnReshape, { x }, { shape: [COLUMNS * ROWS] });
    return b.emit(nnReshape, { x: away }, { shape: [ROWS, COLUMNS] });
  },
  expand: (b: GraphBuilder, x: V) => b.emit(nnExpand, { x }, { shape: [ROWS, COLUMNS] }),
  transposes: (b: GraphBuilder, x: V) =>
    b.emit(nnTranspose, { x: b.emit(nnTranspose, { x }, { perm: [1, 0] }) }, { perm: [1, 0] }),
  relu: (b: GraphBuilder, x: V) => b.emit(nnRelu, { x }),
  neg: (b: GraphBuilder, x: V) => b.emit(nnNeg, { x }),
  abs: (b: GraphBuilder, x: V) => b.emit(nnAbs, { x }),
  add: (b: GraphBuilder, x: V, y: V) => b.emit(nnAdd, { a: x, b: y }),
  max: (b: GraphBuilder, x: V, y: V) => b.emit(nnMax, { a: x, b: y }),
};
type Maker = keyof typeof makers;

const dtypes = ['f32', 's64', 'u8'] as const;
const byteMakers: readonly Maker[] = (Object.keys(makers) as Maker[]).filter(
  (maker) => maker !== 'neg' && maker !== 'abs',
);

const drawn = fc.record({
  /** The number of values of each type: inputs, and constants. */
  inputs: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 })),
  nodes: fc.array(
    fc.record({
      dtype: fc.constantFrom(...dtypes),
      maker: fc.constantFrom(...(Object.keys(makers) as Maker[])),
      x: fc.nat(),
      y: fc.nat(),
    }),
    { maxLength: 10 },
  ),
  outputs: fc.array(fc.record({ dtype: fc.constantFrom(...dtypes), value: fc.nat(), last: fc.boolean() }), {
    minLength: 1,
    maxLength: 5,
  }),
  seed: fc.nat(1000),
});

const numbers = (dtype: (typeof dtypes)[number], seed: number): ITensor =>
  tensor(
    dtype,
    Array.from({ length: ROWS * COLUMNS }, (_, i) => ((i * 7 + seed * 13) % 50) + 1),
    [ROWS, COLUMNS],
  );

type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

function graphOf({ inputs, nodes, outputs, seed }: Drawn): Graph {
  const b = new GraphBuilder();
  const values = Object.fromEntries(
    dtypes.map((dtype, t): [string, V[]] => [
      dtype,
      [
        ...Array.from({ length: inputs[t] }, (_, i) => b.input(`${dtype}.${i}`, dtype as 'f32', [ROWS, COLUMNS])),
        b.constant(numbers(dtype, seed)) as V,
      ],
    ]),
  );
  for (const { dtype, maker, x, y } of nodes) {
    if (dtype === 'u8' && !byteMakers.includes(maker)) continue;
    const known = values[dtype];
    known.push(makers[maker](b, known[x % known.length], known[y % known.length]));
  }
  const chosen = outputs.map(({ dtype, value, last }) => values[dtype].at(last ? -1 : value % values[dtype].length)!);
  return b.finish([...new Set(chosen)]);
}

type Results = Record<string, { readonly data: ITensor['data'] }>;

const fed = (graph: Graph, seed: number): Record<string, ITensor> =>
  Object.fromEntries(graph.inputs.map((id, i) => [id, numbers(id.split('.')[0] as 'f32', seed + i)]));
const publicOf = (feeds: Record<string, ITensor>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(feeds).map(([name, feed]) => [name, toPublic(feed)]));
const plain = (results: Results): Record<string, number[]> =>
  Object.fromEntries(
    Object.entries(results).map(([name, { data }]) => [name, Array.from(data as ArrayLike<number>, Number)]),
  );

function overwrite(tensors: Results): void {
  for (const { data } of Object.values(tensors))
    (data as Uint8Array).fill((data instanceof BigInt64Array ? 99n : 99) as number);
}

function expectOwn(results: Results, feeds: Results): void {
  const buffers = [...Object.values(results), ...Object.values(feeds)].map(({ data }) => data.buffer);
  expect(new Set(buffers.slice(0, Object.keys(results).length)).size).toBe(Object.keys(results).length);
  for (const { data } of Object.values(results))
    for (const feed of Object.values(feeds)) expect(data.buffer).not.toBe(feed.data.buffer);
}

describe('feeds and results', () => {
  it('are the caller’s own on both back ends, for every reader and maker', async () => {
    await fc.assert(
      fc.asyncProperty(drawn, async (choice) => {
        const graph = graphOf(choice);
        const expected = plain(interpret(graph, fed(graph, choice.seed)));
        for (const backend of ['onednn', 'reference'] as const) {
          const model = await compile(graph, { backend, threads: 1 });
          for (const name of ['run', 'runSync', 'run'] as const) {
            const feeds = publicOf(fed(graph, choice.seed));
            const pending = model[name](feeds);
            overwrite(feeds);
            const results = await pending;
            expect(plain(results)).toEqual(expected);
            expectOwn(results, feeds);
            overwrite(results);
            for (const { dims } of Object.values(results)) (dims as number[]).fill(0);
          }
          model.dispose();
        }
        const results = interpret(graph, fed(graph, choice.seed));
        overwrite(results);
        expect(plain(interpret(graph, fed(graph, choice.seed)))).toEqual(expected);
      }),
      { numRuns: isDeep ? 5000 : 300 },
    );
  });
});
