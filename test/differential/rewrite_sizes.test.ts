/** Rewritten models whose sizes are known when they run: the same integers on ONNX Runtime for any of them. */
import { describe, expect, it } from 'vitest';
import { legalize } from '../../src/codegen/legalize.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { type ITensor, sizeOf, tensor } from '../../src/ir/index.ts';
import { type ModelAttr, writeModel } from '../support/onnx.ts';
import { differenceOf, runOnnx } from '../unit/onnx_export/support.ts';

const filled = (dtype: 'u8' | 's8', shape: readonly number[]): ITensor =>
  tensor(
    dtype,
    Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 91) % 256) - (dtype === 's8' ? 128 : 0)),
    shape,
  );

/** Two convolutions by groups, of several filters each; the second takes the sizes that the first leaves. */
function twoByGroups(attrs: Readonly<Record<string, ModelAttr>>): Uint8Array {
  const conv = (x: string, w: string, y: string) => ({
    op: 'ConvInteger',
    inputs: [x, w, 'zx', 'zw'],
    outputs: [y],
    attrs: { group: 2, ...attrs },
  });
  return writeModel({
    nodes: [
      conv('x', 'w1', 'a'),
      { op: 'Cast', inputs: ['a'], outputs: ['b'], attrs: { to: 2 } },
      conv('b', 'w2', 'y'),
    ],
    inputs: [{ name: 'x', type: 'uint8', dims: ['N', 4, 'H', 'W'] }],
    outputs: [{ name: 'y', type: 'int32' }],
    initializers: [
      { name: 'w1', tensor: filled('u8', [4, 2, 3, 2]) },
      { name: 'w2', tensor: filled('u8', [6, 2, 2, 3]) },
      { name: 'zx', tensor: tensor('u8', [7], []) },
      { name: 'zw', tensor: tensor('u8', [1], []) },
    ],
  });
}

describe('window sums by groups', () => {
  it.each([
    ['without a stride', {}],
    ['with strides', { strides: [2, 1] }],
  ])('%s', async (_name, attrs) => {
    const bytes = twoByGroups(attrs);
    for (const target of ['symmetric', 'onednn'] as const) {
      const exported = exportOnnx(legalize(importOnnx(bytes), { target }).graph);
      for (const [n, h, w] of [
        [1, 9, 8],
        [2, 12, 7],
      ]) {
        const feeds = { x: filled('u8', [n, 4, h, w]) };
        expect(differenceOf(await runOnnx(exported, feeds), await runOnnx(bytes, feeds))).toBeUndefined();
      }
    }
  });
});
