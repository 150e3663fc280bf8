/** Weights of four bits, two in a byte: the same as weights of eight bits under the reference kernels, and refused under XNNPACK. */
import { describe, expect, it } from 'vitest';
import { importTflite } from '../../src/importers/tflite/import.ts';
import { interpret, isOp, nodesOf, opaqueOp } from '../../src/ir/index.ts';
import { bytesOf, sizeOf, tensor } from '../../src/tensors/index.ts';
import { random } from '../fuzz/draw.ts';
import { type ModelInit, type OptionInit, type TensorInit, writeTflite } from '../support/tflite.ts';

const window = [
  [0, 'int8', 1],
  [1, 'int32', 1],
  [2, 'int32', 1],
] as const;

interface Layer {
  readonly op: string;
  /** The number of its options. */
  readonly optionsType: number;
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly y: readonly number[];
  /** That of the channels in the weights. */
  readonly axis: number;
  readonly options: readonly OptionInit[];
}

const layers: readonly Layer[] = [
  { op: 'CONV_2D', optionsType: 1, x: [1, 4, 4, 3], w: [5, 2, 1, 3], y: [1, 3, 4, 5], axis: 0, options: window },
  {
    op: 'DEPTHWISE_CONV_2D',
    optionsType: 2,
    x: [1, 4, 4, 3],
    w: [1, 2, 1, 3],
    y: [1, 3, 4, 3],
    axis: 3,
    options: window,
  },
  { op: 'FULLY_CONNECTED', optionsType: 8, x: [2, 9], w: [3, 9], y: [2, 3], axis: 0, options: [] },
];

const draw = random(3);

/** The lower half of a byte first; the last upper half is empty where the number is odd. */
const packed = (values: readonly number[]): Uint8Array =>
  Uint8Array.from(
    { length: Math.ceil(values.length / 2) },
    (_, i) => (values[2 * i] & 15) | (((values[2 * i + 1] ?? 0) & 15) << 4),
  );

function modelOf(
  { op, optionsType, x, w, y, axis, options }: Layer,
  source: 'INT8' | 'INT16',
  weights: TensorInit,
): Uint8Array {
  const zero = source === 'INT8' ? 3 : 0;
  const model: ModelInit = {
    tensors: [
      { name: 'x', type: source, shape: x, scale: [0.5], zeroPoint: [zero] },
      { ...weights, name: 'w', shape: w, scale: Array.from({ length: w[axis] }, (_, i) => 0.1 + i / 16), axis },
      { name: 'y', type: source, shape: y, scale: [0.25], zeroPoint: [-zero] },
    ],
    operators: [{ op, inputs: [0, 1, ...(op === 'FULLY_CONNECTED' ? [-1] : [])], outputs: [2], optionsType, options }],
    inputs: [0],
    outputs: [2],
  };
  return writeTflite(model);
}

describe.each(layers)('$op', (layer) => {
  const { op, x: shape, w } = layer;
  const values = Array.from({ length: sizeOf(w) }, () => draw(16) - 8);
  const narrow = { type: 'INT4', shape: w, data: packed(values) } as const;
  const wide = { type: 'INT8', shape: w, data: bytesOf(Int8Array.from(values)) } as const;
  const isCarried = (bytes: Uint8Array, profile: 'tflite' | 'xnnpack') =>
    nodesOf(importTflite(bytes, { profile })).some((node) => isOp(node, opaqueOp));

  it('takes them for bytes', () => {
    const x = tensor(
      's8',
      Array.from({ length: sizeOf(shape) }, () => draw(256) - 128),
      [...shape],
    );
    const [a, b] = [narrow, wide].map((weights) =>
      interpret(importTflite(modelOf(layer, 'INT8', weights), { profile: 'tflite' }), { x }),
    );
    expect(a).toEqual(b);
  });

  it('is carried where no kernel, or one with other numbers, takes them', () => {
    expect(isCarried(modelOf(layer, 'INT8', narrow), 'xnnpack')).toBe(true);
    expect(isCarried(modelOf(layer, 'INT16', narrow), 'tflite')).toBe(op === 'DEPTHWISE_CONV_2D');
  });

  it('refuses a wrong number of bytes', () => {
    const short = { ...narrow, data: narrow.data.slice(1) };
    expect(() => importTflite(modelOf(layer, 'INT8', short), { profile: 'tflite' })).toThrow(/of INT4 has \d+/);
  });
});
