/** A node of each ONNX operator that is understood, found by trying, and changes of it. */
import { UnskewError } from '../../../src/diagnostics/index.ts';
import type { OnnxOp } from '../../../src/importers/onnx/define_onnx_op.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { type DType, nodesOf, sizeOf, tensor } from '../../../src/ir/index.ts';
import {
  type Model,
  type ModelAttr,
  type ModelInitializer,
  type ModelNode,
  type ModelTensor,
  writeModel,
} from '../../support/onnx.ts';
import { drawer, hostileFloats, hostileIntegers, hostileLists, hostileSizes, hostileWords } from './values.ts';

const inputs: readonly ModelTensor[] = [
  { name: 'x4', type: 'float32', dims: [1, 4, 6, 6] },
  { name: 'x2', type: 'float32', dims: [4, 6] },
  { name: 'q4', type: 'uint8', dims: [1, 4, 6, 6] },
  { name: 'q2', type: 'uint8', dims: [4, 6] },
  { name: 's2', type: 'int8', dims: [4, 6] },
  { name: 'b2', type: 'bool', dims: [4, 6] },
  { name: 'i1', type: 'int64', dims: [4] },
  { name: 'q3', type: 'uint8', dims: [2, 4, 6] },
  { name: 'x3', type: 'float32', dims: [3, 2, 6] },
  { name: 'i2', type: 'int32', dims: [2, 4] },
];
const constant = (
  name: string,
  dtype: DType,
  values: readonly number[],
  shape: readonly number[] = [values.length],
) => ({
  name,
  tensor: tensor(dtype, values, shape),
});
const alternating = (name: string, dtype: DType, ...shape: readonly number[]) =>
  constant(
    name,
    dtype,
    Array.from({ length: sizeOf(shape) }, (_, i) => 1 + (i % 2)),
    shape,
  );
const initializers: readonly ModelInitializer[] = [
  alternating('w4', 'f32', 4, 4, 3, 3),
  alternating('w16', 'f32', 16, 4, 3, 3),
  alternating('ws4', 's8', 4, 4, 3, 3),
  alternating('w2', 'f32', 6, 5),
  alternating('ws2', 's8', 6, 5),
  alternating('wu2', 'u8', 6, 5),
  alternating('c', 'f32', 4),
  alternating('c32', 's32', 4),
  constant('f', 'f32', [0.5], []),
  constant('zu', 'u8', [3], []),
  constant('zs', 's8', [3], []),
  constant('one', 's64', [1]),
  constant('scalar', 's64', [1], []),
  constant('two', 's64', [1, 1]),
  constant('four', 's64', [1, 4, 6, 6]),
  constant('six', 's64', [2, 4]),
  constant('ones', 's64', [1, 1, 1, 1]),
  constant('eight', 's64', [0, 0, 1, 1, 0, 0, 1, 1]),
  constant('scales', 'f32', [1, 1, 2, 2]),
  alternating('wu6', 'u8', 6, 6),
  alternating('c6', 'f32', 6),
  alternating('ws3', 's8', 1, 6, 8),
  alternating('r3', 's8', 1, 2, 8),
  alternating('q6', 'u8', 6),
  alternating('w3', 'f32', 1, 8, 6),
  alternating('rw3', 'f32', 1, 8, 2),
  alternating('g3', 'f32', 1, 6, 6),
  alternating('rg3', 'f32', 1, 6, 2),
  constant('row', 's64', [1, 0], [2, 1]),
  alternating('rows', 'f32', 2, 6),
  alternating('angles', 'f32', 8, 3),
  alternating('places', 's64', 1, 6),
  constant('three', 's32', [1, 1, 1]),
  constant('length', 's32', [2], []),
  alternating('causal', 'f32', 2, 1, 3),
  alternating('pair', 'f32', 2, 1),
  alternating('rows6', 'f32', 6, 6),
  alternating('packed', 'f32', 6, 18),
  alternating('folded', 'f32', 1, 8, 4),
  constant('image', 's64', [3, 3]),
  constant('block', 's64', [2, 2]),
  alternating('boxes', 'f32', 1, 6, 4),
  alternating('points', 'f32', 1, 3, 5, 2),
  alternating('scores', 'f32', 1, 2, 6),
  constant('f1', 'f32', [0.5], [1]),
  constant('z1', 's8', [0], [1]),
  alternating('codes', 'u8', 5, 1, 8),
  alternating('c5', 'f32', 5, 1),
  alternating('levels', 'u8', 15),
  alternating('absmax', 'f32', 2),
  alternating('q6x8', 'u8', 6, 8),
  alternating('c6x1', 'f32', 6, 1),
];
const names = ['', ...inputs.map(({ name }) => name), ...initializers.map(({ name }) => name)];

/** The values to try for inputs of such names; inputs of other names get every value. */
const usual: readonly (readonly [name: RegExp, values: readonly string[]])[] = [
  [/zero_point$/i, ['zu', 'zs']],
  [/(^|_)scale$/, ['f', 'c']],
  [/^(axes|axis|starts|ends|steps|split|indices|ratio|start|limit|delta)$/, ['one', 'scalar', 'f']],
  [/^(shape|sizes|repeats|pads|scales|slope|min|max)$/, ['four', 'ones', 'eight', 'scales', 'f']],
  [/^condition$/, ['b2']],
  [/^(bias|mean|var)$/, ['c', 'c32', 'f']],
  [/^(B|b|w|W|C|Scale)$/, ['ws4', 'w4', 'b2', 'w2', 'ws2', 'wu2', 'c', 'c32', 'f', 'zu', 'q2', 'q4', 'x2']],
  [/^Inputs$/, ['x2', 'w2', 'x4']],
  [/^(X|x|A|a|data|input)$/, ['q4', 'x4', 'q2', 'x2', 's2', 'b2', 'i1', 'two']],
];
const triedFor = (name: string): readonly string[] => usual.find(([pattern]) => pattern.test(name))?.[1] ?? names;

/** Attributes without which some operators have no meaning. */
const needed: Readonly<Record<string, ModelAttr>> = {
  kernel_shape: [2, 2],
  to: 1,
  blocksize: 2,
  size: 3,
  value_int: 3,
  axis: 1,
  num_groups: 2,
  opset: 13,
  equation: 'ij->ji',
};

/** Operators of so many operands that trying finds no node of them. */
const known: Readonly<Record<string, Pick<Baseline, 'inputs' | 'attrs'> & Partial<Pick<Baseline, 'opset'>>>> = {
  'com.microsoft.nchwc:Conv': { inputs: ['x4', 'w16'], attrs: { activation: 'Relu' } },
  'com.microsoft.nchwc:ReorderInput': { inputs: ['x4'], attrs: {} },
  'com.microsoft.nchwc:ReorderOutput': { inputs: ['x4'], attrs: { channels: 4 } },
  'com.microsoft.nchwc:MaxPool': { inputs: ['x4'], attrs: { kernel_shape: [2, 2] } },
  'com.microsoft.nchwc:AveragePool': { inputs: ['x4'], attrs: { kernel_shape: [2, 2] } },
  'com.microsoft.nchwc:GlobalMaxPool': { inputs: ['x4'], attrs: {} },
  'com.microsoft.nchwc:GlobalAveragePool': { inputs: ['x4'], attrs: {} },
  'com.microsoft.nchwc:Upsample': { inputs: ['x4'], attrs: { scales: [1, 1, 2, 2] } },
  QAttention: { inputs: ['q3', 'wu6', 'c6', 'f', 'f', '', 'zu', 'zu'], attrs: { num_heads: 1 } },
  QEmbedLayerNormalization: {
    inputs: ['i2', '', 'wu6', 'wu6', '', 'q6', 'q6', '', 'f', 'f', '', 'f', 'f', 'zu', 'zu', '', 'zu', 'zu'],
    attrs: {},
  },
  EmbedLayerNormalization: { inputs: ['i2', '', 'rows', 'rows6', '', 'c6', 'c6'], attrs: {} },
  'com.microsoft:Attention': { inputs: ['x3', 'packed'], attrs: { num_heads: 1 } },
  Attention: { inputs: ['x4', 'x4', 'x4'], attrs: {}, opset: 23 },
  'com.microsoft:RotaryEmbedding': { inputs: ['x4', 'one', 'angles', 'angles'], attrs: {} },
  RotaryEmbedding: { inputs: ['x4', 'angles', 'angles', 'places'], attrs: {}, opset: 23 },
  GroupQueryAttention: {
    inputs: ['x3', 'x3', 'x3', '', '', 'three', 'length'],
    attrs: { num_heads: 1, kv_num_heads: 1 },
  },
  MultiHeadAttention: { inputs: ['x3', 'x3', 'x3'], attrs: { num_heads: 2 } },
  SkipLayerNormalization: { inputs: ['x3', 'x3', 'c6'], attrs: {} },
  SkipSimplifiedLayerNormalization: { inputs: ['x3', 'x3', 'c6'], attrs: {} },
  SimplifiedLayerNormalization: { inputs: ['x3', 'c6'], attrs: {} },
  GroupNorm: { inputs: ['x4', 'c6', 'c6'], attrs: { groups: 2 } },
  BitCast: { inputs: ['q2'], attrs: { to: 3 }, opset: 26 },
  BitShift: { inputs: ['q2', 'q2'], attrs: { direction: 'LEFT' } },
  SwiGLU: { inputs: ['x2', 'x2'], attrs: {}, opset: 28 },
  LinearAttention: {
    inputs: ['x3', 'x3', 'x3'],
    attrs: { update_rule: 'linear', q_num_heads: 2, kv_num_heads: 2 },
    opset: 27,
  },
  CausalConvWithState: { inputs: ['x3', 'causal'], attrs: {}, opset: 27 },
  LSTM: { inputs: ['x3', 'w3', 'rw3'], attrs: { hidden_size: 2 } },
  GRU: { inputs: ['x3', 'g3', 'rg3'], attrs: { hidden_size: 2 } },
  NonMaxSuppression: { inputs: ['boxes', 'scores', 'scalar'], attrs: {} },
  GridSample: { inputs: ['x4', 'points'], attrs: {} },
  DFT: { inputs: ['points'], attrs: {}, opset: 20 },
  STFT: { inputs: ['x2', 'scalar', 'c'], attrs: {} },
  Col2Im: { inputs: ['folded', 'image', 'block'], attrs: {}, opset: 18 },
  TopK: { inputs: ['x2', 'one'], attrs: {} },
  Scatter: { inputs: ['x2', 'row', 'pair'], attrs: {}, opset: 10 },
  ScatterElements: { inputs: ['x2', 'row', 'pair'], attrs: {} },
  ScatterND: { inputs: ['x2', 'row', 'rows'], attrs: {} },
  OneHot: { inputs: ['i1', 'scalar', 'q6'], attrs: {} },
  GatherBlockQuantized: { inputs: ['q6x8', 'i1', 'c6x1'], attrs: { block_size: 16 } },
  MatMulNBits: { inputs: ['x2', 'codes', 'c5'], attrs: { K: 6, N: 5, block_size: 16 } },
  MatMulBnb4: { inputs: ['x2', 'levels', 'absmax'], attrs: { K: 6, N: 5, block_size: 16, quant_type: 1 } },
  DynamicQuantizeLSTM: {
    inputs: ['x3', 'ws3', 'r3', '', '', '', '', '', 'f1', 'z1', 'f1', 'z1'],
    attrs: { hidden_size: 2 },
  },
};

export interface Baseline {
  readonly op: OnnxOp;
  readonly inputs: readonly string[];
  readonly attrs: Readonly<Record<string, ModelAttr>>;
  readonly opset: number;
}

/** A node that is imported as something other than an opaque operator. */
export function baselineOf(op: OnnxOp): Baseline | undefined {
  const given = known[`${op.domain}:${op.name}`] ?? known[op.name];
  if (given) return [{ op, opset: 17, ...given }].find(isUnderstood);
  const draw = drawer(op.name.length + 131 * op.inputs.length);
  const required = op.inputs.filter(({ presence }) => presence !== 'optional').length;
  for (let run = 0; run < 20_000; run++) {
    const count = required + draw(op.inputs.length - required + 1);
    const isVariadic = op.inputs.at(-1)?.presence === 'variadic';
    const wanted = Object.entries(needed).filter(([name]) => op.attributes.includes(name) && draw(3) > 0);
    const baseline: Baseline = {
      op,
      inputs: Array.from({ length: isVariadic ? count + draw(4) : count }, (_, i) => {
        const { name, presence } = op.inputs[Math.min(i, op.inputs.length - 1)];
        const tried = triedFor(name).filter((value) => value !== '');
        return presence === 'optional' && draw(4) === 0 ? '' : tried[draw(1 + draw(tried.length))]; // the first ones more often
      }),
      attrs: Object.fromEntries(wanted),
      opset: [17, 21, 12, 9, 6][Math.floor(draw(10) / 2)],
    };
    if (isUnderstood(baseline)) return baseline;
  }
  return undefined;
}

function isUnderstood(baseline: Baseline): boolean {
  try {
    const graph = importOnnx(modelOf(baseline));
    return !nodesOf(graph).some(({ op }) => op === 'opaque');
  } catch (error) {
    if (error instanceof UnskewError) return false;
    throw error;
  }
}

interface Change {
  readonly sizes?: readonly ModelTensor[];
  readonly contents?: ModelInitializer;
}

export function modelOf(
  { op, inputs: given, attrs, opset }: Baseline,
  { sizes = [], contents }: Change = {},
): Uint8Array {
  const used = new Set(given);
  const model: Model = {
    nodes: between({ op: op.name, domain: op.domain, inputs: given, outputs: ['y'], attrs, name: 'n' }),
    inputs: inputs.filter(({ name }) => used.has(name)).map((i) => sizes.find(({ name }) => name === i.name) ?? i),
    outputs: [{ name: 'y' }],
    initializers: initializers
      .filter(({ name }) => used.has(name))
      .map((i) => (i.name === contents?.name ? contents : i)),
    opsets: { '': opset, 'com.microsoft': 1, 'com.microsoft.nchwc': 1 },
  };
  return writeModel(model);
}

/** A node; where its channels are in blocks, between others that reorder them. */
function between(node: ModelNode): readonly ModelNode[] {
  const domain = 'com.microsoft.nchwc';
  if (node.domain !== domain) return [node];
  const [x, ...others] = node.inputs;
  const isRead = node.op !== 'ReorderInput' && node.op !== 'Conv';
  const before: ModelNode = { op: 'ReorderInput', domain, inputs: [x], outputs: ['blocked'] };
  const behind: ModelNode = { op: 'ReorderOutput', domain, inputs: ['own'], outputs: ['y'], attrs: { channels: 4 } };
  const isWritten = node.op !== 'ReorderOutput';
  const own = { ...node, inputs: [isRead ? 'blocked' : x, ...others], ...(isWritten && { outputs: ['own'] }) };
  return [...(isRead ? [before] : []), own, ...(isWritten ? [behind] : [])];
}

export interface Case {
  readonly name: string;
  readonly bytes: () => Uint8Array;
}

/** Scalars in the place of one or of all tensors, along axes that they have or not. */
export function scalarCases(baseline: Baseline): Case[] {
  const { op, attrs, inputs: given } = baseline;
  const isAlong = op.attributes.includes('axis');
  const axes = isAlong ? [undefined, 0, -1, 1] : [undefined];
  return axes.flatMap((axis) => {
    const { axis: _, ...others } = attrs;
    const along = { ...baseline, attrs: isAlong && axis !== undefined ? { ...others, axis } : others };
    const tensors = inputs.filter(({ name }) => given.includes(name));
    return [...tensors.map((one) => [one]), tensors].map((scalars) => ({
      name: `${op.name}(${given.join()}) along ${axis ?? 'no axis'}: scalars are ${scalars.map(({ name }) => name)}`,
      bytes: () => modelOf(along, { sizes: scalars.map((input) => ({ ...input, dims: [] })) }),
    }));
  });
}

const shown = (value: ModelAttr): string =>
  JSON.stringify(value, (_key, item) => (typeof item === 'bigint' || Number.isNaN(item) ? String(item) : item));

/** The baseline with each of its parts made hostile, one at a time. */
export function hostileCases(baseline: Baseline): Case[] {
  const { op, attrs } = baseline;
  const lists = hostileLists<number>([1, 1], hostileIntegers);
  const values: readonly ModelAttr[] = [
    ...hostileIntegers,
    ...lists,
    ...hostileFloats.map((f) => ({ f })),
    { floats: [Number.NaN, 1, 1, 3e38] },
    ...hostileWords,
    { t: tensor('f32', [1, 2], [2]) },
    { t: tensor('s64', [2 ** 52], [1]) },
  ];
  const ofAttributes = op.attributes.flatMap((name) =>
    values.map((value) => ({
      name: `${op.name}(${baseline.inputs.join()}): ${name} = ${shown(value)}`,
      bytes: () => modelOf({ ...baseline, attrs: { ...attrs, [name]: value } }),
    })),
  );
  const ofOperands = baseline.inputs.flatMap((name, i): Case[] => {
    const at = `${op.name}(${baseline.inputs.join()}): input ${i}`;
    const others = names.map((other) => ({
      name: `${at} is '${other}'`,
      bytes: () => modelOf({ ...baseline, inputs: baseline.inputs.with(i, other) }),
    }));
    const input = inputs.find((given) => given.name === name);
    if (input) {
      const dims = hostileLists<number | string>(input.dims ?? [], hostileSizes);
      const sizes = dims.map((list) => ({
        name: `${at} is [${list}]`,
        bytes: () => modelOf(baseline, { sizes: [{ ...input, dims: list }] }),
      }));
      return [...others, ...sizes];
    }
    const given = initializers.find((known) => known.name === name);
    if (given === undefined) return others;
    const { dtype, data } = given.tensor;
    const numbers = dtype === 'f32' ? hostileFloats : hostileIntegers.map((v) => Math.max(v, -(2 ** 53)));
    const listed = hostileLists(Array.from(data as ArrayLike<number>, Number).slice(0, 8), numbers);
    const contents = listed.map((list) => ({
      name: `${at} is ${dtype} [${list}]`,
      bytes: () => modelOf(baseline, { contents: constant(name, dtype, list) }),
    }));
    return [...others, ...contents];
  });
  return [...ofAttributes, ...ofOperands];
}
