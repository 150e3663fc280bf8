/** A quantize by the reciprocal of its scale, written as a multiplication and a division by 1: equal operation by operation. */
import {
  constantOf,
  type Graph,
  type ITensor,
  nnMul,
  producersOf,
  qnnQuantize,
  type ValueId,
  view,
} from '../ir/index.ts';
import { reciprocal32 } from '../numerics/index.ts';
import type { Obligation } from './obligation.ts';
import type { Region } from './region.ts';

/** Undefined when the region is another rewrite. Its parameters are compared, so a wrong factor is not proved. */
export function checkReciprocal({ root, leaves, before, after }: Region): Obligation | undefined {
  const [left, right] = [before, after].map((graph) => view(qnnQuantize, graph.nodes[root]));
  if (left === undefined || right === undefined || leaves.length !== 1) return undefined;
  if (left.attrs.arithmetic !== 'reciprocal' || right.attrs.arithmetic !== 'divide') return undefined;
  const product = view(nnMul, producersOf(after).get(right.x));
  const [scale, one] = [scalar(before, left.scale), scalar(after, right.scale)];
  if (scale === undefined || one !== 1 || left.x !== leaves[0] || product === undefined) return undefined;
  const { a, b } = product;
  const factor = a === leaves[0] ? scalar(after, b) : b === leaves[0] ? scalar(after, a) : undefined;
  const zeros = [constantOf(before, left.zp), constantOf(after, right.zp)];
  const [p, q] = zeros.map((zero) => (zero && isSingle(zero) ? Number(zero.data[0]) : zero ? Number.NaN : 0));
  if (factor !== reciprocal32(scale) || p !== q || left.attrs.dtype !== right.attrs.dtype) return undefined;
  return {
    kind: 'identity',
    what: 'both sides are the same operations on floats',
    method: `fl(x·fl(1/scale)) on both, ${factor}; a division by 1 rounds nothing`,
    verdict: 'proved',
  };
}

const isSingle = (t: ITensor): boolean => t.data.length === 1;

function scalar(graph: Graph, id: ValueId): number | undefined {
  const t = constantOf(graph, id);
  return t && isSingle(t) ? Number(t.data[0]) : undefined;
}
