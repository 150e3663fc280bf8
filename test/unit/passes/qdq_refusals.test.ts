/**
 * Groups that look like products and are not: each reason, and the published bugs behind them (C-7 in docs/published-bugs.md).
 */
import { describe, expect, test } from 'vitest';
import { type Graph, GraphBuilder, interpret, tensor } from '../../../src/ir/index.ts';
import { nnConv, nnConvTranspose } from '../../../src/ir/ops/nn_conv.op.ts';
import { nnAdd, nnMul } from '../../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnRelu, nnSigmoid } from '../../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnMatmul } from '../../../src/ir/ops/nn_matmul.op.ts';
import { nnReshape, nnTranspose } from '../../../src/ir/ops/nn_movement.op.ts';
import { deq, type Float, group, type Parameters, q, weights } from './qdq_graphs.ts';

const attrs = { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], group: 1 };
const x = { s: 0.5, z: 3 };
const y = { s: 8, z: 128 };

interface Layer {
  readonly x?: Parameters;
  readonly w?: Parameters;
  readonly y?: Parameters;
  readonly bias?: (b: GraphBuilder) => Float;
  readonly behind?: (b: GraphBuilder, v: Float) => Float;
}
/** u8[1,2,4,4] * s8[3,2,3,3]. */
function layer({ x: px = x, w = { s: 0.25 }, y: py = y, bias, behind }: Layer): Graph {
  const b = new GraphBuilder();
  const real = deq(b, b.input('x', 'u8', [1, 2, 4, 4]), px);
  const filter = deq(b, weights(b, 's8', [3, 2, 3, 3], 7), w);
  const conv = b.emit(nnConv, { x: real, w: filter, ...(bias && { bias: bias(b) }) }, attrs, {
    names: ['conv'],
  }) as Float;
  return b.finish([q(b, behind ? behind(b, conv) : conv, 'u8', py)]);
}
const s32 =
  (s: number | readonly number[], values = [1, 2, 3], z?: number) =>
  (b: GraphBuilder) =>
    deq(b, b.constant(tensor('s32', values), 'bias'), { s, axis: 0, ...(z !== undefined && { z }) });
const float = (values: readonly number[]) => (b: GraphBuilder) => b.constant(tensor('f32', values), 'bias');
const grouped = ['nn.add', 'qnn.conv', 'qnn.requantize'];

/** Reasons of one rule. */
const reasons = (graph: Graph, rule = 'qdq-conv'): readonly string[] =>
  group(graph)
    .reasons.filter((r) => r.startsWith(`${rule}: `))
    .map((r) => r.slice(rule.length + 2));

describe('the bias', () => {
  test('a scale of sx·sw is grouped, off by a rounding as well', () => {
    const unit = 0.1 * 0.3;
    const [sx, sw] = [Math.fround(0.1), Math.fround(0.3)];
    for (const s of [Math.fround(unit), Math.fround(sx * sw), Math.fround(sx * sw * (1 + 2 ** -23))]) {
      expect(group(layer({ x: { s: sx }, w: { s: sw }, bias: s32(s) })).ops).toEqual(grouped);
    }
  });
  test('ONNX Runtime #24711: another scale than sx·sw', () => {
    const graph = layer({ w: { s: [0.25, 0.5, 0.125], axis: 0 }, bias: s32([0.125, 0.25, 0.0626]) });
    expect(reasons(graph)).toEqual(['the bias scale is 0.06260000169277191 but sx·sw[2] is 0.0625']);
    expect(group(graph).misses[0].hint).toBe('quantize the bias with the scale sx·sw');
    expect(reasons(layer({ bias: s32(0.126) }))).toEqual(['the bias scale is 0.12600000202655792 but sx·sw is 0.125']);
  });
  test('a refused bias is added to the float result', () => {
    const graph = layer({ bias: s32(0.126, [1000, -2000, 3000]) });
    const { graph: after, ops } = group(graph);
    expect(ops).toEqual(['nn.add', 'nn.cast', 'nn.mul', 'nn.reshape', 'qnn.conv', 'qnn.dequantize', 'qnn.quantize']);
    const feeds = {
      x: tensor(
        'u8',
        Array.from({ length: 32 }, (_, i) => (i * 77) % 256),
        [1, 2, 4, 4],
      ),
    };
    expect(interpret(after, feeds)).toEqual(interpret(graph, feeds));
  });
  test('zeros may have any scale', () => {
    expect(group(layer({ bias: s32(77, [0, 0, 0]) })).ops).toEqual(['qnn.conv', 'qnn.requantize']);
  });
  test.each([Infinity, -Infinity, NaN])('a bias of zeros in units of %d, which is NaN', (s) => {
    expect(reasons(layer({ bias: s32(s, [0, 0, 0]) }))).toEqual([`the bias scale is ${s} but sx·sw is 0.125`]);
  });
  test('a zero point', () => {
    expect(reasons(layer({ bias: s32(0.125, [1, 2, 3], 1) }))).toEqual(['the bias has a zero point']);
  });
  test('a bias that is quantized to 8 bits', () => {
    const bias = (b: GraphBuilder) => deq(b, b.constant(tensor('s8', [1, 2, 3]), 'bias'), { s: 0.125 });
    expect(reasons(layer({ bias }))).toEqual(['the bias is quantized to s8, not to s32']);
  });
  test('a float bias is rounded to units of sx·sw[o]', () => {
    const { graph, ops } = group(layer({ w: { s: [0.25, 0.5, 0.125], axis: 0 }, bias: float([0.3125, -0.3, 1]) }));
    expect(ops).toEqual(grouped);
    const add = Object.values(graph.nodes).find((n) => n.op === 'nn.add');
    const bias = graph.pool.get(graph.values[add!.operands[1]!].constant!);
    expect(bias).toEqual(tensor('s32', [2, -1, 16], [3, 1, 1])); // 2.5 rounds to even, −1.2 to −1
  });
  test('a float bias beyond int32', () => {
    expect(reasons(layer({ bias: float([1, 2 ** 28, 3]) }))).toEqual([
      'the bias 268435456 is 2147483648 in units of sx·sw, which does not fit int32',
    ]);
    expect(reasons(layer({ bias: float([Number.NaN, 0, 3]) }))[0]).toMatch(/^the bias NaN is NaN/);
  });
  test('a bias that is computed', () => {
    expect(reasons(layer({ bias: (b) => b.input('bias', 'f32', [3]) }))).toEqual([
      'the bias is not a constant: %bias is an input of the graph',
    ]);
  });
  test('a sum that may leave int32', () => {
    expect(reasons(layer({ bias: s32(0.125, [2 ** 31 - 1, 0, 0]) }))[0]).toMatch(
      /^the sum of 18 products and a bias of up to 2147483647/,
    );
    expect(group(layer({ bias: s32(0.125, [2 ** 31 - 18 * 255 * 128, 0, 0]) })).ops).toEqual(grouped);
  });
  test('a sum that may leave int32, of weights that are moved', () => {
    const columns = 2;
    const terms = 70_000;
    const product = (value: number, move: (b: GraphBuilder, w: Float) => Float, z?: readonly number[]): Graph => {
      const b = new GraphBuilder();
      const integers = b.constant(tensor('s8', new Int8Array(columns * terms).fill(value), [columns, terms]), 'w');
      const w = deq(b, integers, z ? { s: z.map(() => 0.25), z, axis: 0 } : { s: 0.25 });
      const real = deq(b, b.input('x', 'u8', [1, terms]), { s: 0.5, z: 0 });
      return b.finish([q(b, b.emit(nnMatmul, { a: real, b: move(b, w) }), 'u8', y)]);
    };
    const transpose = (b: GraphBuilder, w: Float) => b.emit(nnTranspose, { x: w }, { perm: [1, 0] });
    const reshape = (b: GraphBuilder, w: Float) => b.emit(nnReshape, { x: w }, { shape: [terms, columns] });
    const tooLarge = ['the sum of 70000 products and a bias of up to 0 may leave int32'];
    for (const [move, z] of [[transpose], [reshape], [transpose, [0, 0]]] as const) {
      const grouped = (value: number) => group(product(value, move, z), 'products');
      expect(
        grouped(127)
          .reasons.filter((r) => r.startsWith('qdq-matmul: '))
          .map((r) => r.slice(12)),
      ).toEqual(tooLarge);
      expect(grouped(1).ops).toContain('qnn.matmul');
    }
    // as far from their zero points as the others
    expect(group(product(0, transpose, [127, 127]), 'products').ops).not.toContain('qnn.matmul');
  });
  test('two biases', () => {
    const behind = (b: GraphBuilder, v: Float) =>
      b.emit(nnAdd, { a: v, b: b.constant(tensor('f32', [1, 2, 3], [3, 1, 1])) });
    expect(reasons(layer({ bias: float([1, 2, 3]), behind }))).toEqual([
      'nn.conv has a bias, and another one is added',
    ]);
  });
  test('an added tensor is not one number for each channel', () => {
    const behind = (b: GraphBuilder, v: Float) => b.emit(nnAdd, { a: v, b: b.constant(tensor('f32', [1, 2])) });
    expect(reasons(layer({ behind }))).toEqual(['the bias of shape [2] is not one number per channel']);
  });
});

describe('scales', () => {
  test('ONNX Runtime #21712: weights scales along another axis', () => {
    expect(reasons(layer({ w: { s: [0.25, 0.5], axis: 1 } }))).toEqual([
      'the filter has scales along axis 1, it has to be the output channels, axis 0',
    ]);
  });
  test('of a transposed convolution', () => {
    const b = new GraphBuilder();
    const [real, w] = [
      deq(b, b.input('x', 'u8', [1, 3, 4, 4]), x),
      deq(b, weights(b, 's8', [3, 3, 2, 2], 1), { s: [1, 2, 3], axis: 0 }),
    ];
    const conv = b.emit(nnConvTranspose, { x: real, w }, { ...attrs, outputPadding: [0, 0] }) as Float;
    expect(reasons(b.finish([q(b, conv, 'u8', y)]), 'qdq-conv-transpose')).toEqual([
      'the filter has scales along axis 0, it has to be the output channels, axis 1',
    ]);
  });
  test('of a matrix product', () => {
    const b = new GraphBuilder();
    const [real, w] = [
      deq(b, b.input('x', 'u8', [4, 3]), x),
      deq(b, weights(b, 's8', [3, 3], 1), { s: [1, 2, 3], axis: 0 }),
    ];
    expect(reasons(b.finish([q(b, b.emit(nnMatmul, { a: real, b: w }) as Float, 'u8', y)]), 'qdq-matmul')).toEqual([
      'the right operand has scales along axis 0, it has to be the columns, its last axis',
    ]);
  });
  test('activations with a scale for each channel', () => {
    const b = new GraphBuilder();
    const real = deq(b, b.input('x', 'u8', [1, 2, 4, 4]), { s: [0.1, 0.2], axis: 1 });
    const conv = b.emit(nnConv, { x: real, w: deq(b, weights(b, 's8', [3, 2, 3, 3], 7), { s: 1 }) }, attrs) as Float;
    expect(reasons(b.finish([q(b, conv, 'u8', y)]))).toEqual([
      'the input has 2 scales along axis 1, only weights may, and the input of a depthwise convolution',
    ]);
  });
  test('a product of scales below binary32', () => {
    expect(reasons(layer({ x: { s: 1e-30 }, w: { s: 1e-30 } }))[0]).toMatch(/is not a normal binary32 number$/);
  });
  test('a multiplier beyond binary32', () => {
    expect(reasons(layer({ x: { s: 1e18 }, w: { s: 1e10 }, y: { s: 1e-20, z: 0 } }))).toEqual([
      'sx·sw/sy is beyond binary32',
    ]);
  });
  test('16-bit activations', () => {
    const b = new GraphBuilder();
    const real = deq(b, b.input('x', 'u16', [1, 2, 4, 4]), x);
    const conv = b.emit(nnConv, { x: real, w: deq(b, weights(b, 's8', [3, 2, 3, 3], 7), { s: 1 }) }, attrs) as Float;
    expect(reasons(b.finish([q(b, conv, 'u8', y)]))).toEqual(['the input is of u16, only 8-bit integers are grouped']);
  });
  test('computed parameters', () => {
    const b = new GraphBuilder();
    const real = b.input('x', 'f32', [1, 2, 4, 4]);
    const conv = b.emit(nnConv, { x: real, w: deq(b, weights(b, 's8', [3, 2, 3, 3], 7), { s: 1 }) }, attrs) as Float;
    expect(reasons(b.finish([q(b, conv, 'u8', y)]))).toEqual([
      'the input is not dequantized: %x is an input of the graph',
    ]);
  });
  test('weights that are not quantized', () => {
    const b = new GraphBuilder();
    const w = b.constant(tensor('f32', Array(54).fill(1), [3, 2, 3, 3]), 'w');
    const conv = b.emit(nnConv, { x: deq(b, b.input('x', 'u8', [1, 2, 4, 4]), x), w }, attrs) as Float;
    expect(reasons(b.finish([q(b, conv, 'u8', y)]))).toEqual(['the filter is not dequantized: %w is a float constant']);
  });
});

describe('operators in between', () => {
  test('ONNX Runtime #28130: alpha of Gemm', () => {
    const b = new GraphBuilder();
    const product = b.emit(nnMatmul, {
      a: deq(b, b.input('x', 'u8', [2, 3]), x),
      b: deq(b, weights(b, 's8', [3, 3], 1), { s: 0.25 }),
    }) as Float;
    const scaled = b.emit(nnMul, { a: product, b: b.constant(tensor('f32', [0.5], []), 'alpha') });
    const sum = b.emit(nnAdd, { a: scaled, b: deq(b, b.constant(tensor('s32', [1, 2, 3])), { s: 0.125, axis: 0 }) });
    const graph = b.finish([q(b, sum, 'u8', y)]);
    expect(reasons(graph, 'qdq-matmul')).toEqual(['%alpha multiplies the result of nn.matmul']);
    const feeds = { x: tensor('u8', [0, 50, 100, 150, 200, 250], [2, 3]) };
    expect(interpret(group(graph).graph, feeds)).toEqual(interpret(graph, feeds));
  });
  test('a convolution that others read', () => {
    let conv: Float | undefined;
    const graph = layer({ behind: (b, v) => b.emit(nnRelu, { x: (conv = v) }) });
    const shared = { ...graph, outputs: [...graph.outputs, (conv as unknown as Float).id] };
    expect(reasons(shared)).toEqual(['%conv in the middle of the group is an output of the graph']);
  });
  test('an activation that others read', () => {
    const graph = layer({
      behind: (b, v) => {
        const relu = b.emit(nnRelu, { x: v }, {}, { names: ['relu'] });
        return b.emit(nnMul, { a: relu, b: b.emit(nnSigmoid, { x: relu }) });
      },
    });
    // the product is not quantized itself: it becomes integers and a float behind them
    expect(group(graph).ops).toEqual([
      'nn.cast',
      'nn.mul',
      'nn.mul',
      'nn.relu',
      'nn.sigmoid',
      'qnn.conv',
      'qnn.quantize',
    ]);
  });
  test('two quantizations of one convolution', () => {
    const b = new GraphBuilder();
    const filter = deq(b, weights(b, 's8', [3, 2, 3, 3], 7), { s: 0.25 });
    const conv = b.emit(nnConv, { x: deq(b, b.input('x', 'u8', [1, 2, 4, 4]), x), w: filter }, attrs, {
      names: ['conv'],
    }) as Float;
    const graph = b.finish([q(b, conv, 'u8', y), q(b, conv, 'u8', { s: 4, z: 0 })]);
    expect(reasons(graph)).toEqual(Array(2).fill('%conv in the middle of the group has 2 readers'));
    expect(group(graph).ops).toEqual(['nn.cast', 'nn.mul', 'qnn.conv', 'qnn.quantize', 'qnn.quantize']);
  });
  test('one dequantize feeds two convolutions', () => {
    const b = new GraphBuilder();
    const real = deq(b, b.input('x', 'u8', [1, 2, 4, 4]), x);
    const conv = (seed: number) =>
      q(
        b,
        b.emit(nnConv, { x: real, w: deq(b, weights(b, 's8', [3, 2, 3, 3], seed), { s: 0.25 }) }, attrs) as Float,
        'u8',
        y,
      );
    expect(group(b.finish([conv(1), conv(2)])).ops).toEqual([
      'qnn.conv',
      'qnn.conv',
      'qnn.requantize',
      'qnn.requantize',
    ]);
  });
});

describe('families', () => {
  const graph = (): Graph => {
    const b = new GraphBuilder();
    const conv = b.emit(
      nnConv,
      { x: deq(b, b.input('x', 'u8', [1, 2, 4, 4]), x), w: deq(b, weights(b, 's8', [3, 2, 3, 3], 7), { s: 0.25 }) },
      attrs,
    ) as Float;
    const first = q(b, b.emit(nnRelu, { x: conv }), 'u8', y);
    return b.finish([q(b, b.emit(nnSigmoid, { x: deq(b, first, y) }), 'u8', { s: 1 / 256 })]);
  };
  test('products leaves everything else as it is', () => {
    expect(group(graph(), 'products').ops).toEqual([
      'nn.sigmoid',
      'qnn.conv',
      'qnn.dequantize',
      'qnn.quantize',
      'qnn.requantize',
    ]);
  });
  test('all groups tables as well', () => {
    const { ops, graph: after } = group(graph());
    expect(ops).toEqual(['qnn.conv', 'qnn.lut', 'qnn.requantize']);
    expect(Object.values(after.nodes).find((n) => n.op === 'qnn.requantize')?.attrs).toMatchObject({
      low: 128,
      high: 255,
    });
  });
});
