/** `check` accepts ties within the stated bound, and nothing else. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Agreement, agreement, formatTies } from '../../../src/cli/agreement.ts';
import { difference, type Observed, observe } from '../../../src/cli/compare.ts';
import { randomFeeds } from '../../../src/cli/random.ts';
import { compiledSide } from '../../../src/cli/sides.ts';
import { legalize } from '../../../src/codegen/legalize.ts';
import {
  type Feeds,
  type Graph,
  GraphBuilder,
  type ITensor,
  interpret,
  nodesOf,
  parse,
  tensor,
  type Value,
  type ValueId,
} from '../../../src/ir/index.ts';
import { nnConv } from '../../../src/ir/ops/nn_conv.op.ts';
import { nnAdd, nnMul } from '../../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnExp, nnRelu } from '../../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnMatmul } from '../../../src/ir/ops/nn_matmul.op.ts';
import { nnReduceMean } from '../../../src/ir/ops/nn_reduce.op.ts';
import { nnSoftmax } from '../../../src/ir/ops/nn_softmax.op.ts';
import { qnnConv } from '../../../src/ir/ops/qnn_conv.op.ts';
import { qnnDequantize } from '../../../src/ir/ops/qnn_dequantize.op.ts';
import { qnnQuantize } from '../../../src/ir/ops/qnn_quantize.op.ts';
import { qnnRequantize } from '../../../src/ir/ops/qnn_requantize.op.ts';
import { compileGraph } from '../../../src/runtime/compile_graph.ts';

type F = Value<'f32'>;
const plain = { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], group: 1 };

function numbers(count: number, seed: number, low: number, high: number): number[] {
  let state = seed | 1;
  return Array.from({ length: count }, () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    return Math.round(low + ((state >>> 8) / 2 ** 24) * (high - low));
  });
}

/** The parameters that a mutation changes, by the least amount that their type has. */
interface Change {
  readonly weight?: number;
  readonly bias?: number;
  readonly zeroPoint?: number;
  readonly scale?: number;
}

/** conv of bytes, requantized; then floats: a dense layer, softmax, quantized again. */
function network(seed: number, change: Change = {}): Graph {
  const b = new GraphBuilder();
  const x = b.input('x', 'u8', [1, 4, 6, 6]);
  const filter = numbers(8 * 4 * 9, seed, -100, 100);
  filter[seed % filter.length] += change.weight ?? 0;
  const w = b.constant(tensor('s8', filter, [8, 4, 3, 3]));
  const sums = b.emit(qnnConv, { x, w, zx: b.scalar('u8', 117 + (change.zeroPoint ?? 0)) }, plain);
  const bias = b.constant(tensor('s32', numbers(8, seed, -3000, 3000).with(0, 999 + (change.bias ?? 0)), [8, 1, 1]));
  const y = b.emit(
    qnnRequantize,
    { x: b.emit(nnAdd, { a: sums, b: bias }), multiplier: b.scalar('f32', 0.003), zy: b.scalar('u8', 128) },
    {},
    { names: ['y'] },
  ) as Value<'u8'>;
  const real = b.emit(qnnDequantize, { x: y, scale: b.scalar('f32', 0.05), zp: b.scalar('u8', 128) });
  const flat = b.emit(nnReduceMean, { x: real }, { axes: [2, 3], keepdims: false }) as F;
  const dense = numbers(8 * 5, seed + 1, -100, 100).map((q) => q * 0.01);
  const logits = b.emit(nnMatmul, { a: flat, b: b.constant(tensor('f32', dense, [8, 5])) }) as F;
  const p = b.emit(nnSoftmax, { x: logits }, { axis: 1 });
  const scale = b.scalar('f32', (1 + (change.scale ?? 0)) / 256);
  return b.finish([b.emit(qnnQuantize, { x: p, scale }, { dtype: 'u8' }, { names: ['q'] }), y]);
}

/** 16-bit activations: products are sums of floats, whose order is nobody's to say. */
function wide(seed: number, change: Change = {}): Graph {
  const b = new GraphBuilder();
  const scale = b.scalar('f32', 2 ** -11);
  const x = b.input('x', 'u16', [1, 8, 5, 5]);
  const real = b.emit(qnnDequantize, { x, scale, zp: b.scalar('u16', 32768 + (change.zeroPoint ?? 0)) });
  const filter = numbers(6 * 8 * 9, seed, -100, 100);
  filter[seed % filter.length] += change.weight ?? 0;
  const w = b.emit(qnnDequantize, {
    x: b.constant(tensor('s8', filter, [6, 8, 3, 3])),
    scale: b.scalar('f32', 0.0037),
  });
  const bias = b.constant(
    tensor(
      'f32',
      numbers(6, seed, -300, 300).map((v) => v / 100 + (change.bias ?? 0)),
      [6],
    ),
  );
  const y = b.emit(nnConv, { x: real, w, bias }, plain);
  const z = b.scalar('u16', 30000);
  return b.finish([
    b.emit(qnnQuantize, { x: b.emit(nnRelu, { x: y }) as F, scale, zp: z }, { dtype: 'u16' }, { names: ['q'] }),
  ]);
}

const meant = (graph: Graph, feeds: Feeds, seen: Observed): Agreement =>
  agreement({ graph, engine: 'compiled' }, feeds, seen);
/** Only outputs and named values of the graph, as an engine that fuses shows them. */
const shown = (graph: Graph, feeds: Feeds, ids: readonly string[]): Observed =>
  new Map([...observe(graph, feeds)].filter(([id]) => ids.includes(id)));

function wordsFor(graph: Graph, seed: number): Feeds {
  const feeds = randomFeeds(graph, seed);
  const { x } = feeds;
  if (x.dtype !== 'u16') return feeds;
  return { x: tensor('u16', numbers(x.data.length, seed, 26000, 40000), x.shape) };
}

describe.each([
  ['bytes and floats', network],
  ['16-bit activations', wide],
] as const)('%s', (_name, build) => {
  it('the compiled model computes its meaning', async () => {
    for (let seed = 1; seed <= 6; seed++) {
      const { quantized } = legalize(build(seed), { target: 'onednn' });
      const feeds = wordsFor(quantized, seed);
      const side = compiledSide(compileGraph(build(seed)), quantized, 1);
      const found = meant(quantized, feeds, (await side.observe?.(feeds)) as Observed);
      expect(found.divergence).toBeUndefined();
    }
  });

  it('the least change of a weight, a bias, a zero point or a scale is found', () => {
    const changes = fc.constantFrom<Change>({ weight: 1 }, { weight: -1 }, { zeroPoint: 1 }, { zeroPoint: -1 });
    const others: readonly Change[] = build === network ? [{ bias: 500 }, { scale: 0.01 }] : [{ bias: 2 ** -10 }];
    let seenAtAll = 0;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.oneof(changes, fc.constantFrom(...others)), (seed, change) => {
        const right = build(seed);
        const feeds = wordsFor(right, seed);
        const seen = shown(build(seed, change), feeds, ['y', 'q']);
        const differs = [...shown(right, feeds, ['y', 'q'])].some(([id, t]) => difference(t, seen.get(id) as ITensor));
        if (differs) seenAtAll++;
        expect(meant(right, feeds, seen).divergence !== undefined, JSON.stringify(change)).toBe(differs);
      }),
      { numRuns: 60 },
    );
    expect(seenAtAll).toBeGreaterThan(40);
  });

  it('an integer beside a tie is found, wherever it is', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.nat(), fc.constantFrom(1, -1), (seed, place, by) => {
        const graph = build(seed);
        const feeds = wordsFor(graph, seed);
        const seen = new Map(shown(graph, feeds, ['y', 'q']));
        const q = seen.get('q' as ValueId) as ITensor;
        const data = Float64Array.from(q.data as Uint8Array);
        data[place % data.length] += by;
        seen.set('q' as ValueId, tensor(q.dtype, data, q.shape));
        const { divergence, ties } = meant(graph, feeds, seen);
        expect(divergence !== undefined || ties.some(({ node, count }) => node === 'q' && count > 0)).toBe(true);
        if (divergence === undefined)
          for (const { error, steps } of ties)
            expect(Math.abs(Math.abs((steps ?? 0) % 1) - 0.5)).toBeLessThan((error ?? 0) + 1e-6);
      }),
      { numRuns: 60 },
    );
  });
});

describe('a tie', () => {
  const b = new GraphBuilder();
  const x = b.input('x', 'f32', [1, 2]);
  const p = b.emit(nnSoftmax, { x }, { axis: 1 });
  const graph = b.finish([
    b.emit(qnnQuantize, { x: p, scale: b.scalar('f32', 1 / 255) }, { dtype: 'u8' }, { names: ['q'] }),
  ]);
  const see = (q: readonly number[], feeds: readonly number[]) =>
    meant(graph, { x: tensor('f32', feeds, [1, 2]) }, new Map([['q' as ValueId, tensor('u8', q, [1, 2])]]));

  it('is named, with the rounded value', () => {
    const { ties, divergence } = see([128, 127], [0.3, 0.3]);
    expect(divergence).toBeUndefined();
    expect(ties.map(formatTies)).toEqual([
      expect.stringMatching(/^tie in q at \[0, 0\]: 127\.5000 ± \S+ steps became 128, not 127, of 2 elements$/),
    ]);
  });
  it('has two sides', () => {
    expect(see([129, 127], [0.3, 0.3]).divergence?.node).toBe('q');
    expect(see([126, 127], [0.3, 0.3]).divergence?.node).toBe('q');
  });
  it('does not count where the value is not at it', () => {
    expect(see([127, 127], [0.31, 0.3]).divergence?.node).toBe('q');
  });
});

describe('operators after a float that may be off', () => {
  it('carry its error on, and no more than that', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'f32', [1, 40]);
    const w = b.constant(
      tensor(
        'f32',
        numbers(40 * 3, 5, -100, 100).map((v) => v / 37),
        [40, 3],
      ),
    );
    const y = b.emit(nnMatmul, { a: x, b: w }, {}, { names: ['y'] }) as F;
    const tenth = b.emit(nnMul, { a: y, b: b.scalar('f32', 0.1) }) as F;
    const graph = b.finish([b.emit(nnExp, { x: tenth }, {}, { names: ['z'] })]);
    const feeds = {
      x: tensor(
        'f32',
        numbers(40, 9, -100, 100).map((v) => v / 100),
        [1, 40],
      ),
    };
    const right = observe(graph, feeds).get('z' as ValueId) as ITensor<'f32'>;
    const off = (relative: number) =>
      meant(
        graph,
        feeds,
        new Map([
          [
            'z' as ValueId,
            tensor(
              'f32',
              right.data.map((v) => v * (1 + relative)),
              right.shape,
            ),
          ],
        ]),
      );
    expect(off(2 ** -21).divergence).toBeUndefined();
    expect(off(1e-4).divergence?.node).toBe('z');
  });

  it('leaves the output of an unknown operator open', () => {
    const graph = network(3);
    expect(nodesOf(graph).every(({ op }) => op !== 'opaque')).toBe(true);
    expect(meant(graph, randomFeeds(graph, 1), new Map()).unknown).toEqual([]);
  });
});

it('claims go into the branch that is taken', () => {
  const body = (op: string) => `graph @b(%x: f32[2,3]) -> (%y) {
    %s = nn.${op}(%x) : f32[2,3]
    %y = nn.matmul(%s, @w) : f32[2,2]
  }
  constants { @w : f32[3,2] = base64"zczMPQrXIz3NzMw9CtcjPc3MzD0K1yM9" }`;
  const graph = parse(`graph @main(%c: bool[], %x: f32[2,3]) -> (%y) {
    %y = control.if(%c, %x) {captures=["x"], thenBranch=${body('exp')}, elseBranch=${body('neg')}, results=["f32[2,2]"]} : f32[2,2]
  }`);
  for (const c of [0, 1]) {
    const feeds = { c: tensor('bool', [c], []), x: tensor('f32', [1, 2, 3, 4, 5, 6.5], [2, 3]) };
    const { y } = interpret(graph, feeds);
    const seenAs = (factor: number): Observed =>
      new Map([
        [
          'y' as ValueId,
          tensor(
            'f32',
            Float32Array.from(y.data as Float32Array, (v) => v * factor),
            [2, 2],
          ),
        ],
      ]);
    expect(agreement({ graph, engine: 'compiled' }, feeds, seenAs(1 + 2 ** -23))).toMatchObject({
      unknown: [],
      ties: [],
    });
    expect(agreement({ graph, engine: 'compiled' }, feeds, seenAs(1 + 2 ** -23)).divergence).toBeUndefined();
    expect(agreement({ graph, engine: 'compiled' }, feeds, seenAs(1.001)).divergence).toMatchObject({ node: 'y' });
  }
});
