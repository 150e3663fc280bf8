/** Transposed convolutions of floats by int8 filters, against loops over the source that scatter its products. */
import { expect, it } from 'vitest';
import { GraphBuilder, qnnConvTranspose } from '../../src/ir/index.ts';
import { quantizationOfRow } from '../../src/numerics/index.ts';
import { numbersOf, sizeOf, tensor } from '../../src/tensors/index.ts';
import { random } from '../fuzz/draw.ts';
import { sameEverywhere } from './everywhere.ts';
import { answerOf, type OperatorTest } from './layout_law.ts';

const [images, size, depth, filters, kernel, stride] = [2, 4, 5, 3, 3, 2];
const out = size * stride;
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const draw = random(23);
const reals = (n: number) => range(n).map(() => Math.fround((draw(4001) - 2000) / 700));
const [x, bias] = [reals(images * size * size * depth), reals(filters)];
const w = range(filters * kernel * kernel * depth).map(() => draw(255) - 127);
const scales = range(filters).map(() => Math.fround((1 + draw(100)) / 4000));

/** Every image is quantized; SAME padding cuts the last position of the whole, which has (size − 1)·stride + kernel. */
function sums(recipe: 'xnnpack' | 'asymmetric') {
  const total = new Float64Array(images * out * out * filters);
  const scaleOf: number[] = [];
  for (const n of range(images)) {
    const image = Float32Array.from(x.slice(n * size * size * depth, (n + 1) * size * size * depth));
    const { scale, zeroPoint, quantize } = quantizationOfRow(recipe, image);
    scaleOf.push(scale);
    for (const i of range(size * size * depth))
      for (const t of range(kernel * kernel)) {
        const [c, column, row] = [i % depth, Math.floor(i / depth) % size, Math.floor(i / depth / size)];
        const [p, q] = [row * stride + Math.floor(t / kernel), column * stride + (t % kernel)];
        if (p >= out || q >= out) continue;
        for (const o of range(filters))
          total[((n * out + p) * out + q) * filters + o] +=
            (quantize(image[i]) - zeroPoint) * w[(o * kernel * kernel + t) * depth + c];
      }
  }
  return { total, scaleOf };
}

const test: OperatorTest = {
  name: 'TRANSPOSE_CONV',
  options: {
    number: 49,
    fields: [
      [0, 0, 'int8'],
      [1, stride],
      [2, stride],
    ],
  },
  operands: [
    { value: tensor('s32', [images, out, out, filters], [4]), isConstant: true },
    { value: tensor('s8', w, [filters, kernel, kernel, depth]), isConstant: true, scale: scales, zeroPoint: [0, 0, 0] },
    { value: tensor('f32', x, [images, size, size, depth]) },
    { value: tensor('f32', bias), isConstant: true },
  ],
  results: [{ dtype: 'f32', shape: [images, out, out, filters] }],
};

it('is fma(fl(Σ·scale), sw, bias) under XNNPACK', () => {
  const { total, scaleOf } = sums('xnnpack');
  const expected = range(sizeOf([images, out, out, filters])).map((i) => {
    const [n, o] = [Math.floor(i / (out * out * filters)), i % filters];
    return Math.fround(Math.fround(total[i] * scaleOf[n]) * scales[o] + bias[o]);
  });
  for (const layout of ['last', 'first'] as const) {
    const [result] = answerOf(test, layout, 'xnnpack').results;
    expect(numbersOf(result)).toEqual(expected);
  }
});

it('differs from the builtin kernel, which adds scaled products one by one, in last bits only', () => {
  const { total, scaleOf } = sums('asymmetric');
  const [result] = answerOf(test, 'last', 'tflite').results;
  const most = Math.max(...numbersOf(result).map(Math.abs));
  for (const [i, value] of numbersOf(result).entries()) {
    const [n, o] = [Math.floor(i / (out * out * filters)), i % filters];
    expect(Math.abs(value - (total[i] * scales[o] * scaleOf[n] + bias[o]))).toBeLessThan(2 ** -22 * most);
  }
});

it('has the same sums everywhere, whatever the zero point that a run gives', async () => {
  const b = new GraphBuilder();
  const [source, zx] = [b.input('x', 's8', [1, 3, 4, 4]), b.input('zx', 's8', [])];
  const data = tensor(
    's8',
    range(3 * 5 * 9).map(() => draw(255) - 127),
    [3, 5, 3, 3],
  );
  const attrs = { strides: [2, 2], dilations: [1, 1], pads: [0, 0, 1, 1], group: 1, outputPadding: [0, 0] };
  const y = b.emit(qnnConvTranspose, { x: source, w: b.constant(data, 'w'), zx }, attrs);
  const graph = b.finish([y]);
  for (const zero of [-128, 0, 5, 127]) {
    const values = range(3 * 16).map(() => draw(256) - 128);
    await sameEverywhere(graph, { x: tensor('s8', values, [1, 3, 4, 4]), zx: tensor('s8', [zero], []) });
  }
});
