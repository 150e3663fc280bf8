/** Names of sizes that inputs share, at other sizes for each: what ONNX Runtime runs, runs, unless an operator relates them. */
import { describe, expect, it } from 'vitest';
import { type CompileOptions, compile } from '../../src/index.ts';
import { type ITensor, sizeOf, type TensorLike, tensor } from '../../src/tensors/index.ts';
import { type ModelNode, writeModel } from '../support/onnx.ts';
import { runOnnx } from '../unit/onnx_export/support.ts';

type Shapes = Readonly<Record<string, readonly number[]>>;

interface Case {
  readonly inputs: Readonly<Record<string, readonly (number | string)[]>>;
  readonly nodes: readonly ModelNode[];
  readonly outputs: readonly string[];
  /** Shapes of the inputs, run by run. */
  readonly runs: readonly Shapes[];
}

const node = (op: string, inputs: string[], outputs: string[], attrs: ModelNode['attrs'] = {}): ModelNode => ({
  op,
  inputs,
  outputs,
  attrs,
});

const bytesOf = ({ inputs, nodes, outputs }: Case, dimOf = (dim: number | string, _: string) => dim): Uint8Array =>
  writeModel({
    inputs: Object.entries(inputs).map(([name, dims]) => ({
      name,
      type: 'float32',
      dims: dims.map((dim) => dimOf(dim, name)),
    })),
    outputs: outputs.map((name) => ({ name, type: 'float32' })),
    nodes: [...nodes],
    initializers: [{ name: 'rows', tensor: tensor('s64', [0n, -1n], [2]) }],
    opsets: { '': 17 },
  });

const feedsOf = (shapes: Shapes): Record<string, ITensor> =>
  Object.fromEntries(
    Object.entries(shapes).map(([name, shape], seed) => {
      const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.round(8 * Math.sin(i * 1.3 + seed)));
      return [name, tensor('f32', data, shape)];
    }),
  );

const publicly = (feeds: Readonly<Record<string, ITensor>>): Record<string, TensorLike> =>
  Object.fromEntries(
    Object.entries(feeds).map(([name, { shape, data }]) => [
      name,
      { type: 'float32', dims: shape, data: data as Float32Array },
    ]),
  );

/**
 * ONNX Runtime runs the file with names for each input: buffers that it uses again are of one size by name.
 *
 * @param options at each of the shapes
 */
async function expectAsInOnnxRuntime(of: Case, options: (shapes: Shapes) => CompileOptions): Promise<void> {
  const bytes = bytesOf(of);
  const apart = bytesOf(of, (dim, input) => (typeof dim === 'string' ? `${dim} of ${input}` : dim));
  for (const shapes of of.runs) {
    const model = await compile(bytes, options(shapes));
    const feeds = feedsOf(shapes);
    const expected = await runOnnx(apart, feeds);
    for (const results of [await model.run(publicly(feeds)), model.runSync(publicly(feeds))])
      for (const name of of.outputs) {
        expect(results[name].dims).toEqual(expected[name].shape);
        expect(results[name].data).toEqual(expected[name].data);
      }
    model.dispose();
  }
}

const sizes = [
  { text: [3, 4], mask: [3, 1], image: [2, 2, 5] },
  { text: [1, 4], mask: [1, 1], image: [4, 2, 3] },
  { text: [2, 4], mask: [2, 1], image: [2, 2, 1] },
];
const towers = { text: ['batch size', 4], mask: ['batch size', 1], image: ['batch size', 2, 'side'] };
const words = node('Mul', ['text', 'mask'], ['words']);

const running: Readonly<Record<string, Case>> = {
  'parts that never meet': {
    inputs: towers,
    nodes: [words, node('Relu', ['image'], ['pixels'])],
    outputs: ['words', 'pixels'],
    runs: sizes,
  },
  'parts that meet in a product': {
    inputs: towers,
    nodes: [
      words,
      node('ReduceMean', ['image'], ['mean'], { axes: [2], keepdims: 1 }),
      node('Reshape', ['mean', 'rows'], ['pixels']),
      node('Concat', ['pixels', 'pixels'], ['both'], { axis: 1 }),
      node('Transpose', ['both'], ['columns'], { perm: [1, 0] }),
      node('MatMul', ['words', 'columns'], ['scores']),
      node('Transpose', ['scores'], ['others'], { perm: [1, 0] }),
    ],
    outputs: ['scores', 'others', 'pixels'],
    runs: sizes,
  },
  'parts that meet in an Einsum': {
    inputs: { a: ['N', 4], b: ['N', 4] },
    nodes: [node('Einsum', ['a', 'b'], ['y'], { equation: 'ik,jk->ij' })],
    outputs: ['y'],
    runs: [{ a: [3, 4], b: [2, 4] }],
  },
};

const refused: Readonly<Record<string, Case>> = {
  'rows beside one row': {
    inputs: { a: ['N', 4], b: ['N', 4] },
    nodes: [node('Add', ['a', 'b'], ['y'])],
    outputs: ['y'],
    runs: [{ a: [3, 4], b: [1, 4] }],
  },
  'products of matrices one by one': {
    inputs: { a: ['N', 2, 4], b: ['N', 4, 3] },
    nodes: [node('MatMul', ['a', 'b'], ['y'])],
    outputs: ['y'],
    runs: [{ a: [3, 2, 4], b: [1, 4, 3] }],
  },
};

describe('sizes of one name', () => {
  it.each(Object.entries(running))('%s', async (_, of) => {
    const model = await compile(bytesOf(of), { backends: ['onednn'] });
    expect(model.inputs.map(({ dims }) => dims)).toEqual(Object.values(of.inputs));
    for (const shapes of of.runs) expect((await model.run(publicly(feedsOf(shapes))))[of.outputs[0]]).toBeDefined();
    model.dispose();
    for (const backend of ['onednn', 'reference'] as const) await expectAsInOnnxRuntime(of, () => ({ backend }));
  });

  it.each(Object.entries(refused))('%s: refused, and compiled for shapes that are given', async (_, of) => {
    const [shapes] = of.runs;
    for (const backend of ['onednn', 'reference'] as const) {
      const model = await compile(bytesOf(of), { backend });
      expect(() => model.runSync(publicly(feedsOf(shapes)))).toThrow(
        /U4001.*'b' should be .* but is .*, and N is 3 elsewhere.*inputShapes/s,
      );
      model.dispose();
      await expectAsInOnnxRuntime(of, () => ({ backend, inputShapes: shapes }));
    }
  });

  it('that an operator needs are refused by it', async () => {
    const sum = { ...refused['rows beside one row'], runs: [] };
    await expect(compile(bytesOf(sum), { inputShapes: { a: [3, 4], b: [2, 4] } })).rejects.toThrow(/U2004/);
  });
});
