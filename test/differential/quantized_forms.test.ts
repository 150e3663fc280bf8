/**
 * The operators that ONNX Runtime's own tools write for quantized transformers and recurrent layers, beside ONNX Runtime. Its floats are
 * approximations (exp, tanh, sums in any order), so results agree to a few units of the last place; where floats are quantized
 * again (a step of an LSTM), a tie may move an integer, which the data here avoid.
 */
import { describe, it } from 'vitest';
import { type ITensor, tensor } from '../../src/ir/index.ts';
import { bytes, expectLikeOnnxRuntime, floats, next } from './one_operator.ts';

const f32 = (value: number, shape: readonly number[] = []) => tensor('f32', Float32Array.of(value), shape);
const byte = (dtype: 'u8' | 's8', value: number) => tensor(dtype, [value], []);

describe('QAttention', () => {
  const [batch, length, width, heads, size] = [2, 5, 12, 3, 4];
  const columns = 3 * heads * size;
  const masks: Record<string, ITensor | undefined> = {
    none: undefined,
    lengths: tensor('s32', [5, 3], [2]),
    'ends and starts': tensor('s32', [5, 4, 0, 1], [4]),
    positions: tensor('s32', [1, 1, 1, 1, 1, 1, 1, 0, 1, 0], [2, 5]),
  };
  for (const [name, mask] of Object.entries(masks))
    for (const weights of ['u8', 's8'] as const)
      for (const unidirectional of [0, 1])
        it(`mask: ${name}, ${weights} weights, unidirectional ${unidirectional}`, async () => {
          const perColumn = name === 'positions';
          await expectLikeOnnxRuntime(
            {
              op: 'QAttention',
              attrs: { num_heads: heads, unidirectional },
              operands: [
                bytes('u8', [batch, length, width]),
                bytes(weights, [width, columns]),
                floats([columns]),
                f32(0.02),
                perColumn
                  ? tensor(
                      'f32',
                      Float32Array.from({ length: columns }, () => 0.01 + 0.01 * next()),
                      [columns],
                    )
                  : f32(0.01),
                mask,
                byte('u8', 120),
                byte(weights, weights === 'u8' ? 131 : 0),
              ],
              computed: 1,
              outputs: ['f32'],
            },
            1e-5,
          );
        });

  it('past keys and values, and present ones', async () => {
    await expectLikeOnnxRuntime(
      {
        op: 'QAttention',
        attrs: { num_heads: heads, unidirectional: 1 },
        operands: [
          bytes('u8', [batch, length, width]),
          bytes('u8', [width, columns]),
          floats([columns]),
          f32(0.02),
          f32(0.01),
          undefined,
          byte('u8', 120),
          byte('u8', 131),
          floats([2, batch, heads, 3, size]),
        ],
        computed: 9,
        outputs: ['f32', 'f32'],
      },
      1e-5,
    );
  });
});

describe('QEmbedLayerNormalization', () => {
  for (const hasSegments of [true, false])
    for (const hasMask of [true, false])
      it(`segments ${hasSegments}, mask ${hasMask}`, async () => {
        const [words, places, kinds, width] = [9, 7, 2, 16];
        const ids = tensor('s32', [0, 3, 8, 5, 1, 1, 7, 2, 4, 6], [2, 5]);
        const scales = [0.013, 0.011, 0.017, 0.01, 0.02].map((v, i) => (i === 2 && !hasSegments ? undefined : f32(v)));
        const zeros = [120, 131, 99, 3, 128].map((v, i) => (i === 2 && !hasSegments ? undefined : byte('u8', v)));
        await expectLikeOnnxRuntime(
          {
            op: 'QEmbedLayerNormalization',
            attrs: { epsilon: { f: 1e-6 } },
            operands: [
              ids,
              hasSegments ? tensor('s32', [0, 0, 1, 1, 1, 0, 1, 0, 1, 1], [2, 5]) : undefined,
              bytes('u8', [words, width]),
              bytes('u8', [places, width]),
              hasSegments ? bytes('u8', [kinds, width]) : undefined,
              bytes('u8', [width]),
              bytes('u8', [width]),
              hasMask ? tensor('s32', [1, 1, 1, 0, 0, 1, 1, 1, 1, 2], [2, 5]) : undefined,
              ...scales,
              ...zeros,
            ],
            computed: 2,
            outputs: ['f32', 's32'],
          },
          1e-5,
        );
      });
});

describe('DynamicQuantizeLSTM', () => {
  const [length, batch, width, hidden] = [4, 2, 6, 5];
  for (const direction of ['forward', 'reverse', 'bidirectional'])
    for (const weights of ['u8', 's8'] as const)
      it(`${direction}, ${weights} weights`, async () => {
        const count = direction === 'bidirectional' ? 2 : 1;
        const isGiven = weights === 'u8';
        const scales = () =>
          tensor(
            'f32',
            Float32Array.from({ length: count }, () => 0.003 + 0.002 * next()),
            [count],
          );
        const zeros = () =>
          tensor(
            weights,
            Array.from({ length: count }, () => (weights === 'u8' ? 100 + Math.floor(50 * next()) : 0)),
            [count],
          );
        await expectLikeOnnxRuntime(
          {
            op: 'DynamicQuantizeLSTM',
            attrs: { hidden_size: hidden, direction },
            operands: [
              floats([length, batch, width]),
              bytes(weights, [count, width, 4 * hidden]),
              bytes(weights, [count, hidden, 4 * hidden]),
              isGiven ? floats([count, 8 * hidden]) : undefined,
              undefined,
              isGiven ? floats([count, batch, hidden]) : undefined,
              isGiven ? floats([count, batch, hidden]) : undefined,
              undefined,
              scales(),
              zeros(),
              scales(),
              zeros(),
            ],
            computed: 1,
            outputs: ['f32', 'f32', 'f32'],
          },
          1e-5,
        );
      });
});
