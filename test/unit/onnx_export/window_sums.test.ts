/** Convolutions whose sums are read as int32: one product, and one window sum for all layers of a source and a window. */
import { describe, expect, it } from 'vitest';
import { legalize } from '../../../src/codegen/legalize.ts';
import { exportOnnx } from '../../../src/exporters/index.ts';
import { openOnnx } from '../../../src/formats/onnx/index.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { type Graph, GraphBuilder, qnnConv, sizeOf, tensor, type Value } from '../../../src/ir/index.ts';
import { compareGraphs, feedsOf } from '../../../src/testing/index.ts';

interface Layer {
  readonly w: readonly number[];
  readonly group?: number;
  readonly zw?: readonly number[];
  readonly dtype?: 's8' | 'u8';
}

/** Convolutions of one source, whose zero point the run computes, of weights that do not fit s8. */
function graphOf(layers: readonly Layer[], x: 's8' | 'u8' = 'u8'): Graph {
  const b = new GraphBuilder();
  const source = b.input('x', x, [2, 4, 5, 6]);
  const zx = b.input('zx', x, []);
  const sums = layers.map(({ w, group = 1, zw = [110], dtype = 'u8' }, layer): Value => {
    const data = Array.from({ length: sizeOf(w) }, (_, i) => ((i * 97 + layer) % 256) - (dtype === 's8' ? 128 : 0));
    const zeros = b.constant(tensor(dtype, zw, zw.length === 1 ? [] : [zw.length]), `zw${layer}`);
    const weights = b.constant(tensor(dtype, data, w), `w${layer}`);
    const attrs = { strides: [1, 1], pads: [1, 0, 1, 1], dilations: [1, 1], group };
    return b.emit(qnnConv, { x: source, w: weights, zx, zw: zeros }, attrs, { names: [`y${layer}`] });
  });
  return b.finish(sums);
}

function written(graph: Graph): Record<string, number> {
  const { graph: corrected, certificate } = legalize(graph, { target: 'symmetric' });
  expect(certificate.verdict).toBe('bit-exact');
  const bytes = exportOnnx(corrected);
  for (const pattern of ['random', 'max'] as const)
    expect(compareGraphs(graph, importOnnx(bytes), feedsOf(graph, { pattern, seed: 5 }))).toBeUndefined();
  const counts: Record<string, number> = {};
  for (const { opType } of openOnnx(bytes).graph.nodes) counts[opType] = (counts[opType] ?? 0) + 1;
  return counts;
}

describe('the file has', () => {
  it('one product, one window sum and one pad for a layer', () => {
    expect(written(graphOf([{ w: [3, 4, 2, 3] }]))).toMatchObject({ ConvInteger: 2, Pad: 1 });
  });
  it('the same for zero points by filter', () => {
    expect(written(graphOf([{ w: [3, 4, 2, 3], zw: [0, 110, 255] }]))).toMatchObject({ ConvInteger: 2, Pad: 1 });
  });
  it('the same for s8 weights', () => {
    expect(written(graphOf([{ w: [3, 4, 2, 3], zw: [100], dtype: 's8' }]))).toMatchObject({ ConvInteger: 2, Pad: 1 });
  });
  it('one window sum for layers of a source and a window', () => {
    const layers = [{ w: [3, 4, 2, 3] }, { w: [5, 4, 2, 3], zw: [7] }, { w: [1, 4, 2, 3], zw: [200] }];
    expect(written(graphOf(layers))).toMatchObject({ ConvInteger: 4, Pad: 1 });
  });
  it('another one for another window', () => {
    expect(written(graphOf([{ w: [3, 4, 2, 3] }, { w: [3, 4, 2, 2] }]))).toMatchObject({ ConvInteger: 4, Pad: 1 });
  });
  it('one window sum for the channels of each group', () => {
    expect(written(graphOf([{ w: [6, 2, 2, 3], group: 2 }]))).toMatchObject({ ConvInteger: 2, Pad: 1 });
    expect(written(graphOf([{ w: [4, 1, 2, 3], group: 4 }]))).toMatchObject({ ConvInteger: 2, Pad: 1 });
  });
  it('no window sum for weights that are not negative', () => {
    const layer = { w: [3, 4, 2, 3], zw: [-128], dtype: 's8' } as const;
    const halves = graphOf([layer]);
    expect(written(halves).ConvInteger).toBeLessThanOrEqual(2);
  });
  it('as many products for s8 sources', () => {
    expect(written(graphOf([{ w: [3, 4, 2, 3] }], 's8'))).toMatchObject({ ConvInteger: 2 });
  });
});
