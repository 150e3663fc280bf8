/**
 * Forms of operators of com.microsoft that ONNX Runtime computes and unskew does not: one node is carried, whatever the form, and the
 * file is read.
 */
import { describe, expect, it } from 'vitest';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { tensor } from '../../src/ir/index.ts';
import { expectCarried, type Form, floats, modelOf } from './one_operator.ts';

const [batch, length, width, heads] = [2, 5, 16, 4];
const f32: Form['outputs'] = ['f32'];

describe('MultiHeadAttention in one direction', () => {
  const size = width / heads;
  // the last query of ONNX Runtime sees all keys, those before it see as many as there were before, and their own
  for (const past of [0, 2])
    for (const [query, own] of [
      [2, 3],
      [3, 2],
    ])
      it(`carries ${own} keys behind ${past} for ${query} queries`, () => {
        const cache = () => floats([batch, heads, past, size]);
        const rows = [query, own, own].map((count) => floats([batch, count, width]));
        return expectCarried(
          {
            op: 'MultiHeadAttention',
            attrs: { num_heads: heads, unidirectional: 1 },
            operands: past > 0 ? [...rows, undefined, undefined, undefined, cache(), cache()] : rows,
            computed: 8,
            outputs: past > 0 ? ['f32', 'f32', 'f32'] : f32,
          },
          /another number of keys/,
        );
      });
  it('carries numbers of queries and keys that only the run knows', () => {
    const rows = [3, 2, 2].map((count) => floats([batch, count, width]));
    const open = { 0: [batch, 'S', width], 1: [batch, 'L', width], 2: [batch, 'L', width] };
    const attrs = { num_heads: heads, unidirectional: 1 };
    const form: Form = { op: 'MultiHeadAttention', attrs, operands: rows, open, computed: 3, outputs: f32 };
    return expectCarried(form, /another number of keys/);
  });
});

it('carries MultiHeadAttention with a past whose present nobody asks for', () => {
  const rows = [0, 1, 2].map(() => floats([batch, length, width]));
  const cache = () => floats([batch, heads, 3, width / heads]);
  return expectCarried(
    {
      op: 'MultiHeadAttention',
      attrs: { num_heads: heads },
      operands: [...rows, undefined, undefined, undefined, cache(), cache()],
      computed: 8,
      outputs: f32,
    },
    /not asked for/,
  );
});

describe('Attention', () => {
  it('carries keys and values of different widths in one output, which ONNX Runtime does not fill', () => {
    const form: Form = {
      op: 'Attention',
      attrs: { num_heads: heads, qkv_hidden_sizes: [16, 16, 8] },
      operands: [floats([batch, length, width]), floats([width, 40]), floats([40])],
      computed: 1,
      outputs: ['f32', 'f32'],
      isDefined: (output) => output === 0,
    };
    return expectCarried(form, /different widths/);
  });
  it('carries shapes that its parts do not take, whoever is right about them', () => {
    const operands = [floats([batch, length, width]), floats([width + 1, 48]), floats([48])];
    const { bytes } = modelOf({ op: 'Attention', attrs: { num_heads: heads }, operands, computed: 1, outputs: f32 });
    const reason = expect.stringContaining('nn.matmul');
    expect(importOnnx(bytes).origin?.unsupported).toMatchObject([{ operator: 'com.microsoft.Attention', reason }]);
  });
});

it('carries a FusedMatMul of a transposed matrix and a vector, which ONNX Runtime does not transpose', async () => {
  for (const shape of [
    [6, 3],
    [2, 6, 3],
  ]) {
    const operands = [floats(shape), floats([6])];
    await expectCarried({ op: 'FusedMatMul', attrs: { transA: 1 }, operands, computed: 2, outputs: f32 }, /vector/);
  }
});

describe('widths that only the run knows', () => {
  const rows = [0, 1, 2].map(() => floats([batch, length, width]));
  const forms: Record<string, Form> = {
    'of queries': {
      op: 'MultiHeadAttention',
      attrs: { num_heads: heads },
      operands: rows,
      open: { 0: [batch, length, 'W'], 1: [batch, length, 'W'], 2: [batch, length, 'W'] },
      computed: 3,
      outputs: f32,
    },
    'of weights': {
      op: 'Attention',
      attrs: { num_heads: heads },
      operands: [rows[0], floats([width, 3 * width]), floats([3 * width])],
      open: { 1: [width, 'W'], 2: ['W'] },
      computed: 3,
      outputs: f32,
    },
    'of heads that are turned': {
      op: 'RotaryEmbedding',
      attrs: {},
      operands: [floats([batch, length, 32]), tensor('s64', [1], [1]), floats([20, 4]), floats([20, 4])],
      open: { 0: [batch, length, 'W'] },
      computed: 2,
      outputs: f32,
    },
    'of queries, keys and values in one tensor': {
      op: 'GroupQueryAttention',
      attrs: { num_heads: 2, kv_num_heads: 1 },
      operands: [
        floats([1, length, 64]),
        ...Array(4).fill(undefined),
        tensor('s32', [length - 1], [1]),
        tensor('s32', [length], [1]),
      ],
      open: { 0: [1, length, 'W'] },
      computed: 6,
      outputs: ['f32', 'f32', 'f32'],
    },
  };
  for (const [name, form] of Object.entries(forms))
    it(`are carried: ${name}`, () => expectCarried(form, /as far as sizes are known/));
});
