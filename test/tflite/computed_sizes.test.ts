/** Operators whose new size is computed: the delegate takes none of them, so the builtin kernels round. */
import { expect, it } from 'vitest';
import { importTflite } from '../../src/importers/tflite/import.ts';
import { type TfliteProfile, tfliteProfiles } from '../../src/importers/tflite/profiles.ts';
import { type ITensor, interpret } from '../../src/ir/index.ts';
import { sizeOf, tensor } from '../../src/tensors/index.ts';
import { random } from '../fuzz/draw.ts';
import { modelBytes, type OperatorInit, type TensorInit } from './model_writer.ts';

const draw = random(11);
const bytes = (shape: readonly number[]): ITensor =>
  tensor(
    's8',
    Array.from({ length: sizeOf(shape) }, () => draw(256) - 128),
    [...shape],
  );

interface Sized {
  readonly name: string;
  readonly options: OperatorInit['options'];
  /** A constant of the file, or the maximum of it and itself: computed while the model runs. */
  readonly size: readonly number[];
  readonly x: ITensor;
  /** Operands in order; `size` and `x` by name. */
  readonly operands: readonly ('size' | 'x' | TensorInit)[];
  readonly result: TensorInit;
}

function answer({ name, options, size, x, operands, result }: Sized, profile: TfliteProfile, isComputed: boolean) {
  const vector = { dtype: 's32' as const, shape: [size.length] };
  const tensors: TensorInit[] = [
    { dtype: 's8', shape: x.shape, scale: 0.05, zeroPoint: 3 },
    { ...vector, data: tensor('s32', [...size], [size.length]) },
    { ...vector },
    result,
  ];
  const inputs = operands.map((operand) => {
    if (operand === 'x') return 0;
    if (operand === 'size') return isComputed ? 2 : 1;
    return tensors.push(operand) - 1;
  });
  const computed: OperatorInit = { name: 'MAXIMUM', inputs: [1, 1], outputs: [2] };
  const operators = [...(isComputed ? [computed] : []), { name, inputs, outputs: [3], options }];
  const graph = importTflite(modelBytes({ tensors, inputs: [0], outputs: [3], operators }), { profile });
  expect(graph.origin?.unsupported).toEqual([]);
  return interpret(graph, { [graph.inputs[0]]: x })[graph.outputs[0]];
}

const cases: readonly Sized[] = [
  {
    name: 'RESIZE_BILINEAR',
    options: { number: 15, fields: [[3, false]] },
    size: [17, 23],
    x: bytes([1, 5, 7, 4]),
    operands: ['x', 'size'],
    result: { dtype: 's8', shape: [1, 17, 23, 4], scale: 0.05, zeroPoint: 3 },
  },
  {
    name: 'TRANSPOSE_CONV',
    options: {
      number: 49,
      fields: [
        [0, 0, 'int8'],
        [1, 2],
        [2, 2],
      ],
    },
    size: [1, 16, 16, 3],
    x: bytes([1, 8, 8, 6]),
    operands: ['size', { dtype: 's8', shape: [3, 3, 3, 6], scale: 0.01, data: bytes([3, 3, 3, 6]) }, 'x'],
    result: { dtype: 's8', shape: [1, 16, 16, 3], scale: 0.0273, zeroPoint: -5 },
  },
];

for (const sized of cases)
  it(`${sized.name} rounds as the reference kernel does`, () => {
    const [xnnpack, tflite] = tfliteProfiles.map((profile) => answer(sized, profile, true));
    expect(tfliteProfiles).toEqual(['xnnpack', 'tflite']);
    expect(xnnpack).toEqual(tflite);
    // a size of the file is taken by the delegate, which rounds otherwise
    expect(answer(sized, 'xnnpack', false)).not.toEqual(tflite);
    expect(answer(sized, 'tflite', false)).toEqual(tflite);
  });
