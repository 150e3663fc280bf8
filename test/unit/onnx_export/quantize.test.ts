/**
 * Quantization in operator sets that have no operator for it, where it is spelled out: read again and in ONNX Runtime it
 * computes the interpreter's results, also of numbers that are not finite. /
 */
import { describe, expect, it } from 'vitest';
import { UnskewError } from '../../../src/diagnostics/index.ts';
import { exportOnnx } from '../../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { type Dim, dtypes, GraphBuilder, interpret, nodesOf, tensor } from '../../../src/ir/index.ts';
import { qnnQuantize } from '../../../src/ir/ops/qnn_quantize.op.ts';
import { writeModel } from '../../support/onnx.ts';
import { runOnnx, touched } from './support.ts';

const written = ['u8', 's8', 'u16', 's16'] as const;
type Written = (typeof written)[number];

const special = [Number.NaN, Infinity, -Infinity, 3.4e38, -3.4e38, 1e-40, 0, -0, 0.25, -0.25, 0.75, 40, -40, 2e4, -2e4];
const shape = [special.length, 3];
const x = tensor(
  'f32',
  special.flatMap((v) => [v, v, v]),
  shape,
);
const factors = [0.5, 2 ** -126, 3e38];
/** The shapes of parameters: of one number, along axis 1, and broadcast otherwise. */
const forms: Readonly<Record<string, readonly number[]>> = { 'per tensor': [], 'per channel': [3], broadcast: [1, 3] };
const sizeOf = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);
const parameters = (dtype: Written, dims: readonly number[]) => {
  const { min, max } = dtypes[dtype];
  return {
    scale: tensor('f32', factors.slice(0, sizeOf(dims)), dims),
    zp: tensor(dtype, [Math.trunc((min + max) / 2) + 3, min, max].slice(0, sizeOf(dims)), dims),
  };
};

/** A file whose QuantizeLinear comes from com.microsoft, which has all types in all versions. */
function imported(dtype: Written, dims: readonly number[], opset: number) {
  const { scale, zp } = parameters(dtype, dims);
  return importOnnx(
    writeModel({
      opsets: { '': opset, 'com.microsoft': 1 },
      inputs: [{ name: 'x', type: 'float32', dims: shape }],
      outputs: [{ name: 'y', type: dtypes[dtype].onnx as string, dims: shape as Dim[] }],
      initializers: [
        { name: 's', tensor: scale },
        { name: 'z', tensor: zp },
      ],
      nodes: [{ op: 'QuantizeLinear', domain: 'com.microsoft', inputs: ['x', 's', 'z'], outputs: ['y'] }],
    }),
  );
}

function built(dtype: Written, dims: readonly number[]) {
  const b = new GraphBuilder();
  const { scale, zp } = parameters(dtype, dims);
  const operands = { x: b.input('x', 'f32', shape), scale: b.constant(scale), zp: b.constant(zp) };
  return b.finish([b.emit(qnnQuantize, operands, { dtype, arithmetic: 'reciprocal' })]);
}

async function expectSame(graph: ReturnType<typeof built>): Promise<void> {
  const expected = Object.values(interpret(graph, { x }))[0];
  const bytes = exportOnnx(touched(graph));
  expect(Object.values(interpret(importOnnx(bytes), { x }))[0]).toEqual(expected);
  expect(Object.values(await runOnnx(bytes, { x }))[0]).toEqual(expected);
}

describe.each(written)('a quantize to %s', (dtype) => {
  describe.each(Object.entries(forms))('%s', (form, dims) => {
    it.each([10, 11, 12, 13, 19, 21, 23])('in operator set %d', async (opset) => {
      const graph = imported(dtype, dims, opset);
      expect(nodesOf(graph).map(({ op }) => op)).toEqual(['qnn.quantize']);
      const isWide = dtype === 'u16' || dtype === 's16';
      if (opset < 11 && (isWide || form !== 'per tensor')) {
        expect(() => exportOnnx(touched(graph))).toThrow(UnskewError);
        return;
      }
      await expectSame(graph);
    });
    it('by a reciprocal, as PyTorch does', () => expectSame(built(dtype, dims)));
  });
});
