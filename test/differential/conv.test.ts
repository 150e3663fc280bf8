import fc from 'fast-check';
import { describe, it } from 'vitest';
import { GraphBuilder, type ITensor, sizeOf, tensor } from '../../src/ir/index.ts';
import { nnAdd } from '../../src/ir/ops/nn_elementwise_binary.op.ts';
import { qnnConv } from '../../src/ir/ops/qnn_conv.op.ts';
import { qnnRequantize } from '../../src/ir/ops/qnn_requantize.op.ts';
import { type Strategy, strategyNames } from '../../src/passes/strategy_names.ts';
import { expectSame } from './support.ts';

const eight = fc.constantFrom('u8' as const, 's8' as const);
const range = { u8: [0, 255], s8: [-128, 127] } as const;
const inRange = (d: 'u8' | 's8') =>
  fc.oneof(fc.constantFrom(...range[d]), fc.integer({ min: range[d][0], max: range[d][1] }));

/** Pseudo-random bytes of a type; extremes now and then. */
function fill(dtype: 'u8' | 's8', shape: readonly number[], seed: number): ITensor {
  let state = seed | 1;
  const next = () => ((state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 16) & 255;
  return tensor(
    dtype,
    Array.from({ length: sizeOf(shape) }, () => (seed % 5 === 0 ? range[dtype][next() & 1] : next() + range[dtype][0])),
    shape,
  );
}

interface Channels {
  readonly group: readonly number[];
  readonly perGroup: readonly number[];
  readonly filters: readonly number[];
}

const layer = ({ group, perGroup, filters }: Channels, ranks: number) =>
  fc
    .record({
      xType: eight,
      wType: eight,
      rank: fc.integer({ min: 1, max: ranks }),
      seed: fc.nat(1e6),
      strategy: fc.constantFrom(...strategyNames),
    })
    .chain((base) =>
      fc.record({
        base: fc.constant(base),
        group: fc.constantFrom(...group),
        perGroup: fc.constantFrom(...perGroup),
        filters: fc.constantFrom(...filters),
        batch: fc.constantFrom(1, 2),
        spatial: fc.array(fc.integer({ min: 1, max: 7 }), { minLength: base.rank, maxLength: base.rank }),
        kernel: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: base.rank, maxLength: base.rank }),
        strides: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: base.rank, maxLength: base.rank }),
        dilations: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: base.rank, maxLength: base.rank }),
        pads: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 2 * base.rank, maxLength: 2 * base.rank }),
        zx: fc.option(inRange(base.xType)),
        zw: fc.option(fc.array(inRange(base.wType), { minLength: 1, maxLength: 1 })),
        perChannelZw: fc.boolean(),
        multiplier: fc.constantFrom(0.0009765625, 0.00073, 0.013, 0.5),
        zy: inRange('u8'),
        bias: fc.boolean(),
        requantize: fc.boolean(),
      }),
    );

type Layer = ReturnType<typeof layer> extends fc.Arbitrary<infer T> ? T : never;

async function checkLayer(l: Layer): Promise<void> {
  const { xType, wType, seed, strategy } = l.base;
  const extent = l.kernel.map((k, i) => (k - 1) * l.dilations[i] + 1);
  const spatial = l.spatial.map((s, i) => Math.max(s, extent[i] - l.pads[i] - l.pads[i + l.spatial.length]));
  const b = new GraphBuilder();
  const x = b.input('x', xType, [l.batch, l.group * l.perGroup, ...spatial]);
  const filters = l.group * l.filters;
  const w = b.constant(fill(wType, [filters, l.perGroup, ...l.kernel], seed)) as typeof x;
  const zws = l.zw && (l.perChannelZw ? fill(wType, [filters], seed + 7) : tensor(wType, l.zw, []));
  let y = b.emit(
    qnnConv,
    {
      x,
      w,
      ...(l.zx !== null && { zx: b.scalar(xType, l.zx) }),
      ...(zws && { zw: b.constant(zws) as typeof x }),
    },
    { strides: l.strides, pads: l.pads, dilations: l.dilations, group: l.group },
  );
  if (l.bias) {
    const bias = tensor(
      's32',
      Array.from({ length: filters }, (_, i) => (i - 2) * 1234 + seed),
      [filters, ...l.spatial.map(() => 1)],
    );
    y = b.emit(nnAdd, { a: y, b: b.constant(bias) });
  }
  const out = l.requantize
    ? b.emit(qnnRequantize, {
        x: y,
        multiplier: b.constant(
          tensor(
            'f32',
            Array.from({ length: filters }, (_, i) => l.multiplier * (1 + i)),
          ),
        ),
        zy: b.scalar('u8', l.zy),
      })
    : y;
  const model = await expectSame(
    b.finish([out]),
    { x: fill(xType, x.type.shape as number[], seed + 1) },
    { threads: 1, strategy: strategy as Strategy },
  );
  model.dispose();
}

/** Few channels, where oneDNN and the depthwise kernel compute, and as many as our convolution kernel takes. */
const few: Channels = { group: [1, 1, 2, 3, 8, 12], perGroup: [1, 3, 4], filters: [1, 2, 5] };
const many: Channels = { group: [1, 1, 1, 2], perGroup: [32, 37, 40, 64], filters: [24, 40, 65, 80] };

describe('convolutions on the addon', () => {
  it('equal the interpreter, for every geometry, type, zero point and strategy', async () => {
    await fc.assert(fc.asyncProperty(layer(few, 3), checkLayer), {
      numRuns: process.env.UNSKEW_DEEP ? 20_000 : 300,
    });
  });

  it('equal it with many channels', async () => {
    await fc.assert(fc.asyncProperty(layer(many, 2), checkLayer), {
      numRuns: process.env.UNSKEW_DEEP ? 1000 : 40,
    });
  });
});
