/** Operators that old operator sets lack are written with the operators that they have. */
import { describe, expect, it } from 'vitest';
import { legalize } from '../../src/codegen/legalize.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { type DType, type ITensor, sizeOf, tensor } from '../../src/ir/index.ts';
import { hasVnni, SATURATES } from '../support/exact_weights.ts';
import { writeModel } from '../support/onnx.ts';
import { differenceOf, optimizations, runOnnx } from '../unit/onnx_export/support.ts';

const filled = (dtype: DType, shape: readonly number[]): ITensor =>
  tensor(
    dtype,
    Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 91) % 256) - (dtype === 's8' ? 128 : 0)),
    shape,
  );

/** A padded convolution whose source zero point is an input; Pad takes its value as an attribute before version 11. */
const padded = (type: 'uint8' | 'int8', zeroPoint: readonly number[]): Uint8Array =>
  writeModel({
    nodes: [
      {
        op: 'QLinearConv',
        inputs: ['x', 'sx', 'zx', 'w', 'sw', 'zw', 'sy', 'zy'],
        outputs: ['y'],
        attrs: { pads: [1, 0, 2, 1] },
      },
    ],
    inputs: [
      { name: 'x', type, dims: [1, 2, 5, 5] },
      { name: 'zx', type, dims: zeroPoint },
    ],
    outputs: [{ name: 'y', type }],
    initializers: [
      { name: 'sx', tensor: tensor('f32', [0.1], []) },
      { name: 'w', tensor: filled('s8', [3, 2, 3, 3]) },
      { name: 'sw', tensor: tensor('f32', [0.02], []) },
      { name: 'zw', tensor: tensor('s8', [0], []) },
      { name: 'sy', tensor: tensor('f32', [0.7], []) },
      { name: 'zy', tensor: tensor(type === 'int8' ? 's8' : 'u8', [5], []) },
    ],
    opsets: { '': 10 },
  });

describe('operator set 10: a pad with a computed zero point', () => {
  it.for([
    ['uint8', 'u8', [], [0, 114, 255]],
    ['int8', 's8', [], [-128, 7, 127]],
    ['uint8', 'u8', [1], [3]],
  ] as const)('of %s, %s[%s]', async ([type, dtype, shape, zeroPoints], { skip }) => {
    const bytes = padded(type, shape);
    for (const strategy of ['auto', 'pad'] as const) {
      const { graph, strategies } = legalize(importOnnx(bytes), { target: 'symmetric', strategy });
      expect(strategies.map(({ chosen }) => chosen)).toEqual(['pad']);
      const exported = exportOnnx(graph);
      skip(!hasVnni, SATURATES);
      for (const zeroPoint of zeroPoints) {
        const feeds = { x: filled(dtype, [1, 2, 5, 5]), zx: tensor(dtype, [zeroPoint], shape) as ITensor };
        for (const level of optimizations)
          expect(differenceOf(await runOnnx(exported, feeds, level), await runOnnx(bytes, feeds))).toBeUndefined();
      }
    }
  });
});
