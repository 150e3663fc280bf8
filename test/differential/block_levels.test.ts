/** Products with weights of 4 bits for the levels of a table: of ONNX Runtime, on the addon as on the interpreter, written and read back. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { interpret, nodesOf } from '../../src/ir/index.ts';
import { tensor } from '../../src/tensors/index.ts';
import { kernelIsas, random } from '../native/support.ts';
import { draws } from '../support/draws.ts';
import { writeModel } from '../support/onnx.ts';
import { runOnnx } from '../unit/onnx_export/support.ts';
import { expectAgreementOn } from './agreement.ts';

const int = (min: number, max: number) => fc.integer({ min, max });
const setting = fc.record({ isa: fc.constantFrom(...kernelIsas), threads: int(1, 2) });
const drawn = fc.record({
  batch: fc.constantFrom<number[]>([], [2]),
  rows: fc.oneof(int(1, 5), int(6, 40)),
  /** Rows of whole blocks, of parts of them, and those whose blocks go on in the next row. */
  depth: fc.oneof(
    int(1, 12).map((count) => 64 * count),
    int(1, 20).map((count) => 16 * count),
    int(1, 200),
  ),
  columns: fc.oneof(int(1, 20), int(21, 150)),
  block: fc.constantFrom(16, 32, 64, 128, 256),
  kind: fc.constantFrom(0, 1),
  seed: fc.nat(0xffff),
});
type Drawn = typeof drawn extends fc.Arbitrary<infer D> ? D : never;

function modelOf({ batch, rows, depth, columns, block, kind, seed }: Drawn) {
  const next = random(seed);
  const blocks = Math.ceil((depth * columns) / block);
  const bytes = Uint8Array.from({ length: Math.ceil((depth * columns) / 2) }, () => Math.floor(256 * next()));
  const model = writeModel({
    nodes: [
      {
        op: 'MatMulBnb4',
        domain: 'com.microsoft',
        inputs: ['a', 'b', 'absmax'],
        outputs: ['y'],
        attrs: { K: depth, N: columns, block_size: block, quant_type: kind },
      },
    ],
    inputs: [{ name: 'a', type: 'float32', dims: [...batch, rows, depth] }],
    outputs: [{ name: 'y', type: 'float32' }],
    initializers: [
      { name: 'b', tensor: tensor('u8', bytes, [bytes.length]) },
      {
        name: 'absmax',
        tensor: tensor(
          'f32',
          Float32Array.from({ length: blocks }, () => next() - 0.2),
          [blocks],
        ),
      },
    ],
    opsets: { '': 21, 'com.microsoft': 1 },
  });
  return { model, next };
}

it('on the addon as on the interpreter, and read back', () => {
  fc.assert(
    fc.property(drawn, setting, (d, by) => {
      const { model, next } = modelOf(d);
      const shape = [...d.batch, d.rows, d.depth];
      const a = tensor(
        'f32',
        Float32Array.from({ length: shape.reduce((x, y) => x * y) }, () => 4 * (next() - 0.5)),
        shape,
      );
      const graph = importOnnx(model);
      expect(graph.origin?.unsupported).toEqual([]);
      expectAgreementOn(graph, { a }, by);
      expect(interpret(importOnnx(exportOnnx(graph)), { a })).toEqual(interpret(graph, { a }));
    }),
    draws(60),
  );
});

it('has the weights of ONNX Runtime, to the bit, and sums near its own', async () => {
  await fc.assert(
    fc.asyncProperty(drawn, async (d) => {
      // one-hot rows select weights, and the last row sums
      const rows = Math.min(d.depth, 20) + 1;
      const { model, next } = modelOf({ ...d, batch: [], rows });
      const at = Math.floor(next() * (d.depth - rows + 2));
      const data = new Float32Array(rows * d.depth);
      for (let i = 0; i < rows - 1; i++) data[i * d.depth + at + i] = 1;
      for (let k = 0; k < d.depth; k++) data[(rows - 1) * d.depth + k] = next() - 0.5;
      const a = tensor('f32', data, [rows, d.depth]);
      const ours = interpret(importOnnx(model), { a }).y.data;
      const theirs = (await runOnnx(model, { a })).y.data;
      const weights = (rows - 1) * d.columns;
      expect([...ours].slice(0, weights).map((w) => Number(w) + 0)).toEqual(
        [...theirs].slice(0, weights).map((w) => Number(w) + 0),
      );
      // sums of other orders differ by less than depth·2^-24·Σ|a·w|, and |a·w| is below 1/2·0.8
      for (let i = weights; i < ours.length; i++)
        expect(Math.abs(Number(ours[i]) - Number(theirs[i]))).toBeLessThanOrEqual(d.depth ** 2 * 2 ** -24);
    }),
    draws(40),
  );
});

it('keeps weights packed where rows are whole blocks of 16 or more', () => {
  const ops = (depth: number) =>
    nodesOf(importOnnx(modelOf({ batch: [], rows: 1, depth, columns: 3, block: 64, kind: 1, seed: 1 }).model)).map(
      ({ op }) => op,
    );
  expect(ops(128)).toEqual(['qnn.block_matmul']);
  expect(ops(48)).toEqual(['qnn.block_matmul']);
  expect(ops(40)).toEqual(['nn.matmul']);
});

it.each([
  ['transB', 0],
  ['quant_type', 2],
  ['block_size', 24],
  ['K', 48],
])('is carried with %s %i', (name, value) => {
  const node = {
    op: 'MatMulBnb4',
    domain: 'com.microsoft',
    inputs: ['a', 'b', 'absmax'],
    outputs: ['y'],
    attrs: { K: 64, N: 2, block_size: 64, quant_type: 1, [name]: value },
  };
  const model = writeModel({
    nodes: [node],
    inputs: [{ name: 'a', type: 'float32', dims: [1, 64] }],
    outputs: [{ name: 'y', type: 'float32' }],
    initializers: [
      { name: 'b', tensor: tensor('u8', new Uint8Array(64), [64]) },
      { name: 'absmax', tensor: tensor('f32', [1, 1], [2]) },
    ],
    opsets: { '': 21, 'com.microsoft': 1 },
  });
  expect(importOnnx(model).origin?.unsupported).toHaveLength(1);
});
