/**
 * Products of floats have one meaning where a quantization lies behind, and over one axis anywhere: the addon's sums are the interpreter's
 * to the last bit, for all values, so that nothing quantized from them differs. Elsewhere a primitive sums in binary32.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Graph, GraphBuilder, interpret, type Value } from '../../src/ir/index.ts';
import { nnConv, nnConvTranspose } from '../../src/ir/ops/nn_conv.op.ts';
import { nnSigmoid } from '../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnMatmul } from '../../src/ir/ops/nn_matmul.op.ts';
import { nnTranspose } from '../../src/ir/ops/nn_movement.op.ts';
import { qnnDynamicQuantize } from '../../src/ir/ops/qnn_dynamic_quantize.op.ts';
import { qnnQuantize } from '../../src/ir/ops/qnn_quantize.op.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { Model } from '../../src/runtime/model.ts';
import { toPublic } from '../../src/tensors/tensor.ts';
import { filled, nonFinitePattern, type Pattern } from '../../src/testing/index.ts';
import { kernelIsas } from '../native/support.ts';
import { draws } from '../support/draws.ts';
import { expectAgreement } from './agreement.ts';

const int = (min: number, max: number) => fc.integer({ min, max });
const pattern = fc.constantFrom<Pattern>('random', nonFinitePattern);
const geometry = fc.record({
  transposed: fc.boolean(),
  rank: int(1, 3),
  batch: int(1, 2),
  groups: int(1, 3),
  channels: int(1, 3),
  outputs: fc.oneof(int(1, 5), int(6, 70)),
  sizes: fc.tuple(int(3, 6), int(3, 6), int(3, 9)),
  kernel: fc.tuple(int(1, 3), int(1, 3), int(1, 3)),
  strides: fc.tuple(int(1, 3), int(1, 3), int(1, 3)),
  dilations: fc.tuple(int(1, 2), int(1, 2), int(1, 2)),
  pads: fc.tuple(int(0, 1), int(0, 1), int(0, 1), int(0, 1), int(0, 1), int(0, 1)),
  extra: fc.boolean(),
  bias: fc.boolean(),
  computed: fc.boolean(),
  end: fc.constantFrom<'quantize' | 'dynamic' | 'after a sigmoid' | 'nothing'>(
    'quantize',
    'dynamic',
    'after a sigmoid',
  ),
  pattern,
  seed: fc.nat(0xffff),
});
type Geometry = typeof geometry extends fc.Arbitrary<infer G> ? G : never;

/** Adds the end behind the product; the product itself is an output too. */
function ended(b: GraphBuilder, y: Value<'f32'>, end: Geometry['end']): Graph {
  if (end === 'nothing') return b.finish([y]);
  if (end === 'dynamic') return b.finish([y, ...b.emitList(qnnDynamicQuantize, [y], {})]);
  const x = end === 'quantize' ? y : (b.emit(nnSigmoid, { x: y }) as Value<'f32'>);
  return b.finish([y, b.emit(qnnQuantize, { x, scale: b.scalar('f32', 0.01) }, { dtype: 'u8' })]);
}

function convolution(g: Geometry): Graph {
  const b = new GraphBuilder();
  const tail = (list: readonly number[]) => list.slice(3 - g.rank);
  const [channels, outputs] = [g.groups * g.channels, g.groups * g.outputs];
  const kernel = tail(g.kernel);
  const shape = g.transposed ? [channels, g.outputs, ...kernel] : [outputs, g.channels, ...kernel];
  const x = b.input('x', 'f32', [g.batch, channels, ...tail(g.sizes)]);
  const contents = { pattern: g.pattern, seed: g.seed + 7 };
  const w = g.computed ? b.input('w', 'f32', shape) : (b.constant(filled('f32', shape, contents), 'w') as Value<'f32'>);
  const bias = b.constant(filled('f32', [outputs], contents), 'bias') as Value<'f32'>;
  const attrs = {
    strides: tail(g.strides),
    dilations: tail(g.dilations),
    pads: [...tail(g.pads.slice(0, 3)), ...tail(g.pads.slice(3))],
    group: g.groups,
  };
  const operands = { x, w, ...(g.bias && { bias }) };
  const outputPadding = Array(g.rank).fill(g.extra ? 1 : 0);
  const y = g.transposed
    ? b.emit(nnConvTranspose, operands, { ...attrs, outputPadding })
    : b.emit(nnConv, operands, attrs);
  return ended(b, y as Value<'f32'>, g.end);
}

const fits = (graph: () => Graph): Graph | undefined => {
  try {
    return graph();
  } catch {
    return undefined; // the pads leave nothing
  }
};

describe.each(kernelIsas)('products of floats in front of a quantization, %s', (isa) => {
  it('convolutions and transposed ones', () => {
    fc.assert(
      fc.property(geometry, int(1, 2), (g, threads) => {
        const graph = fits(() => convolution(g));
        fc.pre(graph !== undefined);
        expectAgreement(graph!, g, { isa, threads });
      }),
      draws(75),
    );
  });

  it('convolutions over one axis, with nothing behind them', () => {
    const line = fc.record({ length: int(3, 90), kernel: int(1, 12), stride: int(1, 5), dilation: int(1, 5) });
    fc.assert(
      fc.property(geometry, line, int(1, 2), (g, { length, kernel, stride, dilation }, threads) => {
        const last = (of: readonly number[], value: number) => [of[0], of[1], value] as [number, number, number];
        const graph = fits(() =>
          convolution({
            ...g,
            rank: 1,
            end: 'nothing',
            sizes: last(g.sizes, length),
            kernel: last(g.kernel, kernel),
            strides: last(g.strides, stride),
            dilations: last(g.dilations, dilation),
          }),
        );
        fc.pre(graph !== undefined);
        expectAgreement(graph!, g, { isa, threads });
      }),
      draws(50),
    );
  });

  const batch = fc.constantFrom<readonly [number[], number[]]>(
    [[], []],
    [[2], []],
    [[], [3]],
    [[2, 3], [3]],
    [
      [2, 1],
      [1, 3],
    ],
    [[1], [2, 3]],
    [[2], [2]],
  );
  it('matrix products', () => {
    const draw = fc.record({
      batch,
      rows: int(0, 9),
      depth: int(1, 40),
      columns: int(0, 40),
      constant: fc.boolean(),
      end: fc.constantFrom<Geometry['end']>('quantize', 'dynamic', 'after a sigmoid'),
      pattern,
      seed: fc.nat(0xffff),
    });
    fc.assert(
      fc.property(draw, (d) => {
        const b = new GraphBuilder();
        // 0 rows or columns: a vector
        const left = d.rows === 0 ? [d.depth] : [...d.batch[0], d.rows, d.depth];
        const right = d.columns === 0 ? [d.depth] : [...d.batch[1], d.depth, d.columns];
        const a = b.input('a', 'f32', left);
        const c = d.constant ? b.constant(filled('f32', right, d), 'b') : b.input('b', 'f32', right);
        const y = b.emit(nnMatmul, { a, b: c as Value<'f32'> }) as Value<'f32'>;
        expectAgreement(ended(b, y, d.end), d, { isa, threads: 1 });
      }),
      draws(50),
    );
  });
});

describe.each(kernelIsas)('transpositions around matrix products, %s', (isa) => {
  it('give what they give alone, whoever else reads them', () => {
    const perm = fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 });
    const draw = fc.record({
      sizes: fc.tuple(int(1, 3), int(1, 3), int(1, 40), int(1, 40), int(1, 70)),
      perms: fc.tuple(perm, perm, perm),
      isRead: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
      twice: fc.boolean(),
      threads: int(1, 2),
      pattern,
      seed: fc.nat(0xffff),
    });
    fc.assert(
      fc.property(draw, (d) => {
        const b = new GraphBuilder();
        const [n, heads, rows, depth, columns] = d.sizes;
        const read: Value[] = [];
        const turned = (name: string, shape: readonly number[], at: 0 | 1): Value<'f32'> => {
          const own = [...shape];
          d.perms[at].forEach((axis, i) => {
            own[axis] = shape[i];
          });
          const x = b.emit(nnTranspose, { x: b.input(name, 'f32', own) }, { perm: d.perms[at] }) as Value<'f32'>;
          if (d.isRead[at]) read.push(b.emit(nnSigmoid, { x }));
          return x;
        };
        const a = turned('a', [n, heads, rows, depth], 0);
        const other = turned('b', [n, heads, depth, columns], 1);
        const y = b.emit(nnMatmul, { a, b: other }) as Value<'f32'>;
        const z = b.emit(nnTranspose, { x: y }, { perm: d.perms[2] }) as Value<'f32'>;
        if (d.isRead[2]) read.push(y);
        if (d.twice) read.push(b.emit(nnTranspose, { x: z }, { perm: d.perms[0] }));
        const graph = b.finish([...read, z, ...b.emitList(qnnDynamicQuantize, [z], {})]);
        expectAgreement(graph, d, { isa, threads: d.threads });
      }),
      draws(30),
    );
  });
});

describe('products of floats that nothing quantizes', () => {
  const draw = fc.record({
    g: geometry,
    odd: fc.array(fc.tuple(fc.nat(), fc.constantFrom(Number.NaN, Infinity, -Infinity)), { maxLength: 4 }),
  });

  it('keep NaN and infinities, and else stay within the bound of the certificate', () => {
    fc.assert(
      fc.property(draw, ({ g, odd }) => {
        const graph = fits(() =>
          convolution({
            ...g,
            rank: Math.max(g.rank, 2),
            transposed: false,
            computed: false,
            pattern: 'random',
            end: 'nothing',
          }),
        );
        fc.pre(graph !== undefined);
        const x = filled('f32', graph!.values[graph!.inputs[0]].type.shape as number[], {
          pattern: 'random',
          seed: g.seed,
        });
        for (const [at, value] of odd) x.data[at % x.data.length] = value;
        const compiled = compileGraph(graph!, { threads: 1 });
        const [y] = graph!.outputs;
        expect(compiled.certificate.floats?.products).toHaveLength(1);
        const model = new Model(compiled, {});
        const found = model.runSync({ [graph!.inputs[0]]: toPublic(x) })[y].data as Float32Array;
        model.dispose();
        const expected = interpret(graph!, { [graph!.inputs[0]]: x })[y].data as Float32Array;
        // Σ|x|·|w| of the whole tensor bounds the same sum of every window.
        const size = (data: Float32Array) => data.reduce((sum, v) => sum + (Number.isFinite(v) ? Math.abs(v) : 0), 0);
        const largest = filled('f32', [512], { pattern: 'random', seed: g.seed + 7 }).data.reduce(
          (m, v) => Math.max(m, Math.abs(v)),
          0,
        );
        const within = (size(x.data as Float32Array) + 1) * 2 ** 11 * 2 ** -16 + largest * 2 ** -20;
        for (let i = 0; i < expected.length; i++) {
          if (Number.isFinite(expected[i])) expect(Math.abs(found[i] - expected[i])).toBeLessThanOrEqual(within);
          else expect(found[i]).toBe(expected[i]);
        }
      }),
      draws(40),
    );
  });
});
