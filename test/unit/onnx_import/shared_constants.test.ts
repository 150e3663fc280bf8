/** Weights that several graphs of a file read are in memory once. */
import { expect, it } from 'vitest';
import { exportOnnx } from '../../../src/exporters/index.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { originOf } from '../../../src/importers/onnx/origin.ts';
import { bodiesIn, constantOf, type Graph, nodesOf, type ValueId } from '../../../src/ir/index.ts';
import { type ITensor, tensor } from '../../../src/tensors/tensor.ts';
import { type ModelGraph, writeModel } from '../../support/onnx.ts';

const product = (name: string, end = 'Neg'): { g: ModelGraph } => ({
  g: {
    inputs: [],
    outputs: [{ name }],
    nodes: [
      { op: 'MatMul', inputs: ['x', 'w'], outputs: [`${name}.sum`] },
      { op: end, inputs: [`${name}.sum`], outputs: [name] },
    ],
  },
});

const weightOf = (columns: number) =>
  tensor(
    'f32',
    Float32Array.from({ length: 3 * columns }, (_, i) => i),
    [3, columns],
  );

const modelOf = (weight: ITensor, branches: Record<string, { g: ModelGraph }>): Uint8Array =>
  writeModel({
    inputs: [
      { name: 'x', type: 'float32', dims: ['N', 3] },
      { name: 'flag', type: 'bool', dims: [] },
    ],
    outputs: [{ name: 'y' }],
    initializers: [{ name: 'w', tensor: weight }],
    nodes: [{ op: 'If', inputs: ['flag'], outputs: ['y'], attrs: branches }],
    opsets: { '': 17 },
  });

it.each([4, 4096])('branches that read a weight of the graph around them share it, of %i columns', (columns) => {
  const weight = weightOf(columns);
  const graph = importOnnx(modelOf(weight, { then_branch: product('then'), else_branch: product('else', 'Abs') }));
  const bodies = nodesOf(graph).flatMap((node) => bodiesIn(node).map(([, body]) => body));
  const [one, other] = bodies.map((body) => constantOf(body, 'w' as ValueId));
  expect(bodies).toHaveLength(2);
  expect(one).toEqual(weight);
  expect(one?.data).toBe(other?.data);
});

it('bodies do not copy large weights of the graphs around them, nested ones included', () => {
  const weight = weightOf(4096);
  const nested = (name: string): { g: ModelGraph } => ({
    g: {
      inputs: [],
      outputs: [{ name }],
      nodes: [
        {
          op: 'If',
          inputs: ['flag'],
          outputs: [name],
          attrs: { then_branch: product(`${name}.then`), else_branch: product(`${name}.else`, 'Abs') },
        },
      ],
    },
  });
  const bytes = modelOf(weight, { then_branch: nested('then'), else_branch: product('else') });
  const graph = importOnnx(bytes);
  const inside = (outer: Graph): Graph[] =>
    nodesOf(outer).flatMap((node) => bodiesIn(node).flatMap(([, body]) => [body, ...inside(body)]));
  const bodies = inside(graph);
  expect(bodies).toHaveLength(4);
  for (const body of bodies) expect(originOf(body)?.file.bytes.length).toBeLessThan(2000);
  const weights = bodies.flatMap((body) => constantOf(body, 'w' as ValueId) ?? []);
  expect(new Set(weights.map(({ data }) => data))).toHaveLength(1);
  expect(weights[0]).toEqual(weight);
  expect(Buffer.from(exportOnnx(graph))).toEqual(Buffer.from(bytes));
});
