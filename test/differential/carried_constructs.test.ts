/**
 * A construct that one operator cannot express never refuses the file: constructs that ONNX Runtime runs are imported, as
 * computed operators or as one carried operator with the reason; a rewrite writes them back, and ONNX Runtime computes the
 * same. /
 */
import { describe, expect, it } from 'vitest';
import { createPeer, type Feeds } from '../../src/cli/onnxruntime.ts';
import { legalize } from '../../src/codegen/legalize.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { openOnnx } from '../../src/formats/onnx/index.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { type DType, dtypes, tensor } from '../../src/ir/index.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { type Model, type ModelInitializer, type ModelNode, writeModel } from '../support/onnx.ts';

const filled = (name: string, dtype: DType, shape: number[], value = 1): ModelInitializer => ({
  name,
  tensor: tensor(dtype, Array(shape.reduce((a, b) => a * b, 1)).fill(value), shape),
});
const carriedOnly = (name: string, onnxType: number, dims: number[], bytes: number): ModelInitializer => ({
  ...filled(name, 'u8', dims),
  raw: { onnxType, bytes: new Uint8Array(bytes).fill(0x31) },
});

/** A layer with a zero point that is corrected, and beside it the construct: z = construct(x). */
function beside(nodes: ModelNode[], initializers: ModelInitializer[], input: [DType, number[]], opset: number): Model {
  const [type, dims] = input;
  return {
    nodes: [{ op: 'MatMulInteger', name: 'layer', inputs: ['q', 'layer.w', 'layer.z'], outputs: ['y'] }, ...nodes],
    inputs: [
      { name: 'q', type: 'uint8', dims: [2, 3] },
      { name: 'x', type: dtypes[type].onnx, dims },
    ],
    outputs: [{ name: 'y', type: 'int32' }, { name: 'z' }],
    initializers: [filled('layer.w', 's8', [3, 4], 2), filled('layer.z', 'u8', [], 7), ...initializers],
    opsets: { '': opset, 'com.microsoft': 1 },
  };
}
const one = (
  op: string,
  more: ModelInitializer[],
  attrs: ModelNode['attrs'] = {},
  rest: string[] = [],
): ModelNode[] => [
  { op, name: 'construct', inputs: ['x', ...rest, ...more.map(({ name }) => name)], outputs: ['z'], attrs },
];
const simple = (
  op: string,
  dims: number[],
  more: ModelInitializer[] = [],
  attrs: ModelNode['attrs'] = {},
  { type = 'f32' as DType, opset = 21, rest = [] as string[] } = {},
): Model => beside(one(op, more, attrs, rest), more, [type, dims], opset);
const dequantized = (
  weights: ModelInitializer,
  ...parameters: [ModelInitializer[], ModelNode['attrs'], number?]
): Model => {
  const [more, attrs, opset = 21] = parameters;
  const inputs = [weights, ...more].map(({ name }) => name);
  return beside(
    [
      { op: 'DequantizeLinear', name: 'construct', inputs, outputs: ['d'], attrs },
      { op: 'Mul', inputs: ['x', 'd'], outputs: ['z'] },
    ],
    [weights, ...more],
    ['f32', [1]],
    opset,
  );
};
const factors = (by: number): ModelInitializer => ({ name: 's', tensor: tensor('f32', [1, 1, by, by]) });
const norm = ['a', 'b', 'c', 'd'].map((name) => filled(name, 'f32', [1]));

/** Constructs that are computed. */
const computed: Readonly<Record<string, Model>> = {
  'bilinear Resize of bytes': simple(
    'Resize',
    [1, 2, 4, 4],
    [factors(1.5)],
    { mode: 'linear' },
    {
      type: 'u8',
      rest: [''],
    },
  ),
  'an axis on the scale of a bias': dequantized(filled('b', 's32', [4]), [filled('s', 'f32', [4])], { axis: 0 }),
  'an axis beyond a bias of one scale': dequantized(filled('b', 's32', [4]), [filled('s', 'f32', [])], { axis: 3 }),
  'blocks that do not divide': dequantized(filled('w', 's8', [8, 4]), [filled('s', 'f32', [8, 2])], { block_size: 3 }),
  'weights of 4 bits': dequantized(carriedOnly('w', 22, [2, 4], 4), [filled('s', 'f32', [])], {}),
  'an axis that is reduced twice': simple('ReduceMax', [2, 3], [], { axes: [1, 1] }, { opset: 13 }),
  'four spatial axes': simple('Conv', [1, 2, 2, 2, 2, 2], [filled('w', 'f32', [1, 2, 1, 1, 1, 1])]),
};
/** Constructs that are carried, each with the reason in the message. */
const carried: Readonly<Record<string, readonly [Model, RegExp]>> = {
  'a pool over less than its window': [
    simple('MaxPool', [1, 2, 4, 4], [], { kernel_shape: [5, 5] }),
    /MaxPool: .*a window of 5 does not fit into 4/,
  ],
  'a normalization of rank 1': [
    simple('BatchNormalization', [3], norm, {}, { opset: 15 }),
    /BatchNormalization: .*has rank 1/,
  ],
  'a slope of a higher rank': [
    simple('PRelu', [3], [filled('s', 'f32', [2, 3])]),
    /PRelu: .*the slope \[2, 3\] does not broadcast to \[3\]/,
  ],
  'Resize to fit': [
    simple('Resize', [1, 2, 4, 4], [factors(2)], { mode: 'cubic', antialias: 1 }, { rest: [''] }),
    /Resize: antialias/,
  ],
  'a sequence': [
    beside(
      [
        { op: 'SequenceConstruct', name: 'construct', inputs: ['x', 'x'], outputs: ['s'] },
        { op: 'ConcatFromSequence', inputs: ['s'], outputs: ['z'], attrs: { axis: 0 } },
      ],
      [],
      ['f32', [4]],
      13,
    ),
    /SequenceConstruct: the operator is not known/,
  ],
  'an optional': [
    beside(
      [
        { op: 'Optional', name: 'construct', inputs: ['x'], outputs: ['s'] },
        { op: 'OptionalGetElement', inputs: ['s'], outputs: ['z'] },
      ],
      [],
      ['f32', [4]],
      18,
    ),
    /Optional: the operator is not known/,
  ],
  'an operator of ai.onnx.ml, which is not imported': [
    beside(
      [
        {
          op: 'Scaler',
          domain: 'ai.onnx.ml',
          name: 'construct',
          inputs: ['x'],
          outputs: ['z'],
          attrs: { offset: { floats: [1] }, scale: { floats: [2] } },
        },
      ],
      [],
      ['f32', [2, 2]],
      17,
    ),
    /ai\.onnx\.ml\.Scaler: the operator is not known/,
  ],
  'text in between': [
    beside(
      [
        { op: 'Cast', name: 'construct', inputs: ['x'], outputs: ['t'], attrs: { to: 8 } },
        { op: 'Cast', inputs: ['t'], outputs: ['z'], attrs: { to: 1 } },
      ],
      [],
      ['f32', [4]],
      13,
    ),
    /Cast: a cast to string/,
  ],
};
/** Constructs that the standard allows or a tool writes, and that ONNX Runtime does not run: carried as well. */
const carriedBlindly: Readonly<Record<string, readonly [Model, RegExp]>> = {
  'weights of complex numbers': [
    dequantized(carriedOnly('w', 14, [2, 4], 64), [filled('s', 'f32', [])], {}, 23),
    /initializer: the element type complex64/,
  ],
  'scales that are aligned at the start': [
    dequantized(filled('w', 's8', [8, 3, 3, 3]), [filled('s', 'f32', [8, 1, 1])], { axis: 0 }),
    /'scale' of shape \[8, 1, 1\] does not fit an input of shape \[8, 3, 3, 3\]/,
  ],
  'blocks of another number': [
    dequantized(filled('w', 's8', [8, 4]), [filled('s', 'f32', [8, 3])], { block_size: 3 }),
    /'scale' should be of shape \[8, 2\], but is f32\[8,3\]/,
  ],
  'one scale and many zero points': [
    dequantized(filled('w', 's8', [8, 3]), [filled('s', 'f32', []), filled('zp', 's8', [8])], { axis: 0 }),
    /should be a scalar/,
  ],
  'a zero point for each input channel': [
    simple('ConvInteger', [1, 3, 4, 4], [filled('w', 'u8', [2, 3, 3, 3]), filled('zx', 'u8', [3])], {}, { type: 'u8' }),
    /'zx' should be a scalar/,
  ],
  'zero points along the axis that is summed over': [
    simple('MatMulInteger', [3, 4], [filled('w', 'u8', [4, 2]), filled('za', 'u8', [3, 4])], {}, { type: 'u8' }),
    /which is summed over/,
  ],
  'a scale for each row of the result': [
    simple(
      'QLinearMatMul',
      [2, 4],
      [
        filled('as', 'f32', []),
        filled('az', 'u8', []),
        filled('w', 'u8', [4, 2]),
        filled('ws', 'f32', []),
        filled('wz', 'u8', []),
        filled('ys', 'f32', [2]),
        filled('yz', 'u8', [2]),
      ],
      {},
      { type: 'u8' },
    ),
    /a result with more than one scale/,
  ],
  'a word of a later version': [
    simple('Pad', [4], [filled('p', 's64', [2])], { mode: 'mirror' }),
    /attribute 'mode' should be one of .*"mirror"/,
  ],
};

const feedsOf = ({ inputs }: Model): Feeds =>
  Object.fromEntries(
    inputs.map(({ name, type = '', dims = [] }) => {
      const size = (dims as number[]).reduce((a, b) => a * b, 1);
      const values = Array.from({ length: size }, (_, i) => (i * 7) % 11);
      const data = type === 'uint8' ? Uint8Array.from(values) : Float32Array.from(values);
      return [name, { type, data, dims: dims as number[] }];
    }),
  );
async function inRuntime(bytes: Uint8Array, model: Model): Promise<Record<string, number[]>> {
  const peer = await createPeer(bytes, { threads: 1, graphOptimizationLevel: 'disabled' });
  const outputs = await peer.run(feedsOf(model));
  await peer.dispose();
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { data }]) => [name, Array.from(data as ArrayLike<number>, Number)]),
  );
}
const reasons = (model: Model): string[] =>
  (importOnnx(writeModel(model), { file: 'm.onnx' }).origin?.unsupported ?? []).map(
    ({ operator, reason }) => `${operator}: ${reason}`,
  );
/** The layer is corrected, and the construct is as it was. */
function rewritten(model: Model): Uint8Array {
  const { graph, certificate } = legalize(importOnnx(writeModel(model), { file: 'm.onnx' }), { target: 'symmetric' });
  expect(certificate.entries.length).toBeGreaterThan(0);
  const bytes = exportOnnx(graph);
  const construct = (of: Uint8Array) => openOnnx(of).graph.nodes.find(({ name }) => name === 'construct');
  const [before, after] = [writeModel(model), bytes].map((of) => {
    const node = construct(of);
    return node && Buffer.from(of.subarray(node.range.start, node.range.end)).toString('hex');
  });
  expect(after).toBe(before);
  return bytes;
}

describe.each(Object.entries(computed))('%s', (_name, model) => {
  it('is computed', () => expect(reasons(model)).toEqual([]));
  it('is kept by a rewrite beside it', async () => {
    const bytes = rewritten(model);
    expect(await inRuntime(bytes, model)).toEqual(await inRuntime(writeModel(model), model));
  });
});

describe.each(Object.entries(carried))('%s', (_name, [model, reason]) => {
  it('is carried, and named with the reason', () => expect(reasons(model).join('\n')).toMatch(reason));
  it('is refused by name when it should run', () => {
    const graph = importOnnx(writeModel(model), { file: 'm.onnx' });
    const [first] = graph.origin?.unsupported ?? [];
    expect(() => compileGraph(graph, { backend: 'reference' })).toThrow(first.reason);
    expect(() => compileGraph(graph, { backend: 'reference' })).toThrow(first.operator);
  });
  it('is written back by a rewrite', async () => {
    const bytes = rewritten(model);
    expect(await inRuntime(bytes, model)).toEqual(await inRuntime(writeModel(model), model));
  });
});

describe.each(Object.entries(carriedBlindly))('%s', (_name, [model, reason]) => {
  it('is carried, and named with the reason', () => expect(reasons(model).join('\n')).toMatch(reason));
  it('is written back by a rewrite', () => {
    const written = importOnnx(rewritten(model)).origin?.unsupported.map((u) => `${u.operator}: ${u.reason}`);
    expect(written).toEqual(reasons(model));
  });
});

it('the type of an initializer that is carried is named', () => {
  const graph = importOnnx(writeModel(carriedBlindly['weights of complex numbers'][0]), { file: 'm.onnx' });
  expect(() => compileGraph(graph, { backend: 'reference' })).toThrow(
    'the initializer of complex64 is not supported and cannot be run',
  );
});
