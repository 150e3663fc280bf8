import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AnyOp, type AttrValue, type Graph, GraphBuilder, interpret, tensor } from '../../../src/ir/index.ts';
import { nnGather } from '../../../src/ir/ops/nn_gather.op.ts';
import * as move from '../../../src/ir/ops/nn_movement.op.ts';
import { nnGlobalMaxPool, nnMaxPool } from '../../../src/ir/ops/nn_pool.op.ts';
import { nnResize } from '../../../src/ir/ops/nn_resize.op.ts';
import { nnSlice } from '../../../src/ir/ops/nn_slice.op.ts';
import { qnnQuantize } from '../../../src/ir/ops/qnn_quantize.op.ts';
import type { AnyRule } from '../../../src/passes/rewrite/rule.ts';
import { dequantizeLate } from '../../../src/passes/rules/qdq_dequantize_late.rule.ts';
import { dequantizeWeightsLate } from '../../../src/passes/rules/qdq_dequantize_weights_late.rule.ts';
import { quantizeEarly } from '../../../src/passes/rules/qdq_quantize_early.rule.ts';
import { checkRule, checkWrong } from '../../../src/testing/check.ts';
import {
  between,
  deq,
  eight,
  type Float,
  group,
  parametersOf,
  type Quantization,
  q,
  quantization,
  weights,
} from './qdq_graphs.ts';

interface Mover {
  readonly op: AnyOp;
  readonly attrs: Readonly<Record<string, AttrValue>>;
  /** Further operands. */
  readonly more?: (
    b: GraphBuilder,
    quantization: Quantization,
    dtype: 'u8' | 's8',
  ) => ReturnType<GraphBuilder['emitList']>;
}
/** A pad value that is an integer times the scale. */
const representable: Mover['more'] = (b, { s, z }, dtype) => {
  const zero = parametersOf(dtype, { s, z }).z as number;
  return [b.scalar('f32', Math.fround(Math.fround((dtype === 'u8' ? 200 : 90) - zero) * s))];
};
const pool = { kernel: [2, 2], strides: [2, 1], pads: [1, 0, 0, 1], dilations: [1, 1], ceilMode: true };
/** On [2, 4, 4, 6]. */
const movers: Readonly<Record<string, Mover>> = {
  reshape: { op: move.nnReshape, attrs: { shape: [8, 24] } },
  transpose: { op: move.nnTranspose, attrs: { perm: [0, 2, 3, 1] } },
  expand: { op: move.nnExpand, attrs: { shape: [3, 1, 1, 1, 1] } },
  tile: { op: move.nnTile, attrs: { repeats: [1, 2, 1, 1] } },
  pad: { op: move.nnPad, attrs: { pads: [0, 0, 1, 1, 0, 0, 1, 2] } },
  'pad with a value': { op: move.nnPad, attrs: { pads: [0, 0, 1, 1, 0, 0, 1, 2] }, more: representable },
  'pad with the edge': { op: move.nnPad, attrs: { pads: [0, 0, 1, 1, 0, 0, 1, 2], mode: 'edge' } },
  'depth to space': { op: move.nnDepthToSpace, attrs: { block: 2 } },
  'space to depth': { op: move.nnSpaceToDepth, attrs: { block: 2 } },
  slice: { op: nnSlice, attrs: { starts: [1, 5], ends: [4, 0], axes: [1, 3], steps: [1, -2] } },
  gather: { op: nnGather, attrs: { axis: 1 }, more: (b) => [b.constant(tensor('s64', [3, 0, 0]))] },
  'resize to the nearest': { op: nnResize, attrs: { shape: [2, 4, 8, 3], scales: [1, 1, 2, 0.5] } },
  'max pool': { op: nnMaxPool, attrs: pool },
  'global max pool': { op: nnGlobalMaxPool, attrs: {} },
};

const emit = (b: GraphBuilder, { op, attrs, more }: Mover, x: Float, from: Quantization, dtype: 'u8' | 's8'): Float =>
  b.emitList(op, [x, ...(more?.(b, from, dtype) ?? [])], attrs)[0] as Float;

const moved = fc.record({ dtype: eight, x: quantization, y: quantization, z: fc.constantFrom(0, 1, 255) });

/** Dequantized, moved, and read as floats. */
const late = (mover: Mover): fc.Arbitrary<Graph> =>
  moved.map(({ dtype, x }) => {
    const b = new GraphBuilder();
    const real = deq(b, b.input('x', dtype, [2, 4, 4, 6]), parametersOf(dtype, x));
    return b.finish([emit(b, mover, real, x, dtype)]);
  });
/** Float, moved, quantized. */
const early = (mover: Mover): fc.Arbitrary<Graph> =>
  moved.map(({ dtype, x, y }) => {
    const b = new GraphBuilder();
    return b.finish([q(b, emit(b, mover, b.input('x', 'f32', [2, 4, 4, 6]), x, dtype), dtype, parametersOf(dtype, y))]);
  });
const concat = (b: GraphBuilder, xs: readonly Float[]): Float => b.emit(move.nnConcat, { xs }, { axis: 1 }) as Float;
const concats = (equal: boolean): fc.Arbitrary<Graph> =>
  moved.map(({ dtype, x, y }) => {
    const b = new GraphBuilder();
    const [u, v] = [b.input('u', dtype, [2, 3]), b.input('v', dtype, [2, 4])];
    const real = concat(b, [deq(b, u, parametersOf(dtype, x)), deq(b, v, parametersOf(dtype, equal ? x : y))]);
    return b.finish(equal ? [real] : [q(b, real, dtype, parametersOf(dtype, y))]);
  });

const lateRule = (op: AnyOp): AnyRule => dequantizeLate.find((rule) => rule.root === op)!;

describe('dequantization comes after movements', () => {
  test.each(Object.entries(movers))('%s', (name, mover) => {
    const rule = lateRule(mover.op);
    checkRule(rule, { graphs: late(mover), runs: 60 });
    if (name !== 'pad with the edge') checkWrong(rule, { graphs: late(mover) });
  });
  test('concat of equal parameters', () => {
    checkRule(lateRule(move.nnConcat), { graphs: concats(true) });
    checkWrong(lateRule(move.nnConcat), { graphs: concats(true) });
  });
  test('every rule of the family has a test', () => {
    const tested = new Set<AnyOp>([...Object.values(movers).map(({ op }) => op), move.nnConcat]);
    expect(
      dequantizeLate.map((rule) => rule.root.name).filter((name) => ![...tested].some((op) => op.name === name)),
    ).toEqual(['nn.gather_elements']);
  });
  test('gather elements', () => {
    const mover = {
      op: lateRoot('nn.gather_elements'),
      attrs: { axis: 3 },
      more: (b: GraphBuilder) => [b.constant(tensor('s64', Array(32).fill(2), [2, 4, 4, 1]))],
    };
    checkRule(lateRule(mover.op), { graphs: late(mover), runs: 60 });
    checkWrong(lateRule(mover.op), { graphs: late(mover) });
  });
});
const lateRoot = (name: string): AnyOp => dequantizeLate.find((rule) => rule.root.name === name)!.root;

describe('quantization comes before movements', () => {
  const movable = Object.entries(movers).filter(([name]) => !/slice|gather|resize/.test(name));
  test.each(movable)('%s', (_name, mover) => {
    checkRule(quantizeEarly, { graphs: early(mover), runs: 60 });
  });
  test('concat', () => {
    checkRule(quantizeEarly, { graphs: concats(false) });
  });
  test('a pad with the integer 0 is refuted (onnxscript FuseConvIntegerPad, TVM #13364)', () => {
    checkWrong(quantizeEarly, { graphs: early(movers.pad) });
  });
});

describe('constants with a scale for each channel', () => {
  const filters = (emitMove: (b: GraphBuilder, w: Float) => Float): fc.Arbitrary<Graph> =>
    fc
      .record({ dtype: eight, axis: fc.constantFrom(0, 1), perTensor: fc.boolean(), seed: fc.nat(0xffff) })
      .map(({ dtype, axis, perTensor, seed }) => {
        const b = new GraphBuilder();
        const s = perTensor
          ? 0.3
          : [
              [0.1, 0.2, 0.5],
              [0.1, 0.2, 0.3, 0.7],
            ][axis];
        return b.finish([
          emitMove(
            b,
            deq(b, weights(b, dtype, [3, 4], seed), { s, z: perTensor ? 5 : [1, 2, 3, 4].slice(0, 3 + axis), axis }),
          ),
        ]);
      });
  const [transposed, reshaped] = dequantizeWeightsLate;
  test('transposed', () => {
    const graphs = filters((b, x) => b.emit(move.nnTranspose, { x }, { perm: [1, 0] }) as Float);
    checkRule(transposed, { graphs });
    checkWrong(transposed, { graphs });
  });
  test('reshaped', () => {
    const graphs = filters((b, x) => b.emit(move.nnReshape, { x }, { shape: [1, 3, 1, 4] }) as Float);
    checkRule(reshaped, { graphs });
    checkWrong(reshaped, { graphs });
  });
  test('a reshape that splits the axis of the scales', () => {
    const b = new GraphBuilder();
    const w = deq(b, weights(b, 's8', [4, 3], 1), { s: [1, 2, 3, 4], axis: 0 });
    expect(group(b.finish([b.emit(move.nnReshape, { x: w }, { shape: [2, 2, 3] })])).reasons).toContain(
      'dequantize-weights-after-reshape: the axis of the scales, 0, is not an axis of the result',
    );
  });
});

describe('whole groups', () => {
  const plain = { s: 0.1, z: 4 };
  const other = { s: 0.3, z: 90 };
  test.each(Object.entries(movers))('%s between equal parameters works on the integers alone', (_name, mover) => {
    const graph = between('u8', [[2, 4, 4, 6]], [plain], plain, (b, [x]) => emit(b, mover, x, plain, 'u8'));
    const { ops } = group(graph);
    expect(ops.filter((op) => op !== 'nn.identity')).toEqual([mover.op.name]);
  });
  test('different parameters: a table after the move', () => {
    const graph = between('u8', [[2, 4, 4, 6]], [plain], other, (b, [x]) =>
      emit(b, movers['max pool'], x, plain, 'u8'),
    );
    expect(group(graph).ops).toEqual(['nn.max_pool', 'qnn.lut']);
  });
  test('concat: a table for each operand whose parameters differ', () => {
    const graph = between(
      'u8',
      [
        [2, 3],
        [2, 4],
        [2, 5],
      ],
      [plain, other, plain],
      other,
      (b, xs) => concat(b, xs),
    );
    const { ops, graph: after } = group(graph);
    expect(ops).toEqual(['nn.concat', 'qnn.lut', 'qnn.lut']);
    const feeds = { x0: weightsOf([2, 3]), x1: weightsOf([2, 4]), x2: weightsOf([2, 5]) };
    expect(interpret(after, feeds)).toEqual(interpret(graph, feeds));
  });
  test('a pad value that is not an integer times the scale stays behind its quantize', () => {
    const graph = between('u8', [[2, 4, 4, 6]], [plain], other, (b, [x]) =>
      emit(b, { ...movers.pad, more: (g) => [g.scalar('f32', 0.123)] }, x, plain, 'u8'),
    );
    expect(group(graph).ops).toEqual(['nn.pad', 'qnn.lut']);
    const b = new GraphBuilder();
    const real = deq(b, b.input('x', 'u8', [2, 4, 4, 6]), plain);
    const unquantized = b.finish([
      emit(b, { ...movers.pad, more: (g) => [g.scalar('f32', 0.123)] }, real, plain, 'u8'),
    ]);
    expect(group(unquantized).reasons).toEqual([
      expect.stringMatching(/^dequantize-after-pad: the pad value 0\.123\d* is not an integer times the scale 0\.1/),
    ]);
  });
  test('a pad value that is computed', () => {
    const b = new GraphBuilder();
    const real = deq(b, b.input('x', 'u8', [4]), plain);
    const padded = b.emit(move.nnPad, { x: real, value: b.input('v', 'f32', []) }, { pads: [1, 1] }) as Float;
    expect(group(b.finish([q(b, padded, 'u8', plain)])).reasons).toEqual([
      'dequantize-after-pad: the pad value is computed at run time',
      'quantize-early: the pad value is computed at run time',
    ]);
  });
  test('a dilated max pool whose windows may lie outside', () => {
    const dilated = {
      op: nnMaxPool,
      attrs: { ...pool, kernel: [2, 2], dilations: [3, 1], pads: [3, 0, 0, 0], ceilMode: false },
    };
    const b = new GraphBuilder();
    const graph = b.finish([emit(b, dilated, deq(b, b.input('x', 'u8', [1, 1, 2, 4]), plain), plain, 'u8')]);
    expect(group(graph).reasons).toContain(
      'dequantize-after-max-pool: a window with dilation may lie outside the input, where the maximum of integers is another',
    );
  });
  test('concat of different parameters without a quantize', () => {
    const b = new GraphBuilder();
    const xs = [deq(b, b.input('u', 'u8', [2, 3]), plain), deq(b, b.input('v', 'u8', [2, 3]), other)];
    expect(group(b.finish([concat(b, xs)])).reasons).toEqual([
      'dequantize-after-concat: the operands have different scales, zero points or types',
    ]);
  });
  test('a resize that interpolates stays float', () => {
    const graph = between(
      'u8',
      [[2, 4]],
      [plain],
      plain,
      (b, [x]) => b.emit(nnResize, { x }, { shape: [2, 8], scales: [1, 2], mode: 'linear' }) as Float,
    );
    expect(group(graph).reasons).toEqual(['group-qdq: nn.resize in front of the quantize has no integer form here']);
  });
  test('moved floats that others read are not quantized early', () => {
    const b = new GraphBuilder();
    const flat = b.emit(move.nnReshape, { x: b.input('x', 'f32', [2, 3]) }, { shape: [6] }, { names: ['flat'] });
    const graph = b.finish([b.emit(qnnQuantize, { x: flat, scale: b.scalar('f32', 0.1) }), flat]);
    expect(group(graph).reasons).toEqual([
      'quantize-early: %flat in the middle of the group is an output of the graph',
    ]);
  });
});

const weightsOf = (shape: readonly number[]) =>
  tensor(
    'u8',
    Array.from({ length: shape[0] * shape[1] }, (_, i) => (i * 37) % 256),
    shape,
  );
