/**
 * The kinds of layers that quantizers write between DequantizeLinear and QuantizeLinear: each is corrected for `symmetric`, and
 * ONNX Runtime computes the same from the written file as from the original, to a step of the result. /
 */
import { describe, expect, it } from 'vitest';
import { legalize } from '../../src/codegen/legalize.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { type Feeds, type ITensor, sizeOf, tensor } from '../../src/ir/index.ts';
import { compile } from '../../src/runtime/compile.ts';
import { toPublic } from '../../src/tensors/tensor.ts';
import { zeroPointsLeft } from '../faults/zero_points.ts';
import { exactWeights, hasVnni, SATURATES } from '../support/exact_weights.ts';
import { type ModelAttr, type ModelNode, writeModel } from '../support/onnx.ts';
import { runOnnx } from '../unit/onnx_export/support.ts';

/** Numbers from `low` to `high`, in no order. */
const spread = (length: number, low: number, high: number, by = 37): number[] =>
  Array.from({ length }, (_, i) => low + ((i * by + (i >> 3)) % (high - low + 1)));

class Model {
  readonly nodes: ModelNode[] = [];
  readonly inputs: { name: string; type: string; dims: readonly number[] }[] = [];
  readonly constants: { name: string; tensor: ITensor }[] = [];
  readonly feeds: Record<string, ITensor> = {};
  #next = 0;

  constant(t: ITensor): string {
    const name = `c${this.#next++}`;
    this.constants.push({ name, tensor: t });
    return name;
  }
  input(shape: readonly number[], by = 37, [low, high]: readonly [number, number] = [0, 255]): string {
    const name = `x${this.inputs.length}`;
    this.inputs.push({ name, type: 'uint8', dims: shape });
    this.feeds[name] = tensor('u8', spread(sizeOf(shape), low, high, by), [...shape]);
    return name;
  }
  weights(dtype: 'u8' | 's8', shape: readonly number[]): string {
    return this.constant(tensor(dtype, spread(sizeOf(shape), ...exactWeights[dtype], 91), [...shape]));
  }
  add(op: string, inputs: readonly string[], attrs: Record<string, ModelAttr> = {}): string {
    const output = `v${this.#next++}`;
    this.nodes.push({ op, inputs, outputs: [output], attrs });
    return output;
  }
  floats(shape: readonly number[]): string {
    const name = `x${this.inputs.length}`;
    this.inputs.push({ name, type: 'float32', dims: shape });
    const values = spread(sizeOf(shape), -100, 155, 41 + 12 * this.inputs.length).map((v) => v / 60);
    this.feeds[name] = tensor('f32', values, [...shape]);
    return name;
  }
  addAll(op: string, inputs: readonly string[], count: number): readonly string[] {
    const outputs = Array.from({ length: count }, () => `v${this.#next++}`);
    this.nodes.push({ op, inputs, outputs });
    return outputs;
  }
  dequantize(x: string, dtype: 'u8' | 's8', scales: readonly number[], zeros: readonly number[], axis = 1): string {
    const shape = scales.length === 1 ? [] : [scales.length];
    const [s, z] = [this.constant(tensor('f32', scales, shape)), this.constant(tensor(dtype, zeros, shape))];
    return this.add('DequantizeLinear', [x, s, z], shape.length === 0 ? {} : { axis });
  }
  quantize(x: string, scale: number, zero = 120): string {
    return this.add('QuantizeLinear', [
      x,
      this.constant(tensor('f32', [scale], [])),
      this.constant(tensor('u8', [zero], [])),
    ]);
  }
  finish(y: string, type: 'uint8' | 'float32'): Uint8Array {
    const nodes = [...this.nodes, { op: 'Identity', inputs: [y], outputs: ['y'] }];
    return writeModel({ nodes, inputs: this.inputs, outputs: [{ name: 'y', type }], initializers: this.constants });
  }
}

const several = (n: number, from: number, by: number): number[] => Array.from({ length: n }, (_, i) => from + by * i);

/** Builds each kind, and returns the name and type of its output. */
const kinds: Record<string, (m: Model) => readonly [string, 'uint8' | 'float32']> = {};

for (const dtype of ['u8', 's8'] as const) {
  for (const form of ['scalar', 'by column'] as const) {
    const parameters = (n: number): readonly [number[], number[]] =>
      form === 'scalar'
        ? [[0.01], [dtype === 'u8' ? 3 : -100]]
        : [several(n, 0.01, 0.001), several(n, dtype === 'u8' ? 3 : -100, 29)];
    const x = (m: Model, shape: readonly number[]) => m.dequantize(m.input(shape), 'u8', [0.02], [77]);
    for (const end of ['float', 'quantized'] as const) {
      const finish = (m: Model, y: string) =>
        end === 'float' ? ([y, 'float32'] as const) : ([m.quantize(y, 0.5), 'uint8'] as const);
      const name = `${dtype} weights, zero points ${form}, ${end} result`;
      kinds[`MatMul of ${name}`] = (m) =>
        finish(m, m.add('MatMul', [x(m, [3, 8]), m.dequantize(m.weights(dtype, [8, 5]), dtype, ...parameters(5))]));
      kinds[`Gemm with transB of ${name}`] = (m) => {
        const w = m.dequantize(m.weights(dtype, [5, 8]), dtype, ...parameters(5), 0);
        const b = m.constant(tensor('f32', [0.5, -1, 2, 0.25, 3]));
        return finish(m, m.add('Gemm', [x(m, [3, 8]), w, b], { transB: 1 }));
      };
      kinds[`MatMul behind a Reshape of ${name}`] = (m) => {
        const flat = m.add('Reshape', [x(m, [3, 2, 2, 2]), m.constant(tensor('s64', [3, 8].map(BigInt) as never))]);
        return finish(m, m.add('MatMul', [flat, m.dequantize(m.weights(dtype, [8, 5]), dtype, ...parameters(5))]));
      };
      kinds[`Conv of ${name}`] = (m) => {
        const w = m.dequantize(m.weights(dtype, [4, 2, 3, 3]), dtype, ...parameters(4), 0);
        return finish(m, m.add('Conv', [x(m, [1, 2, 5, 5]), w], { pads: [1, 1, 1, 1] }));
      };
      kinds[`Conv of two groups of ${name}`] = (m) => {
        const w = m.dequantize(m.weights(dtype, [4, 2, 3, 3]), dtype, ...parameters(4), 0);
        return finish(m, m.add('Conv', [x(m, [1, 4, 5, 5]), w], { pads: [1, 0, 1, 2], group: 2 }));
      };
      kinds[`ConvTranspose of ${name}`] = (m) => {
        const w = m.dequantize(m.weights(dtype, [2, 4, 3, 3]), dtype, ...parameters(4), 1);
        return finish(m, m.add('ConvTranspose', [x(m, [1, 2, 4, 4]), w], { strides: [2, 2], pads: [1, 1, 1, 1] }));
      };
      kinds[`Conv behind MaxPool and Concat of ${name}`] = (m) => {
        const pooled = m.add('MaxPool', [x(m, [1, 2, 6, 6])], { kernel_shape: [2, 2], strides: [2, 2] });
        const joined = m.add('Concat', [pooled, x(m, [1, 2, 3, 3])], { axis: 1 });
        const w = m.dequantize(m.weights(dtype, [4, 4, 3, 3]), dtype, ...parameters(4), 0);
        return finish(m, m.add('Conv', [joined, w], { pads: [1, 1, 1, 1] }));
      };
      kinds[`depthwise Conv over scales and zero points by channel, ${name}`] = (m) => {
        const source = m.dequantize(m.input([1, 4, 5, 5]), 'u8', several(4, 0.01, 0.02), several(4, 5, 60), 1);
        const w = m.dequantize(m.weights(dtype, [8, 1, 3, 3]), dtype, ...parameters(8), 0);
        return finish(m, m.add('Conv', [source, w], { pads: [1, 1, 1, 1], strides: [2, 2], group: 4 }));
      };
    }
  }
}

for (const end of ['float', 'quantized'] as const)
  kinds[`attention's product of two activations, ${end} result`] = (m) => {
    const head = (shape: readonly number[], zero: number, perm: readonly number[]) =>
      m.add('Transpose', [m.dequantize(m.input(shape, 53, exactWeights.u8), 'u8', [0.02], [zero])], { perm });
    const [q, k] = [head([1, 6, 2, 4], 99, [0, 2, 1, 3]), head([1, 6, 2, 4], 141, [0, 2, 3, 1])];
    const y = m.add('MatMul', [q, k]);
    return end === 'float' ? [y, 'float32'] : [m.quantize(y, 0.05), 'uint8'];
  };

/** Quantized by the run: the parameters of the input are computed, in one for all or one for each row. */
function dynamic(m: Model, shape: readonly number[], isByRow = false): string {
  const x = m.floats(shape);
  if (!isByRow) {
    const [y, scale, zero] = m.addAll('DynamicQuantizeLinear', [x], 3);
    return m.add('DequantizeLinear', [y, scale, zero]);
  }
  const most = m.add('ReduceMax', [m.add('Abs', [x])], { axes: [1], keepdims: 0 });
  const scale = m.add('Div', [most, m.constant(tensor('f32', [127], []))]);
  const zeros = m.constant(tensor('s8', several(shape[0], -7, 5)));
  return m.add('DequantizeLinear', [m.add('QuantizeLinear', [x, scale, zeros], { axis: 0 }), scale, zeros], {
    axis: 0,
  });
}
for (const dtype of ['u8', 's8'] as const) {
  kinds[`MatMul of ${dtype} weights, quantized dynamically`] = (m) => {
    const w = m.dequantize(m.weights(dtype, [8, 5]), dtype, several(5, 0.01, 0.001), several(5, 3, 29));
    return [m.add('MatMul', [dynamic(m, [3, 8]), w]), 'float32'];
  };
  kinds[`MatMul of ${dtype} weights, quantized dynamically by row`] = (m) => {
    const w = m.dequantize(m.weights(dtype, [8, 5]), dtype, several(5, 0.01, 0.001), several(5, 3, 29));
    return [m.add('MatMul', [dynamic(m, [3, 8], true), w]), 'float32'];
  };
  kinds[`Gemm of ${dtype} weights, quantized dynamically, behind a Reshape`] = (m) => {
    const w = m.dequantize(m.weights(dtype, [5, 8]), dtype, [0.01], [9], 0);
    const flat = m.add('Reshape', [dynamic(m, [3, 2, 4]), m.constant(tensor('s64', [3, 8].map(BigInt) as never))]);
    return [m.add('Gemm', [flat, w, m.constant(tensor('f32', several(5, -1, 0.5)))], { transB: 1 }), 'float32'];
  };
  kinds[`Conv of ${dtype} weights, quantized dynamically`] = (m) => {
    const w = m.dequantize(m.weights(dtype, [4, 2, 3, 3]), dtype, several(4, 0.01, 0.001), several(4, 3, 29), 0);
    const b = m.constant(tensor('f32', several(4, -1, 0.5)));
    return [m.add('Conv', [dynamic(m, [1, 2, 5, 5]), w, b], { pads: [1, 1, 1, 1] }), 'float32'];
  };
}
kinds['attention, both sides quantized dynamically'] = (m) => {
  const head = (perm: readonly number[]) => m.add('Transpose', [dynamic(m, [1, 6, 2, 4])], { perm });
  return [m.add('MatMul', [head([0, 2, 1, 3]), head([0, 2, 3, 1])]), 'float32'];
};

kinds['ConvTranspose, quantized dynamically'] = (m) => {
  const w = m.dequantize(m.weights('u8', [2, 4, 3, 3]), 'u8', several(4, 0.01, 0.001), several(4, 3, 29), 1);
  return [m.add('ConvTranspose', [dynamic(m, [1, 2, 4, 4]), w], { strides: [2, 2], pads: [1, 1, 1, 1] }), 'float32'];
};
kinds['Conv of computed filters'] = (m) => {
  const x = m.dequantize(m.input([1, 2, 5, 5]), 'u8', [0.02], [77]);
  const w = m.dequantize(m.input([4, 2, 3, 3], 91), 'u8', several(4, 0.01, 0.001), several(4, 3, 29), 0);
  return [m.quantize(m.add('Conv', [x, w], { pads: [1, 1, 1, 1] }), 0.5), 'uint8'];
};
for (const filters of ['known', 'computed'] as const)
  kinds[`Conv of ${filters} filters whose zero points are computed`] = (m) => {
    const x = m.dequantize(m.input([1, 2, 5, 5]), 'u8', [0.02], [77]);
    const integers = filters === 'known' ? m.weights('u8', [4, 2, 3, 3]) : m.input([4, 2, 3, 3], 91);
    const scales = m.constant(tensor('f32', several(4, 0.01, 0.001)));
    const w = m.add('DequantizeLinear', [integers, scales, m.input([4], 71)], { axis: 0 });
    return [m.add('Conv', [x, w], { pads: [1, 1, 1, 1] }), 'float32'];
  };

// These sums are not sums of integers: zero points are subtracted in front.
for (const end of ['float', 'quantized'] as const) {
  const finish = (m: Model, y: string) =>
    end === 'float' ? ([y, 'float32'] as const) : ([m.quantize(y, 0.5), 'uint8'] as const);
  const x = (m: Model, shape: readonly number[]) => m.dequantize(m.input(shape), 'u8', [0.02], [77]);
  kinds[`Gemm of scales along the axis that is summed over, ${end} result`] = (m) => {
    const w = m.dequantize(m.weights('u8', [5, 8]), 'u8', several(8, 0.01, 0.001), several(8, 3, 29), 1);
    return finish(m, m.add('Gemm', [x(m, [3, 8]), w], { transB: 1 }));
  };
  kinds[`Conv over scales and zero points by channel, ${end} result`] = (m) => {
    const source = m.dequantize(m.input([1, 4, 5, 5]), 'u8', several(4, 0.01, 0.02), several(4, 5, 60), 1);
    const w = m.dequantize(m.weights('s8', [3, 4, 3, 3]), 's8', several(3, 0.01, 0.01), several(3, -4, 3), 0);
    return finish(m, m.add('Conv', [source, w], { pads: [1, 1, 1, 1] }));
  };
  kinds[`ConvTranspose of computed filters, ${end} result`] = (m) => {
    const w = m.dequantize(m.input([2, 4, 3, 3], 91), 'u8', several(4, 0.01, 0.001), several(4, 3, 29), 1);
    return finish(m, m.add('ConvTranspose', [x(m, [1, 2, 4, 4]), w], { strides: [2, 2], pads: [1, 1, 1, 1] }));
  };
}

const floatSums = new Set([
  'Gemm of scales along the axis that is summed over, float result',
  'Conv over scales and zero points by channel, float result',
  'ConvTranspose of computed filters, float result',
]);

async function compiled(bytes: Uint8Array, feeds: Feeds, backend: 'onednn' | 'reference') {
  const model = await compile(importOnnx(bytes), { backend, threads: 1 });
  const outputs = await model.run(Object.fromEntries(Object.entries(feeds).map(([name, t]) => [name, toPublic(t)])));
  model.dispose();
  return outputs;
}

describe.each(Object.keys(kinds))('%s', (name) => {
  it('is corrected, ONNX Runtime computes the same, and the addon equals the interpreter', async ({ skip }) => {
    if (name === 'attention, both sides quantized dynamically' && !hasVnni)
      skip(`${SATURATES}, and the run decides how large both operands are`);
    const m = new Model();
    const [y, type] = kinds[name](m);
    const bytes = m.finish(y, type);
    const { graph, certificate, remaining } = legalize(importOnnx(bytes));
    expect([certificate.verdict, remaining]).toEqual(['bit-exact', []]);
    const written = exportOnnx(graph);
    expect(zeroPointsLeft(written)).toEqual([]);
    const feeds: Feeds = m.feeds;
    // Sums of floats have an order.
    if (!floatSums.has(name))
      expect(await compiled(bytes, feeds, 'onednn')).toEqual(await compiled(bytes, feeds, 'reference'));
    const plain = (await runOnnx(bytes, feeds)).y;
    for (const level of ['disabled', 'all'] as const) {
      // ONNX Runtime 1.30 fuses scales by channel of an input, and then refuses them.
      const expected = (await runOnnx(bytes, feeds, level).catch(() => ({ y: plain }))).y;
      const found = (await runOnnx(written, feeds, level)).y;
      expect([found.dtype, found.shape]).toEqual([expected.dtype, expected.shape]);
      const largest = Math.max(...Array.from(expected.data as Float32Array, Math.abs));
      const slack = type === 'uint8' ? 1 : largest * 2 ** -20;
      const differing = Array.from(expected.data as Float32Array, (v, i) => Math.abs(v - Number(found.data[i])));
      expect(Math.max(...differing)).toBeLessThanOrEqual(slack);
      if (type === 'uint8')
        expect(differing.filter((d) => d > 0).length).toBeLessThanOrEqual(expected.data.length / 16);
    }
  });
});

// ONNX Runtime fuses a MatMul of two DequantizeLinear of any integers, and refuses the fused operator for int32.
describe('products of bytes that are not integer products load where the original does', () => {
  const operands = {
    u8: { type: 'uint8', low: 0, high: 255, zeros: (n: number) => several(n, 77, 5) },
    s8: { type: 'int8', low: -128, high: 127, zeros: (n: number) => several(n, -9, 4) },
  } as const;
  const scales = {
    'left, summed over': [8, 1, 1, 1],
    'left, by row': [3, 0, 1, 1],
    'right, summed over': [1, 1, 8, 0],
  };
  const ends: Record<string, (m: Model, y: string) => readonly [string, 'float32' | 'uint8']> = {
    'a float result': (_, y) => [y, 'float32'],
    'a bias': (m, y) => [m.add('Add', [y, m.constant(tensor('f32', several(5, -1, 0.7), [5]))]), 'float32'],
    'a quantized result': (m, y) => [m.quantize(y, 0.5), 'uint8'],
  };
  const cases = (['MatMul', 'Gemm'] as const).flatMap((op) =>
    (['u8', 's8'] as const).flatMap((left) =>
      (['u8', 's8'] as const).flatMap((right) =>
        Object.keys(scales).flatMap((scaled) =>
          Object.keys(ends).map((end) => [op, left, right, scaled, end] as const),
        ),
      ),
    ),
  );
  it.each(cases)('%s of %s and %s, scales %s, %s', async (op, left, right, scaled, end) => {
    const m = new Model();
    const { type, low, high, zeros } = operands[left];
    m.inputs.push({ name: 'x', type, dims: [3, 8] });
    m.feeds.x = tensor(left, spread(24, low, high), [3, 8]);
    const [ns, axis, nw, weightAxis] = scales[scaled as keyof typeof scales];
    const x = m.dequantize('x', left, several(ns, 0.01, 0.003), zeros(ns), axis);
    const w = m.dequantize(
      m.weights(right, [8, 5]),
      right,
      several(nw, 0.02, 0.001),
      operands[right].zeros(nw),
      weightAxis,
    );
    const [y, result] = ends[end](m, m.add(op, [x, w]));
    const bytes = m.finish(y, result);
    const { graph, remaining } = legalize(importOnnx(bytes));
    const written = exportOnnx(graph);
    expect(zeroPointsLeft(written).length === 0).toBe(remaining.length === 0);
    for (const level of ['disabled', 'all'] as const) {
      const expected = (await runOnnx(bytes, m.feeds, level).catch(() => undefined))?.y;
      if (expected === undefined) continue;
      const found = (await runOnnx(written, m.feeds, level)).y;
      const largest = Math.max(...Array.from(expected.data as Float32Array, Math.abs));
      const slack = result === 'uint8' ? 1 : largest * 2 ** -20;
      const differing = Array.from(expected.data as Float32Array, (v, i) => Math.abs(v - Number(found.data[i])));
      expect(Math.max(...differing)).toBeLessThanOrEqual(slack);
    }
  });
});
