/**
 * The operators that ONNX Runtime's graph optimizations and transformer tools make of several ones, beside ONNX Runtime. It computes
 * activations by approximations of a few units in the last place, and adds in another order: a sum of n products of numbers up to 1 may
 * differ by n·2^-24, and softmax and normalization hand that on.
 */
import { describe, expect, it } from 'vitest';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { type ITensor, interpret, tensor } from '../../src/ir/index.ts';
import { expectLikeOnnxRuntime, type Form, floats, integers, modelOf } from './one_operator.ts';

const [batch, length, width, heads] = [2, 5, 16, 4];
const f32: Form['outputs'] = ['f32'];
const close = (name: string, form: Form, within = 2e-6) =>
  it(name, async () => {
    await expectLikeOnnxRuntime(form, within);
  });

describe('activations', () => {
  const x = floats([batch, length, width], 4);
  const bias = floats([width]);
  close('Gelu', { op: 'Gelu', attrs: {}, operands: [x], computed: 1, outputs: f32 });
  close('BiasGelu', { op: 'BiasGelu', attrs: {}, operands: [x, bias], computed: 1, outputs: f32 });
  close('FastGelu', { op: 'FastGelu', attrs: {}, operands: [x], computed: 1, outputs: f32 });
  close('FastGelu with a bias', { op: 'FastGelu', attrs: {}, operands: [x, bias], computed: 1, outputs: f32 });
  for (const alpha of [undefined, 1, 0.5])
    close(`QuickGelu, alpha ${alpha}`, {
      op: 'QuickGelu',
      attrs: alpha === undefined ? {} : { alpha: { f: alpha } },
      operands: [x],
      computed: 1,
      outputs: f32,
    });
});

describe('products', () => {
  for (const transA of [0, 1])
    for (const transB of [0, 1])
      for (const batches of [0, 1])
        close(`FusedMatMul, transposed ${transA} and ${transB}, batch behind ${batches}`, {
          op: 'FusedMatMul',
          attrs: { transA, transB, transBatchA: batches, transBatchB: batches, alpha: { f: 0.125 } },
          operands: [rows(transA, batches, 6, 7), rows(transB, batches, 7, 3)],
          computed: 2,
          outputs: f32,
        });
  function rows(isTurned: number, isBehind: number, m: number, k: number): ITensor {
    const [a, b] = isTurned ? [k, m] : [m, k];
    // the batch of two axes lies before the rows, or behind them
    return floats(isBehind ? [a, 2, 3, b] : [2, 3, a, b]);
  }

  const activations = {
    '': {},
    Relu: {},
    Tanh: {},
    Sigmoid: {},
    LeakyRelu: { activation_alpha: { f: 0.2 } },
    Elu: { activation_alpha: { f: 0.7 } },
    HardSigmoid: { activation_alpha: { f: 0.3 }, activation_beta: { f: 0.4 } },
    Softplus: {},
  };
  for (const [activation, parameters] of Object.entries(activations))
    if (activation !== '')
      close(`FusedGemm, ${activation}`, {
        op: 'FusedGemm',
        attrs: { activation, ...parameters, transB: 1, alpha: { f: 0.5 }, beta: { f: 2 } },
        operands: [floats([6, 7]), floats([3, 7]), floats([3])],
        computed: 1,
        outputs: f32,
      });

  const convolutions: Record<string, readonly number[]> = {
    Relu: [],
    Tanh: [],
    Sigmoid: [],
    LeakyRelu: [0.2],
    Clip: [-0.5, 0.75],
    HardSigmoid: [0.3, 0.4],
  };
  for (const [activation, parameters] of Object.entries(convolutions))
    for (const hasSum of [false, true])
      close(`FusedConv, ${activation}, added: ${hasSum}`, {
        op: 'FusedConv',
        attrs: {
          activation,
          ...(parameters.length > 0 && { activation_params: { floats: parameters } }),
          pads: [1, 1, 1, 1],
        },
        operands: [
          floats([1, 8, 6, 6]),
          floats([4, 8, 3, 3]),
          floats([4]),
          hasSum ? floats([1, 4, 6, 6]) : undefined,
        ].slice(0, hasSum ? 4 : 3),
        computed: 1,
        outputs: f32,
      });

  it('follows the type of a FusedMatMul that is carried', () => {
    const attrs = { transBatchA: 1, transA: 1, acme: 1 };
    const form = {
      op: 'FusedMatMul',
      attrs,
      operands: [floats([7, 2, 6]), floats([2, 7, 3])],
      computed: 2,
      outputs: f32,
    };
    const graph = importOnnx(modelOf(form).bytes);
    expect(graph.values[graph.outputs[0]].type.shape).toEqual([2, 6, 3]);
  });

  it('carries an activation that is not known', () => {
    const operands = [floats([2, 2]), floats([2, 2])];
    const { bytes } = modelOf({ op: 'FusedGemm', attrs: { activation: 'Sine' }, operands, computed: 1, outputs: f32 });
    expect(importOnnx(bytes).origin?.unsupported).toMatchObject([{ reason: "the activation 'Sine'" }]);
  });
});

describe('normalizations', () => {
  const x = floats([batch, length, width], 3);
  const skips = {
    'as large': [batch, length, width],
    'one for all': [1, length, width],
    'without a batch': [length, width],
  };
  for (const [name, shape] of Object.entries(skips))
    for (const hasBias of [false, true]) {
      close(`SkipLayerNormalization, the second ${name}, bias ${hasBias}`, {
        op: 'SkipLayerNormalization',
        attrs: { epsilon: { f: 1e-5 } },
        operands: [x, floats(shape), floats([width]), floats([width]), ...(hasBias ? [floats([width])] : [])],
        computed: 2,
        outputs: ['f32', undefined, undefined, 'f32'],
      });
      close(`SkipSimplifiedLayerNormalization, the second ${name}, bias ${hasBias}`, {
        op: 'SkipSimplifiedLayerNormalization',
        attrs: { epsilon: { f: 1e-5 } },
        operands: [x, floats(shape), floats([width]), ...(hasBias ? [floats([width])] : [])],
        computed: 2,
        outputs: ['f32', undefined, undefined, 'f32'],
      });
    }
  close('SkipLayerNormalization without beta', {
    op: 'SkipLayerNormalization',
    attrs: {},
    operands: [x, floats([batch, length, width]), floats([width])],
    computed: 2,
    outputs: f32,
  });
  close('SimplifiedLayerNormalization', {
    op: 'SimplifiedLayerNormalization',
    domain: '',
    attrs: { epsilon: { f: 1e-6 } },
    operands: [x, floats([width])],
    computed: 1,
    outputs: f32,
  });

  it('GroupNorm and BiasSplitGelu, which ONNX Runtime has for other processors alone, are what they are made of', () => {
    const image = floats([1, 3, 2, 8]);
    const [gamma, beta] = [floats([8]), floats([8])];
    const norm = modelOf({
      op: 'GroupNorm',
      attrs: { groups: 2, activation: 1, epsilon: { f: 1e-5 } },
      operands: [image, gamma, beta],
      computed: 1,
      outputs: f32,
    });
    const { o0 } = interpret(importOnnx(norm.bytes), { i0: image });
    const values = Array.from(image.data, Number);
    const group = (i: number) => values.filter((_, j) => i % 8 < 4 === j % 8 < 4);
    const expected = values.map((v, i) => {
      const members = group(i);
      const mean = members.reduce((a, b) => a + b) / members.length;
      const variance = members.reduce((a, b) => a + (b - mean) ** 2, 0) / members.length;
      const y = ((v - mean) / Math.sqrt(variance + 1e-5)) * Number(gamma.data[i % 8]) + Number(beta.data[i % 8]);
      return y / (1 + Math.exp(-y));
    });
    expect(Array.from(o0.data, Number).every((v, i) => Math.abs(v - expected[i]) < 1e-6)).toBe(true);

    const split = modelOf({
      op: 'BiasSplitGelu',
      attrs: {},
      operands: [tensor('f32', [1, 2, 0, 3], [1, 1, 4]), tensor('f32', [1, 0, 0, 1], [4])],
      computed: 1,
      outputs: f32,
    });
    const halves = interpret(importOnnx(split.bytes), { i0: tensor('f32', [1, 2, 0, 3], [1, 1, 4]) });
    expect(Array.from(halves.o0.data, Number)).toEqual([0, Math.fround(2 * Math.fround(3.9998733))]);
  });
});

describe('EmbedLayerNormalization', () => {
  for (const hasSegments of [true, false])
    for (const mask of [undefined, [1, 1, 1, 0, 0, 1, 1, 1, 1, 2]])
      for (const places of [undefined, [1, 5], [2, 5]])
        for (const isOpen of [false, true])
          close(`segments ${hasSegments}, mask ${mask}, positions [${places}], open sizes ${isOpen}`, {
            op: 'EmbedLayerNormalization',
            attrs: { epsilon: { f: 1e-6 } },
            operands: [
              integers('s32', [2, 5], 9),
              hasSegments ? integers('s32', [2, 5], 2) : undefined,
              floats([9, width]),
              floats([7, width]),
              hasSegments ? floats([2, width]) : undefined,
              floats([width]),
              floats([width]),
              mask && tensor('s32', mask, [2, 5]),
              places && integers('s32', places, 7),
            ],
            ...(isOpen && {
              open: { 0: ['N', 'S'], 1: ['N', 'S'], 7: ['N', 'S'], 8: [places?.[0] === 1 ? 1 : 'N', 'S'] },
            }),
            computed: 9,
            outputs: ['f32', 's32', 'f32'],
          });
});

const masks: Record<string, ITensor | undefined> = {
  none: undefined,
  lengths: tensor('s32', [5, 3], [2]),
  'ends and starts': tensor('s32', [5, 4, 0, 1], [4]),
  positions: tensor('s32', [1, 1, 1, 1, 1, 1, 1, 0, 1, 0], [2, 5]),
  pairs: tensor(
    's32',
    Array.from({ length: 50 }, (_, i) => Number(i % 7 < 4)),
    [2, 5, 5],
  ),
};

describe('Attention', () => {
  const columns = 3 * width;
  const named = (isOpen: boolean, mask: ITensor | undefined): Pick<Form, 'open'> => {
    const sizes = { 0: ['N', 'S', width] };
    return isOpen ? { open: mask?.shape.length === 2 ? { ...sizes, 3: ['N', 'M'] } : sizes } : {};
  };
  for (const [name, mask] of Object.entries(masks))
    for (const unidirectional of [0, 1])
      for (const isOpen of mask?.shape.length === 1 || mask?.shape.length === 3 ? [false] : [false, true])
        close(
          `mask: ${name}, unidirectional ${unidirectional}, open sizes ${isOpen}`,
          {
            op: 'Attention',
            attrs: { num_heads: heads, unidirectional, mask_filter_value: { f: -1000 } },
            operands: [floats([batch, length, width]), undefined, undefined, mask]
              .with(1, floats([width, columns]))
              .with(2, floats([columns])),
            ...named(isOpen, mask),
            computed: 4,
            outputs: f32,
          },
          1e-5,
        );

  close(
    'its own scale, an addend, and widths of their own',
    {
      op: 'Attention',
      attrs: { num_heads: heads, scale: { f: 0.3 }, qkv_hidden_sizes: [8, 8, 16] },
      operands: [
        floats([batch, length, width]),
        floats([width, 32]),
        floats([32]),
        undefined,
        undefined,
        floats([1, heads, length, length]),
      ],
      computed: 6,
      outputs: f32,
    },
    1e-5,
  );
  for (const isOpen of [false, true])
    close(
      `past keys and values, open sizes ${isOpen}`,
      {
        op: 'Attention',
        attrs: { num_heads: heads, unidirectional: 1 },
        operands: [
          floats([batch, length, width]),
          floats([width, columns]),
          floats([columns]),
          undefined,
          floats([2, batch, heads, 3, width / heads]),
        ],
        ...(isOpen && { open: { 0: ['N', 'S', width], 4: [2, 'N', heads, 'P', width / heads] } }),
        computed: 5,
        outputs: ['f32', 'f32'],
      },
      1e-5,
    );
});

describe('MultiHeadAttention', () => {
  const others = 7;
  const padding: Record<string, ITensor | undefined> = {
    none: undefined,
    lengths: tensor('s32', [7, 3], [2]),
    positions: tensor(
      's32',
      Array.from({ length: 14 }, (_, i) => Number(i % 5 < 4)),
      [2, 7],
    ),
  };
  for (const [name, mask] of Object.entries(padding))
    for (const hasBias of [false, true])
      for (const hasAddend of [false, true])
        close(
          `mask: ${name}, bias ${hasBias}, addend ${hasAddend}`,
          {
            op: 'MultiHeadAttention',
            attrs: { num_heads: heads },
            operands: [
              floats([batch, length, width]),
              floats([batch, others, width]),
              floats([batch, others, width]),
              hasBias ? floats([3 * width]) : undefined,
              mask,
              hasAddend ? floats([1, heads, length, others]) : undefined,
            ],
            computed: 6,
            outputs: f32,
          },
          1e-5,
        );
  close(
    'keys and values by heads',
    {
      op: 'MultiHeadAttention',
      attrs: { num_heads: heads },
      operands: [
        floats([batch, length, width]),
        floats([batch, heads, others, width / heads]),
        floats([batch, heads, others, width / heads]),
      ],
      computed: 3,
      outputs: f32,
    },
    1e-5,
  );
  for (const isOpen of [false, true])
    close(
      `past keys and values, in one direction, open sizes ${isOpen}`,
      {
        op: 'MultiHeadAttention',
        attrs: { num_heads: heads, unidirectional: 1 },
        operands: [
          floats([batch, length, width]),
          floats([batch, length, width]),
          floats([batch, length, width]),
          floats([3 * width]),
          undefined,
          undefined,
          floats([batch, heads, 3, width / heads]),
          floats([batch, heads, 3, width / heads]),
        ],
        ...(isOpen && {
          open: {
            0: ['N', 'S', width],
            1: ['N', 'S', width],
            2: ['N', 'S', width],
            6: ['N', heads, 'P', width / heads],
            7: ['N', heads, 'P', width / heads],
          },
        }),
        computed: 8,
        outputs: ['f32', 'f32', 'f32'],
      },
      1e-5,
    );
  close(
    'one query in one direction, which sees all keys',
    {
      op: 'MultiHeadAttention',
      attrs: { num_heads: heads, unidirectional: 1 },
      operands: [floats([batch, 1, width]), floats([batch, others, width]), floats([batch, others, width])],
      computed: 3,
      outputs: f32,
    },
    1e-5,
  );
});
