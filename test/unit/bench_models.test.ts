import { createHash } from 'node:crypto';
import onnxProto from 'onnx-proto';
import { describe, expect, test } from 'vitest';
import { compare, formatTable, measure, quantile } from '../../bench/measure.ts';
import { spreads } from '../../bench/models/check.ts';
import { clippedNormal } from '../../bench/models/distribution.ts';
import { type NetOptions, networks, noiseImage } from '../../bench/models/index.ts';
import { createPeer } from '../../src/cli/onnxruntime.ts';

const { onnx } = onnxProto;
const usual: NetOptions = {
  form: 'qlinear',
  zeroPoints: 'nonzero',
  activation: 'uint8',
  weights: 'int8',
  perChannel: true,
  seed: 1,
};
/** The networks as they are built once. */
const built = new Map<string, Uint8Array>();
function network(name: keyof typeof networks, options: NetOptions = usual): Uint8Array {
  const key = JSON.stringify([name, options]);
  const bytes = built.get(key) ?? networks[name](options);
  built.set(key, bytes);
  return bytes;
}
const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Stored bytes of the initializers whose names match. */
function initializers(model: Uint8Array, name: RegExp): Uint8Array[] {
  const found = onnx.ModelProto.decode(model).graph!.initializer!.filter((t) => name.test(t.name!));
  return found.map((t) => t.rawData!);
}

describe('benchmark networks', () => {
  test.each([
    { network: 'resnet-50', ...usual },
    { network: 'resnet-50', ...usual, form: 'qdq', weights: 'uint8' },
    { network: 'mobilenet-v2', ...usual, form: 'qdq', activation: 'int8' },
    { network: 'mobilenet-v2', ...usual, zeroPoints: 'zero', weights: 'uint8' },
    { network: 'mobilenet-v2', ...usual, activation: 'int8', perChannel: false },
  ] as const)(
    '$network $form $zeroPoints $activation $weights per-channel=$perChannel: every tensor uses its range',
    async ({ network, ...options }) => {
      const all = await spreads(network, options);
      expect(all.length).toBeGreaterThan(60);
      for (const tensor of all) {
        expect(tensor.distinct, tensor.name).toBeGreaterThan(100);
        expect(tensor.highest, tensor.name).toBeLessThan(0.09);
        // Half the values are below a folded ReLU.
        expect(tensor.lowest, tensor.name).toBeLessThan(0.7);
      }
    },
  );

  test('a seed gives the same bytes again, another seed others', () => {
    const build = networks['mobilenet-v2'];
    expect(digest(build(usual))).toBe(digest(network('mobilenet-v2')));
    expect(digest(network('mobilenet-v2'))).not.toBe(digest(build({ ...usual, seed: 2 })));
  });

  test.each(['resnet-50', 'mobilenet-v2'] as const)('%s has the zero points asked for', (name) => {
    const activation = /^(?!.*(weight|bias)_zero_point$).*zero_point$/;
    const odd = initializers(network(name), activation).map((bytes) => bytes[0]!);
    expect(odd.length).toBe(name === 'resnet-50' ? 53 + 16 + 3 : 52 + 10 + 3);
    expect(odd.every((zeroPoint) => zeroPoint % 2 === 1)).toBe(true);
    expect(
      initializers(network(name, { ...usual, zeroPoints: 'zero' }), activation).every((bytes) => bytes[0] === 0),
    ).toBe(true);
    for (const bytes of initializers(network(name, { ...usual, weights: 'uint8' }), /weight_zero_point$/))
      expect(new Set(bytes)).toEqual(new Set([128]));
  });

  test('the two forms are one network: ONNX Runtime gives the same output', async () => {
    const outputs = [];
    for (const form of ['qlinear', 'qdq'] as const) {
      const peer = await createPeer(network('mobilenet-v2', { ...usual, form }), { threads: 1 });
      const { output } = await peer.run({ input: { type: 'float32', data: noiseImage(3), dims: [1, 3, 224, 224] } });
      outputs.push(output!.data);
      await peer.dispose();
    }
    expect(outputs[1]).toEqual(outputs[0]);
  });

  test('uint8 weights are the int8 weights plus 128', () => {
    const signed = initializers(network('mobilenet-v2'), /\.weight$/);
    const unsigned = initializers(network('mobilenet-v2', { ...usual, weights: 'uint8' }), /\.weight$/);
    expect(unsigned).toHaveLength(53);
    for (const [i, bytes] of unsigned.entries())
      expect(
        Buffer.compare(
          Buffer.from(bytes).map((v) => v - 128),
          Buffer.from(signed[i]!),
        ),
      ).toBe(0);
  });

  test('ResNet-50 has 25.5 million weights', () => {
    const weights = initializers(network('resnet-50'), /\.weight$/).reduce((sum, bytes) => sum + bytes.length, 0);
    expect(weights).toBe(25_502_912);
  });
});

test('clippedNormal agrees with closed forms', () => {
  const rectified = clippedNormal({ mean: 0, deviation: 1 }, 0, Infinity);
  expect(rectified.mean).toBeCloseTo(1 / Math.sqrt(2 * Math.PI), 3);
  expect(rectified.deviation).toBeCloseTo(Math.sqrt(1 / 2 - 1 / (2 * Math.PI)), 3);
  // Expected maximum of four standard normal variables.
  expect(clippedNormal({ mean: 2, deviation: 3 }, -Infinity, Infinity, 4).mean).toBeCloseTo(2 + 3 * 1.02938, 1);
});

describe('measure', () => {
  test('interleaves contenders, reversing the order every round, and leaves warm-up out', async () => {
    let calls = '';
    const contender = (name: string) => ({ name, run: async () => void (calls += name) });
    const timings = await measure([contender('a'), contender('b')], { warmUp: 1, rounds: 2, burst: 2, settle: 0 });
    expect(calls).toBe('ab' + 'aaabbb' + 'bbbaaa');
    expect(timings.map(({ name, runs, rounds }) => [name, runs, rounds.length])).toEqual([
      ['a', 4, 2],
      ['b', 4, 2],
    ]);
    expect(timings[0]!.minimum).toBeLessThanOrEqual(timings[0]!.median);
  });

  test('statistics', () => {
    expect([0, 0.5, 0.75, 1].map((q) => quantile([4, 1, 3, 2], q))).toEqual([1, 2.5, 3.25, 4]);
    const timing = (rounds: number[]) => ({
      name: '',
      runs: 3,
      minimum: 0,
      median: quantile(rounds, 0.5),
      p99: 0,
      rounds,
    });
    expect(compare(timing([1, 2, 3]), timing([2, 2, 9]))).toEqual({ ratio: 1, low: 1.2, high: expect.closeTo(2.8) });
    expect(
      formatTable(
        ['name', 'ms'],
        [
          ['a', '10.5'],
          ['long name', '2'],
        ],
      ),
    ).toBe('name         ms\n---------  ----\na          10.5\nlong name     2');
  });
});
