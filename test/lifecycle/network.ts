/** A quantized network of any batch size. */
import { interpret, Tensor } from '../../src/index.ts';
import { type Graph, tensor } from '../../src/ir/index.ts';
import { writeModel } from '../support/onnx.ts';

const SIZE = 6;
const CHANNELS = 4;
export const ELEMENTS = CHANNELS * SIZE * SIZE;
const weights = Int8Array.from({ length: CHANNELS * CHANNELS * 9 }, (_, i) => ((i * 37) % 127) - 63);
const number = (name: string, dtype: 'f32' | 'u8' | 's8', value: number) => ({
  name,
  tensor: tensor(dtype, [value], []),
});
const conv = (x: string, y: string) => ({
  op: 'QLinearConv',
  inputs: [x, 'sx', 'zx', 'w', 'sw', 'zw', 'sx', 'zx'],
  outputs: [y],
  attrs: { pads: [1, 1, 1, 1] },
});

/** Convolutions, natively; `interpreted`: with an LRN between them, which the interpreter computes, so that a run waits twice. */
export const network = (interpreted = true): Uint8Array =>
  writeModel({
    inputs: [{ name: 'x', type: 'uint8', dims: ['N', CHANNELS, SIZE, SIZE] }],
    outputs: [{ name: 'y', type: 'uint8' }],
    initializers: [
      number('sx', 'f32', 0.5),
      number('zx', 'u8', 130),
      number('sw', 'f32', 0.01),
      number('zw', 's8', 0),
      { name: 'w', tensor: tensor('s8', weights, [CHANNELS, CHANNELS, 3, 3]) },
    ],
    nodes: [
      conv('x', 'a'),
      { op: 'DequantizeLinear', inputs: ['a', 'sx', 'zx'], outputs: ['b'] },
      interpreted
        ? { op: 'LRN', inputs: ['b'], outputs: ['c'], attrs: { size: 3 } }
        : { op: 'Relu', inputs: ['b'], outputs: ['c'] },
      { op: 'QuantizeLinear', inputs: ['c', 'sx', 'zx'], outputs: ['d'] },
      conv('d', 'y'),
    ],
  });

/** A batch of so many, different for each seed. */
export function batch(size: number, seed = 0): Record<string, Tensor> {
  const data = Uint8Array.from({ length: size * ELEMENTS }, (_, i) => (i * 31 + seed * 7 + (i >> 5)) & 255);
  return { x: new Tensor('uint8', data, [size, CHANNELS, SIZE, SIZE]) };
}

/** Interprets batches, each of them once. */
export function expectedOf(graph: Graph): (size: number, seed: number) => Promise<Tensor> {
  const known = new Map<string, Promise<Tensor>>();
  return (size, seed) => {
    const key = `${size} ${seed}`;
    const result = known.get(key) ?? interpret(graph, batch(size, seed)).then(({ y }) => y);
    known.set(key, result);
    return result;
  };
}

/** Sums of floats: little to compute, and values as large as wanted that live while it runs. */
export const sums = (): Uint8Array =>
  writeModel({
    inputs: [{ name: 'x', type: 'float32', dims: ['N'] }],
    outputs: [{ name: 'y', type: 'float32' }],
    nodes: [
      { op: 'Relu', inputs: ['x'], outputs: ['a'] },
      { op: 'Add', inputs: ['a', 'x'], outputs: ['b'] },
      { op: 'Add', inputs: ['b', 'a'], outputs: ['y'] },
    ],
  });

export const floats = (size: number): Record<string, Tensor> => ({
  x: new Tensor('float32', new Float32Array(size), [size]),
});
