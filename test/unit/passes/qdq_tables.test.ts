import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Graph, GraphBuilder, interpret, tensor, type Value } from '../../../src/ir/index.ts';
import { nnAdd, nnDiv, nnMax, nnMul, nnSub } from '../../../src/ir/ops/nn_elementwise_binary.op.ts';
import * as unary from '../../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnLogSoftmax as logSoftmaxOp } from '../../../src/ir/ops/nn_softmax.op.ts';
import { lutOf, qnnLut } from '../../../src/ir/ops/qnn_lut.op.ts';
import { qnnQuantize as quantizeOp } from '../../../src/ir/ops/qnn_quantize.op.ts';
import { qnnRequantize } from '../../../src/ir/ops/qnn_requantize.op.ts';
import { qdqTable, tableOfRequantize, tableOfTable } from '../../../src/passes/rules/qdq_table.rule.ts';
import { checkRule, checkWrong } from '../../../src/testing/check.ts';
import {
  between,
  deq,
  type Eight,
  eight,
  type Float,
  group,
  parametersOf,
  q,
  quantization,
  random,
} from './qdq_graphs.ts';

type Step = (b: GraphBuilder, x: Float) => Float;
const one = (b: GraphBuilder, value: number, shape: readonly number[] = []): Float =>
  b.constant(tensor('f32', [value], shape), b.fresh('c'));

/** HardSwish as exporters write it: with its own operator, as HardSigmoid·x, and as Add, Clip, Mul, Div. */
const hardSwishes: readonly Step[] = [
  (b, x) => b.emit(unary.nnHardSwish, { x }),
  (b, x) => b.emit(nnMul, { a: b.emit(unary.nnHardSigmoid, { x }, { alpha: 1 / 6 }), b: x }),
  (b, x) => {
    const gate = b.emit(unary.nnClip, { x: b.emit(nnAdd, { a: x, b: one(b, 3) }) }, { min: 0, max: 6 });
    return b.emit(nnDiv, { a: b.emit(nnMul, { a: x, b: gate }), b: one(b, 6, [1, 1]) });
  },
];
const steps: readonly Step[] = [
  ...hardSwishes,
  (b, x) => b.emit(unary.nnRelu, { x }),
  (b, x) => b.emit(unary.nnLeakyRelu, { x }, { alpha: 0.3 }),
  (b, x) => b.emit(unary.nnSigmoid, { x }),
  (b, x) => b.emit(unary.nnTanh, { x }),
  (b, x) => b.emit(unary.nnClip, { x }, { min: -1.3, max: 2.1 }),
  (b, x) => b.emit(nnMul, { a: one(b, 0.73), b: x }),
  (b, x) => b.emit(nnSub, { a: x, b: one(b, 0.31, [1]) }),
  (b, x) => b.emit(nnMax, { a: x, b: one(b, -0.4) }),
  (b, x) => b.emit(unary.nnPrelu, { x, slope: one(b, 0.2) }),
  (b, x) => b.emit(nnMul, { a: x, b: b.emit(unary.nnSigmoid, { x }) }),
  (b, x) => b.emit(unary.nnLog, { x }), // NaN and −∞
  (b, x) => b.emit(nnAdd, { a: x, b: deq(b, b.scalar('u8', 140), { s: 0.01, z: 128 }) }),
];

interface Chain {
  readonly x: Eight;
  readonly y: Eight;
  readonly from: { s: number; z: number };
  readonly to: { s: number; z: number };
  readonly same: boolean;
  readonly chain: readonly number[];
}
const chain = (least: number): fc.Arbitrary<Chain> =>
  fc.record({
    x: eight,
    y: eight,
    from: quantization,
    to: quantization,
    same: fc.constantFrom(false, false, true),
    chain: fc.array(fc.nat(steps.length - 1), { minLength: least, maxLength: 4 }),
  });
const build = ({ x, y, from, to, same, chain: list }: Chain): Graph =>
  between(x, [['N', 40]], [from], same ? from : to, (b, [v]) => list.reduce((u, i) => steps[i](b, u), v), same ? x : y);

describe('a chain of elementwise operators is a table', () => {
  test('any chain, bit for bit', () => {
    checkRule(qdqTable, { graphs: chain(0).map(build) });
  });
  test('the wrong variant is refuted', () => {
    checkWrong(qdqTable, { graphs: chain(1).map(build) });
  });
  test('all 256 values of both types', () => {
    for (const dtype of ['u8', 's8'] as const) {
      for (const step of steps) {
        const graph = between(
          dtype,
          [[1, 256]],
          [{ s: 0.037, z: 120 }],
          { s: 0.021, z: 77 },
          (b, [v]) => step(b, v),
          'u8',
        );
        const { graph: after, ops } = group(graph);
        expect(ops).toEqual(['qnn.lut']);
        const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
        const x0 = dtype === 'u8' ? tensor('u8', bytes, [1, 256]) : tensor('s8', new Int8Array(bytes.buffer), [1, 256]);
        expect(interpret(after, { x0 })).toEqual(interpret(graph, { x0 }));
      }
    }
  });
  test.each(hardSwishes.map((step, i) => [i, step] as const))('HardSwish as written in way %i', (_i, step) => {
    const graph = between('u8', [[1, 3, 4, 4]], [{ s: 0.05, z: 100 }], { s: 0.03, z: 12 }, (b, [v]) => step(b, v));
    expect(group(graph).ops).toEqual(['qnn.lut']);
  });
  test('dequantize, then quantize with equal parameters, is nothing', () => {
    const graph = between('u8', [[4]], [{ s: 0.05, z: 100 }], { s: 0.05, z: 100 }, (_b, [v]) => v);
    expect(group(graph).ops).toEqual(['nn.identity']); // the name of the output
  });
  test('two dequantize nodes of the same integers are one source', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'u8', [2, 3]);
    const [left, right] = [deq(b, x, { s: 0.5, z: 3 }), deq(b, x, { s: 0.25, z: 9 })];
    const graph = b.finish([
      q(b, b.emit(nnMul, { a: left, b: b.emit(unary.nnSigmoid, { x: right }) }), 'u8', { s: 0.1, z: 5 }),
    ]);
    expect(group(graph).ops).toEqual(['qnn.lut']);
  });
  test('readers of the floats in between keep them', () => {
    const b = new GraphBuilder();
    const real = deq(b, b.input('x', 'u8', [2, 3]), { s: 0.5, z: 3 });
    const middle = b.emit(unary.nnSigmoid, { x: real });
    const graph = b.finish([q(b, middle, 'u8', { s: 0.1, z: 5 }), b.emit(unary.nnExp, { x: middle })]);
    const { graph: after, ops } = group(graph);
    expect(ops).toEqual(['nn.exp', 'nn.sigmoid', 'qnn.dequantize', 'qnn.lut']);
    const x = tensor('u8', [0, 3, 9, 100, 200, 255], [2, 3]);
    expect(interpret(after, { x })).toEqual(interpret(graph, { x }));
  });
});

describe('tables and the operators in front of them', () => {
  const tables = fc.record({ x: eight, y: eight, z: eight, seed: fc.nat(0xffff) }).map(({ x, y, z, seed }): Graph => {
    const b = new GraphBuilder();
    const next = random(seed);
    const anything = (to: Eight) => () => next(0, 255) - (to === 's8' ? 128 : 0);
    const first = b.emit(qnnLut, { x: b.input('x', x, ['N', 30]), table: b.constant(lutOf(x, y, anything(y))) });
    return b.finish([b.emit(qnnLut, { x: first, table: b.constant(lutOf(y, z, anything(z))) })]);
  });
  test('a table of a table', () => {
    checkRule(tableOfTable, { graphs: tables });
    checkWrong(tableOfTable, { graphs: tables });
  });

  const clamps = fc
    .record({
      dtype: eight,
      low: fc.nat(255),
      high: fc.nat(255),
      already: fc.boolean(),
      scale: fc.integer({ min: 1, max: 30 }),
      zero: fc.nat(255),
    })
    .map(({ dtype, low, high, already, scale, zero }): Graph => {
      const b = new GraphBuilder();
      const min = dtype === 's8' ? -128 : 0;
      const [from, to] = [Math.min(low, high) + min, Math.max(low, high) + min];
      const operands = {
        x: b.input('x', 's32', ['N', 50]),
        multiplier: b.scalar('f32', scale / 2 ** 16),
        zy: b.scalar(dtype, zero + min),
      };
      const y = b.emit(qnnRequantize, operands, already ? { low: min + 20, high: min + 200 } : {}) as Value<Eight>;
      const table = lutOf(dtype, dtype, (v) => Math.min(Math.max(v, from), to));
      return b.finish([b.emit(qnnLut, { x: y, table: b.constant(table) })]);
    });
  test('a clamp of a requantization is its range', () => {
    checkRule(tableOfRequantize, { graphs: clamps });
    checkWrong(tableOfRequantize, { graphs: clamps });
  });
  test('Relu behind a requantization with the same parameters narrows it', () => {
    const b = new GraphBuilder();
    const operands = { x: b.input('x', 's32', [4]), multiplier: b.scalar('f32', 0.01), zy: b.scalar('u8', 77) };
    const y = b.emit(qnnRequantize, operands) as Value<Eight>;
    const parameters = parametersOf('u8', { s: 0.5, z: 77 });
    const graph = b.finish([q(b, b.emit(unary.nnRelu, { x: deq(b, y, parameters) }), 'u8', parameters)]);
    const { graph: after, ops } = group(graph);
    expect(ops).toEqual(['qnn.requantize']);
    expect(Object.values(after.nodes)[0].attrs.low).toBe(77);
  });
});

describe('a chain that is not a table', () => {
  const reasons = (graph: Graph): readonly string[] => group(graph).reasons;
  const plain = { s: 0.1, z: 4 };

  test('a constant for each channel', () => {
    const graph = between('u8', [[1, 3, 2, 2]], [plain], plain, (b, [v]) =>
      b.emit(nnMul, { a: v, b: b.constant(tensor('f32', [1, 2, 3], [3, 1, 1]), 'scales') }),
    );
    expect(reasons(graph)).toContain('qdq-table: %scales is a constant for each element, a table needs one for all');
  });
  test('two sources', () => {
    const graph = between('u8', [[4], [4]], [plain, plain], plain, (b, [u, v]) => b.emit(nnSub, { a: u, b: v }));
    expect(reasons(graph)).toContain('qdq-table: the chain has two sources, %x0 and %x1; a table has one');
  });
  test('16 bits', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'u16', [4]);
    const graph = b.finish([q(b, b.emit(unary.nnRelu, { x: deq(b, x, { s: 0.1 }) }), 'u8', plain)]);
    expect(reasons(graph)).toContain('qdq-table: the input of the chain is of u16, only 8-bit integers are grouped');
  });
  test('16 bits out', () => {
    const b = new GraphBuilder();
    const graph = b.finish([q(b, deq(b, b.input('x', 'u8', [4]), plain), 'u16', plain)]);
    expect(reasons(graph)).toContain('qdq-table: the result is of u16, only 8-bit integers are grouped');
  });
  test('a scale for each channel', () => {
    const b = new GraphBuilder();
    const real = deq(b, b.input('x', 'u8', [1, 2, 3]), { s: [0.1, 0.2], axis: 1 });
    expect(reasons(b.finish([q(b, real, 'u8', plain)]))).toContain(
      'qdq-table: the input of the chain has a scale for each channel, a table needs one for all',
    );
  });
  test('a result scale for each channel', () => {
    const b = new GraphBuilder();
    const real = deq(b, b.input('x', 'u8', [1, 2, 3]), plain);
    expect(reasons(b.finish([q(b, real, 'u8', { s: [0.1, 0.2], axis: 1 })]))).toContain(
      'qdq-table: the result has a scale for each index of axis 1, only weights may',
    );
  });
  test('a broadcast to another shape', () => {
    const graph = between('u8', [[4]], [plain], plain, (b, [v]) => b.emit(nnMul, { a: v, b: one(b, 2, [1, 1]) }));
    expect(reasons(graph)).toContain('qdq-table: nn.mul broadcasts the tensor to another shape');
  });
  test.each([0, -0.5, Number.NaN, Infinity])('a scale of %d', (s) => {
    const graph = between('u8', [[4]], [{ s, z: 0 }], plain, (b, [v]) => b.emit(unary.nnRelu, { x: v }));
    expect(reasons(graph)).toContain(
      `qdq-table: a scale of the input of the chain is ${s}, it has to be positive and finite`,
    );
  });
  test('a scale that is computed', () => {
    const b = new GraphBuilder();
    const real = deq(b, b.input('x', 'u8', [4]), plain);
    const scale = b.input('scale', 'f32', []);
    const graph = b.finish([b.emit(quantizeOp, { x: real, scale })]);
    expect(reasons(graph)).toContain('qdq-table: the scale of the result is computed at run time');
  });
  test('an operator without integer form is named', () => {
    const graph = between(
      'u8',
      [[2, 4]],
      [plain],
      plain,
      (b, [v]) => b.emit(logSoftmaxOp, { x: v }, { axis: 1 }) as Float,
    );
    expect(reasons(graph)).toEqual(['group-qdq: nn.log_softmax in front of the quantize has no integer form here']);
  });
});
