import { describe, expect, test } from 'vitest';
import { gemmMultiplier, gemmScale, productScale, scaleAccumulator } from '../../../src/numerics/matmul_scales.ts';
import { dynamicQuantize } from '../../../src/numerics/quantize_linear.ts';
import { requantizeModes, requantizer } from '../../../src/numerics/requantize.ts';
import { dtypes } from '../../../src/tensors/dtype.ts';
import { type ITensor, scalar, tensor } from '../../../src/tensors/tensor.ts';
import { exactWeights } from '../../support/exact_weights.ts';
import { integerBetween, ortOutput, random, randomData, randomScale } from './ort.ts';

const given = (t: ITensor | undefined) => (t === undefined ? undefined : { tensor: t });

/** A random B side: [k, n] weights, per tensor or per column. */
function drawB(next: () => number, k: number, n: number, perColumn: boolean) {
  const zb = integerBetween(next, -128, 127);
  const sb = Float32Array.from({ length: perColumn ? n : 1 }, () => randomScale(next, 1e-3, 0.1));
  const shape = perColumn ? [n] : [];
  const zeros = Int8Array.from(sb, () => zb);
  const b = Int8Array.from({ length: k * n }, () => integerBetween(next, ...exactWeights.s8));
  const scaleOf = (j: number) => sb[perColumn ? j : 0];
  return {
    b,
    zb,
    scaleOf,
    B: tensor('s8', b, [k, n]),
    scales: tensor('f32', sb, shape),
    zeros: tensor('s8', zeros, shape),
  };
}

function accumulators(a: ArrayLike<number>, za: number, b: Int8Array, zb: number, m: number, k: number, n: number) {
  const sums = new Int32Array(m * n);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++)
      for (let l = 0; l < k; l++) sums[i * n + j] += (a[i * k + l] - za) * (b[l * n + j] - zb);
  return sums;
}

const cases = (['u8', 's8'] as const).flatMap((dtype) => [false, true].map((flag) => [dtype, flag] as const));
const drawSizes = (next: () => number) =>
  [integerBetween(next, 1, 9), integerBetween(next, 1, 100), integerBetween(next, 1, 40)] as const;

describe('equal to ONNX Runtime', () => {
  test.each(cases)('QGemm %s, float output: %s', async (dtype, float) => {
    const { min, max } = dtypes[dtype];
    const next = random(max + Number(float));
    for (let round = 0; round < 30; round++) {
      const [m, k, n] = drawSizes(next);
      const { b, zb, scaleOf, B, scales, zeros } = drawB(next, k, n, round % 2 === 1);
      const a = randomData(next, dtype, m * k) as Uint8Array;
      const [za, zy, sa, sy] = [
        integerBetween(next, min, max),
        integerBetween(next, min, max),
        randomScale(next, 1e-3, 0.1),
        randomScale(next, 0.5, 5),
      ];
      const alpha = Math.fround(next() * 3);
      const c = round % 3 ? Int32Array.from({ length: n }, () => integerBetween(next, -50_000, 50_000)) : undefined;
      const output = float ? [] : [scalar('f32', sy), scalar(dtype, zy)];
      const theirs = await ortOutput({
        ...{ op: 'QGemm', domain: 'com.microsoft', attrs: { alpha }, floatAttrs: ['alpha'] },
        inputs: [
          tensor(dtype, a, [m, k]),
          scalar('f32', sa),
          scalar(dtype, za),
          B,
          scales,
          zeros,
          c && tensor('s32', c),
          ...output,
        ].map(given),
        outputs: [float ? 'f32' : dtype],
      });
      const sums = accumulators(a, za, b, zb, m, k, n);
      for (let j = 0; j < n; j++) {
        const quantized = requantizer(requantizeModes.ort, gemmMultiplier(alpha, sa, scaleOf(j), sy), zy, min, max);
        const ours = float ? (x: number) => scaleAccumulator(x, gemmScale(alpha, sa, scaleOf(j))) : quantized;
        for (let i = 0; i < m; i++) expect(ours(sums[i * n + j] + (c?.[j] ?? 0))).toBe(theirs[i * n + j]);
      }
    }
  });

  test.each(cases)('MatMulIntegerToFloat %s, constant B: %s', async (dtype, init) => {
    const { min, max } = dtypes[dtype];
    const next = random(max + Number(init) + 20);
    for (let round = 0; round < 30; round++) {
      const [m, k, n] = drawSizes(next);
      const { b, zb, scaleOf, B, scales, zeros } = drawB(next, k, n, round % 2 === 1);
      const a = randomData(next, dtype, m * k) as Uint8Array;
      const [za, sa] = [integerBetween(next, min, max), randomScale(next, 1e-3, 0.1)];
      const bias = round % 3 ? Float32Array.from({ length: n }, () => next() * 20 - 10) : undefined;
      const theirs = await ortOutput({
        ...{ op: 'MatMulIntegerToFloat', domain: 'com.microsoft', outputs: ['f32'] },
        inputs: [
          { tensor: tensor(dtype, a, [m, k]) },
          { tensor: B, init },
          ...[scalar('f32', sa), scales, scalar(dtype, za), zeros, bias && tensor('f32', bias)].map(given),
        ],
      });
      const sums = accumulators(a, za, b, zb, m, k, n);
      sums.forEach((sum, at) => {
        const ours = scaleAccumulator(sum, productScale(sa, scaleOf(at % n)), bias?.[at % n]);
        expect(ours).toBe(theirs[at]);
      });
    }
  });

  test.each([false, true])('DynamicQuantizeMatMul, scale per column: %s', async (perColumn) => {
    const next = random(41 + Number(perColumn));
    for (let round = 0; round < 30; round++) {
      const [m, k, n] = drawSizes(next);
      const { b, zb, scaleOf, B, scales, zeros } = drawB(next, k, n, perColumn);
      const a = Float32Array.from({ length: m * k }, () => next() * 4 - 1);
      const bias = round % 3 ? Float32Array.from({ length: n }, () => next() * 20 - 10) : undefined;
      const theirs = await ortOutput({
        ...{ op: 'DynamicQuantizeMatMul', domain: 'com.microsoft', outputs: ['f32'] },
        inputs: [tensor('f32', a, [m, k]), B, scales, zeros, bias && tensor('f32', bias)].map(given),
      });
      const { data, scale, zeroPoint } = dynamicQuantize(a, 'u8');
      const sums = accumulators(data, zeroPoint, b, zb, m, k, n);
      sums.forEach((sum, at) => {
        const ours = scaleAccumulator(sum, productScale(scale, scaleOf(at % n)), bias?.[at % n]);
        expect(ours).toBe(theirs[at]);
      });
    }
  });
});
