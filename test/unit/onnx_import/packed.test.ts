/** Weights of 4 and 2 bits between DequantizeLinear and a product are integers of 8 bits here, and stay as they are in the file. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { legalize } from '../../../src/codegen/legalize.ts';
import { exportOnnx } from '../../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { interpret, nodesOf, tensor } from '../../../src/ir/index.ts';
import { writeModel } from '../../support/onnx.ts';
import { differenceOf, runOnnx, zeroPointsOf } from '../onnx_export/support.ts';

const types = [
  { name: 'uint4', onnxType: 21, bits: 4, low: 0, high: 15 },
  { name: 'int4', onnxType: 22, bits: 4, low: -8, high: 7 },
  { name: 'uint2', onnxType: 25, bits: 2, low: 0, high: 3 },
  { name: 'int2', onnxType: 26, bits: 2, low: -2, high: 1 },
] as const;

/** The lowest bits first. */
function packed(values: readonly number[], bits: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((values.length * bits) / 8));
  const each = 8 / bits;
  values.forEach((value, i) => {
    bytes[Math.floor(i / each)] |= (value & ((1 << bits) - 1)) << (bits * (i % each));
  });
  return bytes;
}

describe.each(types)('$name', ({ onnxType, bits, low, high }) => {
  const weights = (rows: number, columns: number) =>
    fc.array(fc.integer({ min: low, max: high }), { minLength: rows * columns, maxLength: rows * columns });
  const sized = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })).chain(([rows, columns]) =>
    fc.record({
      rows: fc.constant(rows),
      columns: fc.constant(columns),
      values: weights(rows, columns),
      zero: fc.integer({ min: low, max: high }),
    }),
  );
  const initializer = (name: string, values: readonly number[], shape: readonly number[]) => ({
    name,
    tensor: tensor('s8', values, [...shape]),
    raw: { onnxType, bytes: packed(values, bits) },
  });

  it('is dequantized as integers of 8 bits, and the file comes back', () => {
    fc.assert(
      fc.property(sized, ({ rows, columns, values, zero }) => {
        const bytes = writeModel({
          nodes: [
            { op: 'DequantizeLinear', inputs: ['w', 's', 'z'], outputs: ['d'] },
            { op: 'Add', inputs: ['d', 'x'], outputs: ['y'] },
          ],
          inputs: [{ name: 'x', type: 'float32', dims: [rows, columns] }],
          outputs: [{ name: 'y', type: 'float32' }],
          initializers: [
            initializer('w', values, [rows, columns]),
            initializer('z', [zero], []),
            { name: 's', tensor: tensor('f32', [0.5], []) },
          ],
          opsets: { '': bits === 4 ? 21 : 25 },
        });
        const graph = importOnnx(bytes);
        expect(graph.origin?.unsupported).toEqual([]);
        const x = tensor('f32', new Float32Array(rows * columns), [rows, columns]);
        expect(Array.from(interpret(graph, { x }).y.data as Float32Array)).toEqual(
          values.map((value) => (value - zero) * 0.5),
        );
        expect(Buffer.compare(exportOnnx(graph), bytes)).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  it('of weights is corrected, and ONNX Runtime computes the same', async () => {
    await fc.assert(
      fc.asyncProperty(sized, async ({ rows, columns, values, zero }) => {
        const bytes = writeModel({
          nodes: [
            { op: 'DequantizeLinear', inputs: ['x', 'sx', 'zx'], outputs: ['dx'] },
            { op: 'DequantizeLinear', inputs: ['w', 's', 'z'], outputs: ['d'] },
            { op: 'MatMul', inputs: ['dx', 'd'], outputs: ['m'] },
            { op: 'QuantizeLinear', inputs: ['m', 'sx', 'zx'], outputs: ['y'] },
          ],
          inputs: [{ name: 'x', type: 'uint8', dims: [3, rows] }],
          outputs: [{ name: 'y', type: 'uint8' }],
          initializers: [
            initializer('w', values, [rows, columns]),
            initializer('z', [zero], []),
            { name: 's', tensor: tensor('f32', [0.25], []) },
            { name: 'sx', tensor: tensor('f32', [0.5], []) },
            { name: 'zx', tensor: tensor('u8', [99], []) },
          ],
          opsets: { '': bits === 4 ? 21 : 25 },
        });
        const { graph, remaining } = legalize(importOnnx(bytes));
        expect(remaining).toEqual([]);
        expect(nodesOf(graph).every(({ op }) => op !== 'opaque' && op !== 'qnn.dequantize')).toBe(true);
        const written = exportOnnx(graph);
        expect(zeroPointsOf(written)).toEqual([]);
        const feeds = {
          x: tensor(
            'u8',
            Array.from({ length: 3 * rows }, (_, i) => (i * 83) % 256),
            [3, rows],
          ),
        };
        const expected = interpret(importOnnx(bytes), feeds);
        if (bits === 4)
          expect(differenceOf(await runOnnx(written, feeds), await runOnnx(bytes, feeds))).toBeUndefined();
        expect(differenceOf(interpret(importOnnx(written), feeds), expected)).toBeUndefined();
      }),
      { numRuns: 20 },
    );
  });
});
