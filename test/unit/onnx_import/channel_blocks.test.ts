/** Channels in blocks, as ONNX Runtime saves optimized models: the values are those of the plain model. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ort from 'onnxruntime-node';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { openOnnx } from '../../../src/formats/onnx/index.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { type Graph, type ITensor, interpret, sizeOf, tensor } from '../../../src/ir/index.ts';
import { installPlatform, platform } from '../../../src/platform/index.ts';
import { type ModelInitializer, type ModelNode, writeModel } from '../../support/onnx.ts';
import { runOnnx } from '../onnx_export/support.ts';

const domain = 'com.microsoft.nchwc';
const folder = mkdtempSync(join(tmpdir(), 'unskew-blocks-'));
afterAll(() => rmSync(folder, { recursive: true }));
const { channelBlock } = platform;
afterEach(() => {
  installPlatform({ channelBlock });
});

/** Small integers, so that sums have no roundings. */
const numbers = (shape: readonly number[], seed = 1): ITensor =>
  tensor(
    'f32',
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 37 * seed + seed + (i >> 4)) % 3) - 1),
    shape,
  );

/** A filter with more channels, which are 0, as it lies in blocks; `ofBlocks` where those of its source are in blocks, too. */
function inBlocks({ data, shape }: ITensor, block: number, ofBlocks: boolean): ITensor {
  const [o, i, h, w] = shape;
  const up = (size: number) => Math.ceil(size / block) * block;
  const [O, I] = [up(o), ofBlocks ? up(i) : i];
  const lying = new Float32Array(O * I * h * w);
  for (let a = 0; a < o; a++)
    for (let b = 0; b < i; b++)
      for (let k = 0; k < h * w; k++) {
        const outer = Math.floor(a / block);
        const at = ofBlocks
          ? (((outer * (I / block) + Math.floor(b / block)) * h * w + k) * block + (b % block)) * block
          : ((outer * I + b) * h * w + k) * block;
        lying[at + (a % block)] = Number(data[(a * i + b) * h * w + k]);
      }
  return tensor('f32', lying, [O, I, h, w]);
}

const longer = ({ data }: ITensor, block: number): ITensor => {
  const length = Math.ceil(data.length / block) * block;
  return tensor(
    'f32',
    Float32Array.from({ length }, (_, i) => Number(data[i] ?? 0)),
    [length],
  );
};
const shapeOf = (...sizes: number[]): ITensor => tensor('s64', BigInt64Array.from(sizes, BigInt), [sizes.length]);

const w1 = numbers([24, 3, 3, 3]);
const w2 = numbers([24, 1, 3, 3], 2);
const w3 = numbers([40, 24, 1, 1], 3);
const b3 = numbers([40], 4);
const w4 = numbers([40, 40, 3, 3], 5);
const wide = { pads: [1, 1, 1, 1], kernel_shape: [3, 3] };
const leaky = { activation: 'LeakyRelu', activation_params: { floats: [0.5] } };
const lowest = { coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
const halves = { kernel_shape: [2, 2], strides: [2, 2] };

function modelOf(nodes: ModelNode[], constants: Readonly<Record<string, ITensor>>, outputs: readonly string[]) {
  const initializers: ModelInitializer[] = Object.entries(constants).map(([name, t]) => ({ name, tensor: t }));
  return writeModel({
    nodes,
    initializers,
    inputs: [{ name: 'x', type: 'float32', dims: [2, 3, 8, 8] }],
    outputs: outputs.map((name) => ({ name, type: 'float32' })),
    opsets: { '': 17, 'com.microsoft': 1, [domain]: 1 },
  });
}

const plain = () =>
  modelOf(
    [
      { op: 'Conv', inputs: ['x', 'w1'], outputs: ['a0'], attrs: wide },
      { op: 'Relu', inputs: ['a0'], outputs: ['a'] },
      { op: 'Conv', inputs: ['a', 'w2'], outputs: ['b'], attrs: { ...wide, group: 24 } },
      { op: 'Conv', inputs: ['b', 'w3', 'b3'], outputs: ['c'] },
      { op: 'Conv', inputs: ['c', 'w4'], outputs: ['d0'], attrs: wide },
      { op: 'Add', inputs: ['d0', 'c'], outputs: ['d1'] },
      { op: 'LeakyRelu', inputs: ['d1'], outputs: ['d'], attrs: { alpha: { f: 0.5 } } },
      { op: 'GlobalMaxPool', inputs: ['d'], outputs: ['most'] },
      { op: 'Add', inputs: ['d', 'most'], outputs: ['e'] },
      { op: 'MaxPool', inputs: ['e'], outputs: ['f'], attrs: halves },
      { op: 'Resize', inputs: ['f', '', 'scales'], outputs: ['y'], attrs: lowest },
      { op: 'AveragePool', inputs: ['d'], outputs: ['g'], attrs: halves },
      { op: 'Transpose', inputs: ['g'], outputs: ['z'], attrs: { perm: [0, 2, 3, 1] } },
    ],
    { w1, w2, w3, b3, w4, scales: tensor('f32', [1, 1, 2, 2], [4]) },
    ['y', 'z'],
  );
function blocked(block: number, ends: readonly ModelNode[] = [], outputs = ['y', 'z']) {
  const channels = Math.ceil(40 / block) * block;
  const group = Math.ceil(24 / block) * block;
  return modelOf(
    [
      { op: 'Conv', domain, inputs: ['x', 'w1'], outputs: ['a'], attrs: { ...wide, activation: 'Relu' } },
      { op: 'Conv', domain, inputs: ['a', 'w2'], outputs: ['b'], attrs: { ...wide, group } },
      { op: 'Conv', domain, inputs: ['b', 'w3', 'b3'], outputs: ['c'] },
      { op: 'Conv', domain, inputs: ['c', 'w4', '', 'c'], outputs: ['d'], attrs: { ...wide, ...leaky } },
      { op: 'GlobalMaxPool', domain, inputs: ['d'], outputs: ['most'] },
      { op: 'Reshape', inputs: ['d', 'five'], outputs: ['d5'] },
      { op: 'Reshape', inputs: ['most', 'five'], outputs: ['most5'] },
      { op: 'Add', inputs: ['d5', 'most5'], outputs: ['e5'] },
      { op: 'Reshape', inputs: ['e5', 'four'], outputs: ['e'] },
      { op: 'MaxPool', domain, inputs: ['e'], outputs: ['f'], attrs: halves },
      { op: 'Upsample', domain, inputs: ['f'], outputs: ['h'], attrs: { scales: [1, 1, 2, 2] } },
      { op: 'ReorderOutput', domain, inputs: ['h'], outputs: ['y'], attrs: { channels: 40 } },
      { op: 'ReorderOutput', domain, inputs: ['d'], outputs: ['i'], attrs: { channels: 40 } },
      { op: 'ReorderInput', domain, inputs: ['i'], outputs: ['j'] },
      { op: 'AveragePool', domain, inputs: ['j'], outputs: ['g'], attrs: halves },
      { op: 'ReorderOutput', domain, inputs: ['g'], outputs: ['z'], attrs: { channels: 40, channels_last: 1 } },
      ...ends,
    ],
    {
      w1: inBlocks(w1, block, false),
      w2: inBlocks(w2, block, false),
      w3: inBlocks(w3, block, true),
      b3: longer(b3, block),
      w4: inBlocks(w4, block, true),
      five: shapeOf(0, channels / block, 0, 0, block),
      four: shapeOf(0, channels, 0, 0),
    },
    outputs,
  );
}

const x = numbers([2, 3, 8, 8], 7);
const reasons = ({ origin }: Graph) => [...new Set(origin?.unsupported.map(({ reason }) => reason))];
const resultsOf = (graph: Graph) => {
  const results = interpret(graph, { x });
  return graph.outputs.map((id) => [id, results[id].shape, [...results[id].data]]);
};

describe.each([8, 16])('blocks of %i channels', (block) => {
  it('are read in the usual order', () => {
    const graph = importOnnx(blocked(block));
    expect(reasons(graph)).toEqual([]);
    expect(resultsOf(graph)).toEqual(resultsOf(importOnnx(plain())));
  });

  it('are those of the machine where the file does not tell', () => {
    const w = numbers([16, 3, 3, 3]);
    const outputs = ['y'];
    const conv = { op: 'Conv', domain, inputs: ['x', 'w'], outputs: ['b'] };
    const bytes = modelOf(
      [conv, { op: 'ReorderOutput', domain, inputs: ['b'], outputs, attrs: { channels: 16 } }],
      { w: inBlocks(w, block, false) },
      outputs,
    );
    installPlatform({ channelBlock: () => block });
    const graph = importOnnx(bytes);
    expect(reasons(graph)).toEqual([]);
    expect(graph.origin?.notes?.map(({ message }) => message)).toEqual([
      `the file does not tell whether its channels are in blocks of 8 or of 16: ${block} is taken, as ONNX Runtime does on this machine`,
    ]);
    const expected = modelOf([{ op: 'Conv', inputs: ['x', 'w'], outputs }], { w }, outputs);
    expect(resultsOf(graph)).toEqual(resultsOf(importOnnx(expected)));
    installPlatform({ channelBlock: () => undefined });
    expect(reasons(importOnnx(bytes))).toEqual([
      'the file does not tell whether its channels are in blocks of 8 or of 16, and not which of them this machine has',
    ]);
  });
});

it.each<[string, readonly ModelNode[], string[], string]>([
  ['an output in blocks', [], ['y', 'd'], "the output 'd' is in blocks"],
  [
    'an operator that sees the order of channels',
    [{ op: 'Softmax', inputs: ['d'], outputs: ['s'] }],
    ['y', 's'],
    "Softmax 's' reads channels in blocks",
  ],
  [
    'other axes',
    [{ op: 'Reshape', inputs: ['d', 'four'], outputs: ['s'] }],
    ['y', 's'],
    "Reshape 's' reads channels in blocks",
  ],
  [
    'blocks of another size',
    [{ op: 'Conv', domain, inputs: ['x', 'w'], outputs: ['s'] }],
    ['y'],
    "Conv 's' reads channels in blocks",
  ],
  [
    'an attribute that is not known, behind others that are',
    [
      { op: 'MaxPool', domain, inputs: ['d'], outputs: ['s0'], attrs: { ...halves, strange: 1 } },
      { op: 'ReorderOutput', domain, inputs: ['s0'], outputs: ['s'], attrs: { channels: 40 } },
    ],
    ['y', 's'],
    "attribute 'strange'",
  ],
])('%s leaves all of them as they are', (_, ends, outputs, reason) => {
  const filters = ends.some(({ inputs }) => inputs.includes('w'))
    ? [{ op: 'Identity', inputs: ['w1'], outputs: ['w'] }]
    : [];
  const graph = importOnnx(blocked(16, [...filters, ...ends], outputs));
  expect(reasons(graph)).toEqual([reason]);
  expect(Object.values(graph.nodes).filter(({ op }) => op !== 'opaque' && op !== 'nn.identity')).toEqual([]);
});

it('a file that ONNX Runtime saved has the results of the one that it was made of', async () => {
  const optimizedModelFilePath = join(folder, 'optimized.onnx');
  const graphOptimizationLevel = 'all';
  const session = await ort.InferenceSession.create(plain(), {
    optimizedModelFilePath,
    graphOptimizationLevel,
    logSeverityLevel: 4,
  });
  await session.release();
  const bytes = readFileSync(optimizedModelFilePath);
  expect(openOnnx(bytes).graph.nodes.map((node) => node.domain)).toContain(domain);
  const saved = importOnnx(bytes);
  expect(reasons(saved)).toEqual([]);
  expect(resultsOf(saved)).toEqual(resultsOf(importOnnx(plain())));
  const [y, z] = resultsOf(saved);
  const peer = await runOnnx(plain(), { x });
  expect([[...peer.y.data], [...peer.z.data]]).toEqual([y[2], z[2]]);
});
