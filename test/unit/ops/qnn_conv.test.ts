/** Convolutions against their formula in BigInt, written down tap by tap. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { qnnConv } from '../../../src/ir/ops/qnn_conv.op.ts';
import { qnnConvTranspose } from '../../../src/ir/ops/qnn_conv_transpose.op.ts';
import { type ITensor, scalar, tensor, zeros } from '../../../src/tensors/tensor.ts';
import { at, bytes, elements, evaluate, indicesOf, tensorOf, zeroAt, zeroPointOf } from './qnn_support.ts';

/** One spatial axis of a convolution. */
interface Axis {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly begin: number;
  readonly end: number;
  readonly input: number;
  readonly outputPadding: number;
}

const axis: fc.Arbitrary<Axis> = fc
  .record({
    kernel: fc.integer({ min: 1, max: 3 }),
    stride: fc.integer({ min: 1, max: 3 }),
    dilation: fc.integer({ min: 1, max: 2 }),
    begin: fc.integer({ min: 0, max: 3 }),
    end: fc.integer({ min: 0, max: 3 }),
    room: fc.integer({ min: 0, max: 3 }),
    outputPadding: fc.integer({ min: 0, max: 2 }),
  })
  .map(({ room, ...a }) => ({ ...a, input: room + Math.max(1, a.dilation * (a.kernel - 1) + 1 - a.begin - a.end) }));

interface Case {
  readonly axes: readonly Axis[];
  readonly group: number;
  readonly x: ITensor;
  readonly w: ITensor;
  readonly zx: ITensor | undefined;
  readonly zw: ITensor | undefined;
}

const small = fc.integer({ min: 1, max: 2 });

/** `transposed`: filters are [C, O/group, …] instead of [O, C/group, …]. */
const cases = (transposed: boolean): fc.Arbitrary<Case> =>
  fc
    .record({
      axes: fc.array(axis, { minLength: 1, maxLength: 3 }),
      ...{
        batch: small,
        group: fc.integer({ min: 1, max: 3 }),
        channels: small,
        filters: small,
        xType: bytes,
        wType: bytes,
      },
    })
    .chain(({ axes, batch, group, channels, filters, xType, wType }) =>
      fc.record({
        axes: fc.constant(axes),
        group: fc.constant(group),
        x: tensorOf(xType, [batch, channels * group, ...axes.map((a) => a.input)]),
        w: tensorOf(wType, [
          (transposed ? channels : filters) * group,
          transposed ? filters : channels,
          ...axes.map((a) => a.kernel),
        ]),
        zx: zeroPointOf(xType),
        zw: zeroPointOf(wType, filters * group),
      }),
    );

const attrsOf = ({ axes, group }: Case) => ({
  strides: axes.map((a) => a.stride),
  dilations: axes.map((a) => a.dilation),
  pads: [...axes.map((a) => a.begin), ...axes.map((a) => a.end)],
  group,
});

const int32 = (sum: bigint): number => Number(BigInt.asIntN(32, sum));

test('qnn.conv is Σ (x − zx)(w − zw) over the taps inside the input', () => {
  fc.assert(
    fc.property(cases(false), (c) => {
      const { axes, group, x, w, zx, zw } = c;
      const y = evaluate(qnnConv, [x, w, zx, zw], attrsOf(c)) as ITensor<'s32'>;
      const [perGroup, perGroupOut] = [w.shape[1], w.shape[0] / group];
      const expected = indicesOf(y.shape).map(([n, o, ...p]) => {
        let sum = 0n;
        for (const [c, ...tap] of indicesOf(w.shape.slice(1))) {
          const position = p.map((q, d) => q * axes[d].stride - axes[d].begin + tap[d] * axes[d].dilation);
          if (position.some((i, d) => i < 0 || i >= axes[d].input)) continue;
          const channel = Math.floor(o / perGroupOut) * perGroup + c;
          sum += (at(x, [n, channel, ...position]) - zeroAt(zx, 0)) * (at(w, [o, c, ...tap]) - zeroAt(zw, o));
        }
        return int32(sum);
      });
      expect([...y.data]).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});

test('qnn.conv_transpose collects the taps that land on an output', () => {
  const fits = ({ axes }: Case) =>
    axes.every(
      (a) => a.stride * (a.input - 1) + a.dilation * (a.kernel - 1) + 1 + a.outputPadding - a.begin - a.end > 0,
    );
  fc.assert(
    fc.property(cases(true).filter(fits), (c) => {
      const { axes, group, x, w, zx, zw } = c;
      const attrs = { ...attrsOf(c), outputPadding: axes.map((a) => a.outputPadding) };
      const y = evaluate(qnnConvTranspose, [x, w, zx, zw], attrs) as ITensor<'s32'>;
      const [perGroup, perGroupOut] = [x.shape[1] / group, w.shape[1]];
      const expected = indicesOf(y.shape).map(([n, o, ...q]) => {
        let sum = 0n;
        for (const [c, ...tap] of indicesOf([perGroup, ...w.shape.slice(2)])) {
          const reached = q.map((at, d) => at + axes[d].begin - tap[d] * axes[d].dilation);
          if (reached.some((r, d) => r < 0 || r % axes[d].stride !== 0)) continue;
          const position = reached.map((r, d) => r / axes[d].stride);
          if (position.some((i, d) => i >= axes[d].input)) continue;
          const channel = Math.floor(o / perGroupOut) * perGroup + c;
          const weight = at(w, [channel, o % perGroupOut, ...tap]) - zeroAt(zw, o);
          sum += (at(x, [n, channel, ...position]) - zeroAt(zx, 0)) * weight;
        }
        return int32(sum);
      });
      expect([...y.data]).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});

test('sums beyond int32 wrap', () => {
  const length = 40_000;
  const x = tensor('u8', new Uint8Array(length).fill(255), [1, length, 1]);
  const w = tensor('u8', new Uint8Array(length).fill(255), [1, length, 1]);
  const attrs = { strides: [1], dilations: [1], pads: [0, 0] };
  expect(elements(qnnConv, [x, w], attrs)).toEqual([Number(BigInt.asIntN(32, 255n * 255n * BigInt(length)))]);
});

describe('refusals name the fault', () => {
  const [x, w] = [zeros('u8', [1, 4, 5, 5]), zeros('s8', [6, 4, 3, 3])];
  const attrs = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] };
  const refused = (operands: Parameters<typeof evaluate>[1], changes = {}) =>
    expect(() => evaluate(qnnConv, operands, { ...attrs, ...changes }));

  test('operands', () => {
    refused([x, w, scalar('s8', 1)]).toThrow("'zx' is of type s8, the data it belongs to of type u8");
    refused([x, w, tensor('u8', [1, 2, 3, 4])]).toThrow("'zx' should be a scalar, but is u8[4]");
    refused([x, w, null, tensor('s8', [1, 2])]).toThrow("'zw' should be a scalar or of shape [6], but is s8[2]");
    refused([zeros('u8', [1, 3, 5, 5]), w]).toThrow('the input has 3 channels, the filter expects 4 x 1 groups');
    refused([x, zeros('s8', [6, 4, 3])]).toThrow('the input has rank 4, the filter rank 3');
  });

  test('attributes', () => {
    refused([x, w], { strides: [1] }).toThrow('strides should have 2 entries for 2 spatial axes, but has 1');
    refused([x, w], { pads: [0, 0, -1, 0] }).toThrow('pads[2] should be 0 or more, but is -1');
    refused([x, w], { dilations: [3, 1] }).toThrow('a window of 3 does not fit into 5');
    refused([x, w], { group: 0 }).toThrow('group should be positive, but is 0');
  });

  test('a transposed convolution has zero points by result channel', () => {
    const deconv = { ...attrs, outputPadding: [0, 0], group: 2 };
    expect(() =>
      evaluate(qnnConvTranspose, [x, zeros('s8', [4, 3, 2, 2]), null, tensor('s8', [1, 2, 3, 4])], deconv),
    ).toThrow("'zw' should be a scalar or of shape [6], but is s8[4]");
  });
});
