/** Signs of zeros: inputs that are mostly −0 and 0, and numbers whose products underflow to them. The addon equals the interpreter, bit for bit. */
import { expect, it } from 'vitest';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { type Graph, interpret } from '../../src/ir/index.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { Model } from '../../src/runtime/model.ts';
import { type ITensor, sizeOf, tensor, toPublic } from '../../src/tensors/index.ts';
import { randomSource } from '../../src/testing/contents.ts';
import { binding, kernelIsas } from '../native/support.ts';
import { type ModelAttr, type ModelInitializer, writeModel } from '../support/onnx.ts';

/** An operator on float inputs of these shapes, behind them constants. */
interface Form {
  readonly op: string;
  readonly shapes: readonly (readonly number[])[];
  readonly constants?: readonly ITensor[];
  readonly attrs?: Readonly<Record<string, ModelAttr>>;
  readonly outputs?: number;
  readonly type?: string;
  readonly domain?: string;
  /** Sums of a primitive, whose order is its own: numbers are those whose sums are exact. */
  readonly isExact?: boolean;
}

const numbers = [0, -0, -0, 0, -0, 2 ** -100, -(2 ** -100), -(2 ** -149), 1, -1, -0.25];
const exact = [0, -0, -0, 1, -1, -0.25];
const drawn = (shape: readonly number[], seed: number, of: readonly number[] = numbers): ITensor<'f32'> => {
  const next = randomSource(seed);
  return tensor(
    'f32',
    Float32Array.from({ length: sizeOf(shape) }, () => of[Math.floor(next() * of.length)]),
    shape,
  );
};
const list = (...values: number[]): ITensor => tensor('s64', values.map(BigInt), [values.length]);
const scalar = (value: number): ITensor => tensor('f32', [value], []);
const zero = tensor('u8', [3], []);
const fifths = Array.from({ length: 66 }, (_, i) => BigInt(i % 5));
const scattered = [tensor('s64', fifths, [2, 33]), drawn([2, 33], 8)];

const unary = [
  ...['Relu', 'Neg', 'Abs', 'Sign', 'Floor', 'Ceil', 'Round', 'Sqrt', 'Reciprocal', 'Exp', 'Erf', 'Tanh', 'Sigmoid'],
  ...['Sin', 'Softplus', 'Softsign', 'LeakyRelu', 'Elu', 'Selu', 'Celu', 'HardSigmoid', 'HardSwish', 'ThresholdedRelu'],
  ...['Mish', 'Identity', 'Log', 'Cos'],
];
const binary = ['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Min', 'Max'];
const reductions = ['Sum', 'Mean', 'Max', 'Min', 'Prod', 'L1', 'L2', 'SumSquare', 'LogSumExp'];

const forms: Readonly<Record<string, Form>> = {
  ...Object.fromEntries(unary.map((op) => [op, { op, shapes: [[5, 37]] }])),
  ...Object.fromEntries(
    binary.map((op) => [
      op,
      {
        op,
        shapes: [
          [5, 37],
          [5, 37],
        ],
      },
    ]),
  ),
  ...Object.fromEntries(binary.map((op) => [`${op} by rows`, { op, shapes: [[5, 37], [37]] }])),
  ...Object.fromEntries(
    reductions.flatMap((op) =>
      [1, 0].map((axis): [string, Form] => [
        `Reduce${op} along ${axis}`,
        op === 'Sum'
          ? { op: 'ReduceSum', shapes: [[21, 37]], constants: [list(axis)] }
          : { op: `Reduce${op}`, shapes: [[21, 37]], attrs: { axes: [axis] } },
      ]),
    ),
  ),
  ...Object.fromEntries(
    ['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Pow'].flatMap((op) =>
      [0, -0, 1, -1].map((value): [string, Form] => [
        `${op} of x and ${Object.is(value, -0) ? '-0' : value}`,
        { op, shapes: [[4, 33]], constants: [scalar(value)] },
      ]),
    ),
  ),
  'Clip from 0': { op: 'Clip', shapes: [[4, 33]], constants: [scalar(0), scalar(6)] },
  'Clip from -0': { op: 'Clip', shapes: [[4, 33]], constants: [scalar(-0), scalar(6)] },
  'Clip to -0': { op: 'Clip', shapes: [[4, 33]], constants: [scalar(-6), scalar(-0)] },
  PRelu: { op: 'PRelu', shapes: [[4, 33]], constants: [drawn([33], 9)] },
  'Sum of three': {
    op: 'Sum',
    shapes: [
      [4, 33],
      [4, 33],
      [4, 33],
    ],
  },
  'Max of three': {
    op: 'Max',
    shapes: [
      [4, 33],
      [4, 33],
      [4, 33],
    ],
  },
  'Min of three': {
    op: 'Min',
    shapes: [
      [4, 33],
      [4, 33],
      [4, 33],
    ],
  },
  'Mod of floats': {
    op: 'Mod',
    shapes: [
      [4, 33],
      [4, 33],
    ],
    attrs: { fmod: 1 },
  },
  ArgMax: { op: 'ArgMax', shapes: [[7, 33]], attrs: { axis: 1 }, type: 'int64' },
  ArgMin: { op: 'ArgMin', shapes: [[7, 33]], attrs: { axis: 1 }, type: 'int64' },
  TopK: { op: 'TopK', shapes: [[7, 33]], constants: [list(9)], outputs: 2 },
  CumSum: { op: 'CumSum', shapes: [[7, 33]], constants: [tensor('s64', [1n], [])] },
  Softmax: { op: 'Softmax', shapes: [[7, 33]] },
  LogSoftmax: { op: 'LogSoftmax', shapes: [[7, 33]] },
  'Pad with -0': { op: 'Pad', shapes: [[5, 7]], constants: [list(1, 2, 0, 3), scalar(-0)] },
  MaxPool: { op: 'MaxPool', shapes: [[1, 19, 9, 9]], attrs: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] } },
  AveragePool: { op: 'AveragePool', shapes: [[1, 19, 9, 9]], attrs: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] } },
  'AveragePool with pads': {
    op: 'AveragePool',
    shapes: [[1, 19, 9, 9]],
    attrs: { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 },
  },
  GlobalAveragePool: { op: 'GlobalAveragePool', shapes: [[1, 19, 9, 9]] },
  GlobalMaxPool: { op: 'GlobalMaxPool', shapes: [[1, 19, 9, 9]] },
  MatMul: {
    op: 'MatMul',
    shapes: [
      [9, 40],
      [40, 35],
    ],
  },
  'MatMul by a constant': { op: 'MatMul', shapes: [[9, 40]], constants: [drawn([40, 35], 3)] },
  'MatMul of one row': { op: 'MatMul', shapes: [[1, 40]], constants: [drawn([40, 35], 3)] },
  'MatMul of one term': {
    op: 'MatMul',
    shapes: [
      [9, 1],
      [1, 35],
    ],
  },
  Gemm: { op: 'Gemm', shapes: [[9, 40]], constants: [drawn([40, 35], 3), drawn([35], 4)] },
  Conv: {
    op: 'Conv',
    isExact: true,
    shapes: [[1, 16, 8, 9]],
    constants: [drawn([19, 16, 3, 3], 3, exact)],
    attrs: { pads: [1, 1, 1, 1] },
  },
  'Conv with a bias': {
    op: 'Conv',
    isExact: true,
    shapes: [[1, 16, 8, 9]],
    constants: [drawn([19, 16, 1, 1], 3, exact), drawn([19], 4, exact)],
  },
  'Conv by channels': {
    op: 'Conv',
    isExact: true,
    shapes: [[1, 16, 8, 9]],
    constants: [drawn([16, 1, 3, 3], 3, exact), drawn([16], 4, exact)],
    attrs: { pads: [1, 1, 1, 1], group: 16 },
  },
  'Conv along one axis': { op: 'Conv', shapes: [[1, 16, 33]], constants: [drawn([19, 16, 3], 3), drawn([19], 4)] },
  ConvTranspose: {
    op: 'ConvTranspose',
    shapes: [[1, 16, 5, 5]],
    constants: [drawn([16, 9, 3, 3], 3)],
    attrs: { strides: [2, 2] },
  },
  'Resize, nearest': {
    op: 'Resize',
    shapes: [[1, 3, 5, 5]],
    constants: [tensor('f32', [], [0]), tensor('f32', [1, 1, 2, 2], [4])],
  },
  'Resize, linear': {
    op: 'Resize',
    shapes: [[1, 3, 5, 5]],
    constants: [tensor('f32', [], [0]), tensor('f32', [1, 1, 2, 2], [4])],
    attrs: { mode: 'linear' },
  },
  'Resize, cubic': {
    op: 'Resize',
    shapes: [[1, 3, 5, 5]],
    constants: [tensor('f32', [], [0]), tensor('f32', [1, 1, 2, 2], [4])],
    attrs: { mode: 'cubic' },
  },
  LayerNormalization: { op: 'LayerNormalization', shapes: [[5, 33]], constants: [drawn([33], 5), drawn([33], 6)] },
  InstanceNormalization: {
    op: 'InstanceNormalization',
    shapes: [[1, 3, 5, 7]],
    constants: [drawn([3], 5), drawn([3], 6)],
  },
  BatchNormalization: {
    op: 'BatchNormalization',
    shapes: [[1, 3, 5, 7]],
    constants: [drawn([3], 5), drawn([3], 6), drawn([3], 7), drawn([3], 8, [1, 0.5])],
  },
  QuantizeLinear: { op: 'QuantizeLinear', shapes: [[5, 33]], constants: [scalar(0.5), zero], type: 'uint8' },
  DynamicQuantizeLinear: { op: 'DynamicQuantizeLinear', shapes: [[5, 33]], type: 'uint8', outputs: 3 },
  'Cast to bool': { op: 'Cast', shapes: [[5, 33]], attrs: { to: 9 }, type: 'bool' },
  'Cast to int32': { op: 'Cast', shapes: [[5, 33]], attrs: { to: 6 }, type: 'int32' },
  'Cast to float16': { op: 'Cast', shapes: [[5, 33]], attrs: { to: 10 }, type: 'float16' },
  Equal: {
    op: 'Equal',
    shapes: [
      [5, 33],
      [5, 33],
    ],
    type: 'bool',
  },
  Less: {
    op: 'Less',
    shapes: [
      [5, 33],
      [5, 33],
    ],
    type: 'bool',
  },
  Gelu: { op: 'Gelu', shapes: [[5, 33]], domain: 'com.microsoft' },
  'ScatterElements, adding': {
    op: 'ScatterElements',
    shapes: [[5, 33]],
    constants: scattered,
    attrs: { reduction: 'add' },
  },
  'ScatterElements, the largest': {
    op: 'ScatterElements',
    shapes: [[5, 33]],
    constants: scattered,
    attrs: { reduction: 'max' },
  },
  GRU: {
    op: 'GRU',
    shapes: [[2, 3, 5]],
    constants: [drawn([1, 21, 5], 3), drawn([1, 21, 7], 4)],
    attrs: { hidden_size: 7 },
  },
  LSTM: {
    op: 'LSTM',
    shapes: [[2, 3, 5]],
    constants: [drawn([1, 28, 5], 3), drawn([1, 28, 7], 4)],
    attrs: { hidden_size: 7 },
  },
};

function graphOf({ op, shapes, constants = [], attrs = {}, outputs = 1, type = 'float32', domain = '' }: Form): Graph {
  const names = Array.from({ length: outputs }, (_, i) => `y${i}`);
  const constant = constants.map((t, i): ModelInitializer => ({ name: `c${i}`, tensor: t }));
  return importOnnx(
    writeModel({
      inputs: shapes.map((dims, i) => ({ name: `x${i}`, type: 'float32', dims })),
      outputs: names.map((name, i) => (i === 0 ? { name, type } : { name })),
      nodes: [
        {
          op,
          domain,
          attrs,
          inputs: [...shapes.map((_, i) => `x${i}`), ...constant.map(({ name }) => name)],
          outputs: names,
        },
      ],
      initializers: constant,
      opsets: { '': 17, 'com.microsoft': 1 },
    }),
  );
}

/** Elements whose bits differ, NaN being one. */
const differing = (found: ArrayLike<number | bigint>, expected: ArrayLike<number | bigint>): number[] =>
  Array.from(expected, (_, i) => i).filter((i) => !Object.is(found[i], expected[i]));

it.each(Object.entries(forms))('%s', (_, form) => {
  const graph = graphOf(form);
  for (const isa of kernelIsas) {
    binding.setKernelIsa(isa);
    const model = new Model(compileGraph(graph, {}), {});
    try {
      for (const of of [
        form.isExact ? exact : numbers,
        [-0],
        [0, -0],
        form.isExact ? [-0, -1] : [-0, -1, -(2 ** -140)],
      ]) {
        const feeds = Object.fromEntries(graph.inputs.map((id, i) => [id, drawn(form.shapes[i], 7 + i, of)]));
        const expected = interpret(graph, feeds);
        const found = model.runSync(Object.fromEntries(Object.entries(feeds).map(([id, t]) => [id, toPublic(t)])));
        for (const [id, { data }] of Object.entries(expected))
          expect({ isa, of, differing: differing(found[id].data as never, data) }).toEqual({ isa, of, differing: [] });
      }
    } finally {
      model.dispose();
      binding.setKernelIsa(undefined);
    }
  }
});
