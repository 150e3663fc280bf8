/** Zero points that are left on products are listed with a reason, for every form of product. */
import assert from 'node:assert';
import { describe, expect, test } from 'vitest';
import { legalize } from '../../../src/codegen/legalize.ts';
import { type Graph, GraphBuilder, isComputable, tensor, type Value } from '../../../src/ir/index.ts';
import { nnCast } from '../../../src/ir/ops/nn_cast.op.ts';
import { nnMatmul } from '../../../src/ir/ops/nn_matmul.op.ts';
import { nnTranspose } from '../../../src/ir/ops/nn_movement.op.ts';
import { opaqueOp } from '../../../src/ir/ops/opaque.op.ts';
import { qnnConv } from '../../../src/ir/ops/qnn_conv.op.ts';
import { qnnMatmul } from '../../../src/ir/ops/qnn_matmul.op.ts';
import { deq, weights } from './qdq_graphs.ts';

const attrs = { strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1], group: 1 };
const u8 = (b: GraphBuilder, value: number): Value<'u8'> => b.scalar('u8', value);

const left = (graph: Graph, target: 'symmetric' | 'onednn' = 'symmetric') =>
  legalize(graph, { target }).remaining.map(({ op, operand }) => `${op} ${operand}`);
const build = (emit: (b: GraphBuilder) => Value): Graph => {
  const b = new GraphBuilder();
  return b.finish([emit(b)]);
};
const opaque = (b: GraphBuilder, operator: string, operands: readonly (Value | null)[], result = 'f32[2,4]'): Value => {
  const [y] = b.emitList(opaqueOp, operands, { operator, results: [result] });
  assert(isComputable(y));
  return y;
};

describe('nothing is listed', () => {
  const conv = build((b) =>
    b.emit(qnnConv, { x: b.input('x', 'u8', [1, 2, 4, 4]), w: weights(b, 's8', [3, 2, 3, 3], 1), zx: u8(b, 3) }, attrs),
  );
  test('of corrected products, and of zero points that the target takes', () => {
    expect(left(conv)).toEqual([]);
    expect(left(conv, 'onednn')).toEqual([]);
  });
  test('of products without zero points, or with zeros', () => {
    const float = build((b) => b.emit(nnMatmul, { a: b.input('a', 'f32', [2, 3]), b: b.input('b', 'f32', [3, 4]) }));
    const zeros = build((b) =>
      b.emit(nnMatmul, {
        a: b.input('a', 'f32', [2, 3]),
        b: deq(b, weights(b, 's8', [3, 4], 1), { s: [1, 2, 3, 4], z: [0, 0, 0, 0], axis: 1 }),
      }),
    );
    expect([...left(float), ...left(zeros)]).toEqual([]);
  });
});

describe('no zero point that the run computes is left', () => {
  const shape = [3, 2, 3, 3];
  test.each(['u8', 's8'] as const)('filters of %s and their zero points', (dtype) => {
    for (const zero of [[], [1], [3]]) {
      const graph = build((b) => {
        const [x, w] = [b.input('x', 'u8', [1, 2, 4, 4]), b.input('w', dtype, shape)];
        return b.emit(qnnConv, { x, w, zx: b.input('zx', 'u8', []), zw: b.input('zw', dtype, zero) }, attrs);
      });
      const { remaining, certificate } = legalize(graph);
      expect([remaining, certificate.verdict]).toEqual([[], 'bit-exact']);
    }
  });
});

describe('zero points that are left', () => {
  test('by sizes of zero points that may differ from the sizes of their side', () => {
    for (const [a, b] of [
      [
        ['M', 4],
        [4, 'N'],
      ],
      [
        ['M', 'K'],
        ['K', 'N'],
      ],
    ] as const)
      for (const dtype of ['u8', 's8'] as const)
        for (const by of ['za', 'zb', 'both'] as const) {
          const graph = build((build) => {
            const sides = { a: build.input('a', 'u8', [...a]), b: build.input('b', dtype, [...b]) };
            const za = by !== 'zb' && build.input('za', 'u8', ['R']);
            const zb = by !== 'za' && build.input('zb', dtype, ['C']);
            return build.emit(qnnMatmul, { ...sides, ...(za && { za }), ...(zb && { zb }) });
          });
          const { remaining, certificate } = legalize(graph);
          expect(certificate.verdict).toBe('bit-exact');
          expect(remaining.some(({ reason }) => reason.includes('symbolic size'))).toBe(true);
        }
  });
  test.each(['a', 'b'] as const)('on a product whose side %s is half precision behind its dequantize', (half) => {
    const graph = build((b) => {
      const a = deq(b, b.input('a', 'u8', [2, 3]), { s: 0.5, z: 99 });
      const w = deq(b, weights(b, 's8', [4, 3], 1), { s: 0.25 });
      const rounded = (x: Value<'f32'>, perm: readonly number[]): Value<'f32'> => {
        const narrow = b.emit(nnCast, { x }, { to: 'f16' }) as Value<'f16'>;
        return b.emit(nnCast, { x: b.emit(nnTranspose, { x: narrow }, { perm }) }, { to: 'f32' }) as Value<'f32'>;
      };
      const right = half === 'b' ? rounded(w, [1, 0]) : b.emit(nnTranspose, { x: w }, { perm: [1, 0] });
      return b.emit(nnMatmul, { a: half === 'a' ? rounded(a, [0, 1]) : a, b: right });
    });
    expect(legalize(graph).remaining).toEqual([
      expect.objectContaining({ operand: 'a', reason: expect.stringContaining('is rounded to f16 behind') }),
    ]);
  });
  test('on a product of 16-bit activations', () => {
    const graph = build((b) =>
      b.emit(nnMatmul, {
        a: deq(b, b.input('a', 'u16', [2, 3]), { s: 0.5, z: 30000 }),
        b: deq(b, weights(b, 's8', [3, 4], 1), { s: 0.25 }),
      }),
    );
    expect(legalize(graph).remaining).toEqual([
      expect.objectContaining({ op: 'nn.matmul', operand: 'a', reason: expect.stringContaining('u16') }),
    ]);
  });
  test('on a float product of one dequantized operand, moved by any operator', () => {
    const graph = build((b) => {
      const w = deq(b, weights(b, 'u8', [4, 3], 1), { s: [1, 2, 3, 4], z: [1, 2, 3, 4], axis: 0 });
      return b.emit(nnMatmul, { a: b.input('a', 'f32', [2, 3]), b: b.emit(nnTranspose, { x: w }, { perm: [1, 0] }) });
    });
    const { remaining } = legalize(graph);
    expect(remaining).toEqual([
      expect.objectContaining({
        op: 'nn.matmul',
        operand: 'b',
        reason: 'the left operand is not dequantized: %a is an input of the graph',
      }),
    ]);
  });
  test('on quantized operators that are carried', () => {
    const graph = build((b) => {
      const [a, w] = [b.input('a', 'u8', [2, 3]), b.input('w', 'u8', [3, 4])];
      return opaque(b, 'MatMulInteger', [a, w, u8(b, 0), b.input('zw', 'u8', [4])], 's32[2,4]');
    });
    expect(left(graph)).toEqual(['MatMulInteger 3']);
    const blocks = build((b) => opaque(b, 'com.microsoft.MatMulNBits', [b.input('a', 'f32', [2, 3])]));
    expect(left(blocks)).toEqual(['com.microsoft.MatMulNBits all']);
    expect(legalize(blocks).remaining[0].reason).toContain('com.microsoft.MatMulNBits is carried');
  });
  test('on float operators that are carried, behind carried ones as well', () => {
    const graph = build((b) => {
      const w = opaque(b, 'DequantizeLinear', [b.input('w', 'opaque' as 'u8', []), null, u8(b, 7)], 'f32[3,4]');
      const x = deq(b, b.input('x', 'u8', [2, 3]), { s: 0.5, z: 128 });
      return opaque(b, 'Gemm', [x, opaque(b, 'Transpose', [w], 'f32[3,4]'), b.constant(tensor('f32', [1], []))]);
    });
    expect(left(graph)).toEqual(['Gemm 0', 'Gemm 1']);
  });
  test('under the other target: products on the reference kernel', () => {
    const graph = build((b) =>
      b.emit(qnnMatmul, {
        a: b.input('a', 'u8', [2, 3]),
        b: weights(b, 's8', [3, 4], 1),
        za: b.input('za', 'u8', [2]),
      }),
    );
    expect(left(graph, 'onednn')).toEqual([]);
  });
});
