/** Options of the public functions: each known one is taken, any other is refused with the nearest that is known. */
import { describe, expect, it } from 'vitest';
import { compile, exportOnnx, type Graph, importModel, legalize, print } from '../../src/index.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { tensor } from '../../src/tensors/tensor.ts';
import { writeModel } from '../support/onnx.ts';

/** A quantized convolution with SAME padding and open sizes. */
const bytes = writeModel({
  nodes: [
    {
      op: 'QLinearConv',
      inputs: ['x', 's', 'zx', 'w', 's', 'zw', 's', 'zx'],
      outputs: ['y'],
      attrs: { auto_pad: 'SAME_UPPER', strides: [2, 2] },
    },
  ],
  inputs: [{ name: 'x', type: 'uint8', dims: ['N', 1, 'H', 'W'] }],
  outputs: [{ name: 'y', type: 'uint8' }],
  initializers: [
    { name: 's', tensor: tensor('f32', [0.5], []) },
    { name: 'zx', tensor: tensor('u8', [7], []) },
    { name: 'zw', tensor: tensor('s8', [0], []) },
    { name: 'w', tensor: tensor('s8', [1, -2, 3, -4, 5, -6, 7, -8, 9], [1, 1, 3, 3]) },
  ],
});
const graph = await importModel(bytes);
const backend = 'reference';

/** By function: a call with these options, and the known name nearest to an unknown one. */
const functions: Readonly<
  Record<string, { call(options: object): unknown; readonly near: Readonly<Record<string, string>> }>
> = {
  importModel: { call: (options) => importModel(bytes, options), near: { shapes: 'inputShapes', profil: 'profile' } },
  legalize: { call: (options) => legalize(graph, options), near: { targets: 'target', Strategy: 'strategy' } },
  compile: {
    call: (options) => compile(graph, { backend, ...options }),
    near: { shapes: 'inputShapes', thread: 'threads' },
  },
  exportOnnx: { call: (options) => exportOnnx(graph, options), near: { metaData: 'metadata' } },
  print: { call: (options) => print(graph, options), near: { elideConstant: 'elideConstants' } },
};

describe.each(Object.entries(functions))('%s', (name, { call, near }) => {
  it.each([...Object.entries(near), ['nothingLikeIt', undefined] as const])('refuses %s', async (option, nearest) => {
    const text = await (async () => call({ [option]: undefined }))().then(() => 'taken', String);
    expect(text).toContain(`${name} has no option '${option}'`);
    if (nearest) expect(text).toContain(`did you mean '${nearest}'?`);
    else expect(text).not.toContain('did you mean');
  });
});

describe('inputShapes', () => {
  const shapes = { x: [2, 1, 7, 9] };
  const compiled = (source: Graph, inputShapes?: typeof shapes) =>
    print(compileGraph(source, { backend, ...(inputShapes && { inputShapes }) }).graph);

  it('make the same of a graph as of its file', async () => {
    const fromFile = await importModel(bytes, { inputShapes: shapes });
    expect(compiled(graph, shapes)).toBe(compiled(fromFile));
    expect(compiled(graph, shapes)).not.toBe(compiled(graph));
  });
  it.each([
    [{ x: [2, 1, 7] }, /rank 4, not 3/],
    [{ x: [2, 3, 7, 9] }, /axis 1 of 'x' is 1, not 3/],
    [{ z: [1] }, /no input 'z'/],
    [{ x: [2, 1, -7, 9] }, /'-7' is not a size/],
  ])('that do not fit are refused: %j', (wrong, message) =>
    expect(() => compileGraph(graph, { backend, inputShapes: wrong as Record<string, number[]> })).toThrow(message),
  );
});

describe('strategies by layer', () => {
  it.each([
    [{ y: 'fold' }, undefined],
    [{ nosuchlayer: 'fold' }, /a layer that the model does not have: 'nosuchlayer'/],
    [{ 'y.pad': 'fold' }, /'y\.pad', which is not a convolution or a matmul/],
    [{ yy: 'fold' }, /did you mean 'y'\?/],
  ] as const)('%j', (strategy, refusal) => {
    const call = () => legalize(graph, { strategy });
    if (refusal === undefined) expect(call).not.toThrow();
    else expect(call).toThrow(refusal);
  });
});
