import { describe, expect, test } from 'vitest';
import { globalAverage, isGlobalWindow, windowAverage } from '../../../src/numerics/qlinear_pool.ts';
import { dequantize } from '../../../src/numerics/quantize_linear.ts';
import { dtypes } from '../../../src/tensors/dtype.ts';
import { scalar, tensor } from '../../../src/tensors/tensor.ts';
import { integerBetween, ortOutput, random, randomData, randomScale } from './ort.ts';

const layouts = [0, 1] as const;

describe.each(['u8', 's8'] as const)('%s pools equal ONNX Runtime', (dtype) => {
  const { min, max } = dtypes[dtype];

  function draw(next: () => number, nearTies: boolean) {
    const sx = randomScale(next, 1e-3, 0.1);
    const fraction = integerBetween(next, 1, 8) / integerBetween(next, 1, 8);
    const sy = nearTies ? Math.fround(sx * fraction) : randomScale(next, 1e-3, 0.1);
    const [zx, zy] = [integerBetween(next, min, max), integerBetween(next, min, max)];
    const inputs = [scalar('f32', sx), scalar(dtype, zx), scalar('f32', sy), scalar(dtype, zy)];
    return { q: { sx, sy, zy, low: min, high: max }, zx, inputs: inputs.map((t) => ({ tensor: t })) };
  }

  test.each(layouts)('QLinearGlobalAveragePool, channels_last = %i', async (channelsLast) => {
    const next = random(max + channelsLast);
    for (let round = 0; round < 60; round++) {
      const [channels, size] = [integerBetween(next, 1, 40), integerBetween(next, 1, 400)];
      const { q, zx, inputs } = draw(next, round % 2 === 1);
      const x = randomData(next, dtype, channels * size) as Uint8Array;
      const shape = channelsLast ? [1, size, channels] : [1, channels, size];
      const theirs = await ortOutput({
        ...{ op: 'QLinearGlobalAveragePool', domain: 'com.microsoft', outputs: [dtype] },
        ...{ attrs: { channels_last: channelsLast }, inputs: [{ tensor: tensor(dtype, x, shape) }, ...inputs] },
      });
      const average = globalAverage(q, size);
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let i = 0; i < size; i++) sum += x[channelsLast ? i * channels + c : c * size + i] - zx;
        expect(average(sum)).toBe(theirs[c]);
      }
    }
  });

  test.each(layouts)('QLinearAveragePool over pads and strides, channels_last = %i', async (channelsLast) => {
    const next = random(max + 10 + channelsLast);
    for (let round = 0; round < 60; round++) {
      const [channels, size] = [integerBetween(next, 1, 20), integerBetween(next, 1, 50)];
      const kernel = round % 5 === 4 ? size : integerBetween(next, 1, Math.min(9, size));
      const stride = integerBetween(next, 1, 3);
      const pads =
        round % 5 === 4 ? [0, 0] : [integerBetween(next, 0, kernel - 1), integerBetween(next, 0, kernel - 1)];
      const includePad = integerBetween(next, 0, 1);
      const { q, zx, inputs } = draw(next, round % 2 === 1);
      const x = randomData(next, dtype, channels * size) as Uint8Array;
      const shape = channelsLast ? [1, size, channels] : [1, channels, size];
      const theirs = await ortOutput({
        ...{ op: 'QLinearAveragePool', domain: 'com.microsoft', outputs: [dtype] },
        attrs: {
          ...{ kernel_shape: [kernel], strides: [stride], pads },
          ...{ count_include_pad: includePad, channels_last: channelsLast },
        },
        inputs: [{ tensor: tensor(dtype, x, shape) }, ...inputs],
      });
      const outputs = Math.floor((size + pads[0] + pads[1] - kernel) / stride) + 1;
      for (let c = 0; c < channels; c++) {
        for (let o = 0; o < outputs; o++) {
          const from = Math.max(0, o * stride - pads[0]);
          const to = Math.min(size, o * stride - pads[0] + kernel);
          let integers = 0;
          let floats = 0;
          for (let i = from; i < to; i++) {
            const value = x[channelsLast ? i * channels + c : c * size + i];
            integers += value - zx;
            floats = Math.fround(floats + dequantize(value, q.sx, zx));
          }
          const ours = isGlobalWindow([size], [kernel], pads)
            ? globalAverage(q, kernel)(integers)
            : windowAverage(q, floats, includePad ? kernel : to - from);
          expect(ours).toBe(theirs[channelsLast ? o * channels + c : c * outputs + o]);
        }
      }
    }
  });
});

test('the two formulas differ at ties of an odd zero point', () => {
  const q = { sx: 1, sy: 1, zy: 1, low: 0, high: 255 };
  expect(globalAverage(q, 2)(1)).toBe(1);
  expect(windowAverage(q, 1, 2)).toBe(2);
});
