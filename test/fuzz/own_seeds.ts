/** Files that the repository makes itself: small models of every operator, quantized layers of every kind, drawn networks. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { UnskewError } from '../../src/diagnostics/index.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { onnxOps } from '../../src/importers/onnx/op_table.ts';
import { allOps, type DType, type Graph, tensor } from '../../src/ir/index.ts';
import { arbitraryNet, familiesOf } from '../../src/testing/index.ts';
import { corpusRoot, miniCorpus } from '../support/corpus.ts';
import { intoBranches } from '../support/into_branches.ts';
import { type ModelAttr, type ModelInitializer, type ModelNode, writeModel } from '../support/onnx.ts';
import { productConstants, productLayers } from '../support/product_layers.ts';
import { type Draw, once, pick, random } from './draw.ts';
import type { Seed } from './kinds/kind.ts';

const inputs = [
  { name: 'x', type: 'float32', dims: [1, 4, 6, 6] },
  { name: 'n', type: 'float32', dims: ['N', 4, 6, 6] },
  { name: 'm', type: 'float32', dims: [3, 4] },
  { name: 'q', type: 'uint8', dims: [1, 4, 6, 6] },
  { name: 'p', type: 'int8', dims: [3, 4] },
  { name: 'i', type: 'int64', dims: [3] },
  { name: 'g', type: 'int64', dims: [1, 3] },
  { name: 'o', type: 'bool', dims: [3, 4] },
];
const ramp = (dtype: DType, shape: readonly number[], step = 1, from = 0) => {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(dtype, Array.from({ length: size }, (_, k) => from + step * (k % 7)) as never, shape);
};
const constants: ModelInitializer[] = [
  ['c', ramp('f32', [4], 0.25, 0.1)],
  ['w', ramp('f32', [4, 4, 3, 3], 0.1, -0.3)],
  ['dw', ramp('f32', [4, 1, 3, 3], 0.1, -0.3)],
  ['k', ramp('f32', [4, 5], 0.5, -1)],
  ['s', tensor('f32', [0.05], [])],
  ['t', tensor('f32', [0.1], [])],
  ['z', tensor('u8', [114], [])],
  ['zs', tensor('s8', [-3], [])],
  ['qw', ramp('s8', [4, 4, 3, 3], 3, -9)],
  ['qk', ramp('u8', [4, 5], 30, 5)],
  ['b', ramp('s32', [4], 100, -200)],
  ['ids', tensor('s64', [0n, 2n, 1n] as never, [3])],
  ['two', tensor('s64', [2n] as never, [1])],
  ['one', tensor('s64', [1n] as never, [1])],
  ['many', tensor('s64', [1n, 4n, 36n] as never, [3])],
  ['pads', tensor('s64', [0n, 0n, 1n, 1n, 0n, 0n, 1n, 0n] as never, [8])],
  ['grow', tensor('s64', [2n, 4n, 6n, 6n] as never, [4])],
  ['scales', tensor('f32', [1, 1, 2, 2], [4])],
  ['low', tensor('f32', [-1], [])],
  ['high', tensor('f32', [6], [])],
  ['table', ramp('u8', [256], 7)],
].map(([name, value]) => ({ name, tensor: value }) as ModelInitializer);

type Line = readonly [op: string, inputs: string, attrs?: Readonly<Record<string, ModelAttr>>];
const ms = (op: string): string => `com.microsoft:${op}`;
const window = { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] };
/** Each is a node of its own, of the inputs and constants above. */
const lines: readonly Line[] = [
  ...[
    'Relu',
    'Abs',
    'Neg',
    'Sign',
    'Floor',
    'Ceil',
    'Round',
    'Sqrt',
    'Exp',
    'Erf',
    'Sigmoid',
    'Tanh',
    'Elu',
    'Identity',
  ].map((op): Line => [op, 'x']),
  ...['HardSigmoid', 'HardSwish', 'Softplus', 'Gelu', 'LeakyRelu', 'Reciprocal', 'Log', 'Sin', 'Shape'].map(
    (op): Line => [op, 'n'],
  ),
  ...['Add', 'Sub', 'Mul', 'Div', 'Min', 'Max', 'Pow', 'Equal', 'Less', 'Greater'].map((op): Line => [op, 'm c']),
  ...['ReduceSum', 'ReduceMean', 'ReduceMax', 'ReduceMin'].map((op): Line => [op, 'x', { axes: [2, 3], keepdims: 0 }]),
  ['Conv', 'x w c', { pads: [1, 1, 1, 1], strides: [2, 1] }],
  ['Conv', 'n dw', { group: 4, dilations: [2, 2] }],
  ['Conv', 'n w', { auto_pad: 'SAME_UPPER', strides: [2, 2] }],
  ['ConvTranspose', 'x w c', { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 0] }],
  ['Gemm', 'm k', { alpha: { f: 0.5 }, beta: { f: 2 } }],
  ['MatMul', 'm k'],
  ['MatMulInteger', 'p qk zs z'],
  ['ConvInteger', 'q qw z', { pads: [1, 1, 1, 1] }],
  ['QLinearConv', 'q s z qw t zs s z b', { pads: [1, 1, 1, 1], strides: [2, 2] }],
  ['QLinearMatMul', 'p s zs qk t z s z'],
  ['QuantizeLinear', 'x s z'],
  ['QuantizeLinear', 'x c', { axis: 1 }],
  ['DequantizeLinear', 'q s z'],
  ['DynamicQuantizeLinear', 'm'],
  ['MaxPool', 'x', window],
  ['MaxPool', 'q', { ...window, ceil_mode: 1 }],
  ['AveragePool', 'n', { ...window, count_include_pad: 1 }],
  ['GlobalAveragePool', 'n'],
  ['GlobalMaxPool', 'q'],
  ['Clip', 'x low high'],
  ['Clip', 'x low'],
  ['PRelu', 'm c'],
  ['Where', 'o m m'],
  ['Softmax', 'm', { axis: 1 }],
  ['LogSoftmax', 'x', { axis: -1 }],
  ['BatchNormalization', 'x c c c c', { epsilon: { f: 0.001 } }],
  ['LayerNormalization', 'm c c', { axis: -1 }],
  ['InstanceNormalization', 'x c c'],
  ['LRN', 'x', { size: 3 }],
  ['Reshape', 'x many'],
  ['Flatten', 'n', { axis: 1 }],
  ['Transpose', 'n', { perm: [0, 2, 3, 1] }],
  ['Squeeze', 'x'],
  ['Unsqueeze', 'm two'],
  ['Concat', 'm m', { axis: 1 }],
  ['Split', 'x', { axis: 1, num_outputs: 2 }],
  ['Slice', 'x one two one'],
  ['Gather', 'm ids', { axis: 0 }],
  ['GatherElements', 'p g', { axis: 1 }],
  ['Not', 'o'],
  ['Pad', 'x pads low', { mode: 'constant' }],
  ['Pad', 'q pads', { mode: 'reflect' }],
  ['Expand', 'x grow'],
  ['Tile', 'x grow'],
  ['Resize', 'x  scales', { mode: 'linear', coordinate_transformation_mode: 'half_pixel' }],
  ['Resize', 'q  scales', { mode: 'nearest', nearest_mode: 'floor' }],
  ['DepthToSpace', 'x', { blocksize: 2, mode: 'CRD' }],
  ['SpaceToDepth', 'n', { blocksize: 2 }],
  ['Cast', 'x', { to: 10 }],
  ['Cast', 'q', { to: 1 }],
  ['CumSum', 'm one'],
  ['ConstantOfShape', 'many'],
  ['ArgMax', 'm', { axis: 1 }],
  ['Einsum', 'm m', { equation: 'ij,kj->ik' }],
  [ms('QLinearAdd'), 'q s z q t z s z'],
  [ms('QLinearMul'), 'q s z q t z s z'],
  [ms('QLinearGlobalAveragePool'), 'q s z t z'],
  [ms('QLinearAveragePool'), 'q s z t z', window],
  [ms('QLinearSigmoid'), 'q s z t z'],
  [ms('QLinearLeakyRelu'), 'q s z t z', { alpha: { f: 0.1 } }],
  [ms('QLinearSoftmax'), 'q s z t z', { axis: 1, opset: 13 }],
  [ms('QLinearConcat'), 's z q s z q t z', { axis: 1 }],
  [ms('QGemm'), 'p s zs qk t z', {}],
  [ms('MatMulIntegerToFloat'), 'p qk s t zs z'],
  [ms('DynamicQuantizeMatMul'), 'm qk t z'],
];

/** A model of one operator, with only its operands. */
function operatorModel([name, operands, attrs = {}]: Line, opset: number): Uint8Array {
  const [domain, op] = name.includes(':') ? name.split(':') : ['', name];
  const read = operands.split(' ');
  const outputs = name === 'Split' ? ['y', 'y2'] : name === 'DynamicQuantizeLinear' ? ['y', 'y2', 'y3'] : ['y'];
  return writeModel({
    nodes: [{ op, domain, inputs: read, outputs, attrs, name: 'node' }],
    inputs: inputs.filter((input) => read.includes(input.name)),
    outputs: outputs.map((output) => ({ name: output })),
    initializers: constants.filter((constant) => read.includes(constant.name)),
    opsets: { '': opset, 'com.microsoft': 1 },
  });
}

function layerModel(nodes: readonly ModelNode[], zero: number): Uint8Array {
  const read = new Set(nodes.flatMap((node) => node.inputs));
  return writeModel({
    nodes,
    inputs: [{ name: 'v', type: 'float32', dims: [1, 1, 4, 4] }],
    outputs: [{ name: 'y', type: 'float32', dims: [1, 1, 4, 4] }],
    initializers: productConstants(zero).filter(({ name }) => read.has(name)),
    opsets: { '': 17, 'com.microsoft': 1 },
  });
}

export async function ownModels(): Promise<Seed[]> {
  const operators = lines.flatMap((line, i) =>
    [17, /^Reduce|Squeeze/.test(line[0]) ? 11 : 21].map((opset) => ({
      name: `${line[0]}, ${i}, opset ${opset}`,
      read: () => operatorModel(line, opset),
    })),
  );
  const layers = Object.entries(productLayers).map(([name, nodes]) => ({ name, read: () => layerModel(nodes, 114) }));
  const branches = Object.entries(productLayers).flatMap(([name, nodes]) => {
    const bytes = intoBranches(layerModel(nodes, 3), 1, true);
    return bytes ? [{ name: `${name} in branches`, read: () => bytes }] : [];
  });
  const drawn = Array.from({ length: RANDOM_NODES }, (_, i) => ({
    name: `random nodes ${i}`,
    read: () => randomNodes(i),
  }));
  return [...operators, ...layers, ...layers, ...branches, ...drawn];
}

const DRAWN = 6;
let drawn: readonly Graph[] | undefined;

/** Networks and layers of the property kit, the same every time. */
export function graphs(): readonly Graph[] {
  drawn ??= [
    ...fc.sample(arbitraryNet('integer'), { numRuns: 20, seed: 1 }),
    ...fc.sample(arbitraryNet('qdq'), { numRuns: 20, seed: 2 }),
    ...allOps.flatMap((op, i) =>
      (familiesOf(op) ?? []).flatMap(([, family], k) => fc.sample(family, { numRuns: DRAWN, seed: 100 * i + k })),
    ),
  ];
  return drawn;
}

/** The graph as a file; where it has no form in ONNX, the next one that has. */
function exported(i: number): Uint8Array {
  for (; ; i++) {
    try {
      return exportOnnx(graphs()[i % graphs().length]);
    } catch (error) {
      if (!(error instanceof UnskewError)) throw error;
    }
  }
}

export const drawnModels = (): Seed[] => graphs().map((_, i) => ({ name: `drawn ${i}`, read: () => exported(i) }));

const RANDOM_NODES = 300;

/** One or two nodes of any operators on any operands: most are refused, each for a reason of its own. */
function randomNodes(seed: number): Uint8Array {
  const draw = random(seed);
  const names = ['', 'a', ...inputs.map(({ name }) => name), ...constants.map(({ name }) => name)];
  const node = (output: string, known: readonly string[]): ModelNode => {
    const op = pick(draw, onnxOps);
    const required = op.inputs.filter(({ presence }) => presence === 'required').length;
    const operands = Array.from({ length: required + (once(draw, 3) ? draw(4) : 0) }, () => pick(draw, known));
    const attrs = Object.fromEntries(
      op.attributes.filter(() => once(draw, 3)).map((name) => [name, attributeOf(draw)]),
    );
    return { op: op.name, domain: op.domain, inputs: operands, outputs: [output], attrs };
  };
  return writeModel({
    nodes: [
      node(
        'a',
        names.filter((name) => name !== 'a'),
      ),
      node('y', names),
    ],
    inputs,
    initializers: constants,
    outputs: ['a', 'y'].map((name) => ({ name })),
    opsets: { '': pick(draw, [6, 9, 11, 13, 18, 21, 24]), 'com.microsoft': 1 },
  });
}

const attributeOf = (draw: Draw): ModelAttr =>
  pick<() => ModelAttr>(draw, [
    () => draw(6) - 2,
    () => Array.from({ length: draw(6) }, () => draw(6) - 1),
    () => pick(draw, ['SAME_UPPER', 'VALID', 'linear', 'reflect', '']),
    () => ({ f: pick(draw, [0, 0.5, Number.NaN, 1]) }),
    () => ({ floats: [1, 2, 0.5, 2] }),
  ])();

/** Files with this ending that are not larger than `most` bytes: of the corpus in the repository (`own`), or of the whole one. */
export function corpusFiles(ending: RegExp, most: number, own: boolean): Seed[] {
  const root = own ? miniCorpus : corpusRoot();
  return (readdirSync(root, { recursive: true, encoding: 'utf8' }) as string[])
    .filter((name) => ending.test(name) && isFileUpTo(join(root, name), most))
    .sort()
    .map((name) => ({ name, read: () => readFileSync(join(root, name)) }));
}

function isFileUpTo(path: string, most: number): boolean {
  const found = statSync(path);
  return found.isFile() && found.size <= most;
}
