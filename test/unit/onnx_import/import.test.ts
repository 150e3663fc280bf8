/** The import of ONNX constructs, beyond the conformance cases. */
import { describe, expect, it } from 'vitest';
import { legalize } from '../../../src/codegen/legalize.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { originOf } from '../../../src/importers/onnx/origin.ts';
import { constantOf, type Graph, nodesOf } from '../../../src/ir/graph.ts';
import { interpret } from '../../../src/ir/interpret.ts';
import type { ValueId } from '../../../src/ir/types.ts';
import { verify } from '../../../src/ir/verify.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import { tensor } from '../../../src/tensors/tensor.ts';
import { type Model, type ModelNode, writeModel } from '../../support/onnx.ts';

const float = (name: string, ...dims: (number | string)[]) => ({ name, type: 'float32', dims });
const relu = (from: string, to: string): ModelNode => ({ op: 'Relu', inputs: [from], outputs: [to] });
const ops = (graph: Graph) => nodesOf(graph).map(({ op }) => op);
const typeOf = (graph: Graph, name: string) => graph.values[name as ValueId].type;

function imported(model: Model): Graph {
  const graph = importOnnx(writeModel(model), { file: 'model.onnx' });
  expect(verify(graph, 'qnn')).toEqual([]);
  return graph;
}

describe('names', () => {
  const graph = imported({
    nodes: [
      { op: 'Gemm', inputs: ['x', 'w', 'c'], outputs: ['y'], name: 'dense' },
      { op: 'Relu', inputs: ['y'], outputs: ['y.matmul'] },
    ],
    inputs: [float('x', 'N', 2), float('w', 2, 3), float('c', 3)],
    outputs: [float('y.matmul', 'N', 3)],
  });

  it('come from the model; values in between are named after the result and never collide', () => {
    expect(nodesOf(graph).map(({ id }) => id)).toEqual(['y.matmul.1', 'y', 'y.matmul']);
  });

  it('and locations name file, node and operator', () => {
    expect(graph.nodes['y' as ValueId].loc).toEqual({ file: 'model.onnx', node: 'dense', op: 'Gemm' });
    expect(graph.nodes['y.matmul' as ValueId].loc.node).toBe('y.matmul');
  });

  it('of dimensions become identifiers, unknown ones get a name', () => {
    const { values } = imported({
      nodes: [relu('x', 'y')],
      inputs: [{ name: 'x', type: 'float32', dims: ['batch-size', 'batch size', ''] }],
      outputs: [{ name: 'y', type: 'float32' }],
    });
    expect(values['x' as ValueId].type.shape).toEqual(['batch_size', 'batch_size_1', 'x_2']);
  });
});

describe('shapes of inputs', () => {
  const pool = (auto: string, dims: (number | string)[]): Model => ({
    nodes: [
      relu('x', 'y'),
      { op: 'AveragePool', inputs: ['y'], outputs: ['z'], attrs: { auto_pad: auto, kernel_shape: [3], strides: [2] } },
      { op: 'Custom', inputs: ['z'], outputs: ['c'], domain: 'other' },
    ],
    inputs: [float('x', ...dims), float('other', 'N', 'batch-size')],
    outputs: [float('z', 'N', 2, 'M'), float('c', 'N', 'N')],
    opsets: { '': 17, other: 1 },
  });
  const bound = (model: Model, inputShapes: Record<string, (number | string)[]>) =>
    importOnnx(writeModel(model), { file: 'model.onnx', inputShapes });
  const shapes = (graph: Graph) => ['x', 'other', 'z', 'c'].map((name) => typeOf(graph, name).shape);

  it('are known to operators that need them', () => {
    for (const [auto, pads] of [
      ['SAME_UPPER', [0, 1]],
      ['SAME_LOWER', [1, 0]],
    ] as const) {
      expect(originOf(imported(pool(auto, ['N', 2, 'L'])))?.unsupported.map(({ value }) => value)).toContain('z');
      const graph = bound(pool(auto, ['N', 2, 'L']), { x: [3, 2, 8] });
      expect(graph.nodes['z' as ValueId].attrs.pads).toEqual(pads);
      expect(shapes(graph)).toEqual([
        [3, 2, 8],
        [3, 'batch_size'],
        [3, 2, 4],
        [3, 3],
      ]);
    }
  });

  it('may leave dimensions open', () =>
    expect(shapes(bound(pool('VALID', ['N', 2, 'L']), { x: ['B', 2, 9] }))).toEqual([
      ['N', 2, 9],
      ['N', 'batch_size'],
      ['N', 2, 4],
      ['N', 'N'],
    ]));

  it('are given to inputs that declare none', () => {
    const model = { ...pool('SAME_UPPER', []), inputs: [{ name: 'x', type: 'float32' }, float('other', 'N', 1)] };
    expect(shapes(bound(model, { x: ['N', 2, 8] }))[2]).toEqual(['N', 2, 4]);
  });

  it.each([
    [{ y: [1] }, "the model has no input 'y'"],
    [{ x: [1, 2] }, "'x' has rank 3, not 2"],
    [{ x: [1, 3, 4] }, "axis 1 of 'x' is 2, not 3"],
    [{ x: [1, 2, -4] }, "'-4' is not a legal size for 'x'"],
  ])('are refused where they do not fit: %j', (given, message) =>
    expect(() => bound(pool('VALID', ['N', 2, 'L']), given)).toThrow(message),
  );
});

describe('constants', () => {
  const add = (a: string, b: string, to: string): ModelNode => ({ op: 'Add', inputs: [a, b], outputs: [to] });

  it('are folded when small, and values without readers are gone', () => {
    const graph = imported({
      nodes: [add('a', 'b', 'sum'), add('x', 'sum', 'y')],
      inputs: [float('x', 2)],
      outputs: [float('y', 2)],
      initializers: ['a', 'b'].map((name) => ({ name, tensor: tensor('f32', [1, 2]) })),
    });
    expect(ops(graph)).toEqual(['nn.add']);
    expect(constantOf(graph, 'sum' as ValueId)?.data).toEqual(Float32Array.of(2, 4));
    expect(graph.values).not.toHaveProperty('a');
  });

  it('of quantized weights stay behind their DequantizeLinear', () => {
    const graph = imported({
      nodes: [
        { op: 'DequantizeLinear', inputs: ['q', 's'], outputs: ['w'] },
        { op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] },
      ],
      inputs: [float('x', 1, 2)],
      outputs: [float('y', 1, 2)],
      initializers: [
        { name: 'q', tensor: tensor('s8', [1, 2, 3, 4], [2, 2]) },
        { name: 's', tensor: tensor('f32', [0.5], []) },
      ],
    });
    expect(ops(graph)).toEqual(['qnn.dequantize', 'nn.matmul']);
  });

  it('give an input of the same name its value', () => {
    const graph = imported({
      nodes: [add('x', 'b', 'y')],
      inputs: [float('x', 2), float('b', 2)],
      outputs: [float('y', 2)],
      initializers: [{ name: 'b', tensor: tensor('f32', [1, 2]) }],
    });
    expect(graph.inputs).toEqual(['x']);
  });

  it('may be outputs, as inputs may', () => {
    const graph = imported({
      nodes: [add('c', 'c', 'y')],
      inputs: [float('x', 1)],
      outputs: [float('y', 1), float('x', 1), float('c', 1)],
      initializers: [{ name: 'c', tensor: tensor('f32', [3]) }],
    });
    const results = interpret(graph, { x: tensor('f32', [1]) });
    expect(Object.fromEntries(Object.entries(results).map(([k, v]) => [k, v.data[0]]))).toEqual({ y: 6, x: 1, c: 3 });
  });
});

describe('shapes that follow from the input', () => {
  /** reshape x: [N, 4, 6] to [N, −1] through Shape → Gather → Unsqueeze → Concat, as exporters write it. */
  const model: Model = {
    nodes: [
      { op: 'Shape', inputs: ['x'], outputs: ['shape'] },
      { op: 'Gather', inputs: ['shape', 'zero'], outputs: ['batch'], attrs: { axis: 0 } },
      { op: 'Unsqueeze', inputs: ['batch', 'axes'], outputs: ['batch1'] },
      { op: 'Concat', inputs: ['batch1', 'rest'], outputs: ['target'], attrs: { axis: 0 } },
      { op: 'Reshape', inputs: ['x', 'target'], outputs: ['y'] },
    ],
    inputs: [float('x', 'N', 4, 6)],
    outputs: [{ name: 'y', type: 'float32' }],
    initializers: [
      { name: 'zero', tensor: tensor('s64', [0], []) },
      { name: 'axes', tensor: tensor('s64', [0]) },
      { name: 'rest', tensor: tensor('s64', [-1]) },
    ],
  };

  it('become symbols in the attribute, and their computation is not imported', () => {
    const graph = imported(model);
    expect(ops(graph)).toEqual(['nn.reshape']);
    expect(typeOf(graph, 'y').shape).toEqual(['N', 24]);
    expect(originOf(graph)?.nodes).toEqual([[], [], [], [], ['y']]);
    const x = tensor('f32', new Float32Array(72), [3, 4, 6]);
    expect(interpret(graph, { x }).y.shape).toEqual([3, 24]);
  });

  it('are computed all the same where they are an output', () => {
    const graph = imported({ ...model, outputs: [...model.outputs, { name: 'target', type: 'int64' }] });
    const { target } = interpret(graph, { x: tensor('f32', new Float32Array(48), [2, 4, 6]) });
    expect([...target.data]).toEqual([2n, -1n]);
  });

  it('survive the comparison with −1 by which PyTorch exports expand', () => {
    const graph = imported({
      nodes: [
        { op: 'Shape', inputs: ['x'], outputs: ['shape'] },
        { op: 'ConstantOfShape', inputs: ['count'], outputs: ['ones'], attrs: { value: { t: tensor('s64', [1]) } } },
        { op: 'Mul', inputs: ['ones', 'minus'], outputs: ['unchanged'] },
        { op: 'Equal', inputs: ['shape', 'unchanged'], outputs: ['keep'] },
        { op: 'Where', inputs: ['keep', 'ones', 'shape'], outputs: ['target'] },
        { op: 'Expand', inputs: ['c', 'target'], outputs: ['y'] },
      ],
      inputs: [float('x', 'N', 3)],
      outputs: [{ name: 'y', type: 'float32' }],
      initializers: [
        { name: 'count', tensor: tensor('s64', [2]) },
        { name: 'minus', tensor: tensor('s64', [-1], []) },
        { name: 'c', tensor: tensor('f32', [1, 2, 3], [1, 3]) },
      ],
    });
    expect(ops(graph)).toEqual(['nn.expand']);
    expect(typeOf(graph, 'y').shape).toEqual(['N', 3]);
  });

  it('stay short where they only double, and cannot grow without bound', () => {
    const doubling = Array.from(
      { length: 40 },
      (_, i): ModelNode => ({ op: 'Concat', inputs: [`x${i}`, `x${i}`], outputs: [`x${i + 1}`], attrs: { axis: 0 } }),
    );
    const doubled = imported({
      nodes: doubling,
      inputs: [float('x0', 'N')],
      outputs: [{ name: 'x40', type: 'float32' }],
    });
    expect(typeOf(doubled, 'x40').shape).toEqual([`N*${2 ** 40}`]);
    const count = 150;
    const sums = Array.from(
      { length: count },
      (_, i): ModelNode => ({ op: 'Add', inputs: [`y${i}`, `x${i + 1}`], outputs: [`y${i + 1}`] }),
    );
    const graph = imported({
      nodes: sums,
      inputs: [float('y0', 'first'), ...sums.map((_, i) => float(`x${i + 1}`, `length_${i + 1}`))],
      outputs: [{ name: `y${count}`, type: 'float32' }],
    });
    expect(originOf(graph)?.unsupported[0].reason).toContain('very long expression');
  });
});

it.each(['Add', 'Pow'])('before version 7, B of %s lies along the axes of A from one on', (op) => {
  const graph = imported({
    nodes: [{ op, inputs: ['a', 'b'], outputs: ['y'], attrs: { broadcast: 1, axis: 0 } }],
    inputs: [float('a', 2, 3), float('b', 2)],
    outputs: [float('y', 2, 3)],
    opsets: { '': 6 },
  });
  const feeds = { a: tensor('f32', [1, 2, 3, 4, 5, 6], [2, 3]), b: tensor('f32', [1, 2], [2]) };
  const expected = op === 'Add' ? [2, 3, 4, 6, 7, 8] : [1, 2, 3, 16, 25, 36];
  expect(interpret(graph, feeds).y).toEqual(tensor('f32', expected, [2, 3]));
});

describe('an operator that is not understood', () => {
  const unsupported = (graph: Graph) =>
    originOf(graph)?.unsupported.map(({ operator, reason }) => `${operator}: ${reason}`);

  it('becomes an opaque operator, as do its readers, until a declared type makes it a tensor again', () => {
    const graph = imported({
      nodes: [
        { op: 'Mystery', inputs: ['x', ''], outputs: ['a', 'b'], domain: 'acme' },
        relu('a', 'c'),
        relu('b', 'd'),
        { op: 'Add', inputs: ['c', 'd'], outputs: ['y'] },
      ],
      inputs: [float('x', 2)],
      outputs: [{ name: 'y', type: 'float32' }],
      valueInfo: [float('b', 2)],
      opsets: { '': 17, acme: 1 },
    });
    expect(nodesOf(graph).map(({ op, results }) => `${op} ${results}`)).toEqual([
      'opaque a,b',
      'opaque c',
      'nn.relu d',
      'opaque y',
    ]);
    expect(graph.nodes['a' as ValueId].attrs).toEqual({ operator: 'acme.Mystery', results: ['opaque[]', 'f32[2]'] });
    expect(unsupported(graph)).toEqual(['acme.Mystery: the operator is not known']);
    expect(() => interpret(graph, { x: tensor('f32', [1, 2]) })).toThrow(/acme\.Mystery/);
  });

  it.each<[string, ModelNode, string]>([
    ['an attribute', { op: 'Relu', inputs: ['x'], outputs: ['y'], attrs: { slope: 1 } }, "Relu: attribute 'slope'"],
    [
      'a variant',
      { op: 'BatchNormalization', inputs: ['x', 'c', 'c', 'c', 'c'], outputs: ['y', 'means'] },
      'BatchNormalization: batch normalization in training mode',
    ],
    [
      'an operand that is computed',
      { op: 'Reshape', inputs: ['x', 'shape'], outputs: ['y'] },
      "Reshape: 'shape' is computed while the model runs",
    ],
    [
      'an element type',
      { op: 'Conv', inputs: ['i', 'i'], outputs: ['y'] },
      expect.stringMatching(/^Conv: nn.conv: 'x' should be of type .*, but is s64\[1,1,1\]$/),
    ],
  ])('%s', (_, node, reason) => {
    const graph = imported({
      nodes: [node],
      inputs: [
        float('x', 1, 2, 3),
        float('c', 2),
        { name: 'shape', type: 'int64', dims: [2] },
        { name: 'i', type: 'int64', dims: [1, 1, 1] },
      ],
      outputs: [{ name: 'y', type: node.op === 'Conv' ? 'int64' : 'float32' }],
    });
    expect(ops(graph)).toEqual(['opaque']);
    expect(unsupported(graph)).toEqual([reason]);
  });

  it('includes inputs and initializers of types that are only carried', () => {
    const graph = imported({
      nodes: [{ op: 'Cast', inputs: ['x'], outputs: ['y'], attrs: { to: 1 } }],
      inputs: [{ name: 'x', type: 'complex64', dims: [2] }],
      outputs: [float('y', 2)],
    });
    expect(unsupported(graph)).toEqual(['input: the element type complex64']);
    expect(typeOf(graph, 'y')).toEqual({ dtype: 'f32', shape: [2] });
  });

  it('of a newer version of the operator set is read as the newest known version, with a warning', () => {
    const graph = imported({
      nodes: [relu('x', 'y')],
      inputs: [float('x', 1)],
      outputs: [float('y', 1)],
      opsets: { '': 99 },
    });
    expect(unsupported(graph)).toEqual([]);
    expect(graph.origin?.notes?.map(({ message }) => message)).toEqual([
      'version 99 of ai.onnx is newer than 27, the newest that is known: its operators are read as those of 27',
    ]);
  });
});

describe('the origin', () => {
  it('keeps for each ONNX node the very objects that it became', () => {
    const graph = imported({
      nodes: [{ op: 'Gemm', inputs: ['x', 'w', 'c'], outputs: ['h'] }, relu('h', 'y')],
      inputs: [float('x', 1, 2), float('w', 2, 3), float('c', 3)],
      outputs: [float('y', 1, 3)],
    });
    const origin = originOf(graph);
    expect(origin?.nodes).toEqual([['h.matmul', 'h'], ['y']]);
    for (const [id, node] of Object.entries(graph.nodes)) expect(origin?.original[id as ValueId]).toBe(node);
    expect(origin?.file.graph.nodes.map(({ opType }) => opType)).toEqual(['Gemm', 'Relu']);
  });
});

describe('requantization', () => {
  const model: Model = {
    nodes: [{ op: 'QLinearMatMul', inputs: ['x', 's', 'z', 'w', 's', 'z', 's', 'z'], outputs: ['y'] }],
    inputs: [{ name: 'x', type: 'uint8', dims: [1, 2] }],
    outputs: [{ name: 'y', type: 'uint8', dims: [1, 2] }],
    initializers: [
      { name: 's', tensor: tensor('f32', [0.1], []) },
      { name: 'z', tensor: tensor('u8', [3], []) },
      { name: 'w', tensor: tensor('u8', [1, 2, 3, 4], [2, 2]) },
    ],
  };
  const multiplier = (graph: Graph) =>
    constantOf(graph, nodesOf(graph).find(({ op }) => op === 'qnn.requantize')?.operands[1]);

  it('rounds the multiplier twice as ONNX Runtime does', () => {
    const s = Math.fround(0.1);
    expect(multiplier(imported(model))?.data).toEqual(Float32Array.of(Math.fround(Math.fround(s * s) / s)));
  });

  it('or takes it in binary64 for the profile onnx-spec', () => {
    const graph = importOnnx(writeModel(model), { profile: 'onnx-spec' });
    const s = Math.fround(0.1);
    expect(multiplier(graph)?.data).toEqual(Float64Array.of((s * s) / s));
    expect(verify(graph, 'qnn')).toEqual([]);
  });
});

describe('importModel', () => {
  it('tells formats by content', async () => {
    const bytes = writeModel({ nodes: [relu('x', 'y')], inputs: [float('x', 1)], outputs: [float('y', 1)] });
    expect(ops(await importModel(bytes))).toEqual(['nn.relu']);
    await expect(importModel(Uint8Array.from([0x50, 0x4b, 3, 4, 0, 0]))).rejects.toThrow(
      /U1003.*the archive is malformed/,
    );
    await expect(importModel('/nowhere/model.onnx')).rejects.toThrow(
      /U1001.*does not exist.*\n {2}at \/nowhere\/model\.onnx/,
    );
  });
});

describe('nodes behind an operator that is not understood', () => {
  /** A layer of quantize_dynamic behind one unknown operator, for each way in which its type is known. */
  const behind = (unknown: ModelNode, valueInfo: Model['valueInfo'] = []) =>
    imported({
      nodes: [
        unknown,
        { op: 'Add', inputs: ['u', 'x'], outputs: ['s'] },
        { op: 'DynamicQuantizeLinear', inputs: ['s'], outputs: ['q', 'scale', 'zero'] },
        { op: 'MatMulInteger', inputs: ['q', 'w', 'zero', 'wz'], outputs: ['y'] },
      ],
      inputs: [float('x', 'B', 'S', 4), { name: 'n', type: 'int64', dims: [3] }],
      outputs: [{ name: 'y', type: 'int32' }],
      valueInfo,
      initializers: [
        { name: 'w', tensor: tensor('u8', new Uint8Array(8), [4, 2]) },
        { name: 'wz', tensor: tensor('u8', [3], []) },
      ],
      opsets: { '': 17, acme: 1, 'com.microsoft': 1 },
    });

  it.each<[string, ModelNode, Model['valueInfo']?]>([
    ['by a rule of the standard', { op: 'Celu', inputs: ['x'], outputs: ['u'], attrs: { acme: 1 } }],
    [
      'by a rule for what ONNX Runtime adds',
      { op: 'BiasDropout', inputs: ['x', 'x'], outputs: ['u'], domain: 'com.microsoft' },
    ],
    ['by the rank of a shape that is computed', { op: 'Reshape', inputs: ['x', 'n'], outputs: ['u'] }],
    [
      'by what the file declares',
      { op: 'Mystery', inputs: ['x'], outputs: ['u'], domain: 'acme' },
      [float('u', 'B', 'k', 4)],
    ],
  ])('is read: %s', (_, unknown, valueInfo) => {
    const graph = behind(unknown, valueInfo);
    expect(ops(graph).filter((op) => op === 'opaque')).toHaveLength(1);
    expect(ops(graph)).toContain('qnn.matmul');
    expect(typeOf(graph, 'y').shape).toHaveLength(3);
    const { graph: symmetric, certificate } = legalize(graph, { target: 'symmetric' });
    expect(ops(symmetric)).not.toContain('qnn.matmul');
    expect(certificate.verdict).toBe('bit-exact');
  });

  it('is opaque where not even the rank is known', () => {
    const graph = behind({ op: 'Mystery', inputs: ['x'], outputs: ['u'], domain: 'acme' });
    expect(ops(graph).filter((op) => op === 'opaque').length).toBeGreaterThan(1);
  });
});

describe('Resize of open sizes', () => {
  const resized = (mode: string, target: Partial<Model>, inputs: readonly string[]) =>
    imported({
      nodes: [
        { op: 'Shape', inputs: ['other'], outputs: ['sizes'] },
        { op: 'Resize', inputs, outputs: ['y'], attrs: { mode } },
      ],
      inputs: [float('x', 'N', 2, 'H', 'W'), float('other', 'N', 2, 'P', 'Q')],
      outputs: [{ name: 'y', type: 'float32' }],
      ...target,
    });
  const ramp = (...dims: number[]) =>
    tensor(
      'f32',
      Float32Array.from({ length: dims.reduce((a, b) => a * b) }, (_, i) => i),
      dims,
    );

  it.each(['nearest', 'linear'])('to the size of another value: %s', (mode) => {
    const model = resized(mode, {}, ['x', '', '', 'sizes']);
    expect(typeOf(model, 'y').shape).toEqual(['N', 2, 'P', 'Q']);
    for (const [h, w, p, q] of [
      [3, 4, 6, 8],
      [5, 3, 7, 2],
      [4, 4, 4, 4],
    ]) {
      // biome-ignore format: sizes
      const feeds = { x: ramp(1, 2, h, w), other: ramp(1, 2, p, q) };
      const sizes = { x: [1, 2, h, w], other: [1, 2, p, q] };
      const fixed = importOnnx(originOf(model)!.file.bytes, { inputShapes: sizes });
      expect(interpret(model, feeds)).toEqual(interpret(fixed, feeds));
    }
  });

  it.each([
    ['not_larger', undefined],
    ['not_smaller', /the policy not_smaller for axes of unknown size/],
  ])('with the policy %s, by one scale for all: sizes that stay need not be known', (policy, reason) => {
    const attrs = { mode: 'nearest', keep_aspect_ratio_policy: policy };
    const graph = imported({
      nodes: [
        { op: 'Shape', inputs: ['wide'], outputs: ['sizes'] },
        { op: 'Resize', inputs: ['x', '', '', 'sizes'], outputs: ['y'], attrs },
      ],
      inputs: [float('x', 'N', 2, 'H', 4), float('wide', 'N', 2, 'H', 8)],
      outputs: [{ name: 'y', type: 'float32', dims: ['', '', '', ''] }],
    });
    if (reason) expect(graph.origin?.unsupported?.[0].reason).toMatch(reason);
    else expect(typeOf(graph, 'y').shape).toEqual(['N', 2, 'H', 4]);
  });

  it('by scales that are binary fractions', () => {
    const scales = { name: 'scales', tensor: tensor('f32', [1, 1, 0.5, 1.5]) };
    const model = resized('nearest', { initializers: [scales] }, ['x', '', 'scales']);
    expect(typeOf(model, 'y').shape).toEqual(['N', 2, 'H/2', 'W+(W/2)']);
  });
});
