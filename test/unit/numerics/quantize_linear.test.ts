import { describe, expect, test } from 'vitest';
import {
  dequantize,
  dequantizeInto,
  dynamicParameters,
  dynamicQuantize,
  quantizeInto,
} from '../../../src/numerics/quantize_linear.ts';
import { dtypes, newArray } from '../../../src/tensors/dtype.ts';
import { type ITensor, scalar, tensor } from '../../../src/tensors/tensor.ts';
import { integerBetween, ortOutput, random, randomData, randomScale, runOrt } from './ort.ts';

const rounds = Array.from({ length: 16 }, (_, i) => i);
const special = [Number.NaN, Infinity, -Infinity, 1e30, -1e30, 3.4e38, 0, -0, 1e-40];

describe('QuantizeLinear equals ONNX Runtime', () => {
  test.each(['u8', 's8', 'u16', 's16'] as const)('%s: ties, NaN, infinities, any length', async (dtype) => {
    const next = random(dtypes[dtype].max);
    const { min, max } = dtypes[dtype];
    for (const round of rounds) {
      const scale = randomScale(next);
      const zeroPoint = integerBetween(next, min, max);
      const draw = [
        () => Math.fround((integerBetween(next, min, max) - zeroPoint + 0.5) * scale),
        () => (next() * 2 - 1) * scale * (max - min),
        () => special[integerBetween(next, 0, special.length - 1)],
      ];
      const x = Float32Array.from({ length: integerBetween(next, 1, 1500) }, () => draw[integerBetween(next, 0, 2)]());
      const ours = newArray(dtype, x.length);
      quantizeInto(x, scale, zeroPoint, dtype, ours);
      const inputs = [tensor('f32', x), scalar('f32', scale), scalar(dtype, zeroPoint)].map((t) => ({ tensor: t }));
      const theirs = await ortOutput({ op: 'QuantizeLinear', opset: 21, inputs, outputs: [dtype] });
      expect([...ours], `${round}`).toEqual([...(theirs as Uint8Array)]);
    }
  });
});

describe('DequantizeLinear equals ONNX Runtime', () => {
  test.each(['u8', 's8', 'u16', 's16', 's32'] as const)('%s', async (dtype) => {
    const next = random(dtypes[dtype].min + 5);
    for (const round of rounds) {
      const scale = randomScale(next, 1e-4, 10);
      const zeroPoint = dtype === 's32' ? 0 : integerBetween(next, dtypes[dtype].min, dtypes[dtype].max);
      const q = randomData(next, dtype, integerBetween(next, 1, 1500)) as Int32Array;
      const ours = new Float32Array(q.length);
      dequantizeInto(q, scale, zeroPoint, ours);
      const inputs = [tensor(dtype, q) as ITensor, scalar('f32', scale), scalar(dtype, zeroPoint)];
      const theirs = await ortOutput({
        ...{ op: 'DequantizeLinear', opset: 21, outputs: ['f32'] },
        inputs: inputs.map((t) => ({ tensor: t })),
      });
      expect([...ours], `${round}`).toEqual([...(theirs as Float32Array)]);
    }
  });

  test('s32 beyond 2^24 is rounded to binary32 first', () => {
    expect(dequantize(2 ** 24 + 1, 1, 0)).toBe(2 ** 24);
    expect(dequantize(-(2 ** 31), 1, 1)).toBe(2 ** 31);
  });
});

describe('DynamicQuantizeLinear', () => {
  const all = ['zeros', 'positive', 'negative', 'both'] as const;
  test.each(all)('%s: scale, zero point and data equal ONNX Runtime', async (kind) => {
    const next = random(all.indexOf(kind) + 31);
    for (const round of rounds) {
      const size = 10 ** (next() * 6 - 4);
      const draw = { zeros: () => 0, positive: next, negative: () => -next(), both: () => next() * 2 - 1 }[kind];
      const x = Float32Array.from({ length: integerBetween(next, 1, 300) }, () => draw() * size);
      const theirs = await runOrt({
        ...{ op: 'DynamicQuantizeLinear', opset: 11, outputs: ['u8', 'f32', 'u8'] },
        inputs: [{ tensor: tensor('f32', x) }],
      });
      const { data, scale, zeroPoint } = dynamicQuantize(x, 'u8');
      expect([scale, zeroPoint], `${round}`).toEqual([theirs[1].data[0], theirs[2].data[0]]);
      expect([...data], `${round}`).toEqual([...(theirs[0].data as Uint8Array)]);
    }
  });

  test.each([[[1, Number.NaN, -2]], [[Infinity, 1]], [[3.4e38, -3.4e38]], [[1e-45, 0]]])(
    '%j as ONNX Runtime does',
    async (values) => {
      const x = Float32Array.from(values);
      const theirs = await runOrt({
        ...{ op: 'DynamicQuantizeLinear', opset: 11, outputs: ['u8', 'f32', 'u8'] },
        inputs: [{ tensor: tensor('f32', x) }],
      });
      const ours = dynamicQuantize(x, 'u8');
      expect([...ours.data, ours.scale, ours.zeroPoint]).toEqual(
        theirs.flatMap(({ data }) => [...(data as Uint8Array)]),
      );
    },
  );

  test('all zeros: scale 1, least zero point', () => {
    expect(dynamicParameters([0, 0], 'u8')).toEqual({ scale: 1, zeroPoint: 0 });
    expect(dynamicParameters([0, 0], 's8')).toEqual({ scale: 1, zeroPoint: -128 });
  });
});
