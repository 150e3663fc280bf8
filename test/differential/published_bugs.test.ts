/** Published bugs of other systems that no other test names: see docs/published-bugs.md. On the addon as on the interpreter. */
import { describe, expect, it } from 'vitest';
import { scalarTypes } from '../../src/formats/torch/pickle/index.ts';
import { scalarTypeOf } from '../../src/importers/torch/program/scalar_type.ts';
import { GraphBuilder, type ITensor, interpret, sizeOf, tensor, type Value } from '../../src/ir/index.ts';
import { type ConvAttrs, indicesOf } from '../../src/ir/ops/conv_geometry.ts';
import { qnnConv } from '../../src/ir/ops/qnn_conv.op.ts';
import { multiplier, type RequantizeProfile, requantizeModes, requantizer } from '../../src/numerics/index.ts';
import { expectSame } from './support.ts';

const bytes = (dtype: 'u8' | 's8', shape: readonly number[], seed: number): ITensor<'s8'> =>
  tensor(
    dtype,
    Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 73 + seed * 31) % 251) - (dtype === 'u8' ? 0 : 125)),
    shape,
  ) as ITensor<'s8'>;

interface Layer {
  readonly x: 'u8' | 's8';
  readonly shape: readonly number[];
  readonly w: readonly number[];
  readonly attrs: ConvAttrs;
  readonly zx: number | 'input';
  readonly zw?: readonly number[];
}

function conv({ x: dtype, shape, w, attrs, zx, zw }: Layer) {
  const b = new GraphBuilder();
  const x = b.input('x', dtype, shape) as Value<'s8'>;
  const zero = zx === 'input' ? b.input('zx', dtype, []) : b.scalar(dtype, zx);
  const y = b.emit(
    qnnConv,
    {
      x,
      w: b.constant(bytes('s8', w, 2)),
      zx: zero as Value<'s8'>,
      ...(zw && { zw: b.constant(tensor('s8', zw, zw.length === 1 ? [] : [zw.length])) }),
    },
    attrs,
  );
  return {
    graph: b.finish([y]),
    feeds: { x: bytes(dtype, shape, 1), ...(zx === 'input' && { zx: tensor(dtype, [7], []) as ITensor<'s8'> }) },
  };
}

/** Σ (x − zx)(w − zw) in BigInt, tap by tap, for a 2-D layer. */
function exact({ shape, w, attrs, zw = [0] }: Layer, x: ITensor, zx: number, out: readonly number[]): bigint[] {
  const weights = bytes('s8', w, 2).data;
  const [, channels, h, wide] = shape;
  return [...indicesOf(out)].map(([, o, oy, ox]) => {
    let sum = 0n;
    const first = Math.floor((o * attrs.group) / w[0]) * w[1];
    for (const [c, ky, kx] of indicesOf(w.slice(1))) {
      const iy = oy * attrs.strides[0] - attrs.pads[0] + ky * attrs.dilations[0];
      const ix = ox * attrs.strides[1] - attrs.pads[1] + kx * attrs.dilations[1];
      if (iy < 0 || iy >= h || ix < 0 || ix >= wide) continue;
      const value = Number(x.data[((first + c) * h + iy) * wide + ix]) - zx;
      sum +=
        BigInt(value) * BigInt(Number(weights[((o * w[1] + c) * w[2] + ky) * w[3] + kx]) - zw[zw.length === 1 ? 0 : o]);
    }
    expect(first + w[1]).toBeLessThanOrEqual(channels);
    return sum;
  });
}

const window = { strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1], group: 1 };
const layers: readonly (readonly [string, Layer])[] = [
  [
    'TVM: the zero point −1 is a zero point, not the mark of a computed one',
    { x: 's8', shape: [1, 3, 5, 5], w: [4, 3, 3, 3], attrs: window, zx: -1, zw: [-1] },
  ],
  [
    'executorch #20558: even kernels under uneven padding',
    { x: 'u8', shape: [1, 4, 5, 6], w: [4, 4, 2, 4], attrs: { ...window, pads: [0, 1, 1, 2] }, zx: 77 },
  ],
  [
    'TOSA takes the first: unequal zero points of weights',
    { x: 'u8', shape: [1, 3, 5, 5], w: [4, 3, 3, 3], attrs: window, zx: 128, zw: [5, -128, 0, 127] },
  ],
  [
    'TVM: groups, dilation and zero points of weights at once',
    {
      x: 'u8',
      shape: [1, 4, 7, 7],
      w: [6, 2, 3, 3],
      attrs: { ...window, pads: [2, 1, 0, 2], dilations: [2, 2], group: 2 },
      zx: 3,
      zw: [1, 0, -7, 4, 100, -100],
    },
  ],
  [
    'zero points that are inputs of the graph',
    { x: 'u8', shape: [1, 3, 5, 5], w: [4, 3, 3, 3], attrs: window, zx: 'input', zw: [9] },
  ],
];

describe('published bugs of convolutions', () => {
  it.each(layers)('%s', async (_name, layer) => {
    const { graph, feeds } = conv(layer);
    const y = Object.values(interpret(graph, feeds))[0];
    const zx = layer.zx === 'input' ? 7 : layer.zx;
    expect(Array.from(y.data as Int32Array, BigInt)).toEqual(exact(layer, feeds.x, zx, y.shape));
    (await expectSame(graph, feeds, { threads: 1 })).dispose();
  });
});

describe('published bugs of requantization', () => {
  const at = (profile: RequantizeProfile, zeroPoint: number) =>
    requantizer(requantizeModes[profile], multiplier(0.5, 1, 1, profile), zeroPoint, -128, 127);

  it('ties go to even before an odd zero point is added, and after it where the system adds it first', () => {
    expect([1, 3, 5].map(at('ort', 1))).toEqual([1, 3, 3]); // 0.5, 1.5, 2.5
    expect([1, 3, 5].map(at('torch-onednn', 1))).toEqual([2, 2, 4]);
    expect([1, 3, 5].map(at('tflite', 1))).toEqual([2, 3, 4]);
  });

  it('nothing is truncated: every profile is within half a step of the exact product', () => {
    for (const profile of Object.keys(requantizeModes) as RequantizeProfile[]) {
      const step = requantizer(requantizeModes[profile], multiplier(0.013, 0.021, 0.11, profile), 3, -128, 127);
      let furthest = 0;
      for (let a = -40_000; a <= 40_000; a += 7)
        furthest = Math.max(furthest, Math.abs(step(a) - 3 - (a * 0.013 * 0.021) / 0.11));
      // TFLite rounds twice, the first time to 2^-8: M·2^(−8 − 31) is the factor.
      expect(furthest).toBeLessThan(profile === 'tflite' ? 0.5 + 2 ** -9 : 0.5001);
    }
  });
});

it('TorchScript and torch.export number element types differently', () => {
  // From c10/core/ScalarType.h and torch/_export/serde/schema.py.
  expect(
    [scalarTypes.uint8, scalarTypes.float32, scalarTypes.bool, scalarTypes.bfloat16].map(({ code }) => code),
  ).toEqual([0, 6, 11, 15]);
  expect([1, 7, 12, 13].map((code) => scalarTypeOf(code)?.name)).toEqual(['uint8', 'float32', 'bool', 'bfloat16']);
  expect(scalarTypeOf(0)).toBeUndefined();
});
