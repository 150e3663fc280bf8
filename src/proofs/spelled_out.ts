/** Operators that stand for several others, spelled out, and graphs that are the same operators then. */
import {
  type AnyOp,
  completeAttrs,
  constantOf,
  dnnlScaledConv,
  dnnlScaledMatmul,
  type GivenAttrs,
  type Graph,
  type ITensor,
  isOp,
  type Node,
  nnAdd,
  nnCast,
  nnClip,
  nnMul,
  nnRelu,
  producersOf,
  qnnConv,
  qnnMatmul,
  type ValueId,
  viewOf,
} from '../ir/index.ts';
import { sameData } from '../tensors/index.ts';
import type { Region } from './region.ts';

/** A value as an operator of others; a value that is not computed as it is. */
type Expression = ValueId | Applied;
interface Applied {
  readonly op: string;
  readonly attrs: unknown;
  readonly operands: readonly (Expression | null)[];
}

/** As a builder makes it: with the defaults of the attributes that are left out. */
const apply = (op: AnyOp, operands: readonly (Expression | null)[], attrs: GivenAttrs = {}): Applied => ({
  op: op.name,
  attrs: completeAttrs(op, attrs, {}),
  operands,
});

/** product → cast to f32 → · scale → + offset → activation */
function spelledOut(node: Node): Applied {
  if (!isOp(node, dnnlScaledConv, dnnlScaledMatmul)) return node;
  const { scale, offset, attrs } = viewOf<typeof dnnlScaledConv | typeof dnnlScaledMatmul>(node);
  const { activation, min, max, ...own } = attrs;
  const product = isOp(node, dnnlScaledConv) ? qnnConv : qnnMatmul;
  const [x, w, , zx, zw] = node.operands; // the scale stands behind the required operands of the product
  const sum = apply(product, [x, w, zx, zw], own);
  const scaled = apply(nnMul, [apply(nnCast, [sum], { to: 'f32' }), scale]);
  const shifted = offset === undefined ? scaled : apply(nnAdd, [scaled, offset]);
  if (activation === 'none') return shifted;
  return activation === 'relu' ? apply(nnRelu, [shifted]) : apply(nnClip, [shifted], { min, max });
}

const commutes = (op: string): boolean => op === nnAdd.name || op === nnMul.name;

/** True when both sides apply the same operators to the values that they share. */
export function sameOperators({ root, leaves, before, after }: Region): boolean {
  const shared = new Set(leaves);
  const [left, right] = [before, after].map(resolver);
  const same = (a: Expression | null, b: Expression | null): boolean => {
    if (a === null || b === null) return a === b;
    const [x, y] = [left(a), right(b)];
    if (typeof x === 'string' || typeof y === 'string') return x === y && typeof x === 'string' && shared.has(x);
    if ('data' in x || 'data' in y) return sameData(x, y);
    if (x.op !== y.op || !sameData(x.attrs, y.attrs)) return false;
    const [p, q] = [x.operands, y.operands];
    // Absent operands at the end may be left out.
    const count = Math.max(p.length, q.length);
    const inOrder = Array.from({ length: count }, (_, i) => same(p[i] ?? null, q[i] ?? null)).every(Boolean);
    return inOrder || (commutes(x.op) && same(p[0], q[1]) && same(p[1], q[0]));
  };
  return same(root, root);
}

/** What a value of a graph is: a constant, an operator of others, or an unknown. */
function resolver(graph: Graph): (e: Expression) => ValueId | ITensor | Applied {
  const producers = producersOf(graph);
  return (e) => {
    if (typeof e !== 'string') return e;
    const node = producers.get(e);
    // An operator of several results is one of several values.
    return constantOf(graph, e) ?? (node && node.results.length === 1 ? spelledOut(node) : e);
  };
}
