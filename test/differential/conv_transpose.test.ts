/** Transposed convolutions with all that follows them, on the addon and on the interpreter. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder, tensor } from '../../src/ir/index.ts';
import { nnConvTranspose } from '../../src/ir/ops/nn_conv.op.ts';
import { qnnConvTranspose } from '../../src/ir/ops/qnn_conv_transpose.op.ts';
import { type Strategy, strategyNames } from '../../src/passes/strategy_names.ts';
import {
  absent,
  additions,
  arbitraryFeeds,
  buildSum,
  type ConvSpec,
  convSpec,
  feedsOf,
  requantizeSpec,
  zeroPoint,
} from '../../src/testing/index.ts';
import { expectSame } from './support.ts';

const runs = process.env.UNSKEW_DEEP ? 20_000 : 300;

/** Channel counts on both sides of oneDNN's block sizes. */
const wide = {
  op: fc.constant('qnnConvTranspose' as const),
  channelsPerGroup: fc.constantFrom(1, 3, 4, 16, 20),
  filtersPerGroup: fc.constantFrom(1, 2, 5, 16, 17),
} satisfies Parameters<typeof convSpec>[0];
const constantZeroPoint = zeroPoint({ presence: fc.constantFrom('absent', 'constant', 'constant') });
const symmetric = { ...wide, w: fc.constant('s8' as const), zw: absent, computed: fc.constant(false) };

const sum = (conv: fc.Arbitrary<ConvSpec>) =>
  fc.record({
    conv,
    additions: additions(['channels', 'channels', 'map', 'scalar', 'row', 'input']),
    requantize: fc.option(requantizeSpec(), { nil: undefined }),
    tail: fc.constantFrom('none', 'none', 'read', 'shared' as const),
  });

describe('transposed convolutions on the addon', () => {
  it.each([
    ['any zero points', sum(convSpec(wide))],
    ['a constant source zero point', sum(convSpec({ ...symmetric, zx: constantZeroPoint }))],
  ])(
    'equal the interpreter, whatever the geometry, the end and the strategy: %s',
    { timeout: 3_600_000 },
    async (_, spec) => {
      const settings = fc.record({ strategy: fc.constantFrom(...strategyNames), threads: fc.constantFrom(1, 2) });
      await fc.assert(
        fc.asyncProperty(spec, settings, arbitraryFeeds, async (drawn, { strategy, threads }, inputs) => {
          const graph = buildSum(drawn);
          const model = await expectSame(graph, feedsOf(graph, inputs), { threads, strategy: strategy as Strategy });
          model.dispose();
        }),
        { numRuns: runs },
      );
    },
  );

  // Found by the property in primitives of oneDNN 2.6.3.
  it.each([
    ['output padding beyond the end pad', { input: 2, kernel: 4, stride: 2, pads: [3, 0], outputPadding: 1 }],
    ['a stride beyond the kernel', { input: 6, kernel: 1, stride: 3, pads: [0, 0], outputPadding: 0 }],
    ['output padding beyond the stride', { input: 5, kernel: 2, stride: 1, pads: [0, 1], outputPadding: 2 }],
  ])('are exact with %s', async (_, { input, kernel, stride, pads, outputPadding }) => {
    for (const zeroPoint of [0, 75]) {
      const b = new GraphBuilder();
      const x = b.input('x', 'u8', [2, 64, input]);
      const w = b.constant(
        tensor(
          's8',
          Int8Array.from({ length: 64 * 24 * kernel }, (_, i) => (i * 37) % 251),
          [64, 24, kernel],
        ),
      );
      const attrs = { strides: [stride], pads, dilations: [1], group: 2, outputPadding: [outputPadding] };
      const y = b.emit(qnnConvTranspose, { x, w, zx: b.scalar('u8', zeroPoint) }, attrs);
      const values = Uint8Array.from({ length: 2 * 64 * input }, (_, i) => (i * 89) % 256);
      (await expectSame(b.finish([y]), { x: tensor('u8', values, [2, 64, input]) }, { strategy: 'native' })).dispose();
    }
  });

  it('keep sums beyond 2^24, which deconvolution primitives round', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'u8', [1, 1024, 3]);
    const w = b.constant(tensor('s8', new Int8Array(1024 * 2).fill(127), [1024, 2, 1]));
    const y = b.emit(nnConvTranspose, { x, w }, { strides: [1], pads: [0, 0], dilations: [1], outputPadding: [0] });
    const values = new Uint8Array(1024 * 3).fill(255);
    values[0] = 254;
    const model = await expectSame(b.finish([y]), { x: tensor('u8', values, [1, 1024, 3]) });
    expect(model.fallbacks).toEqual([]);
    model.dispose();
  });

  // Code generators of oneDNN take minutes for these.
  it.each([
    ['strides', { strides: [1, 3000], dilations: [1, 1] }],
    ['dilations', { strides: [1, 1], dilations: [2, 2000] }],
    ['strides that make rows', { strides: [2000, 1], dilations: [1, 1] }],
  ])('are exact at once with %s far beyond their kernel', async (_, attrs) => {
    const b = new GraphBuilder();
    const x = b.input('x', 'u8', [1, 2, 3, 4]);
    const w = b.constant(
      tensor(
        's8',
        Int8Array.from({ length: 36 }, (_, i) => (i * 37) % 251),
        [2, 2, 3, 3],
      ),
    );
    const y = b.emit(
      qnnConvTranspose,
      { x, w, zx: b.scalar('u8', 3) },
      { ...attrs, pads: [0, 0, 0, 0], outputPadding: [0, 0] },
    );
    const values = Uint8Array.from({ length: 24 }, (_, i) => (i * 89) % 256);
    (await expectSame(b.finish([y]), { x: tensor('u8', values, [1, 2, 3, 4]) }, { strategy: 'native' })).dispose();
  });

  it('are one native segment when their zero points and weights are constants', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 's8', [1, 8, 5, 5]);
    const w = b.constant(tensor('u8', new Uint8Array(8 * 4 * 9).fill(3), [8, 4, 3, 3]));
    const attrs = { strides: [2, 2], pads: [1, 1, 1, 1], dilations: [1, 1], group: 1, outputPadding: [1, 1] };
    const operands = { x, w, zx: b.scalar('s8', -3), zw: b.constant(tensor('u8', [1, 2, 3, 255], [4])) };
    const graph = b.finish([b.emit(qnnConvTranspose, operands, attrs)]);
    const model = await expectSame(graph, { x: tensor('s8', new Int8Array(200).fill(-77), [1, 8, 5, 5]) });
    expect(model.fallbacks).toEqual([]);
    model.dispose();
  });
});
