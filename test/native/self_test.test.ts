/** Implementations of oneDNN are tried before they are used; one that gives wrong integers is passed over. */
import { afterEach, describe, expect, it } from 'vitest';
import { GraphBuilder, tensor } from '../../src/ir/index.ts';
import { qnnConv } from '../../src/ir/ops/qnn_conv.op.ts';
import { expectSame } from '../differential/support.ts';
import { binding } from './support.ts';

afterEach(() => binding.simulateWrongSums(undefined));

const conv = (pads: number, kernel = 3, strides = 1) =>
  binding.convolution(
    {
      source: binding.desc('u8', [1, 32, 9, 9], 'channels-last'),
      weights: binding.desc('s8', [16, 32, kernel, kernel], 'any'),
      destination: binding.desc(
        's32',
        [1, 16, ...[0, 1].map(() => Math.floor((9 + 2 * pads - kernel) / strides) + 1)],
        'channels-last',
      ),
      groups: 1,
      strides: [strides, strides],
      dilations: [1, 1],
      padsBegin: [pads, pads],
      padsEnd: [pads, pads],
      attributes: { sourceZeroPoint: 7 },
    },
    1,
  );

const matmul = () =>
  binding.matmul(
    {
      source: binding.desc('u8', [3, 40], 'row-major'),
      weights: binding.desc('s8', [40, 20], 'any'),
      destination: binding.desc('s32', [3, 20], 'row-major'),
      attributes: { sourceZeroPoint: 7 },
    },
    1,
  );

describe.each([
  ['a padded convolution', () => conv(1)],
  ['a 1x1 convolution', () => conv(0, 1)],
  ['a matmul', matmul],
])('%s', (_, create) => {
  it('takes another implementation when the first one gives wrong integers', () => {
    const first = create().implementation;
    binding.simulateWrongSums(first);
    const other = create().implementation;
    expect(other).not.toBe(first);
    binding.simulateWrongSums(undefined);
    expect(create().implementation).toBe(first);
  });

  it('is refused, with the reason, when all of them do', () => {
    // Every name has a colon.
    binding.simulateWrongSums(':');
    expect(create).toThrow(/^oneDNN has no working implementation of a .* was passed over: its self-test gave wrong/s);
    expect(create).toThrow(expect.objectContaining({ code: 'ERR_NO_IMPLEMENTATION' }));
  });
});

describe('self-tests', () => {
  it('run once for each kind of problem', () => {
    binding.simulateWrongSums(undefined);
    conv(1);
    const { count } = binding.selfTests;
    conv(1);
    expect(binding.selfTests.count).toBe(count);
    conv(1, 3, 2);
    expect(binding.selfTests.count).toBeGreaterThan(count);
  });

  it.each(['brg', ':'])('leave layers exact where implementations like %s are wrong', async (part) => {
    binding.simulateWrongSums(part);
    const b = new GraphBuilder();
    const x = b.input('x', 'u8', [1, 8, 5, 5]);
    const w = b.constant(
      tensor(
        's8',
        Int8Array.from({ length: 16 * 8 * 9 }, (_, i) => (i * 37) % 255),
        [16, 8, 3, 3],
      ),
    );
    const attrs = { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], group: 1 };
    const graph = b.finish([b.emit(qnnConv, { x, w, zx: b.scalar('u8', 9) }, attrs)]);
    const feeds = {
      x: tensor(
        'u8',
        Uint8Array.from({ length: 200 }, (_, i) => (i * 91) % 256),
        [1, 8, 5, 5],
      ),
    };
    const model = await expectSame(graph, feeds, { threads: 1, strategy: 'native' });
    expect(model.fallbacks).toEqual([]);
    model.dispose();
  });
});
