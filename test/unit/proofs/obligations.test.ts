import { describe, expect, it } from 'vitest';
import { owes } from '../../../src/codegen/onednn/owes.ts';
import {
  type Graph,
  GraphBuilder,
  interpret,
  sizeOf,
  tensor,
  type Value,
  type ValueId,
  verify,
} from '../../../src/ir/index.ts';
import { dnnlConv } from '../../../src/ir/ops/dnnl_conv.op.ts';
import { dnnlMatmul } from '../../../src/ir/ops/dnnl_matmul.op.ts';
import { dnnlRequantize } from '../../../src/ir/ops/dnnl_requantize.op.ts';
import { nnCast } from '../../../src/ir/ops/nn_cast.op.ts';
import { nnConv } from '../../../src/ir/ops/nn_conv.op.ts';
import { nnAdd, nnSub } from '../../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnReshape, nnTranspose } from '../../../src/ir/ops/nn_movement.op.ts';
import { qnnConv } from '../../../src/ir/ops/qnn_conv.op.ts';
import { qnnLut } from '../../../src/ir/ops/qnn_lut.op.ts';
import { qnnRequantize } from '../../../src/ir/ops/qnn_requantize.op.ts';
import { checkGraphs, checkRegion } from '../../../src/proofs/check.ts';
import { type Obligation, type Witness, witnessFeeds } from '../../../src/proofs/obligation.ts';

const root = 'y' as ValueId;
const plain = { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], group: 1 };

/** A graph whose output is called y. */
function graphOf(build: (b: GraphBuilder, names: { names: string[] }) => Value): Graph {
  const b = new GraphBuilder();
  const graph = b.finish([build(b, { names: ['y'] })]);
  expect(verify(graph)).toEqual([]);
  return graph;
}

const rne = (v: number): number => (Math.abs(v % 1) === 0.5 ? 2 * Math.round(v / 2) : Math.round(v));

const refutation = ({ verdict }: Obligation): Witness =>
  (verdict as Extract<Obligation['verdict'], { refuted: unknown }>).refuted;

describe('f32 that carries sums', () => {
  /** conv in f32 over K channels of weights 127, against the quantized one. */
  const pair = (channels: number) => {
    const weights = tensor('s8', new Int8Array(channels).fill(127), [1, channels, 1, 1]);
    const input = (b: GraphBuilder) => b.input('x', 'u8', [1, channels, 1, 1]);
    const before = graphOf((b, y) => b.emit(qnnConv, { x: input(b), w: b.constant(weights) }, plain, y));
    const after = graphOf((b, y) => {
      const f32 = (v: Value) => b.emit(nnCast, { x: v as Value<'u8'> }, { to: 'f32' }) as Value<'f32'>;
      const sum = b.emit(nnConv, { x: f32(input(b)), w: f32(b.constant(weights)) }, plain);
      return b.emit(nnCast, { x: sum }, { to: 's32' }, y);
    });
    return checkRegion(before, after, root).find(({ what }) => what.startsWith('f32 carries'))!;
  };

  it('is proved up to 2^24', () => {
    expect(pair(518)).toEqual({
      kind: 'range',
      what: 'f32 carries the sums of nn.conv exactly',
      method: 'Σ|x − zx|·|w| ≤ 16775430, of 2^24',
      verdict: 'proved',
    });
  });

  it('is refuted beyond, by an input that shows it', () => {
    const witness = refutation(pair(519));
    expect(witness.before).toBe(519 * 127 * 255);
    expect(witness.after).not.toBe(witness.before);
  });
});

describe('rounding', () => {
  const rounding = (change: Partial<{ multiplier: number; zeroPointAt: 'before' | 'after'; low: number }>) => {
    const make = (options: typeof change) =>
      graphOf((b, y) =>
        b.emit(
          qnnRequantize,
          {
            x: b.emit(
              qnnConv,
              {
                x: b.input('x', 'u8', [1, 4, 1, 1]),
                w: b.constant(tensor('s8', [3, -5, 7, 1], [1, 4, 1, 1])),
              },
              plain,
            ) as Value<'s32'>,
            multiplier: b.scalar('f32', options.multiplier ?? 0.03125),
            zy: b.scalar('u8', 37),
          },
          { zeroPointAt: options.zeroPointAt ?? 'after', low: options.low ?? 0 },
          y,
        ),
      );
    const found = checkRegion(make({}), make(change), root);
    return found.find(({ kind }) => kind === 'rounding')!;
  };
  const range = Array.from({ length: 255 * 16 + 1 }, (_, i) => i - 5 * 255);

  it('another multiplier is refuted at exactly the sums that differ', () => {
    const witness = refutation(rounding({ multiplier: 0.033 }));
    const clamp = (v: number) => Math.max(0, Math.min(255, v));
    const differing = range.filter(
      (a) => clamp(rne(a * 0.03125) + 37) !== clamp(rne(Math.fround(a * Math.fround(0.033))) + 37),
    );
    const listed = witness.accumulators!.flatMap(([from, to]) =>
      Array.from({ length: to - from + 1 }, (_, i) => from + i),
    );
    expect(listed).toEqual(differing);
    expect(witnessFeeds(witness).conv).toEqual(tensor('s32', [differing[0]], [1, 1, 1, 1]));
  });

  it('the zero point before rounding flips ties where it is odd', () => {
    const witness = refutation(rounding({ zeroPointAt: 'before' }));
    expect(witness.accumulators!.every(([from, to]) => from === to && Math.abs((from * 0.03125) % 1) === 0.5)).toBe(
      true,
    );
    expect(witness.accumulators!.length).toBeGreaterThan(10);
  });

  it('a multiplier that steps at the same sums is proved by thresholds', () => {
    const next = Math.fround(0.03125 * (1 + 2 ** -23));
    const found = rounding({ multiplier: next });
    // exact ties of the one are not ties of the other
    expect(refutation(found).accumulators!.length).toBeGreaterThan(0);
    expect(rounding({ low: -5 })).toMatchObject({ verdict: 'proved', method: 'the same recipe and parameters' });
  });
});

describe('bytes and movements', () => {
  const table = (f: (i: number) => number) => (b: GraphBuilder) =>
    b.constant(
      tensor(
        'u8',
        Array.from({ length: 256 }, (_, i) => f(i)),
      ),
    );
  const lut = (f: (i: number) => number) =>
    graphOf((b, y) => b.emit(qnnLut, { x: b.input('x', 'u8', [2, 3]), table: table(f)(b) }, {}, y));

  it('a table changed in one place is refuted by that byte', () => {
    const [obligation] = checkRegion(
      lut((i) => 255 - i),
      lut((i) => (i === 201 ? 55 : 255 - i)),
      root,
    );
    const witness = refutation(obligation);
    expect(witnessFeeds(witness).x.data[0]).toBe(201);
    expect([witness.before, witness.after]).toEqual([54, 55]);
  });

  it('two tables one after the other are proved equal to one', () => {
    const twice = graphOf((b, y) =>
      b.emit(
        qnnLut,
        {
          x: b.emit(qnnLut, { x: b.input('x', 'u8', [2, 3]), table: table((i) => i ^ 3)(b) }, {}) as Value<'u8'>,
          table: table((i) => i ^ 5)(b),
        },
        {},
        y,
      ),
    );
    expect(
      checkRegion(
        twice,
        lut((i) => i ^ 6),
        root,
      ),
    ).toMatchObject([{ method: 'all 256 inputs', verdict: 'proved' }]);
  });

  it('movements are compared by labels', () => {
    const moved = (perm: number[], shape: number[]) =>
      graphOf((b, y) => {
        const x = b.emit(nnTranspose, { x: b.input('x', 'u8', [2, 3, 2]) }, { perm });
        return b.emit(nnReshape, { x }, { shape }, y);
      });
    const straight = graphOf((b, y) => b.emit(nnReshape, { x: b.input('x', 'u8', [2, 3, 2]) }, { shape: [12] }, y));
    expect(checkRegion(moved([0, 1, 2], [12]), straight, root)[0].verdict).toBe('proved');
    expect(checkRegion(moved([2, 1, 0], [12]), straight, root)[0].verdict).toEqual({
      open: 'elements end in different places',
    });
  });
});

describe('values that both sides share', () => {
  it('is unknown: two values in exchanged order are proved, one twice is refuted', () => {
    const three = (order: (a: Value<'s32'>, b: Value<'s32'>) => [Value<'s32'>, Value<'s32'>]) =>
      graphOf((b, y) => {
        const [p, q] = order(b.input('a', 's32', [2, 2]), b.input('b', 's32', [2]));
        return b.emit(nnAdd, { a: p, b: q }, {}, y);
      });
    const before = three((a, b) => [a, b]);
    expect(
      checkRegion(
        before,
        three((a, b) => [b, a]),
        root,
      )[0].verdict,
    ).toBe('proved');
    const [twice] = checkRegion(
      before,
      three((a) => [a, a]),
      root,
    );
    const feeds = witnessFeeds(refutation(twice));
    expect(interpret(before, feeds).y).not.toEqual(
      interpret(
        three((a) => [a, a]),
        feeds,
      ).y,
    );
  });

  it('constants that agree modulo 2^32 only are the same sum', () => {
    const sum = (by: number, op: typeof nnAdd | typeof nnSub) =>
      graphOf((b, y) => b.emit(op, { a: b.input('a', 's32', [3]), b: b.scalar('s32', by) }, {}, y));
    expect(checkRegion(sum(-(2 ** 31), nnAdd), sum(-(2 ** 31), nnSub), root)[0].verdict).toBe('proved');
    expect(checkRegion(sum(2 ** 31 - 1, nnAdd), sum(0, nnSub), root)[0].verdict).not.toBe('proved');
  });

  it('nothing is owed for equal graphs', () => {
    const graph = graphOf((b, y) => b.emit(nnAdd, { a: b.input('a', 's32', [3]), b: b.scalar('s32', 1) }, {}, y));
    expect(checkGraphs(graph, graph).size).toBe(0);
  });
});

describe('primitives', () => {
  interface Fused {
    readonly channels: number;
    readonly weight: number;
    readonly bias?: number;
    readonly multiplier?: number;
    readonly zx?: number;
    readonly by?: 'onednn' | 'depthwise';
    readonly x?: 'u8' | 's8';
  }
  const fused = ({ channels, weight, bias, multiplier, zx = 0, by = 'onednn', x = 'u8' }: Fused) =>
    graphOf((b, y) => {
      const shape = [2, channels, 1, 1];
      return b.emit(
        dnnlConv,
        {
          x: b.input('x', x, [1, channels, 1, 1]),
          w: b.constant(tensor('s8', new Int8Array(sizeOf(shape)).fill(weight), shape)),
          ...(bias !== undefined && { bias: b.constant(tensor('s32', [bias, bias])) }),
          ...(multiplier !== undefined && { multiplier: b.constant(tensor('f32', [multiplier])) }),
        },
        { ...plain, to: multiplier === undefined ? 's32' : 's8', sourceZeroPoint: zx, by },
        y,
      );
    });
  const owed = (f: Fused, isa: 'vnni' | 'avx2' = 'vnni') => owes(fused(f), { isa }).get(root)!;
  /** With the end left to the primitive in any case. */
  const trusting = (f: Fused) => owes(fused(f), { isa: 'vnni' }, undefined, () => true).get(root)!;

  it('add bias in f32, exactly up to 2^24', () => {
    expect(owed({ channels: 100, weight: 127, bias: 1000, multiplier: 1e-4 })).toMatchObject([
      {
        kind: 'rounding',
        verdict: 'proved',
        method: 'every f32 sum is exact: |sum| + |bias| + |map| ≤ 3239500 ≤ 2^24',
      },
    ]);
  });

  it('and beyond it where both sides have saturated', () => {
    expect(owed({ channels: 1000, weight: 127, bias: 1001, multiplier: 1e-4 })[0]).toMatchObject({
      verdict: 'proved',
      method: expect.stringContaining('both sides saturated beyond'),
    });
  });

  it('are refuted at the sums that f32 rounds away, else proved by thresholds', () => {
    const large = { channels: 4000, weight: 127, bias: 1001, multiplier: 5e-6 };
    const witness = refutation(trusting(large)[0]);
    const [[from]] = witness.accumulators!;
    expect(Math.abs(from)).toBeGreaterThan(2 ** 24);
    const exact = (a: number) => Math.min(127, rne(Math.fround(Math.fround(a + 1001) * Math.fround(5e-6))));
    const f = Math.fround;
    const inF32 = (a: number) => Math.min(127, rne(f(f(f(a) + f(1001)) * f(5e-6))));
    expect([witness.before, witness.after]).toEqual([exact(from), inF32(from)]);
    expect(trusting({ channels: 4000, weight: 127, bias: 1024, multiplier: 2 ** -18 })[0].verdict).toBe('proved');
    // Kernels add in int32: the one of convolutions with VNNI, elsewhere the one of ends.
    expect(owes(fused(large), { isa: 'vnni' }).get(root)).toBeUndefined();
    expect(owed(large, 'avx2')[0]).toMatchObject({
      verdict: 'proved',
      method: expect.stringMatching(/^sums may reach/),
    });
  });

  it('return sums by way of f32, where it holds them', () => {
    const method = (f: Fused) => owed(f)[0].method;
    expect(method({ channels: 100, weight: 127, zx: 3 })).toBe('f32 holds the sums: |sum| ≤ 3200400 ≤ 2^24');
    expect(method({ channels: 1000, weight: 127, zx: 3 })).toBe(
      'sums may reach ±32004000, beyond 2^24: left to implementations that do not convert them, or added in int32 from parts that f32 holds',
    );
  });

  it('saturate without VNNI, unless no pair of weights can, or in other lanes', () => {
    const pairs = (weight: number, x: 'u8' | 's8' = 'u8', channels = 8) => owed({ channels, weight, x }, 'avx2')[1];
    expect(pairs(64).method).toBe('any two weights of a filter add up to 0 … 128, times 255 within int16');
    expect(pairs(65)).toMatchObject({ kind: 'saturation', verdict: 'proved' });
    expect(pairs(65).method).toMatch(
      /^16 lanes in the place of 8 channels, in which neighbouring weights add up to 0 … 65, times 255 within int16; where/,
    );
    expect(pairs(-65).method).toMatch(/add up to -65 … 0/);
    expect(pairs(65, 'u8', 1).method).toMatch(/^any two weights/);
    expect(pairs(1, 's8').method).toBe(
      'the source is given as u8; any two weights of a filter add up to 0 … 2, times 255 within int16',
    );
  });

  it('do not saturate where the source is clamped low enough', () => {
    const pairs = (high: number) => {
      const graph = graphOf((b, y) => {
        const sum = b.input('x', 's32', [1, 8, 1, 1]);
        const multiplier = b.constant(tensor('f32', [0.1]));
        const x = b.emit(dnnlRequantize, { x: sum, multiplier }, { to: 'u8', zeroPoint: 0, axis: 1, high });
        const w = b.constant(tensor('s8', new Int8Array(16).fill(120), [2, 8, 1, 1]));
        return b.emit(dnnlConv, { x: x as Value<'u8'>, w }, { ...plain, to: 's32' }, y);
      });
      return owes(graph, { isa: 'avx2' }).get(root)![1].method;
    };
    expect(pairs(136)).toBe('any two weights of a filter add up to 0 … 240, times 136 within int16');
    expect(pairs(137)).toMatch(/^16 lanes in the place of 8 channels/);
  });

  it('our depthwise kernel owes nothing', () => {
    const graph = graphOf((b, y) =>
      b.emit(
        dnnlConv,
        { x: b.input('x', 'u8', [1, 2, 3, 3]), w: b.constant(tensor('s8', new Int8Array(18).fill(127), [2, 1, 3, 3])) },
        { ...plain, group: 2, to: 's32', by: 'depthwise' },
        y,
      ),
    );
    expect(owes(graph, { isa: 'vnni' }).size).toBe(0);
  });

  it('matmuls are looked at by columns', () => {
    const graph = graphOf((b, y) =>
      b.emit(
        dnnlMatmul,
        { a: b.input('a', 'u8', [1, 2]), b: b.constant(tensor('s8', [100, 1, 100, -100], [2, 2])) },
        { to: 's32' },
        y,
      ),
    );
    const [, pairs] = owes(graph, { isa: 'avx2' }).get(root)!;
    expect(pairs.method).toMatch(
      /^4 lanes in the place of 2 channels, in which neighbouring weights add up to -100 … 100/,
    );
  });
});
