/** Faults of a run at nodes within bodies: the same words on every back end, with the name that the file gives the node. */
import { describe, expect, it } from 'vitest';
import { compile } from '../../src/index.ts';
import { tensor } from '../../src/tensors/index.ts';
import { type ModelGraph, type ModelNode, type ModelTensor, writeModel } from '../support/onnx.ts';

const node = (
  op: string,
  inputs: string[],
  outputs: string[],
  name: string,
  attrs: ModelNode['attrs'] = {},
): ModelNode => ({
  ...{ op, inputs, outputs, name, attrs },
});
const float = (name: string, ...dims: (number | string)[]): ModelTensor => ({ name, type: 'float32', dims });
const flag: ModelTensor = { name: 'flag', type: 'bool', dims: [] };

const readers: Readonly<Record<string, ModelNode>> = {
  Gather: node('Gather', ['x', 'at'], ['y'], 'reads far'),
  GatherElements: node('GatherElements', ['x', 'at'], ['y'], 'reads far'),
  GatherND: node('GatherND', ['x', 'rows'], ['y'], 'reads far'),
  ScatterElements: node('ScatterElements', ['x', 'at', 'updates'], ['y'], 'reads far'),
};

const graph = (nodes: ModelNode[], ...outputs: ModelTensor[]): ModelGraph => ({ inputs: [], outputs, nodes });
const places: Readonly<Record<string, (of: ModelNode) => readonly ModelNode[]>> = {
  'the model': (of) => [of, node('Neg', ['y'], ['z'], 'last')],
  'a branch': (of) => [
    node('If', ['flag'], ['z'], 'choose', {
      then_branch: {
        g: graph([node('Abs', ['x'], ['a'], ''), of, node('Neg', ['y'], ['n'], 'last')], {
          name: 'n',
          type: 'float32',
        }),
      },
      else_branch: { g: graph([node('Neg', ['x'], ['e'], 'other')], { name: 'e', type: 'float32' }) },
    }),
  ],
  'a loop': (of) => [
    node('Loop', ['turns', 'flag'], ['z'], 'turn', {
      body: {
        g: {
          inputs: [
            { name: 'i', type: 'int64', dims: [] },
            { name: 'go', type: 'bool', dims: [] },
          ],
          outputs: [
            { name: 'goes', type: 'bool' },
            { name: 'n', type: 'float32' },
          ],
          nodes: [node('Identity', ['go'], ['goes'], ''), of, node('Neg', ['y'], ['n'], 'last')],
        },
      },
    }),
  ],
};

const cases = Object.keys(places).flatMap((place) => Object.keys(readers).map((reader) => ({ place, reader })));

describe('a position outside of its axis', () => {
  it.each(cases)('of $reader in $place', async ({ place, reader }) => {
    const bytes = writeModel({
      inputs: [float('x', 'N'), { name: 'at', type: 'int64', dims: ['K'] }, flag],
      outputs: [{ name: 'z', type: 'float32' }],
      nodes: [node('Unsqueeze', ['at', 'last axis'], ['rows'], 'rows'), ...places[place](readers[reader])],
      initializers: [
        { name: 'updates', tensor: tensor('f32', [1, 2], [2]) },
        { name: 'last axis', tensor: tensor('s64', [1n], [1]) },
        { name: 'turns', tensor: tensor('s64', [2n], []) },
      ],
      opsets: { '': 17 },
    });
    const feeds = (position: bigint) => ({
      x: { type: 'float32', dims: [3], data: Float32Array.of(1, 2, 3) },
      at: { type: 'int64', dims: [2], data: BigInt64Array.of(1n, position) },
      flag: { type: 'bool', dims: [], data: Uint8Array.of(1) },
    });
    for (const backend of ['onednn', 'reference'] as const) {
      const model = await compile(bytes, { backend });
      expect(model.runSync(feeds(2n)).z.data.length).toBeGreaterThan(0);
      const where = `reads far (${reader}) › indices`;
      const message = `error[U2005]: the index 7 is outside an axis of size 3\n  at ${where}`;
      await expect(model.run(feeds(7n))).rejects.toThrow(message);
      expect(() => model.runSync(feeds(7n))).toThrow(message);
      model.dispose();
    }
  });
});

it('reasons to carry a node with bodies name the inner node', async () => {
  const bytes = writeModel({
    inputs: [float('x', 3), flag],
    outputs: [{ name: 'z', type: 'float32' }],
    nodes: places['a branch']({ ...node('Strange', ['x'], ['y'], 'unheard of'), domain: 'nobody' }),
    opsets: { '': 17, nobody: 1 },
  });
  await expect(compile(bytes, { backend: 'reference' })).rejects.toThrow(
    /If is not supported .* its body holds nobody\.Strange, 'unheard of': the operator is not known\n {2}at choose \(If\)/,
  );
});
