/** Names of sizes that are not identifiers: users see those of the file. */
import { expect, it } from 'vitest';
import { readCompiledFile, writeCompiledFile } from '../../../src/codegen/index.ts';
import { exportOnnx } from '../../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { parse, print } from '../../../src/ir/index.ts';
import { bindShapes } from '../../../src/runtime/bind_shapes.ts';
import { compileGraph } from '../../../src/runtime/compile_graph.ts';
import { Model } from '../../../src/runtime/model.ts';
import { tensor } from '../../../src/tensors/index.ts';
import { writeModel } from '../../support/onnx.ts';

const bytes = writeModel({
  inputs: [
    { name: 'mask', type: 'float32', dims: ['batch size', 'past + 1'] },
    { name: 'keys', type: 'float32', dims: ['batch size', 'past__1', 'past  1'] },
    { name: 'plain', type: 'float32', dims: ['N'] },
  ],
  outputs: [{ name: 'y', type: 'float32' }, { name: 'z' }, { name: 'p' }],
  nodes: [
    { op: 'Neg', inputs: ['mask'], outputs: ['y'] },
    { op: 'Neg', inputs: ['keys'], outputs: ['z'] },
    { op: 'Gather', inputs: ['mask', 'first'], outputs: ['row'], attrs: { axis: 0 } },
    { op: 'Gather', inputs: ['keys', 'first'], outputs: ['key'], attrs: { axis: 0 } },
    { op: 'ReduceSum', inputs: ['row'], outputs: ['one'], attrs: { keepdims: 0 } },
    { op: 'Add', inputs: ['key', 'one'], outputs: ['met'] },
    { op: 'Neg', inputs: ['plain'], outputs: ['p'] },
  ],
  initializers: [{ name: 'first', tensor: tensor('s64', [0n], []) }],
  opsets: { '': 17 },
});
const names = [['batch size', 'past + 1'], ['batch size', 'past__1', 'past  1'], ['N']];
const feed = (...dims: number[]) => ({
  type: 'float32',
  dims,
  data: new Float32Array(dims.reduce((a, b) => a * b, 1)),
});

it('are the dims of inputs and outputs, in text, compiled and written files too', () => {
  const graph = importOnnx(bytes);
  const compiled = compileGraph(graph, { backend: 'reference' });
  const graphs = {
    read: graph,
    text: parse(print(graph)),
    compiled: readCompiledFile(writeCompiledFile(compiled)).graph,
    written: importOnnx(exportOnnx({ ...parse(print(graph)) })),
  };
  for (const [way, each] of Object.entries(graphs)) {
    const model = new Model({ ...compiled, graph: each }, { backend: 'reference' });
    expect({ way, dims: model.inputs.map(({ dims }) => dims) }).toEqual({ way, dims: names });
    expect({ way, dims: model.outputs.map(({ dims }) => dims) }).toEqual({ way, dims: names });
  }
  expect(print(parse(print(graph)))).toBe(print(graph));
});

it('are the names in errors', () => {
  const graph = importOnnx(bytes);
  const model = new Model(compileGraph(graph, { backend: 'reference' }), { backend: 'reference' });
  const fitting = { mask: feed(2, 4), keys: feed(2, 3, 3), plain: feed(0) };
  expect(model.runSync(fitting).y.dims).toEqual([2, 4]);
  expect(() => model.runSync({ ...fitting, keys: feed(1, 3, 3) })).toThrow(
    /'keys' should be f32\["batch size",past__1,"past {2}1"\], but is f32\[1,3,3\], and batch size is 2 elsewhere/,
  );
  expect(() => model.runSync({ mask: feed(2, 4), keys: feed(2, 3, 3) })).toThrow(/'plain' \(f32\[N\]\) is missing/);
  const shapes = { mask: [2, 4], keys: [3, 1, 1] };
  expect(() => bindShapes(parse(print(graph)), shapes)).toThrow(/'batch size' cannot be both 2 and 3/);
});
