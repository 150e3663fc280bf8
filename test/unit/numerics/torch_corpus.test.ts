/** Requantization profiles of PyTorch's engines against kernels of torch 2.6. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { requantizerOf } from '../../../src/numerics/requantize.ts';
import { roundHalfEven } from '../../../src/numerics/rounding.ts';
import { describeCorpus, many } from '../../support/corpus.ts';

interface Packed {
  readonly dtype: string;
  readonly dims: number[];
  readonly b64: string;
  readonly scale: number | number[];
  readonly zero_point: number | number[];
}

interface TorchCase {
  readonly id: string;
  readonly op: string;
  readonly engine: 'onednn' | 'qnnpack';
  readonly inputs: { readonly x: Packed; readonly weight: Packed; readonly bias?: Packed };
  readonly attrs: {
    readonly stride?: number[];
    readonly padding?: number[];
    readonly dilation?: number[];
    readonly groups?: number;
    readonly out_scale: number;
    readonly out_zero_point: number;
  };
  readonly output: Packed;
}

function unpack({ dtype, b64 }: Packed): ArrayLike<number> {
  const bytes = new Uint8Array(Buffer.from(b64, 'base64'));
  if (dtype === 'float32') return new Float32Array(bytes.buffer);
  return dtype === 'int8' ? new Int8Array(bytes.buffer) : bytes;
}

const of = (value: number | number[], channel: number) => (typeof value === 'number' ? value : value[channel]);

/** [accumulator, output channel] of every output element; a linear layer is a 1x1 convolution. */
function* accumulators({ inputs: { x, weight }, attrs, output }: TorchCase): Generator<[number, number]> {
  const [source, filter] = [unpack(x), unpack(weight)];
  const [n, channels, height, width] = [...x.dims, 1, 1].slice(0, 4);
  const [outputs, perGroup, kh, kw] = [...weight.dims, 1, 1].slice(0, 4);
  const [, , oh, ow] = [...output.dims, 1, 1].slice(0, 4);
  const { stride = [1, 1], padding = [0, 0], dilation = [1, 1], groups = 1 } = attrs;
  for (let at = 0; at < n * outputs * oh * ow; at++) {
    const [image, o, row, col] = [
      Math.floor(at / (outputs * oh * ow)),
      Math.floor(at / (oh * ow)) % outputs,
      Math.floor(at / ow) % oh,
      at % ow,
    ];
    const from = Math.floor(o / (outputs / groups)) * perGroup;
    let sum = 0;
    for (let c = 0; c < perGroup; c++) {
      for (let k = 0; k < kh * kw; k++) {
        const i = row * stride[0] - padding[0] + Math.floor(k / kw) * dilation[0];
        const j = col * stride[1] - padding[1] + (k % kw) * dilation[1];
        if (i < 0 || j < 0 || i >= height || j >= width) continue;
        const q = source[((image * channels + from + c) * height + i) * width + j] - (x.zero_point as number);
        sum += q * (filter[(o * perGroup + c) * kh * kw + k] - of(weight.zero_point, o));
      }
    }
    yield [sum, o];
  }
}

describeCorpus('quantized::conv2d and quantized::linear of torch 2.6', (root) => {
  const text = readFileSync(join(root, 'torch-vectors/torch26.jsonl'), 'utf8');
  const all = text.split('\n').filter((line) => /"op":"quantized::(conv2d|linear)/.test(line));
  const cases = all.map((line): TorchCase => JSON.parse(line));

  // The engine onednn adds its bias as a float after scaling; only cases without one are about requantization alone.
  test.each([
    ['qnnpack', 'torch-qnnpack', 60_000],
    ['onednn', 'torch-onednn', 4_900],
  ] as const)('engine %s is profile %s', (engine, profile, least) => {
    let checked = 0;
    for (const c of cases.filter((d) => d.engine === engine && (engine === 'qnnpack' || !d.inputs.bias))) {
      const { x, weight, bias } = c.inputs;
      const biases = bias && unpack(bias);
      const expected = unpack(c.output);
      const zero = c.attrs.out_zero_point;
      const sy = Math.fround(c.attrs.out_scale);
      const sx = Math.fround(x.scale as number);
      const low = c.op.endsWith('_relu') ? zero : 0;
      let at = 0;
      for (const [sum, o] of accumulators(c)) {
        const sw = Math.fround(of(weight.scale, o));
        const rounded = biases ? roundHalfEven(biases[o] / (sx * sw)) : 0;
        const y = requantizerOf(profile, { sx, sw, sy }, zero, low, 255)(sum + rounded);
        if (y !== expected[at]) expect([c.id, at, y]).toEqual([c.id, at, expected[at]]);
        at++;
      }
      expect(at).toBe(expected.length);
      checked += at;
    }
    expect(checked).toBeGreaterThanOrEqual(many(least));
  });
});
