/** Parameters for each token and for each group, on tensors small enough to compute by hand. */
import { describe, expect, it } from 'vitest';
import { numbersOf, tensor } from '../../../src/tensors/tensor.ts';
import { dtype, evaluate } from './programs.ts';

const x = (values: readonly number[], shape: readonly number[]) => tensor('f32', values, shape);
const library = 'quantized_decomposed';
const range = { quant_min: -128, quant_max: 127, dtype: dtype('s8') };

describe('for each token', () => {
  const scales = tensor('f64', [0.5, 0.25], [2, 1]);
  const zeroPoints = tensor('s64', [1, -2], [2, 1]);

  it('the zero point is added before rounding', async () => {
    const args = { input: x([0.25, -1, 0.5, 100], [2, 2]), scales, zero_points: zeroPoints, ...range };
    const [q] = await evaluate(`${library}.quantize_per_token.default`, args, ['s8', [2, 2]]);
    expect(numbersOf(q)).toEqual([2, -1, 0, 127]); // 0.5 + 1 is 2, where 0 + 1 would be 1
  });

  it('and taken away again', async () => {
    const input = tensor('s8', [2, -1, 0, 127], [2, 2]);
    const args = { input, scales, zero_points: zeroPoints, ...range, output_dtype: dtype('f32') };
    const [y] = await evaluate(`${library}.dequantize_per_token.default`, args, ['f32', [2, 2]]);
    expect(numbersOf(y)).toEqual([0.5, -1, 0.5, 32.25]);
  });

  it('parameters follow from the range of a token', async () => {
    const args = { input: x([-254, 127, 0, 0], [2, 2]), dtype: dtype('s8') };
    const [s, z] = await evaluate(
      `${library}.choose_qparams_per_token.default`,
      args,
      ['f32', [2, 1]],
      ['f32', [2, 1]],
    );
    expect([numbersOf(s), numbersOf(z)]).toEqual([
      [2, Math.fround(Math.fround(1e-5) / 127)],
      [0, 0],
    ]);
    const target = `${library}.choose_qparams_per_token_asymmetric.default`;
    const asymmetric = { input: x([0, 255, -510, -20], [2, 2]), dtype: dtype('s8') };
    const [scale, zeroPoint] = await evaluate(target, asymmetric, ['f64', [2, 1]], ['s64', [2, 1]]);
    expect([numbersOf(scale), numbersOf(zeroPoint)]).toEqual([
      [1, 2],
      [-128, 127],
    ]);
  });
});

describe('for each group of the last axis', () => {
  const parameters = {
    scales: x([0.5, 2], [1, 2]),
    zero_points: tensor('s64', [1, 0], [1, 2]),
    quant_min: -8,
    quant_max: 7,
    dtype: dtype('s8'),
  };

  it('quantizes and dequantizes', async () => {
    const quantize = { input: x([1, -20, 3, 6], [1, 4]), ...parameters, group_size: 2 };
    const [q] = await evaluate(`${library}.quantize_per_channel_group.default`, quantize, ['s8', [1, 4]]);
    expect(numbersOf(q)).toEqual([3, -8, 2, 3]);
    const dequantize = { input: tensor('s8', [3, -8, 2, 3], [1, 4]), ...parameters, group_size: 2 };
    const [y] = await evaluate(`${library}.dequantize_per_channel_group.default`, dequantize, ['f32', [1, 4]]);
    expect(numbersOf(y)).toEqual([1, -4.5, 4, 6]);
  });

  it('refuses groups that do not divide the axis', async () => {
    const args = { input: x([1, 2, 3], [1, 3]), ...parameters, group_size: 2 };
    await expect(evaluate(`${library}.quantize_per_channel_group.default`, args, ['s8', [1, 3]])).rejects.toMatchObject(
      { code: 'U2007' },
    );
  });
});
