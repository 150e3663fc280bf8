/** One product in the place of a product and a window sum: where files have an operator for it, and nowhere else. */
import { describe, expect, it } from 'vitest';
import { legalize } from '../../../src/codegen/legalize.ts';
import {
  type ConvAttrs,
  type Graph,
  GraphBuilder,
  isProduct,
  nnGather,
  nnIdentity,
  nnPad,
  nnSlice,
  nodesOf,
  qnnConv,
  qnnMatmul,
  qnnRequantize,
  sizeOf,
  tensor,
} from '../../../src/ir/index.ts';
import { partOf } from '../../../src/passes/corrections/repetition.ts';
import { compareGraphs, feedsOf } from '../../../src/testing/index.ts';

it('every difference of two bytes is the sum of its parts', () => {
  for (let weight = -255; weight <= 255; weight++) {
    const parts = [0, 1, 2].map((n) => partOf(weight, n));
    expect(parts.reduce((a, b) => a + b)).toBe(weight);
    expect(Math.min(...parts)).toBeGreaterThanOrEqual(-128);
    expect(Math.max(...parts)).toBeLessThanOrEqual(127);
    if (weight >= -128 && weight <= 127) expect(parts).toEqual([weight, 0, 0]);
  }
});

interface Layer {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly attrs?: Partial<ConvAttrs>;
  /** The positions of weights beyond s8, and their values. */
  readonly beyond: Readonly<Record<number, number>>;
  readonly zw?: number;
  readonly end?: 'requantized' | 'sum' | 'both';
}

/** A convolution, or of rank 2 a matrix product, with u8 weights near their zero point but for those named. */
function graphOf({ x, w, attrs, beyond, zw = 100, end = 'requantized' }: Layer): Graph {
  const b = new GraphBuilder();
  const source = b.input('x', 'u8', x);
  const data = Uint8Array.from({ length: sizeOf(w) }, (_, i) => beyond[i] ?? zw + ((i * 37) % 28));
  const weights = b.constant(tensor('u8', data, w), 'w');
  const zeros = [b.scalar('u8', 7), b.scalar('u8', zw)];
  const rank = w.length - 2;
  const window = {
    strides: Array(rank).fill(1),
    pads: Array(2 * rank).fill(0),
    dilations: Array(rank).fill(1),
    group: 1,
    ...attrs,
  };
  const sum =
    rank === 0
      ? b.emit(qnnMatmul, { a: source, b: weights, za: zeros[0], zb: zeros[1] })
      : b.emit(qnnConv, { x: source, w: weights, zx: zeros[0], zw: zeros[1] }, window);
  const rounded = b.emit(
    qnnRequantize,
    { x: sum, multiplier: b.scalar('f32', 2 ** -9), zy: b.scalar('u8', 128) },
    { axis: 1 },
  );
  const shown = b.emit(nnIdentity, { x: sum });
  return b.finish({ requantized: [rounded], sum: [sum], both: [rounded, shown] }[end]);
}

function corrected(layer: Layer) {
  const before = graphOf(layer);
  const { graph, certificate, remaining } = legalize(before, { target: 'symmetric' });
  expect(certificate.verdict).toBe('bit-exact');
  expect(remaining).toEqual([]);
  for (const pattern of ['random', 'min', 'max'] as const) {
    expect(compareGraphs(before, graph, feedsOf(before, { pattern, seed: 3 }))).toBeUndefined();
  }
  const nodes = nodesOf(graph);
  const products = nodes.filter(isProduct);
  return { nodes, products, weights: products.map(({ operands }) => graph.values[operands[1]!].type) };
}

const conv = { x: [2, 3, 5, 5], w: [4, 3, 3, 3], beyond: { 10: 255 } };

describe('weights beyond s8, requantized behind, are', () => {
  it('multiplied by a copy of their channel', () => {
    expect(corrected(conv).weights).toEqual([{ dtype: 's8', shape: [4, 4, 3, 3] }]);
  });
  it('multiplied by two copies where they are 255', () => {
    expect(corrected({ ...conv, zw: 0 }).weights).toEqual([{ dtype: 's8', shape: [4, 5, 3, 3] }]);
  });
  it('multiplied by copies in each group', () => {
    const grouped = { x: [1, 6, 4, 4], w: [4, 3, 2, 2], attrs: { group: 2 }, beyond: { 5: 250, 40: 0 } };
    const { weights, nodes } = corrected(grouped);
    expect(weights).toEqual([{ dtype: 's8', shape: [4, 4, 2, 2] }]);
    expect(nodes.filter(({ op }) => op === nnGather.name).length).toBe(1);
  });
  it('multiplied by the same rows again where the convolution is depthwise', () => {
    const depthwise = { x: [1, 3, 6, 5], w: [3, 1, 3, 3], attrs: { group: 3, strides: [2, 1], pads: [1, 0, 2, 1] } };
    const { weights, products, nodes } = corrected({ ...depthwise, beyond: { 13: 255 } });
    expect(weights).toEqual([{ dtype: 's8', shape: [3, 1, 6, 3] }]);
    expect(products[0].attrs).toMatchObject({ strides: [4, 1], pads: [0, 0, 0, 0] });
    expect(nodes.filter(({ op }) => op === nnPad.name).length).toBe(1);
  });
  it('multiplied by the same columns again where rows are dilated', () => {
    const depthwise = { x: [1, 3, 6, 5], w: [3, 1, 2, 3], attrs: { group: 3, dilations: [2, 1] } };
    expect(corrected({ ...depthwise, beyond: { 13: 255 } }).weights).toEqual([{ dtype: 's8', shape: [3, 1, 2, 6] }]);
  });
  it('multiplied by rows apart where rows and columns are dilated', () => {
    const depthwise = { x: [1, 3, 6, 5], w: [3, 1, 3, 2], attrs: { group: 3, dilations: [2, 3] } };
    expect(corrected({ ...depthwise, beyond: { 13: 255 } }).weights).toEqual([{ dtype: 's8', shape: [3, 1, 10, 2] }]);
  });
  it('multiplied by a copy of their column of a matrix', () => {
    expect(corrected({ x: [2, 6], w: [6, 4], beyond: { 9: 255 }, end: 'sum' }).weights).toEqual([
      { dtype: 's8', shape: [7, 4] },
    ]);
  });
  it('multiplied by a copy of the whole source where most channels need one', () => {
    const { weights, nodes } = corrected({ ...conv, beyond: { 0: 255, 10: 250 } });
    expect(weights).toEqual([{ dtype: 's8', shape: [4, 6, 3, 3] }]);
    expect(nodes.filter(({ op }) => op === nnGather.name)).toEqual([]);
  });
});

it.each(['sum', 'both'] as const)('a convolution whose sum is read (%s) has a window sum', (end) => {
  expect(corrected({ ...conv, end }).weights).toEqual([
    { dtype: 's8', shape: [4, 3, 3, 3] },
    { dtype: 's8', shape: [1, 3, 3, 3] },
  ]);
});

describe('few copies among many channels', () => {
  const wide = { x: [1, 64, 3, 3], w: [2, 64, 1, 1], beyond: { 20: 255, 61: 250, 90: 240 } };

  it('come in eights, neighbours where that is possible', () => {
    const near = corrected({ ...wide, beyond: { 61: 250, 63: 250 } });
    const apart = corrected(wide);
    for (const { weights } of [near, apart]) expect(weights).toEqual([{ dtype: 's8', shape: [2, 72, 1, 1] }]);
    expect(near.nodes.filter(({ op }) => op === nnSlice.name).length).toBe(1);
  });

  it.each([
    ['avx512', wide, 1],
    ['avx512', conv, 2],
    ['avx2', wide, 2],
  ] as const)('are made with avx512 too, and no others: %s', (isa, layer, products) => {
    const before = graphOf(layer);
    const { graph, certificate } = legalize(before, { target: { name: 'onednn', isa, threads: 1 } });
    expect(certificate.verdict).toBe('bit-exact');
    expect(compareGraphs(before, graph, feedsOf(before, { pattern: 'random', seed: 4 }))).toBeUndefined();
    expect(nodesOf(graph).filter(isProduct).length).toBe(products);
  });
});

it('weights within s8 need no copy', () => {
  expect(corrected({ ...conv, beyond: {} }).weights).toEqual([{ dtype: 's8', shape: [4, 3, 3, 3] }]);
});
