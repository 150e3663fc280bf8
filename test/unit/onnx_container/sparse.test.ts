import fc from 'fast-check';
import { expect, it } from 'vitest';
import { exportOnnx } from '../../../src/exporters/onnx/export.ts';
import { openOnnx } from '../../../src/formats/onnx/index.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { bytesOf, tensor } from '../../../src/tensors/tensor.ts';
import { bytes, errorOf, int, modelOf, text } from './support.ts';

const tensorProto = (name: string, code: number, dims: readonly number[], data: Uint8Array): number[] => [
  ...dims.flatMap((dim) => int(1, dim)),
  ...int(2, code),
  ...(name === '' ? [] : text(8, name)),
  ...bytes(9, data),
];
const s64 = (values: readonly number[]) => bytesOf(tensor('s64', values).data);

/** A sparse initializer `t`, its indices as positions or as rows. */
const sparse = (dims: readonly number[], at: readonly number[], values: Float32Array, asRows: boolean): number[] => {
  const rows = at.flatMap((position) => {
    const row: number[] = [];
    for (let axis = dims.length - 1, rest = position; axis >= 0; rest = Math.floor(rest / dims[axis--]))
      row.unshift(rest % dims[axis]);
    return row;
  });
  return bytes(15, [
    ...bytes(1, tensorProto('t', 1, [at.length], bytesOf(values))),
    ...bytes(
      2,
      asRows ? tensorProto('', 7, [at.length, dims.length], s64(rows)) : tensorProto('', 7, [at.length], s64(at)),
    ),
    ...dims.flatMap((dim) => int(3, dim)),
  ]);
};
const input = (name: string) => bytes(11, text(1, name));
const output = bytes(12, text(1, 't'));

const cases = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }).chain((dims) => {
  const size = dims.reduce((a, b) => a * b, 1);
  return fc.record({
    dims: fc.constant(dims),
    at: fc.uniqueArray(fc.integer({ min: 0, max: size - 1 }), { maxLength: size }),
    asRows: fc.boolean(),
    isDefault: fc.boolean(),
  });
});

it('a sparse initializer is a dense one with zeros between, also as the default of an input; the file comes back as it was', () => {
  fc.assert(
    fc.property(cases, ({ dims, at, asRows, isDefault }) => {
      const values = Float32Array.from(at, (position) => position + 0.5);
      const model = modelOf([...(isDefault ? input('t') : []), ...output, ...sparse(dims, at, values, asRows)]);
      const graph = importOnnx(model);
      expect(graph.inputs).toEqual([]);
      const { initializers } = openOnnx(model).graph;
      const expected = new Float32Array(dims.reduce((a, b) => a * b, 1));
      at.forEach((position, i) => {
        expected[position] = values[i];
      });
      expect(initializers.get('t')).toMatchObject({ dims, dtype: 'f32' });
      expect(Uint8Array.from(initializers.get('t')!.raw())).toEqual(bytesOf(expected));
      expect(exportOnnx(graph)).toEqual(model);
    }),
  );
});

it('indices beyond the tensor are refused', () => {
  const model = modelOf([...output, ...sparse([2, 2], [4], Float32Array.of(1), false)]);
  expect(errorOf(() => openOnnx(model).graph.initializers.get('t')?.raw()).code).toBe('U1004');
});
