import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nnConv, nnConvTranspose } from '../../../src/ir/ops/nn_conv.op.ts';
import { type ITensor, tensor } from '../../../src/tensors/tensor.ts';
import { elements, evaluate, indicesOf, listOf, read, tensorOf } from './nn_support.ts';

interface Geometry {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly attrs: {
    readonly strides: number[];
    readonly pads: number[];
    readonly dilations: number[];
    readonly group: number;
  };
}

/** Windows that fit, of 1 to 3 spatial axes; `transposed` filters are [C, O/group, …]. */
const geometry = (transposed: boolean): fc.Arbitrary<Geometry> =>
  fc
    .record({
      batch: fc.integer({ min: 1, max: 2 }),
      group: fc.integer({ min: 1, max: 3 }),
      inPerGroup: fc.integer({ min: 1, max: 3 }),
      outPerGroup: fc.integer({ min: 1, max: 3 }),
      axes: fc.array(
        fc.record({
          extra: fc.integer({ min: 0, max: 3 }),
          kernel: fc.integer({ min: 1, max: 3 }),
          stride: fc.integer({ min: 1, max: 3 }),
          dilation: fc.integer({ min: 1, max: 2 }),
          begin: fc.integer({ min: 0, max: 2 }),
          end: fc.integer({ min: 0, max: 2 }),
        }),
        { minLength: 1, maxLength: 3 },
      ),
    })
    .map(({ batch, group, inPerGroup, outPerGroup, axes }) => {
      const extents = axes.map(({ kernel, dilation }) => dilation * (kernel - 1) + 1);
      const enough = axes.map(({ extra, begin, end }, i) =>
        transposed
          ? extra + 1 + Math.max(0, begin + end + 1 - extents[i])
          : extra + Math.max(1, extents[i] - begin - end),
      );
      const kernel = axes.map((axis) => axis.kernel);
      return {
        x: [batch, group * inPerGroup, ...enough],
        w: transposed ? [group * inPerGroup, outPerGroup, ...kernel] : [group * outPerGroup, inPerGroup, ...kernel],
        attrs: {
          strides: axes.map((axis) => axis.stride),
          pads: [...axes.map((axis) => axis.begin), ...axes.map((axis) => axis.end)],
          dilations: axes.map((axis) => axis.dilation),
          group,
        },
      };
    });

const integerTypes = fc.constantFrom('u8' as const, 's8' as const, 's32' as const);
const caseOf = (transposed: boolean) =>
  fc
    .tuple(geometry(transposed), integerTypes, integerTypes)
    .chain(([g, xType, wType]) =>
      fc.record({ attrs: fc.constant(g.attrs), x: tensorOf(xType, g.x), w: tensorOf(wType, g.w) }),
    );

/** The position that tap `k` of output position `p` reads, or undefined when it is outside of `size`. */
function tapAt(p: readonly number[], k: readonly number[], size: readonly number[], a: Geometry['attrs']) {
  const at = p.map((position, i) => position * a.strides[i] - a.pads[i] + k[i] * a.dilations[i]);
  return at.every((position, i) => position >= 0 && position < size[i]) ? at : undefined;
}

/** The definition, in BigInt. */
function convByDefinition(x: ITensor, w: ITensor, attrs: Geometry['attrs'], outShape: readonly number[]): number[] {
  const perGroup = w.shape[1];
  return indicesOf(outShape).map(([n, o, ...p]) => {
    const first = Math.floor(o / (w.shape[0] / attrs.group)) * perGroup;
    let sum = 0n;
    for (const [c, ...k] of indicesOf(w.shape.slice(1))) {
      const at = tapAt(p, k, x.shape.slice(2), attrs);
      if (at) sum += BigInt(read(x, [n, first + c, ...at])) * BigInt(read(w, [o, c, ...k]));
    }
    return Number(BigInt.asIntN(32, sum));
  });
}

describe('nn.conv', () => {
  it('is Σ x·w over the taps inside the input, modulo 2^32, for every integer type and rank', () => {
    fc.assert(
      fc.property(caseOf(false), ({ x, w, attrs }) => {
        const y = evaluate(nnConv, [x, w], attrs);
        expect(listOf(y)).toEqual(convByDefinition(x, w, attrs, y.shape));
      }),
    );
  });

  it('has as many outputs as windows begin inside: out = ⌊(in + pads − extent) / stride⌋ + 1', () => {
    fc.assert(
      fc.property(geometry(false), ({ x, w, attrs }) => {
        const y = evaluate(nnConv, [tensor('u8', new Uint8Array(x.reduce((a, b) => a * b)), x), zerosLike(w)], attrs);
        attrs.strides.forEach((stride, i) => {
          const padded = x[i + 2] + attrs.pads[i] + attrs.pads[i + attrs.strides.length];
          const extent = attrs.dilations[i] * (w[i + 2] - 1) + 1;
          const starts = Array.from({ length: padded }, (_, p) => p).filter(
            (p) => p % stride === 0 && p + extent <= padded,
          );
          expect(y.shape[i + 2]).toBe(starts.length);
        });
      }),
    );
  });

  it('adds each product to the bias and what came before, rounded together', () => {
    const attrs = { strides: [1], pads: [0, 0], dilations: [1] };
    const sum = (x: readonly number[], w: readonly number[], bias?: number) => {
      const operands = [tensor('f32', x, [1, x.length, 1]), tensor('f32', w, [1, x.length, 1])];
      return elements(nnConv, bias === undefined ? operands : [...operands, tensor('f32', [bias])], attrs)[0];
    };
    expect(sum([1, 2 ** 24], [1, 1], 1)).toBe(2 ** 24 + 2);
    expect(sum([2 ** 24, 1], [1, 1], 1)).toBe(2 ** 24);
    expect(sum([1 + 2 ** -12], [1 + 2 ** -12], -1)).toBe(2 ** -11 + 2 ** -24);
    expect(sum([2 ** -100], [-(2 ** -100)])).toBe(0);
  });

  it('takes infinities and NaN as they come, and not from outside the input', () => {
    const x = tensor('f32', [0, 1, 2], [1, 1, 3]);
    const attrs = { strides: [1], pads: [1, 0], dilations: [1] };
    expect(elements(nnConv, [x, tensor('f32', [Infinity, 1], [1, 1, 2])], attrs)).toEqual([0, NaN, Infinity]);
  });

  it('refuses operands that do not fit', () => {
    const plain = { strides: [1], pads: [0, 0], dilations: [1] };
    const call = (x: ITensor, w: ITensor, bias?: ITensor) => () => evaluate(nnConv, [x, w, bias], plain);
    const [f, u, s] = (['f32', 'u8', 's8'] as const).map((d) => tensor(d, [1, 2], [1, 2, 1]));
    expect(call(f, s)).toThrow(/integers and floats do not mix/);
    expect(call(u, s, tensor('f32', [1]))).toThrow(/only a float convolution has a bias/);
    expect(call(f, f, tensor('f32', [1, 2]))).toThrow(/bias should have shape \[1\]/);
    expect(call(u, tensor('s8', [1, 2, 3], [1, 3, 1]))).toThrow(/2 channels, the filter expects 3/);
    expect(call(u, tensor('s8', [1, 2, 3, 4], [1, 2, 2]))).toThrow(/does not fit/);
  });
});

describe('nn.conv_transpose', () => {
  const withPadding = caseOf(true).chain(({ x, w, attrs }) =>
    fc
      .tuple(...attrs.strides.map((stride, i) => fc.integer({ min: 0, max: Math.max(stride, attrs.dilations[i]) - 1 })))
      .map((outputPadding) => ({ x, w, attrs: { ...attrs, outputPadding } })),
  );

  it('scatters x·w, modulo 2^32', () => {
    fc.assert(
      fc.property(withPadding, ({ x, w, attrs }) => {
        const y = evaluate(nnConvTranspose, [x, w], attrs);
        const sums = new Map<string, bigint>();
        const perGroup = w.shape[1];
        for (const [n, c, ...p] of indicesOf(x.shape)) {
          const firstFilter = Math.floor(c / (x.shape[1] / attrs.group)) * perGroup;
          for (const [o, ...k] of indicesOf(w.shape.slice(1))) {
            const at = tapAt(p, k, y.shape.slice(2), attrs);
            if (!at) continue;
            const key = [n, firstFilter + o, ...at].join();
            sums.set(key, (sums.get(key) ?? 0n) + BigInt(read(x, [n, c, ...p])) * BigInt(read(w, [c, o, ...k])));
          }
        }
        const expected = indicesOf(y.shape).map((i) => Number(BigInt.asIntN(32, sums.get(i.join()) ?? 0n)));
        expect(listOf(y)).toEqual(expected);
      }),
    );
  });

  it('is the adjoint of convolution: ⟨conv(x, w), y⟩ = ⟨x, conv_transpose(y, w)⟩', () => {
    const cases = geometry(false).chain(({ x, w, attrs }) =>
      fc.record({ attrs: fc.constant(attrs), x: tensorOf('s8', x), w: tensorOf('s8', w), seed: fc.integer() }),
    );
    fc.assert(
      fc.property(cases, ({ x, w, attrs, seed }) => {
        const forward = evaluate(nnConv, [x, w], attrs);
        const y = tensor(
          's8',
          Int8Array.from(forward.data as Int32Array, (_, i) => (i * 37 + seed) % 128),
          forward.shape,
        );
        const rank = attrs.strides.length;
        // outputPadding gives back the elements that the strides leave over at the end of the input
        const outputPadding = attrs.strides.map((stride, i) => {
          const extent = attrs.dilations[i] * (w.shape[i + 2] - 1) + 1;
          return (x.shape[i + 2] + attrs.pads[i] + attrs.pads[i + rank] - extent) % stride;
        });
        const back = evaluate(nnConvTranspose, [y, w], { ...attrs, outputPadding });
        expect(back.shape).toEqual(x.shape);
        expect(dot(forward, y)).toBe(dot(x, back));
      }),
    );
  });

  it('adds the bias to every position', () => {
    const [x, w] = [tensor('f32', [1, 2], [1, 1, 2]), tensor('f32', [1, 10], [1, 2, 1])];
    const attrs = { strides: [2], pads: [0, 0], dilations: [1], outputPadding: [1] };
    expect(elements(nnConvTranspose, [x, w, tensor('f32', [0.5, -1])], attrs)).toEqual([
      1.5, 0.5, 2.5, 0.5, 9, -1, 19, -1,
    ]);
  });
});

const dot = (a: ITensor, b: ITensor): number =>
  listOf(a).reduce<number>((sum, v, i) => sum + Number(v) * Number(b.data[i]), 0);

const zerosLike = (shape: readonly number[]): ITensor =>
  tensor('s8', new Int8Array(shape.reduce((a, b) => a * b)), shape);
