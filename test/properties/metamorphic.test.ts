/** Laws of whole operators and graphs: the change of results when inputs change in a known way. */
import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  constantOf,
  type Feeds,
  type Graph,
  GraphBuilder,
  type ITensor,
  interpret,
  parse,
  print,
  sizeOf,
  stridesOf,
  tensor,
  verify,
} from '../../src/ir/index.ts';
import { type ConvAttrs, indicesOf } from '../../src/ir/ops/conv_geometry.ts';
import { qnnConv } from '../../src/ir/ops/qnn_conv.op.ts';
import {
  arbitraryFeeds,
  arbitraryNet,
  arbitraryRoot,
  buildConv,
  buildMatmul,
  type ConvSpec,
  CounterexampleError,
  checkMetamorphic,
  compareTensors,
  convSpec,
  defaultRuns,
  feedsOf,
  filled,
  knownRoots,
  laws,
  matmulSpec,
  zeroPoint,
} from '../../src/testing/index.ts';

const settings = { numRuns: defaultRuns, seed: Number(process.env.UNSKEW_SEED ?? 665) };
const LONG = { timeout: 900_000 };

const constant = fc.constant(false);
const fixed = {
  batch: fc.integer({ min: 1, max: 3 }),
  symbolic: constant,
  computed: constant,
  tail: fc.constant('none' as const),
};

/** The only output, on the given inputs. */
const outputOf = (graph: Graph, feeds: Record<string, ITensor>): ITensor => Object.values(interpret(graph, feeds))[0];
const expectSame = (found: ITensor, expected: ITensor): void => expect(compareTensors(expected, found)).toBeUndefined();

/** Elements rearranged: element i of the result comes from `from(index of i)`. */
function rearranged<T extends ITensor>(
  t: T,
  shape: readonly number[],
  from: (index: readonly number[]) => readonly number[] | undefined,
  fill = 0,
): T {
  const strides = stridesOf(t.shape);
  const data = t.data.slice(0, 0).constructor as new (n: number) => T['data'];
  const result = new data(sizeOf(shape));
  [...indicesOf(shape)].forEach((index, i) => {
    const at = from(index);
    result[i] = at === undefined ? fill : t.data[at.reduce((sum, position, axis) => sum + position * strides[axis], 0)];
  });
  return { ...t, shape, data: result };
}

describe.each(Object.values(laws).map((law) => [law.name, law] as const))('the law %s', (_name, law) => {
  it(`holds: ${law.law}`, LONG, () => {
    expect(checkMetamorphic(law, { seed: settings.seed }).drawn).toBe(settings.numRuns);
  });
});

describe('a law', () => {
  const folder = mkdtempSync(join(tmpdir(), 'unskew-laws-'));

  /** A back end that pads with the number 0, for every zero point: only its Σ over the taps inside is right. */
  const padsWithZero = (graph: Graph, feeds: Feeds): Feeds =>
    Object.fromEntries(
      Object.entries(interpret(graph, feeds)).map(([name, y]) => {
        const node = graph.nodes[name as keyof Graph['nodes']];
        const zx = node.operands[2] ? (constantOf(graph, node.operands[2])?.data[0] ?? 0) : 0;
        const padded = (node.attrs.pads as readonly number[]).some((p) => p > 0);
        return [name, { ...y, data: (y.data as Int32Array).map((v) => (padded ? v - Number(zx) : v)) } as ITensor];
      }),
    );

  it('refutes a backend whose padding does not read the zero point, by a small graph', () => {
    const refuted = () => checkMetamorphic(laws.shift, { run: padsWithZero, seed: 1, folder });
    expect(refuted).toThrow(CounterexampleError);
    try {
      refuted();
    } catch (error) {
      expect(String(error)).toContain(`shift is refuted: ${laws.shift.law}`);
      const { refutation, folder: written } = error as CounterexampleError;
      expect(Object.values(refutation.feeds).map((t) => t.data.length)).toEqual([1]);
      expect(readdirSync(written)).toContain('before.qir');
    }
  });

  it('refutes a backend that lets elements of a batch see one another', () => {
    const leaks = (graph: Graph, feeds: Feeds): Feeds =>
      Object.fromEntries(
        Object.entries(interpret(graph, feeds)).map(([name, y]) => [
          name,
          { ...y, data: (y.data as Int32Array).map((v) => v + y.shape[0] - 1) } as ITensor,
        ]),
      );
    expect(() => checkMetamorphic(laws.concatenateBatch, { run: leaks, seed: 1, folder })).toThrow(/concatenate-batch/);
  });
});

describe('qnn.conv', () => {
  it('does not change when the window grows by taps that hold the weights zero point', LONG, () => {
    fc.assert(
      fc.property(
        convSpec({ ...fixed, zw: zeroPoint({ presence: fc.constantFrom('absent', 'constant') }) }),
        arbitraryFeeds,
        (conv, inputs) => {
          const { x, w, zw, attrs, run } = convOf(conv, inputs);
          const shape = [...w.shape.slice(0, 2), ...w.shape.slice(2).map((k) => k + 2)];
          const inside = (index: readonly number[]) => index.every((i, axis) => i >= 0 && i < w.shape[axis]);
          const moved = ([o, c, ...p]: readonly number[]) => [o, c, ...p.map((i) => i - 1)];
          const grown = rearranged(w, shape, (index) => (inside(moved(index)) ? moved(index) : undefined), zw);
          const axes = attrs.strides.length;
          const pads = attrs.pads.map((p, i) => p + attrs.dilations[i % axes]);
          expectSame(run(x, grown, { ...attrs, pads }), run(x, w));
        },
      ),
      settings,
    );
  });
});

/** The convolution taken apart: its tensors, and a function that evaluates it on others. */
function convOf(spec: ConvSpec, inputs: Parameters<typeof feedsOf>[1]) {
  const graph = buildConv(spec);
  const feeds = feedsOf(graph, inputs);
  const node = graph.nodes[graph.outputs[0]];
  const tensorAt = (i: number): ITensor | undefined => {
    const id = node.operands[i];
    const known = id && (feeds[id] ?? (graph.values[id].constant && graph.pool.get(graph.values[id].constant)));
    return known || undefined;
  };
  const attrs = node.attrs as unknown as ConvAttrs;
  const [x, w, zx, zw] = [0, 1, 2, 3].map(tensorAt) as ITensor<'u8'>[];
  const run = (x: ITensor, w: ITensor, changed: ConvAttrs = attrs): ITensor => {
    const b = new GraphBuilder();
    const value = (t: ITensor) => b.constant(t as ITensor<'u8'>);
    const y = b.emit(
      qnnConv,
      { x: value(x), w: value(w), ...(zx && { zx: value(zx) }), ...(zw && { zw: value(zw) }) },
      changed,
    );
    return outputOf(b.finish([y]), {});
  };
  return { x: x as ITensor, w: w as ITensor, zw: zw ? zw.data[0] : 0, attrs, run };
}

describe('qnn.matmul', () => {
  it('does not change when both operands are u8 shifted to s8 with their zero points', LONG, () => {
    const zero = zeroPoint({ presence: fc.constant('constant') });
    const spec = matmulSpec({
      za: zero,
      zb: zero,
      a: fc.constant('u8' as const),
      computed: constant,
      tail: fc.constant('none' as const),
    });
    fc.assert(
      fc.property(spec, arbitraryFeeds, (matmul, inputs) => {
        const graph = buildMatmul(matmul);
        const signed = buildMatmul({
          ...matmul,
          a: 's8',
          za: {
            ...matmul.za,
            value: (matmul.za.value < 0 ? matmul.za.value + 256 : matmul.za.value) - 128,
            form: 'scalar',
          },
        });
        const plain = buildMatmul({ ...matmul, za: { ...matmul.za, form: 'scalar' } });
        const feeds = feedsOf(graph, inputs);
        const a = feeds.a as ITensor<'u8'>;
        const moved = tensor(
          's8',
          Int8Array.from(a.data, (v) => v - 128),
          a.shape,
        );
        expectSame(outputOf(signed, { ...feeds, a: moved }), outputOf(plain, feeds));
      }),
      settings,
    );
  });
});

describe('the textual form', () => {
  const graphs = [
    ...knownRoots.map((op) => [op.name, arbitraryRoot(op)] as const),
    ['integer networks', arbitraryNet()] as const,
    ['float networks', arbitraryNet('qdq')] as const,
  ];

  it.each(graphs)('of graphs around %s reads back to the same graph', LONG, (_name, arbitrary) => {
    fc.assert(
      fc.property(arbitrary, arbitraryFeeds, (graph, inputs) => {
        expect(verify(graph)).toEqual([]);
        const text = print(graph);
        const again = parse(text);
        expect(print(again)).toBe(text);
        expect(verify(again)).toEqual([]);
        expect({ inputs: again.inputs, outputs: again.outputs }).toEqual({
          inputs: graph.inputs,
          outputs: graph.outputs,
        });
        const feeds = feedsOf(graph, inputs);
        const [before, after] = [interpret(graph, feeds), interpret(again, feeds)];
        for (const [name, t] of Object.entries(before)) expectSame(after[name], t);
      }),
      { ...settings, numRuns: Math.ceil(settings.numRuns / 8) },
    );
  });
});

describe('drawn tensors', () => {
  it('are the same for the same seed, and reach both ends of their type', () => {
    expect(filled('s8', [50], { pattern: 'random', seed: 7 })).toEqual(
      filled('s8', [50], { pattern: 'random', seed: 7 }),
    );
    const values = filled('u8', [4000], { pattern: 'random', seed: 1 }).data;
    expect([Math.min(...values), Math.max(...values)]).toEqual([0, 255]);
    expect(Array.from(filled('s8', [3], { pattern: 'alternating', seed: 0 }).data)).toEqual([-128, 127, -128]);
  });
});
