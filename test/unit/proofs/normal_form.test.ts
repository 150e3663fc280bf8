import { describe, expect, it } from 'vitest';
import { type Graph, GraphBuilder, tensor, type Value, type ValueId } from '../../../src/ir/index.ts';
import { nnRecentre } from '../../../src/ir/ops/nn_cast.op.ts';
import { nnConv } from '../../../src/ir/ops/nn_conv.op.ts';
import { nnAdd, nnMul, nnSub } from '../../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnMatmul } from '../../../src/ir/ops/nn_matmul.op.ts';
import { nnPad } from '../../../src/ir/ops/nn_movement.op.ts';
import { qnnConv } from '../../../src/ir/ops/qnn_conv.op.ts';
import { qnnMatmul } from '../../../src/ir/ops/qnn_matmul.op.ts';
import { sameForms } from '../../../src/proofs/normal_form.ts';
import { Weights } from '../../../src/proofs/weights.ts';

const w = tensor('s8', [1, -2, 3, 4, 5, -6], [2, 3, 1, 1]);
const matrix = tensor('s8', [1, -2, 3, 4, 5, -6], [3, 2]);
const attrs = (pad = 0) => ({ strides: [1, 1], pads: [pad, pad, pad, pad], dilations: [1, 1], group: 1 });

/** `z` and `other`: single numbers that the run computes. */
type Build = (b: GraphBuilder, x: Value<'u8'>, z: Value<'u8'>, other: Value<'u8'>) => Value;

/** True when both have the same form. The weights are one object, as in a pool that graphs share. */
function same(before: Build, after: Build, shape: readonly (number | string)[] = [1, 3, 4, 4]): boolean {
  const graphs = [before, after].map((build): Graph => {
    const b = new GraphBuilder();
    const [x, z, other] = [b.input('x', 'u8', shape), b.input('z', 'u8', []), b.input('other', 'u8', [1])];
    return b.finish([build(b, x, z, other)]);
  });
  const sides = graphs.map((graph) => ({ graph, root: graph.nodes[graph.outputs[0] as ValueId], sum: undefined }));
  return sameForms(sides, new Weights()) !== undefined;
}

const quantized =
  (zero: number, pad = 0): Build =>
  (b, x) =>
    b.emit(qnnConv, { x, w: b.constant(w), zx: b.scalar('u8', zero) }, attrs(pad));
const sums = (b: GraphBuilder, values: readonly number[]) =>
  b.constant(tensor('s32', values, [1, values.length, 1, 1]));

/** conv(x, w) less `values`, by channel. */
const folded =
  (values: readonly number[], pad = 0): Build =>
  (b, x) =>
    b.emit(nnSub, { a: b.emit(nnConv, { x, w: b.constant(w) }, attrs(pad)) as Value<'s32'>, b: sums(b, values) });

describe('convolutions', () => {
  it('a zero point is the sums of the weights where nothing is padded', () => {
    expect(same(quantized(10), folded([20, 30]))).toBe(true);
    expect(same(quantized(10), folded([20, 30]), [1, 3, 'H', 'W'])).toBe(true);
    expect(same(quantized(10), folded([20, 31]))).toBe(false);
    expect(same(quantized(11), folded([20, 30]))).toBe(false);
  });

  it('and is not where taps may be outside', () => {
    expect(same(quantized(10, 1), folded([20, 30], 1))).toBe(false);
  });

  it('pads, zero points and weights are parts of a product', () => {
    expect(same(quantized(10, 1), quantized(10, 1))).toBe(true);
    expect(same(quantized(10, 1), quantized(11, 1))).toBe(false);
    expect(same(quantized(10, 1), quantized(10))).toBe(false);
    const other = tensor('s8', [1, -2, 3, 4, 5, -7], [2, 3, 1, 1]);
    const changed: Build = (b, x) => b.emit(qnnConv, { x, w: b.constant(other), zx: b.scalar('u8', 10) }, attrs(1));
    expect(same(quantized(10, 1), changed)).toBe(false);
  });

  it('a recentred source has its zero point moved', () => {
    const recentred =
      (zero: number): Build =>
      (b, x) => {
        const moved = b.emit(nnRecentre, { x }, { to: 's8' }) as Value<'s8'>;
        return b.emit(qnnConv, { x: moved, w: b.constant(w), zx: b.scalar('s8', zero) }, attrs(1));
      };
    expect(same(quantized(10, 1), recentred(-118))).toBe(true);
    expect(same(quantized(10, 1), recentred(-117))).toBe(false);
  });

  describe('whose zero point the run computes', () => {
    const dynamic =
      (pad = 0, zw?: readonly number[]): Build =>
      (b, x, z) => {
        const zero = zw && { zw: b.constant(tensor('s8', zw)) };
        return b.emit(qnnConv, { x, w: b.constant(w), zx: z, ...zero }, attrs(pad));
      };

    it('may lose a zero point of the weights that is 0', () => {
      for (const pad of [0, 1]) {
        expect(same(dynamic(pad, [0, 0]), dynamic(pad))).toBe(true);
        expect(same(dynamic(pad, [0, 0]), dynamic(pad), ['N', 3, 'H', 'W'])).toBe(true);
        expect(same(dynamic(pad, [0, 1]), dynamic(pad))).toBe(false);
        expect(same(dynamic(pad), dynamic(1 - pad))).toBe(false);
        expect(same(dynamic(pad), quantized(0, pad))).toBe(false);
      }
    });

    it('has this one and no other', () => {
      const another: Build = (b, x, _, other) => b.emit(qnnConv, { x, w: b.constant(w), zx: other }, attrs());
      expect(same(another, another)).toBe(true);
      expect(same(dynamic(), another)).toBe(false);
    });

    it('is recentred with its source', () => {
      const recentred =
        (isBoth: boolean): Build =>
        (b, x, z, other) => {
          const [moved, zero] = [x, isBoth ? z : other].map(
            (v) => b.emit(nnRecentre, { x: v }, { to: 's8' }) as Value<'s8'>,
          );
          return b.emit(qnnConv, { x: moved, zx: zero, w: b.constant(w) }, attrs(1));
        };
      expect(same(dynamic(1), recentred(true))).toBe(true);
      expect(same(dynamic(1), recentred(false))).toBe(false);
    });

    it('is not taken from pads of its own number', () => {
      const padded =
        (filler: number, pads: readonly number[]): Build =>
        (b, x, z) => {
          const source = b.emit(nnPad, { x, value: b.scalar('u8', filler) }, { pads }) as Value<'u8'>;
          return b.emit(qnnConv, { x: source, w: b.constant(w), zx: z }, attrs());
        };
      const around = [0, 0, 1, 1, 0, 0, 1, 1];
      expect(same(padded(7, around), padded(7, around))).toBe(true);
      expect(same(padded(7, around), padded(8, around))).toBe(false);
      expect(same(padded(7, around), dynamic(1))).toBe(false);
      expect(same(padded(0, around), dynamic(1))).toBe(false);
      expect(
        same(
          padded(
            7,
            around.map(() => 0),
          ),
          dynamic(),
        ),
      ).toBe(true);
    });
  });

  it('a source may be padded by hand', () => {
    const padded =
      (filler: number, values: readonly number[]): Build =>
      (b, x) => {
        const pads = [0, 0, 1, 1, 0, 0, 1, 1];
        const source = b.emit(nnPad, { x, value: b.scalar('u8', filler) }, { pads }) as Value<'u8'>;
        return b.emit(nnSub, {
          a: b.emit(nnConv, { x: source, w: b.constant(w) }, attrs()) as Value<'s32'>,
          b: sums(b, values),
        });
      };
    for (const shape of [
      [1, 3, 4, 4],
      [1, 3, 'H', 'W'],
    ]) {
      expect(same(quantized(10, 1), padded(10, [20, 30]), shape)).toBe(true);
      expect(same(quantized(10, 1), padded(10, [20, 31]), shape)).toBe(false);
      expect(same(quantized(10, 1), padded(9, [20, 30]), shape)).toBe(false);
      expect(same(quantized(10, 1), padded(0, [20, 30]), shape)).toBe(false);
    }
    const recentred: Build = (b, x) => {
      const pads = [0, 0, 1, 1, 0, 0, 1, 1];
      const source = b.emit(nnPad, { x, value: b.scalar('u8', 10) }, { pads }) as Value<'u8'>;
      const moved = b.emit(nnRecentre, { x: source }, { to: 's8' }) as Value<'s8'>;
      return b.emit(qnnConv, { x: moved, w: b.constant(w), zx: b.scalar('s8', -118) }, attrs());
    };
    expect(same(quantized(10, 1), recentred)).toBe(true);
  });

  describe('a window sum goes into the weights', () => {
    const [bytes, zeros] = [tensor('u8', [129, 126, 131, 132, 133, 122], [2, 3, 1, 1]), tensor('u8', [3, 250], [2])];
    const whole: Build = (b, x) =>
      b.emit(qnnConv, { x, w: b.constant(bytes), zx: b.scalar('u8', 10), zw: b.constant(zeros) }, attrs(1));
    interface Change {
      readonly factors?: readonly number[];
      readonly ones?: readonly number[];
      readonly zx?: number;
      readonly sign?: typeof nnAdd | typeof nnSub;
    }
    const split =
      ({ factors = [-125, 122], ones = [1, 1, 1], zx = 10, sign = nnSub }: Change = {}): Build =>
      (b, x) => {
        const main = b.emit(qnnConv, { x, w: b.constant(w), zx: b.scalar('u8', 10) }, attrs(1)) as Value<'s32'>;
        const filter = b.constant(tensor('s8', ones, [1, 3, 1, 1]));
        const window = b.emit(qnnConv, { x, w: filter, zx: b.scalar('u8', zx) }, attrs(1)) as Value<'s32'>;
        const scaled = b.emit(nnMul, { a: window, b: sums(b, factors) }) as Value<'s32'>;
        return b.emit(sign, { a: main, b: scaled });
      };

    it.each([{ shape: [1, 3, 4, 4] }, { shape: [1, 3, 'H', 'W'] }])('of a source [$shape]', ({ shape }) => {
      expect(same(whole, split(), shape)).toBe(true);
      expect(same(split(), whole, shape)).toBe(true);
      expect(same(split(), split(), shape)).toBe(true);
    });

    const wrong: readonly Change[] = [
      { factors: [-125, -125] },
      { factors: [-125, 121] },
      { factors: [122, -125] },
      { ones: [1, 1, 2] },
      { ones: [0, 1, 1] },
      { zx: 11 },
      { sign: nnAdd },
    ];
    it.each(wrong)('and not with %o', (change) => {
      expect(same(whole, split(change))).toBe(false);
    });

    it('whose zero point is folded too', () => {
      const whole: Build = (b, x) =>
        b.emit(qnnConv, { x, w: b.constant(bytes), zx: b.scalar('u8', 10), zw: b.constant(zeros) }, attrs());
      const folded =
        (less: number): Build =>
        (b, x) => {
          const main = b.emit(nnConv, { x, w: b.constant(w) }, attrs()) as Value<'s32'>;
          const window = b.emit(nnConv, { x, w: b.constant(tensor('s8', [1, 1, 1], [1, 3, 1, 1])) }, attrs());
          const sum = b.emit(nnSub, { a: window as Value<'s32'>, b: sums(b, [less]) }) as Value<'s32'>;
          const scaled = b.emit(nnMul, { a: sum, b: sums(b, [-125, 122]) }) as Value<'s32'>;
          const moved = b.emit(nnSub, { a: main, b: sums(b, [20, 30]) }) as Value<'s32'>;
          return b.emit(nnSub, { a: moved, b: scaled });
        };
      expect(same(whole, folded(30))).toBe(true);
      expect(same(whole, folded(31))).toBe(false);
    });

    it('by groups, and where the zero point of its source is folded', () => {
      const depthwise = { ...attrs(), group: 3 };
      const [own, moved] = [tensor('u8', [7, 130, 255], [3, 1, 1, 1]), tensor('s8', [-121, 2, 127], [3, 1, 1, 1])];
      const before: Build = (b, x) => {
        const zw = b.constant(tensor('u8', [1, 2, 3], [3]));
        return b.emit(qnnConv, { x, w: b.constant(own), zx: b.scalar('u8', 5), zw }, depthwise);
      };
      const rewritten =
        (last: number): Build =>
        (b, x) => {
          const ones = b.constant(tensor('s8', [1, 1, 1], [3, 1, 1, 1]));
          const main = b.emit(nnConv, { x, w: b.constant(moved) }, depthwise) as Value<'s32'>;
          const window = b.emit(nnConv, { x, w: ones }, depthwise) as Value<'s32'>;
          const scaled = b.emit(nnMul, { a: sums(b, [-127, -126, -125]), b: window }) as Value<'s32'>;
          const difference = b.emit(nnSub, { a: main, b: scaled }) as Value<'s32'>;
          return b.emit(nnSub, { a: difference, b: sums(b, [30, 640, last]) });
        };
      expect(same(before, rewritten(1260))).toBe(true);
      expect(same(before, rewritten(1261))).toBe(false);
    });
  });

  it('terms added along different axes are compared as a whole', () => {
    const line = (b: GraphBuilder, values: readonly number[], shape: readonly number[]) =>
      b.constant(tensor('s32', values, shape));
    const along =
      (channels: readonly number[], rows: readonly number[]): Build =>
      (b, x) => {
        const sum = b.emit(nnConv, { x, w: b.constant(w) }, attrs()) as Value<'s32'>;
        const first = b.emit(nnAdd, { a: sum, b: line(b, channels, [2, 1, 1]) }) as Value<'s32'>;
        return b.emit(nnAdd, { a: line(b, rows, [4, 1]), b: first });
      };
    expect(same(along([1, 2], [5, 5, 5, 5]), along([6, 7], [0, 0, 0, 0]))).toBe(true);
    expect(same(along([1, 2], [5, 5, 5, 6]), along([6, 7], [0, 0, 0, 1]))).toBe(true);
    expect(same(along([1, 2], [5, 5, 5, 6]), along([6, 7], [0, 0, 0, 0]))).toBe(false);
    expect(same(along([1, 2], [0, 0, 0, 0]), along([2, 1], [0, 0, 0, 0]))).toBe(false);
    expect(same(along([2 ** 31 - 1, 0], [1, 1, 1, 1]), along([-(2 ** 31), 1], [0, 0, 0, 0]))).toBe(true);
  });
});

it('the contribution of a zero point depends on the size of the source', () => {
  // 5 and 6 positions, stride 2, pads of 1: three results each, whose last windows are cut off in one of them.
  const kernel = tensor('s8', [1, 2, 3], [1, 1, 3]);
  const sum = (zeros: readonly number[]): Graph => {
    const b = new GraphBuilder();
    const parts = [5, 6].map((size, i) => {
      const x = b.input(`x${size}`, 'u8', [1, 1, size]);
      const attributes = { strides: [2], pads: [1, 1], dilations: [1], group: 1 };
      return b.emit(qnnConv, { x, w: b.constant(kernel), zx: b.scalar('u8', zeros[i]) }, attributes) as Value<'s32'>;
    });
    return b.finish([b.emit(nnAdd, { a: parts[0], b: parts[1] })]);
  };
  const sides = [sum([1, 2]), sum([2, 1])].map((graph) => ({
    graph,
    root: graph.nodes[graph.outputs[0] as ValueId],
    sum: undefined,
  }));
  expect(sameForms(sides, new Weights())).toBeUndefined();
  expect(sameForms([sides[0], sides[0]], new Weights())).toBeDefined();
});

it('matmuls have theirs by column', () => {
  const shape = [5, 3];
  const before: Build = (b, a) => b.emit(qnnMatmul, { a, b: b.constant(matrix), za: b.scalar('u8', 10) }, {});
  const rewritten =
    (values: readonly number[]): Build =>
    (b, a) =>
      b.emit(nnSub, {
        a: b.emit(nnMatmul, { a, b: b.constant(matrix) }, {}) as Value<'s32'>,
        b: b.constant(tensor('s32', values, [2])),
      });
  expect(same(before, rewritten([90, -40]), shape)).toBe(true);
  expect(same(before, rewritten([90, -41]), shape)).toBe(false);
});
