/** Every matrix product that the IR can express is corrected, and ONNX Runtime computes the same integers from what is written. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { interpret, nodesOf, sizeOf, tensor } from '../../src/ir/index.ts';
import { qnnMatmul } from '../../src/ir/ops/qnn_matmul.op.ts';
import { legalize } from '../../src/passes/legalize.ts';
import { arbitraryFeeds, familiesOf, feedsOf } from '../../src/testing/index.ts';
import { zeroPointsLeft } from '../faults/zero_points.ts';
import { type Model, type ModelNode, writeModel } from '../support/onnx.ts';
import { differenceOf, runOnnx } from '../unit/onnx_export/support.ts';

describe.each(familiesOf(qnnMatmul)!)('rewritten products, %s', (_name, graphs) => {
  it('have no zero point, and give the same integers on ONNX Runtime', async () => {
    await fc.assert(
      fc.asyncProperty(graphs, arbitraryFeeds, async (graph, seed) => {
        const { graph: symmetric, certificate, remaining } = legalize(graph);
        expect(remaining).toEqual([]);
        expect(certificate.verdict).toBe('bit-exact');
        expect(nodesOf(symmetric).filter(({ op }) => op === 'qnn.matmul')).toEqual([]);
        const bytes = exportOnnx(symmetric);
        expect(zeroPointsLeft(bytes)).toEqual([]);
        const feeds = feedsOf(graph, seed);
        const expected = interpret(graph, feeds);
        for (const level of ['disabled', 'all'] as const)
          expect(differenceOf(await runOnnx(bytes, feeds, level), expected)).toBeUndefined();
      }),
      { numRuns: process.env.UNSKEW_DEEP ? 500 : 30 },
    );
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

function model(op: string, left: Form, right: Form, isConstant: boolean) {
  const shaped = (values: readonly number[], shape: readonly number[]) =>
    tensor('u8', values.slice(0, sizeOf(shape)), [...shape]);
  const za = shaped(spread(6, 37, 1), shapes[left](rows, true));
  const zb = shaped(spread(8, 91, 3), shapes[right](columns, false));
  const b = shaped(spread(batch * inner * columns, 53, 0), [batch, inner, columns]);
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
