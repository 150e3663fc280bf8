/** Attributes that a node does not have take the defaults of the standard, written down here as numbers. */
import { expect, it } from 'vitest';
import { interpret, numbersOf, tensor } from '../../../src/ir/index.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import { type ModelNode, writeModel } from '../../support/onnx.ts';

type Tensor = ReturnType<typeof tensor>;

/** The result of one node for x. */
async function resultOf(node: Omit<ModelNode, 'inputs' | 'outputs'>, x: Tensor, constants: readonly Tensor[] = []) {
  const initializers = constants.map((t, i) => ({ name: `c${i}`, tensor: t }));
  const names = { f32: 'float32', u8: 'uint8' } as const;
  const bytes = writeModel({
    nodes: [{ ...node, inputs: ['x', ...initializers.map(({ name }) => name)], outputs: ['y'] }],
    inputs: [{ name: 'x', type: names[x.dtype as 'f32'], dims: x.shape }],
    outputs: [{ name: 'y' }],
    initializers,
  });
  const { y } = interpret(await importModel(Uint8Array.from(bytes)), { x });
  return { shape: y.shape, data: numbersOf(y) };
}

const square = tensor('f32', [1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 3, 3]);
const kernel_shape = [2, 2];

it('an average leaves pads out', async () => {
  const attrs = { kernel_shape, pads: [1, 1, 0, 0], strides: [2, 2] };
  expect(await resultOf({ op: 'AveragePool', attrs }, square)).toEqual({ shape: [1, 1, 2, 2], data: [1, 2.5, 5.5, 7] });
  const counted = { ...attrs, count_include_pad: 1 };
  expect((await resultOf({ op: 'AveragePool', attrs: counted }, square)).data).toEqual([0.25, 1.25, 2.75, 7]);
});

it.each(['MaxPool', 'AveragePool'])('%s rounds its size down', async (op) => {
  const attrs = { kernel_shape, strides: [2, 2] };
  expect((await resultOf({ op, attrs }, square)).shape).toEqual([1, 1, 1, 1]);
  expect((await resultOf({ op, attrs: { ...attrs, ceil_mode: 1 } }, square)).shape).toEqual([1, 1, 2, 2]);
});

it('a convolution has no pads, strides of 1 and no dilation', async () => {
  const weights = tensor('f32', [1, 10, 100, 1000], [1, 1, 2, 2]);
  expect(await resultOf({ op: 'Conv' }, square, [weights])).toEqual({
    shape: [1, 1, 2, 2],
    data: [5421, 6532, 8754, 9865],
  });
});

it('channels of scales lie on axis 1', async () => {
  const x = tensor('f32', [1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 2, 2]);
  const parameters = [tensor('f32', [1, 0.5], [2]), tensor('u8', [0, 100], [2])];
  expect((await resultOf({ op: 'QuantizeLinear' }, x, parameters)).data).toEqual([1, 2, 3, 4, 110, 112, 114, 116]);
  const last = await resultOf({ op: 'QuantizeLinear', attrs: { axis: 3 } }, x, parameters);
  expect(last.data).toEqual([1, 104, 3, 108, 5, 112, 7, 116]);
});

it('a Gather gathers rows', async () => {
  const x = tensor('f32', [1, 2, 3, 4], [2, 2]);
  const indices = [tensor('s64', [1n], [1])];
  expect(await resultOf({ op: 'Gather' }, x, indices)).toEqual({ shape: [1, 2], data: [3, 4] });
  expect((await resultOf({ op: 'Gather', attrs: { axis: 1 } }, x, indices)).data).toEqual([2, 4]);
});
