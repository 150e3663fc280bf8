/**
 * Every matrix product that the IR can express is corrected, and ONNX Runtime computes the same integers from the written file.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { legalize } from '../../src/codegen/legalize.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import {
  type ITensor,
  interpret,
  isOp,
  nodesOf,
  qnnConv,
  qnnConvTranspose,
  sizeOf,
  tensor,
} from '../../src/ir/index.ts';
import { qnnMatmul } from '../../src/ir/ops/qnn_matmul.op.ts';
import { arbitraryFeeds, familiesOf, feedsOf } from '../../src/testing/index.ts';
import { zeroPointsLeft } from '../faults/zero_points.ts';
import { exactWeights, hasVnni, mayLeaveInt16, SATURATES } from '../support/exact_weights.ts';
import { type Model, type ModelNode, writeModel } from '../support/onnx.ts';
import { differenceOf, runOnnx } from '../unit/onnx_export/support.ts';

describe.each(familiesOf(qnnMatmul)!)('rewritten products, %s', (_name, graphs) => {
  it('have no zero point, and give the same integers on ONNX Runtime', async ({ skip }) => {
    let judged = 0;
    await fc.assert(
      fc.asyncProperty(graphs, arbitraryFeeds, async (graph, seed) => {
        const { graph: symmetric, certificate, remaining } = legalize(graph);
        expect(remaining).toEqual([]);
        expect(certificate.verdict).toBe('bit-exact');
        expect(nodesOf(symmetric).filter((node) => isOp(node, qnnMatmul))).toEqual([]);
        const bytes = exportOnnx(symmetric);
        expect(zeroPointsLeft(bytes)).toEqual([]);
        const feeds = feedsOf(graph, seed);
        if (!hasVnni && mayLeaveInt16(bytes, feeds)) return;
        judged++;
        const expected = interpret(graph, feeds);
        for (const level of ['disabled', 'all'] as const)
          expect(differenceOf(await runOnnx(bytes, feeds, level), expected)).toBeUndefined();
      }),
      { numRuns: process.env.UNSKEW_DEEP ? 500 : 30 },
    );
    skip(judged === 0, SATURATES);
  }, 600_000);
});

/** The shapes of parameters that the standard allows, on both sides, constant and computed. */
const shapes = {
  scalar: () => [],
  'of one element': () => [1],
  'by lines': (lines: number) => [lines],
  'by lines, of full rank': (lines: number, isRow: boolean) => (isRow ? [1, lines, 1] : [1, 1, lines]),
  'by lines of each matrix': (lines: number, isRow: boolean) => (isRow ? [2, lines, 1] : [2, 1, lines]),
} as const;
type Form = keyof typeof shapes;
const forms = Object.keys(shapes) as Form[];
const cases = ['MatMulInteger', 'QLinearMatMul'].flatMap((op) =>
  forms.flatMap((left) =>
    forms.flatMap((right) => [true, false].map((isConstant) => [op, left, right, isConstant] as const)),
  ),
);

const [batch, rows, inner, columns] = [2, 3, 5, 4];
const spread = (length: number, by: number, from: number): number[] =>
  Array.from({ length }, (_, i) => from + ((i * by) % 251));
/** Weights. */
const bytesOf = (length: number): number[] => {
  const [least, most] = exactWeights.u8;
  return Array.from({ length }, (_, i) => least + ((i * 53) % (most - least - 4)));
};

function model(op: string, left: Form, right: Form, isConstant: boolean) {
  const shaped = (values: readonly number[], shape: readonly number[]) =>
    tensor('u8', values.slice(0, sizeOf(shape)), [...shape]);
  const za = shaped(spread(6, 37, 1), shapes[left](rows, true));
  const zb = shaped(spread(8, 91, 3), shapes[right](columns, false));
  const b = shaped(bytesOf(batch * inner * columns), [batch, inner, columns]);
  const a = shaped(spread(batch * rows * inner, 77, 0), [batch, rows, inner]);
  const parameters = { za, zb, b };
  const nodes: ModelNode[] =
    op === 'MatMulInteger'
      ? [{ op, inputs: ['a', 'b', 'za', 'zb'], outputs: ['y'] }]
      : [{ op, inputs: ['a', 'sa', 'za', 'b', 'sb', 'zb', 'sy', 'zy'], outputs: ['y'] }];
  const inputs: Model['inputs'][number][] = [{ name: 'a', type: 'uint8', dims: a.shape }];
  if (!isConstant)
    for (const [name, t] of Object.entries(parameters)) inputs.push({ name, type: 'uint8', dims: t.shape });
  const bytes = writeModel({
    nodes,
    inputs,
    outputs: [{ name: 'y', type: op === 'MatMulInteger' ? 'int32' : 'uint8' }],
    initializers: [
      ...(isConstant ? Object.entries(parameters).map(([name, tensor]) => ({ name, tensor })) : []),
      ...(op === 'MatMulInteger'
        ? []
        : [
            { name: 'sa', tensor: tensor('f32', [0.5], []) },
            { name: 'sb', tensor: tensor('f32', [0.25], []) },
            { name: 'sy', tensor: tensor('f32', [40], []) },
            { name: 'zy', tensor: tensor('u8', [128], []) },
          ]),
    ],
  });
  return { bytes, feeds: { a, ...(isConstant ? {} : parameters) } };
}

describe.each(cases)('%s, left zero point %s, right %s, constant: %s', (op, left, right, isConstant) => {
  it('is corrected', async () => {
    const { bytes, feeds } = model(op, left, right, isConstant);
    const graph = importOnnx(bytes);
    const { graph: symmetric, certificate, remaining } = legalize(graph);
    expect([certificate.verdict, remaining]).toEqual(['bit-exact', []]);
    const written = exportOnnx(symmetric);
    expect(zeroPointsLeft(written)).toEqual([]);
    const expected = interpret(graph, feeds);
    for (const level of ['disabled', 'all'] as const)
      expect(differenceOf(await runOnnx(written, feeds, level), expected)).toBeUndefined();
  });
});

/** Operators of com.microsoft that are products, each with a feature that the standard operators lack. */
const microsoft: Readonly<
  Record<
    string,
    (constant: (t: ITensor) => string) => { readonly node: ModelNode; readonly type: string; readonly float?: true }
  >
> = {
  'QGemm by columns, transposed, with C and a quantized result': (c) => ({
    node: {
      op: 'QGemm',
      inputs: [
        'a',
        scale(c, 0.5),
        zero(c, 99),
        weights(c, [4, 5]),
        columnScales(c),
        columnZeros(c),
        c(tensor('s32', [5, -7, 100, 3])),
        scale(c, 8),
        zero(c, 120),
      ],
      outputs: ['y'],
      attrs: { transB: 1 },
    },
    type: 'uint8',
  }),
  'QGemm with a float result': (c) => ({
    node: {
      op: 'QGemm',
      inputs: ['a', scale(c, 0.5), zero(c, 99), weights(c, [5, 4]), columnScales(c), columnZeros(c)],
      outputs: ['y'],
    },
    type: 'float32',
  }),
  'MatMulIntegerToFloat by columns, with a bias': (c) => ({
    node: {
      op: 'MatMulIntegerToFloat',
      inputs: [
        'a',
        weights(c, [5, 4]),
        scale(c, 0.5),
        columnScales(c),
        zero(c, 99),
        columnZeros(c),
        c(tensor('f32', [0.5, 1, -2, 0])),
      ],
      outputs: ['y'],
    },
    type: 'float32',
  }),
  'DynamicQuantizeMatMul by columns': (c) => ({
    node: {
      op: 'DynamicQuantizeMatMul',
      inputs: ['a', weights(c, [5, 4]), columnScales(c), columnZeros(c)],
      outputs: ['y'],
    },
    type: 'float32',
    float: true,
  }),
};
const scale = (c: (t: ITensor) => string, s: number) => c(tensor('f32', [s], []));
const zero = (c: (t: ITensor) => string, z: number) => c(tensor('u8', [z], []));
const weights = (c: (t: ITensor) => string, shape: readonly number[]) => c(tensor('u8', bytesOf(20), [...shape]));
const columnScales = (c: (t: ITensor) => string) => c(tensor('f32', [0.25, 0.5, 0.125, 1]));
const columnZeros = (c: (t: ITensor) => string) => c(tensor('u8', [3, 94, 185, 25]));

describe.each(Object.keys(microsoft))('%s', (name) => {
  it('is corrected', async () => {
    const initializers: { name: string; tensor: ITensor }[] = [];
    const constant = (tensor: ITensor): string => {
      initializers.push({ name: `c${initializers.length}`, tensor });
      return `c${initializers.length - 1}`;
    };
    const { node, type, float } = microsoft[name](constant);
    const a = float
      ? tensor(
          'f32',
          spread(15, 77, -90).map((v) => v / 50),
          [3, 5],
        )
      : tensor('u8', spread(15, 77, 0), [3, 5]);
    const bytes = writeModel({
      nodes: [{ ...node, domain: 'com.microsoft' }],
      inputs: [{ name: 'a', type: float ? 'float32' : 'uint8', dims: [3, 5] }],
      outputs: [{ name: 'y', type }],
      initializers,
      opsets: { '': 17, 'com.microsoft': 1 },
    });
    const { graph, certificate, remaining } = legalize(importOnnx(bytes));
    expect([certificate.verdict, remaining]).toEqual(['bit-exact', []]);
    const written = exportOnnx(graph);
    expect(zeroPointsLeft(written)).toEqual([]);
    for (const level of ['disabled', 'all'] as const)
      expect(
        differenceOf(await runOnnx(written, { a }, level), await runOnnx(bytes, { a }, level), 2 ** -22),
      ).toBeUndefined();
  });
});

/** Integer convolutions with computed operands: none of their zero points is left. */
describe.each([qnnConv, qnnConvTranspose])('$name', (op) => {
  it.each(familiesOf(op)!)(
    '%s: has no zero point left',
    (_name, graphs) => {
      fc.assert(
        fc.property(graphs, (graph) => {
          const { certificate, remaining } = legalize(graph);
          expect([certificate.verdict, remaining]).toEqual(['bit-exact', []]);
        }),
        { numRuns: process.env.UNSKEW_DEEP ? 1000 : 40 },
      );
    },
    600_000,
  );
});
