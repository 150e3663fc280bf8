/** Weights that several graphs of a file read are in memory once. */
import { expect, it } from 'vitest';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { bodiesIn, constantOf, nodesOf, type ValueId } from '../../../src/ir/index.ts';
import { tensor } from '../../../src/tensors/tensor.ts';
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

it('branches that read a weight of the graph around them share it', () => {
  const weight = tensor(
    'f32',
    Float32Array.from({ length: 12 }, (_, i) => i),
    [3, 4],
  );
  const graph = importOnnx(
    writeModel({
      inputs: [
        { name: 'x', type: 'float32', dims: ['N', 3] },
        { name: 'flag', type: 'bool', dims: [] },
      ],
      outputs: [{ name: 'y' }],
      initializers: [{ name: 'w', tensor: weight }],
      nodes: [
        {
          op: 'If',
          inputs: ['flag'],
          outputs: ['y'],
          attrs: { then_branch: product('then'), else_branch: product('else', 'Abs') },
        },
      ],
      opsets: { '': 17 },
    }),
  );
  const bodies = nodesOf(graph).flatMap((node) => bodiesIn(node).map(([, body]) => body));
  const [one, other] = bodies.map((body) => constantOf(body, 'w' as ValueId));
  expect(bodies).toHaveLength(2);
  expect(one).toEqual(weight);
  expect(one?.data).toBe(other?.data);
});
