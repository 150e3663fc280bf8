import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dtypes, type Graph, GraphBuilder, type Shape, tensor } from '../../../src/ir/index.ts';
import { nnAdd, nnMul } from '../../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnRelu } from '../../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnAveragePool, nnGlobalAveragePool } from '../../../src/ir/ops/nn_pool.op.ts';
import { nnReduceMean } from '../../../src/ir/ops/nn_reduce.op.ts';
import { nnSoftmax } from '../../../src/ir/ops/nn_softmax.op.ts';
import { qnnAdd, qnnMul } from '../../../src/ir/ops/qnn_binary.op.ts';
import { qnnLut } from '../../../src/ir/ops/qnn_lut.op.ts';
import { qdqAdd, qdqMul } from '../../../src/passes/rules/qdq_binary.rule.ts';
import { qdqAveragePool, qdqGlobalAveragePool } from '../../../src/passes/rules/qdq_pool.rule.ts';
import { qdqSoftmax } from '../../../src/passes/rules/qdq_softmax.rule.ts';
import { tableOfAdd, tableOfMul } from '../../../src/passes/rules/table_of_binary.rule.ts';
import { applyOnce } from '../../../src/testing/apply_once.ts';
import { checkRule, checkWrong } from '../../../src/testing/check.ts';
import {
  between,
  deq,
  eight,
  emitActivation,
  type Float,
  group,
  type ProductSpec,
  parametersOf,
  q,
  quantization,
} from './qdq_graphs.ts';

const activations = [
  'none',
  'relu',
  'clip',
  'relu, clip',
  'nothing left',
] as const satisfies readonly ProductSpec['activation'][];
const plain = { s: 0.1, z: 4 };

const pairs: readonly [Shape, Shape][] = [
  [
    ['N', 3, 4],
    ['N', 3, 4],
  ],
  [
    [2, 3, 4],
    [3, 1],
  ],
  [[1], [2, 5]],
  [
    [2, 1, 4],
    [1, 3, 1],
  ],
];
const pairSpec = fc.record({
  dtype: eight,
  shapes: fc.constantFrom(...pairs),
  a: quantization,
  b: quantization,
  y: quantization,
  activation: fc.constantFrom(...activations),
});
const pairOf = (
  op: typeof nnAdd | typeof nnMul,
  where: readonly ProductSpec['activation'][] = activations,
): fc.Arbitrary<Graph> =>
  pairSpec
    .filter(({ activation }) => where.includes(activation))
    .map(({ dtype, shapes, a, b, y, activation }) =>
      between(dtype, shapes, [a, b], y, (g, [u, v]) =>
        emitActivation(g, g.emit(op, { a: u, b: v }) as Float, activation, y.s),
      ),
    );

describe.each([
  ['add', nnAdd, qdqAdd],
  ['mul', nnMul, qdqMul],
] as const)('%s', (name, op, rule) => {
  test('within one step of the float graph', () => {
    checkRule(rule, { graphs: pairOf(op) });
  });
  test('the wrong variant is refuted', () => {
    checkWrong(rule, { graphs: pairOf(op, name === 'add' ? ['relu', 'clip'] : ['none']) });
  });
  test('operands and result have to be of one type', () => {
    const b = new GraphBuilder();
    const [u, v] = [deq(b, b.input('u', 'u8', [4]), plain), deq(b, b.input('v', 's8', [4]), plain)];
    expect(group(b.finish([q(b, b.emit(op, { a: u, b: v }), 'u8', plain)])).reasons).toContain(
      `qdq-${name}: an operand is of s8, the result of u8`,
    );
  });
  test('a float operand', () => {
    const b = new GraphBuilder();
    const [u, v] = [deq(b, b.input('u', 'u8', [4]), plain), b.input('v', 'f32', [4])];
    expect(group(b.finish([q(b, b.emit(op, { a: u, b: v }), 'u8', plain)])).reasons).toContain(
      `qdq-${name}: an operand is not dequantized: %v is an input of the graph`,
    );
  });
  test('a sum that others read', () => {
    const b = new GraphBuilder();
    const [u, v] = [deq(b, b.input('u', 'u8', [4]), plain), deq(b, b.input('v', 'u8', [4]), plain)];
    const sum = b.emit(op, { a: u, b: v }, {}, { names: ['sum'] });
    const graph = b.finish([q(b, b.emit(nnRelu, { x: sum }), 'u8', plain), sum]);
    expect(group(graph).reasons).toContain(`qdq-${name}: %sum in the middle of the group is an output of the graph`);
  });
  test('scales beside which zero points are lost, or products overflow', () => {
    const graph = between('u8', [[4], [4]], [{ s: 1e20, z: 0 }, plain], { s: 1e-30, z: 0 }, (b, [u, v]) =>
      b.emit(op, { a: u, b: v }),
    );
    const why = {
      add: 'a ratio of scales is above 32768: fused, the zero points would be lost beside it',
      mul: 'the product of the scales is not between 2^-126 and 2^96, or beyond binary32 over the scale of the result',
    };
    expect(group(graph).reasons).toContain(`qdq-${name}: ${why[name]}`);
  });
});

/** A quantized tensor, and a quantized constant for all of it, on either side; or the tensor twice. */
const ofOneByte = (op: typeof nnAdd | typeof nnMul): fc.Arbitrary<Graph> =>
  fc
    .record({
      dtype: eight,
      shape: fc.constantFrom<Shape>([2, 3], ['N', 4, 1], [5, 1, 1], [7]),
      side: fc.constantFrom('left', 'right', 'both'),
      constantShape: fc.constantFrom([], [1]),
      a: quantization,
      b: quantization,
      y: quantization,
      c: fc.nat(255),
    })
    .map(({ dtype, shape, side, constantShape, a, b, y, c }) =>
      between(dtype, [shape], [a], y, (g, [u]) => {
        if (side === 'both') return g.emit(op, { a: u, b: u }) as Float;
        const one = g.constant(tensor(dtype, [c + (dtype === 's8' ? -128 : 0)], constantShape));
        const v = deq(g, one, parametersOf(dtype, b));
        return g.emit(op, side === 'left' ? { a: v, b: u } : { a: u, b: v }) as Float;
      }),
    )
    .map((graph) => applyOnce(graph, op.name === 'nn.add' ? qdqAdd : qdqMul) ?? graph);

/** A tensor beside a table of it, on either side, as in x·sigmoid(x); or two tables of one tensor. */
const besideItsTable = (op: typeof qnnAdd | typeof qnnMul): fc.Arbitrary<Graph> =>
  fc
    .record({
      dtype: eight,
      shape: fc.constantFrom<Shape>([2, 3], ['N', 4, 1], [7]),
      side: fc.constantFrom('left', 'right', 'both'),
      parameters: fc.tuple(quantization, quantization, quantization),
      tables: fc.array(fc.uint8Array({ minLength: 256, maxLength: 256 }), { minLength: 2, maxLength: 2 }),
    })
    .map(({ dtype, shape, side, parameters, tables }) => {
      const g = new GraphBuilder();
      const x = g.input('x', dtype, shape);
      const [first, second] = tables.map((bytes) =>
        g.emit(qnnLut, { x, table: g.constant(tensor(dtype, dtype === 's8' ? Int8Array.from(bytes) : bytes)) }),
      );
      const [a, b] = side === 'both' ? [first, second] : side === 'left' ? [first, x] : [x, first];
      const [[sa, za], [sb, zb], [sy, zy]] = parameters.map(({ s, z }) => {
        const zeroPoint = z + dtypes[dtype].min;
        return [g.constant(tensor('f32', [s], [])), g.constant(tensor(dtype, [zeroPoint], []))] as const;
      });
      return g.finish([g.emit(op, { a, sa, za, b, sb, zb, sy, zy })]);
    });

describe.each([
  ['table-of-add', nnAdd, tableOfAdd],
  ['table-of-mul', nnMul, tableOfMul],
] as const)('%s', (_name, op, rule) => {
  test('one constant, or the tensor with itself, is a table', () => {
    checkRule(rule, { graphs: ofOneByte(op) });
    checkWrong(rule, { graphs: ofOneByte(op) });
  });
  test('a tensor beside a table of it, or two tables of it, is one table', () => {
    const graphs = besideItsTable(op.name === 'nn.add' ? qnnAdd : qnnMul);
    checkRule(rule, { graphs });
    checkWrong(rule, { graphs });
  });
  test('not where the tensor may have one element, nor for a constant for each channel', () => {
    const ops = (shape: Shape, constant: readonly number[]) =>
      group(
        between('u8', [shape], [plain], plain, (b, [u]) => {
          const c = b.constant(tensor('u8', Array(constant.length === 0 ? 1 : constant[0]).fill(9), constant));
          return b.emit(op, { a: u, b: deq(b, c, plain) }) as Float;
        }),
      ).ops;
    const quantized = `qnn.${op.name.slice(3)}`;
    expect(ops(['N'], [])).toEqual([quantized]);
    expect(ops(['N', 3], [3])).toEqual([quantized]);
    expect(ops(['N', 3], [])).toEqual(['qnn.lut']);
  });
});

const softmaxes = fc
  .record({
    dtype: eight,
    shape: fc.constantFrom<readonly [Shape, number]>([['N', 5], 1], [[2, 3, 4], 1], [[2, 7, 3], -1], [[2, 1], 0]),
    x: quantization,
    sy: fc.constantFrom(1 / 256, 1 / 255, 1 / 128, 0.01, 0.0051),
    z: fc.nat(255),
    activation: fc.constantFrom('none', 'relu', 'clip'),
  })
  .map(({ dtype, shape: [shape, axis], x, sy, z, activation }) => {
    const y = { s: Math.fround(sy), z };
    return between(dtype, [shape], [x], y, (b, [v]) =>
      emitActivation(b, b.emit(nnSoftmax, { x: v }, { axis }) as Float, activation as 'none', y.s),
    );
  });

describe('softmax', () => {
  test('within one step of the float graph', () => {
    checkRule(qdqSoftmax, { graphs: softmaxes });
    checkWrong(qdqSoftmax, { graphs: softmaxes });
  });
  test('input and result have to be of one type', () => {
    const graph = between('u8', [[2, 3]], [plain], plain, (b, [v]) => b.emit(nnSoftmax, { x: v }) as Float, 's8');
    expect(group(graph).reasons).toContain('qdq-softmax: the input is of u8, the result of s8');
  });
  test('a scale with no whole number of steps to 1, where ONNX Runtime has no kernel for the types or the standard is asked for', () => {
    const softmax = (
      sy: number,
      { profile = 'ort', isResidual = false }: { profile?: 'ort' | 'onnx-spec'; isResidual?: boolean },
    ) => {
      const b = new GraphBuilder();
      const x = deq(b, q(b, b.input('x', 'f32', [2, 5]), 's8', plain), plain);
      const y = deq(b, q(b, b.emit(nnSoftmax, { x }) as Float, 's8', { s: Math.fround(sy), z: -128 }), plain);
      const graph = b.finish([b.emit(nnRelu, { x: y }), ...(isResidual ? [b.emit(nnRelu, { x: x })] : [])]);
      return group({ ...graph, profile }).reasons.filter((reason) => reason.includes('not an integer'));
    };
    expect(softmax(1 / 46.5, {})).toEqual([]);
    const why = 'qdq-softmax: 1/0.02150537632405758 is not an integer, and the steps of QLinearSoftmax are others: ';
    expect(softmax(1 / 46.5, { isResidual: true })).toEqual([
      `${why}it has kernels for operand and result of one type, this is s8 to u8`,
    ]);
    expect(softmax(1 / 46.5, { profile: 'onnx-spec' })).toEqual([`${why}the standard divides by the scale`]);
    expect(softmax(1 / 46, { isResidual: true })).toEqual([]);
    expect(softmax(1 / 256, { profile: 'onnx-spec' })).toEqual([]);
  });
});

const poolSpec = fc.record({
  dtype: eight,
  x: quantization,
  scale: fc.constantFrom(1, 0.5, 0.77),
  zy: fc.nat(255),
  rank: fc.constantFrom(1, 2, 3),
  form: fc.constantFrom('pool', 'mean', 'mean without dimensions'),
  activation: fc.constantFrom(...activations),
});
const globalPools = poolSpec.map(({ dtype, x, scale, zy, rank, form, activation }): Graph => {
  const y = { s: Math.fround(x.s * scale), z: zy };
  const axes = Array.from({ length: rank }, (_, i) => (i === 0 ? 2 - (rank + 2) : i + 2)); // one counts from the end
  return between(dtype, [['N', 3, ...Array(rank).fill(4)]], [x], y, (b, [v]) => {
    const keepdims = form === 'mean';
    const mean =
      form === 'pool' ? b.emit(nnGlobalAveragePool, { x: v }) : b.emit(nnReduceMean, { x: v }, { axes, keepdims });
    return emitActivation(b, mean as Float, activation, y.s);
  });
});
const averagePools = fc
  .record({
    spec: poolSpec,
    kernel: fc.constantFrom(1, 2, 3, 5),
    pad: fc.constantFrom(0, 1),
    ceilMode: fc.boolean(),
    countIncludePad: fc.boolean(),
  })
  .map(({ spec: { dtype, x, scale, zy, rank, activation }, kernel, pad, ceilMode, countIncludePad }): Graph => {
    const y = { s: Math.fround(x.s * scale), z: zy };
    const all = (value: number): number[] => Array(rank).fill(value);
    const pads = [...all(Math.min(pad, kernel - 1)), ...all(0)];
    const attrs = { kernel: all(kernel), strides: all(2), pads, dilations: all(1), ceilMode, countIncludePad };
    return between(dtype, [[2, 2, ...all(5)]], [x], y, (b, [v]) =>
      emitActivation(b, b.emit(nnAveragePool, { x: v }, attrs) as Float, activation, y.s),
    );
  });

describe('average pools', () => {
  test.each([
    ['over all of space', qdqGlobalAveragePool, globalPools],
    ['over windows', qdqAveragePool, averagePools],
  ] as const)('%s', (_name, rule, graphs) => {
    checkRule(rule, { graphs });
    checkWrong(rule, { graphs });
  });
  test('a partial window that counts pads', () => {
    const attrs = { kernel: [3], strides: [2], pads: [1, 0], dilations: [1], ceilMode: true, countIncludePad: true };
    const graph = between(
      'u8',
      [[2, 2, 5]],
      [plain],
      plain,
      (b, [v]) => b.emit(nnAveragePool, { x: v }, attrs) as Float,
    );
    expect(group(graph).reasons).toContain(
      'qdq-average-pool: a last partial window is divided by the taps in the padded input, the integer pool divides by all',
    );
  });
  test('a mean over other axes is not such a pool', () => {
    const graph = between(
      'u8',
      [[2, 3, 4, 4]],
      [plain],
      plain,
      (b, [v]) => b.emit(nnReduceMean, { x: v }, { axes: [1, 2], keepdims: true }) as Float,
    );
    expect(group(graph).reasons).toEqual([
      'group-qdq: nn.reduce_mean in front of the quantize has no integer form here',
    ]);
  });
  test('input and result have to be of one type', () => {
    const graph = between(
      'u8',
      [[2, 3, 4, 4]],
      [plain],
      plain,
      (b, [v]) => b.emit(nnGlobalAveragePool, { x: v }) as Float,
      's8',
    );
    expect(group(graph).reasons).toContain('qdq-global-average-pool: the input is of u8, the result of s8');
  });
  test('a pool that others read', () => {
    const b = new GraphBuilder();
    const pool = b.emit(
      nnGlobalAveragePool,
      { x: deq(b, b.input('x', 'u8', [2, 3, 4, 4]), plain) },
      {},
      { names: ['pool'] },
    ) as Float;
    const graph = b.finish([q(b, pool, 'u8', plain), b.emit(nnRelu, { x: pool }), b.emit(nnRelu, { x: pool })]);
    expect(group(graph).reasons).toContain('qdq-global-average-pool: %pool in the middle of the group has 3 readers');
  });
});
