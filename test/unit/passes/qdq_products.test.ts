import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Graph, type ITensor, interpret, type ValueId } from '../../../src/ir/index.ts';
import { applyRules } from '../../../src/passes/rewrite/driver.ts';
import type { AnyRule } from '../../../src/passes/rewrite/rule.ts';
import {
  qdqConv,
  qdqConvToFloat,
  qdqConvTranspose,
  qdqConvTransposeToFloat,
  qdqMatmul,
  qdqMatmulToFloat,
} from '../../../src/passes/rules/qdq_products.rules.ts';
import { checkRule, checkWrong } from '../../../src/testing/check.ts';
import { feedsOf } from '../../../src/testing/feeds.ts';
import { buildFloatProduct, buildProduct, type ProductSpec, productSpec } from './qdq_graphs.ts';

const kinds: readonly [ProductSpec['kind'], AnyRule, AnyRule][] = [
  ['conv', qdqConv, qdqConvToFloat],
  ['conv_transpose', qdqConvTranspose, qdqConvTransposeToFloat],
  ['matmul', qdqMatmul, qdqMatmulToFloat],
];
const yes = fc.constant(true);
const no = fc.constant(false);

describe.each(kinds)('%s', (kind, requantized, toFloat) => {
  const ofKind = { kind: fc.constant(kind) };
  const quantizedGraphs = (more: Parameters<typeof productSpec>[0]) =>
    productSpec({ ...ofKind, ...more }).map(buildProduct);
  const floatGraphs = (more: Parameters<typeof productSpec>[0]) =>
    productSpec({ ...ofKind, ...more }).map(buildFloatProduct);

  test('scales that are powers of two: equal, ties included', () => {
    checkRule(requantized, { graphs: quantizedGraphs({ exact: yes }), steps: 0 });
  });
  test('any scales: within one step of the float graph', () => {
    checkRule(requantized, { graphs: quantizedGraphs({ exact: no }) });
  });
  test('the wrong variant, without the activation, is refuted', () => {
    checkWrong(requantized, { graphs: quantizedGraphs({ activation: fc.constantFrom('relu', 'clip') }) });
  });
  test('float result, powers of two: equal', () => {
    checkRule(toFloat, { graphs: floatGraphs({ exact: yes }), steps: 0 });
  });
  test('float result, any scales: within the rounding of binary32', () => {
    const specs = fc.sample(productSpec({ ...ofKind, exact: no, bias: fc.constant('none') }), {
      numRuns: 100,
      seed: 5,
    });
    for (const spec of specs) {
      const graph = buildFloatProduct(spec);
      const after = applyRules(graph, [toFloat]).graph;
      const feeds = feedsOf(graph, { pattern: 'random', seed: spec.seed });
      const real = exactProducts(graph, after, feeds);
      const [y] = Object.values(interpret(after, feeds));
      (y.data as Float32Array).forEach((value, i) => {
        expect(Math.abs(value - real[i])).toBeLessThanOrEqual(Math.abs(real[i]) * 2 ** -22);
      });
    }
  });
  test('the wrong variant, with one scale for all channels, is refuted', () => {
    checkWrong(toFloat, { graphs: floatGraphs({ perChannel: yes }) });
  });

  test('the integers are the nearest to the exact real numbers', () => {
    const specs = fc.sample(
      productSpec({ ...ofKind, exact: no, bias: fc.constantFrom('none', 's32'), activation: fc.constant('none') }),
      {
        numRuns: 100,
        seed: 4,
      },
    );
    let inner = 0;
    for (const spec of specs) {
      const graph = buildProduct(spec);
      const after = applyRules(graph, [requantized]).graph;
      const feeds = feedsOf(graph, { pattern: 'random', seed: spec.seed });
      const y = Object.values(interpret(after, feeds))[0];
      const real = exactQuotients(graph, after, feeds);
      const [low, high] = y.dtype === 'u8' ? [0, 255] : [-128, 127];
      (y.data as Uint8Array).forEach((integer, i) => {
        if (integer > low && integer < high) inner++;
        const nearest = Math.min(Math.max(real[i], low), high);
        expect(Math.abs(integer - nearest)).toBeLessThanOrEqual(0.5 + Math.abs(real[i]) * 2 ** -21);
      });
    }
    expect(inner).toBeGreaterThan(200);
  });
});

type Feeds = Parameters<typeof interpret>[1];
const constant = (graph: Graph, id: ValueId | null): ITensor => graph.pool.get(graph.values[id!].constant!);

/** A·sx·sw[o]/sy + zy in binary64. */
function exactQuotients(before: Graph, after: Graph, feeds: Feeds): number[] {
  const [, scale, zeroPoint] = Object.values(before.nodes).find((node) => node.op === 'qnn.quantize')!.operands;
  const [sy, zy] = [scale, zeroPoint].map((id) => Number(constant(before, id).data[0]));
  return exactProducts(before, after, feeds).map((real) => real / sy + zy);
}

/** A·sx·sw[o] in binary64, from the exact integers A of the grouped graph and the scales of the original. */
function exactProducts(before: Graph, after: Graph, feeds: Feeds): number[] {
  const product = Object.values(before.nodes).find((node) => /^nn\.(conv|conv_transpose|matmul)$/.test(node.op))!;
  const [x, w] = product.operands.map((id) => before.nodes[id!]);
  const sx = Number(constant(before, x.operands[1]).data[0]);
  const sw = constant(before, w.operands[1]).data as Float32Array;
  let sum: ITensor | undefined;
  interpret(after, feeds, {
    observe: (_node, [result]) => {
      if (result.dtype === 's32') sum = result; // the last one: with its bias
    },
  });
  const { shape, data } = sum as ITensor<'s32'>;
  const axis = product.op === 'nn.matmul' ? shape.length - 1 : 1;
  const period = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  return Array.from(data, (a, i) => a * sx * sw[(Math.floor(i / period) % shape[axis]) % sw.length]);
}
