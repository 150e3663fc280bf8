/** The part of a file that stays when its graph changes, and the fate of the rest. */
import { describe, expect, it } from 'vitest';
import { exportOnnx } from '../../../src/exporters/onnx/export.ts';
import { openOnnx } from '../../../src/formats/onnx/index.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import {
  type DType,
  type Graph,
  GraphBuilder,
  specialize,
  tensor,
  type Value,
  type ValueId,
} from '../../../src/ir/index.ts';
import { nnAdd, nnMul } from '../../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnIdentity } from '../../../src/ir/ops/nn_movement.op.ts';
import { opaqueOp } from '../../../src/ir/ops/opaque.op.ts';
import { parse } from '../../../src/ir/parse.ts';
import { GraphEditor } from '../../../src/passes/rewrite/editor.ts';
import { type Model, writeModel } from '../../support/onnx.ts';
import { bytes as field, modelOf, text } from '../onnx_container/support.ts';

const f32 = (name: string, dims: readonly (number | string)[] = [2]) => ({ name, type: 'float32', dims });
const open = (model: Model) => importOnnx(writeModel(model));
const nodesIn = (bytes: Uint8Array) => openOnnx(bytes).graph.nodes;
const ops = (bytes: Uint8Array) => nodesIn(bytes).map(({ opType }) => opType);

/** Puts x·2 in the place of the node that computes `id`, its first operand being x. */
function doubled(graph: Graph, id: string): Graph {
  const editor = new GraphEditor(graph);
  const node = editor.node(id as ValueId)!;
  const x = editor.value(node.operands[0]!) as Value<'f32'>;
  editor.emitter.loc = node.loc;
  const two = editor.emitter.constant(tensor('f32', [2], []), editor.emitter.fresh('two'));
  editor.replace('test', node, [editor.emitter.emit(nnMul, { a: x, b: two })]);
  return editor.commit().graph;
}

const chain: Model = {
  inputs: [f32('x')],
  outputs: [f32('z')],
  nodes: [
    { op: 'Relu', name: 'first', inputs: ['x'], outputs: ['a'] },
    { op: 'Add', name: 'middle', inputs: ['a', 'w'], outputs: ['b'] },
    { op: 'Neg', name: 'last', inputs: ['b'], outputs: ['z'] },
  ],
  initializers: [
    { name: 'w', tensor: tensor('f32', [1, 2]) },
    { name: 'idle', tensor: tensor('f32', [3]) },
  ],
};

describe('a rewritten node', () => {
  it('takes its place between the nodes that stay, under its name and its value', () => {
    const out = exportOnnx(doubled(open(chain), 'b'));
    expect(nodesIn(out)).toMatchObject([
      { name: 'first', opType: 'Relu' },
      { name: 'middle', opType: 'Mul', inputs: ['a', 'two'], outputs: ['b'] },
      { name: 'last', opType: 'Neg' },
    ]);
  });

  it('takes with it the initializers that it alone read, and no others', () => {
    const { initializers } = openOnnx(exportOnnx(doubled(open(chain), 'b'))).graph;
    expect([...initializers.keys()]).toEqual(['idle', 'two']);
  });

  it('that would lose a field nobody knows is refused, and only when it is rewritten', () => {
    const tensorType = field(1, [...field(2, field(1, [8, 2])), 8, 1]);
    const declared = (name: string) => [...text(1, name), ...field(2, tensorType)];
    const unknown = (op: string, x: string, y: string) =>
      field(1, [...text(1, x), ...text(2, y), ...text(3, op), ...text(4, op), ...field(150, [1])]);
    const bytes = modelOf([
      ...unknown('Relu', 'x', 'a'),
      ...unknown('Neg', 'a', 'z'),
      ...field(11, declared('x')),
      ...field(12, declared('z')),
    ]);
    const graph = importOnnx(bytes);
    expect(Buffer.from(exportOnnx(graph)).equals(bytes)).toBe(true);
    expect(() => exportOnnx(doubled(graph, 'z'))).toThrow(/U2008.*lost[\s\S]*Neg/);
  });
});

describe('nodes that became nothing', () => {
  const reshaped: Model = {
    inputs: [f32('x', ['N', 2, 3])],
    outputs: [f32('y', ['N', 6])],
    nodes: [
      { op: 'Relu', inputs: ['x'], outputs: ['a'] },
      { op: 'Shape', inputs: ['a'], outputs: ['s'] },
      { op: 'Constant', inputs: [], outputs: ['zero'], attrs: { value: { t: tensor('s64', [0], []) } } },
      { op: 'Gather', inputs: ['s', 'zero'], outputs: ['n'] },
      { op: 'Unsqueeze', inputs: ['n', 'axes'], outputs: ['n1'] },
      { op: 'Concat', inputs: ['n1', 'rest'], outputs: ['shape'], attrs: { axis: 0 } },
      { op: 'Reshape', inputs: ['a', 'shape'], outputs: ['b'] },
      { op: 'Neg', inputs: ['b'], outputs: ['y'] },
    ],
    initializers: [
      { name: 'axes', tensor: tensor('s64', [0]) },
      { name: 'rest', tensor: tensor('s64', [6]) },
    ],
  };

  it('stay for their readers, also beside a rewritten value', () => {
    const all = ['Shape', 'Constant', 'Gather', 'Unsqueeze', 'Concat', 'Reshape'];
    expect(ops(exportOnnx(doubled(open(reshaped), 'y')))).toEqual(['Relu', ...all, 'Mul']);
    expect(ops(exportOnnx(doubled(open(reshaped), 'a')))).toEqual(['Mul', ...all, 'Neg']);
  });

  it('go when nobody reads them, with the nodes that computed for them alone', () => {
    expect(ops(exportOnnx(doubled(open(reshaped), 'b')))).toEqual(['Relu', 'Mul', 'Neg']);
  });

  it('are replaced by sizes when the value that they measured is gone', () => {
    const editor = new GraphEditor(open(reshaped));
    const node = editor.node('b' as ValueId)!;
    editor.update('test', { ...node, operands: ['x' as ValueId] }); // a is not there any more
    const { nodes, initializers } = openOnnx(exportOnnx(editor.commit().graph)).graph;
    expect(nodes.map(({ opType }) => opType)).toEqual(['Reshape', 'Neg']);
    expect([...initializers.get(nodes[0].inputs[1])!.raw()].filter((_, i) => i % 8 === 0)).toEqual([0, 6]);
  });

  it('that are constants stay nodes for new readers', () => {
    const model: Model = {
      inputs: [f32('x')],
      outputs: [f32('y')],
      nodes: [
        { op: 'Constant', inputs: [], outputs: ['c'], attrs: { value: { t: tensor('f32', [5], []) } } },
        { op: 'Add', inputs: ['x', 'c'], outputs: ['y'] },
      ],
    };
    const editor = new GraphEditor(open(model));
    const node = editor.node('y' as ValueId)!;
    const [x, c] = node.operands.map((id) => editor.value(id!)) as Value<'f32'>[];
    editor.replace('test', node, [editor.emitter.emit(nnMul, { a: x, b: c })]);
    const { nodes, initializers } = openOnnx(exportOnnx(editor.commit().graph)).graph;
    expect(nodes).toMatchObject([{ opType: 'Constant' }, { opType: 'Mul', inputs: ['x', 'c'] }]);
    expect(initializers.size).toBe(0);
  });
});

describe('names', () => {
  it('of the file that the graph has forgotten are not given to anything else', () => {
    const model: Model = {
      inputs: [f32('x', ['N', 2])],
      outputs: [f32('y', ['N', 2])],
      nodes: [
        { op: 'Shape', inputs: ['x'], outputs: ['mul'] },
        { op: 'Reshape', inputs: ['x', 'mul'], outputs: ['a'] },
        { op: 'Relu', inputs: ['a'], outputs: ['y'] },
      ],
    };
    const editor = new GraphEditor(open(model));
    const node = editor.node('y' as ValueId)!;
    const a = editor.value('a' as ValueId) as Value<'f32'>;
    const { emitter } = editor;
    const product = emitter.emit(nnMul, { a, b: a });
    expect(product.id).toBe('mul');
    editor.replace('test', node, [emitter.emit(nnAdd, { a: product, b: a })]);
    expect(nodesIn(exportOnnx(editor.commit().graph))).toMatchObject([
      { opType: 'Shape', outputs: ['mul'] },
      { opType: 'Reshape', inputs: ['x', 'mul'] },
      { opType: 'Mul', outputs: ['mul.1'] },
      { opType: 'Add', inputs: ['mul.1', 'a'], outputs: ['y'] },
    ]);
  });
});

describe('sizes that are given', () => {
  const model: Model = {
    ...chain,
    inputs: [f32('x', ['N', 2]), f32('never read', ['M', 3])],
    outputs: [f32('z', ['N', 2]), f32('a', ['N', 'K'])],
    valueInfo: [f32('b', ['N', 2])],
  };
  const written = (inputShapes: Record<string, (number | string)[]>) =>
    exportOnnx(importOnnx(writeModel(model), { inputShapes }));
  const dimsOf = (bytes: Uint8Array) => {
    const { inputs, outputs } = openOnnx(bytes).graph;
    return [...inputs, ...outputs].map(({ type }) => type?.kind === 'tensor' && type.dims);
  };

  it('are declared for inputs and outputs', () => {
    expect(dimsOf(written({ x: [5, 2] }))).toEqual([
      [5, 2],
      ['M', 3],
      [5, 2],
      [5, 2],
    ]);
  });

  it('change nothing in their absence: the file stays as it is, byte for byte', () => {
    const open: readonly Record<string, (number | string)[]>[] = [{}, { x: ['N', 2] }, { 'never read': ['B', 3] }];
    for (const given of open) expect(Buffer.compare(written(given), writeModel(model))).toBe(0);
  });

  it('are declared also where they were bound after import', () => {
    const bound = specialize(open(model), new Map([['M', 7]]));
    expect(dimsOf(exportOnnx(bound)).slice(0, 3)).toEqual([
      ['N', 2],
      [7, 3],
      ['N', 2],
    ]);
  });
});

describe('operators that are carried', () => {
  const model: Model = {
    inputs: [f32('x')],
    outputs: [f32('y')],
    valueInfo: [f32('c')],
    nodes: [
      { op: 'Identity', inputs: ['x'], outputs: ['a'] },
      { op: 'Strange', domain: 'else.where', inputs: ['a', '', 'a'], outputs: ['c'], attrs: { n: 7 } },
      { op: 'Relu', inputs: ['c'], outputs: ['y'] },
    ],
    opsets: { '': 17, 'else.where': 1 },
  };

  it('keep all of themselves when they read something else', () => {
    const editor = new GraphEditor(open(model));
    editor.replace('test', editor.node('a' as ValueId)!, [editor.value('x' as ValueId)]);
    const [strange, relu] = nodesIn(exportOnnx(editor.commit().graph));
    expect(strange).toMatchObject({ opType: 'Strange', domain: 'else.where', inputs: ['x', '', 'x'], outputs: ['c'] });
    expect(strange.attributes.get('n')).toMatchObject({ value: 7 });
    expect(relu.opType).toBe('Relu');
  });

  it('cannot be written without their file', () => {
    const b = new GraphBuilder();
    const [y] = b.emitList(opaqueOp, [b.input('x', 'f32', [2])], { operator: 'Strange', results: ['f32[2]'] });
    expect(() => exportOnnx(b.finish([y]))).toThrow(/U2008.*Strange/);
  });
});

describe('a model of its own', () => {
  it('has the lowest operator set that its operators need', () => {
    const opsetOf = (body: string) => openOnnx(exportOnnx(parse(`graph @g(%x: f32[2]) -> (%y) {\n${body}\n}`))).opsets;
    expect(opsetOf('  %y = nn.relu(%x) : f32[2]').get('')).toBe(13);
    expect(opsetOf('  %y = nn.pad(%x) {pads=[1,-1], mode="wrap"} : f32[2]').get('')).toBe(19);
  });

  it('takes metadata', () => {
    const b = new GraphBuilder();
    const y = b.emit(nnIdentity, { x: b.input('x', 'f32', ['N']) as Value<DType> });
    const file = openOnnx(exportOnnx(b.finish([y]), { metadata: { 'unskew.certificate': '{}' } }));
    expect(file.metadata.get('unskew.certificate')).toBe('{}');
    expect(file.graph.inputs[0].type).toMatchObject({ dims: ['N'] });
  });
});
