/** SAME padding over unknown sizes: a feed gives the same result as on the model with these sizes. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { originOf } from '../../../src/importers/onnx/origin.ts';
import { interpret } from '../../../src/ir/interpret.ts';
import { specialize } from '../../../src/ir/specialize.ts';
import type { DType } from '../../../src/tensors/dtype.ts';
import { sizeOf, tensor } from '../../../src/tensors/tensor.ts';
import { type ModelNode, writeModel } from '../../support/onnx.ts';

const types: Readonly<Record<string, string>> = { f32: 'float32', u8: 'uint8', s8: 'int8', s32: 'int32' };
const windows: readonly {
  readonly name: string;
  readonly x: DType;
  readonly y: DType;
  readonly inputs: readonly string[];
  readonly attrs?: ModelNode['attrs'];
}[] = [
  { name: 'Conv', x: 'f32', y: 'f32', inputs: ['x', 'wf'] },
  { name: 'ConvInteger', x: 'u8', y: 's32', inputs: ['x', 'w', 'zx'] },
  { name: 'QLinearConv', x: 'u8', y: 'u8', inputs: ['x', 's', 'zx', 'w', 's', 'zw', 's', 'zx'] },
  { name: 'MaxPool', x: 'f32', y: 'f32', inputs: ['x'] },
  { name: 'MaxPool', x: 'u8', y: 'u8', inputs: ['x'] },
  { name: 'MaxPool', x: 's8', y: 's8', inputs: ['x'] },
];

it.each(windows)('$name of $x', ({ name, x: dtype, y, inputs }) => {
  const shapes = fc.record({
    height: fc.integer({ min: 1, max: 9 }),
    width: fc.integer({ min: 1, max: 9 }),
    kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
    strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    auto: fc.constantFrom('SAME_UPPER', 'SAME_LOWER'),
  });
  fc.assert(
    fc.property(shapes, ({ height, width, kernel, strides, auto }) => {
      const shape = [2, 3, ...kernel];
      const bytes = writeModel({
        nodes: [{ op: name, inputs, outputs: ['y'], attrs: { auto_pad: auto, strides, kernel_shape: [...kernel] } }],
        inputs: [{ name: 'x', type: types[dtype], dims: ['N', 3, 'H', 'W'] }],
        outputs: [{ name: 'y', type: types[y] }],
        initializers: [
          {
            name: 'w',
            tensor: tensor(
              's8',
              Int8Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 37) % 15) - 7),
              shape,
            ),
          },
          {
            name: 'wf',
            tensor: tensor(
              'f32',
              Float32Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 37) % 15) - 7),
              shape,
            ),
          },
          { name: 'zx', tensor: tensor('u8', [3], []) },
          { name: 'zw', tensor: tensor('s8', [0], []) },
          { name: 's', tensor: tensor('f32', [0.5], []) },
        ],
      });
      const dims = [2, 3, height, width];
      const values = Array.from({ length: sizeOf(dims) }, (_, i) => ((i * 53) % 23) - (dtype === 'u8' ? 0 : 20));
      const feeds = { x: tensor(dtype, values, dims) };
      const open = importOnnx(bytes);
      expect(originOf(open)?.unsupported).toEqual([]);
      const sized = interpret(importOnnx(bytes, { inputShapes: { x: dims } }), feeds).y;
      expect(interpret(open, feeds).y).toEqual(sized);
      const bound = specialize(open, new Map([['N', 2], ['H', height], ['W', width]])); // biome-ignore format: pairs
      expect(interpret(bound, feeds).y).toEqual(sized);
    }),
    { numRuns: 40 },
  );
});
