/**
 * The three products as the rules of corrections see them. Their laws are the same; they differ in where weights have their filters
 * (ir/product_geometry.ts), in conv(1, w), and in the words for their sides.
 */
import { assert } from '../../diagnostics/index.ts';
import {
  type ByteType,
  byteTypes,
  type ConvAttrs,
  type DeconvAttrs,
  factorsOf,
  layoutOf,
  type Node,
  nnConv,
  nnConvTranspose,
  nnMatmul,
  ofType,
  qnnConv,
  qnnConvTranspose,
  qnnMatmul,
  type Value,
  type ValueId,
  windowOf,
} from '../../ir/index.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import type { GraphEditor } from '../rewrite/editor.ts';
import type { AnyRule, Exactness, MissMaker, MissReason } from '../rewrite/rule.ts';
import type { Operands, ProductMatch } from './operands.ts';

export interface ProductFamily {
  readonly root: typeof qnnConv | typeof qnnConvTranspose | typeof qnnMatmul;
  readonly plain: typeof nnConv | typeof nnConvTranspose | typeof nnMatmul;
  /** The product of integers with zero points. A matrix product has no attributes. */
  readonly quantized: (a: Algebra, operands: Operands, attrs: ConvAttrs) => Value<'s32'>;
  /** The same without. */
  readonly product: (a: Algebra, x: Value<ByteType>, w: Value<ByteType>, attrs: ConvAttrs) => Value<'s32'>;
  /** The name of a convolution rule for this operator, and its law in terms of it. */
  readonly named: (rule: Named) => Named;
  /** A sentence about convolutions in this family's words. */
  readonly say: (text: string) => string;
}

interface Named {
  readonly name: string;
  readonly law: string;
}

const same = <T>(value: T): T => value;

/** The attributes of a transposed convolution, which the rules pass on. */
export function withPadding(attrs: ConvAttrs & Partial<DeconvAttrs>): DeconvAttrs {
  const { outputPadding } = attrs;
  assert(outputPadding, 'a transposed convolution has an output padding');
  return { ...attrs, outputPadding };
}

export const convolution = {
  root: qnnConv,
  plain: nnConv,
  quantized: (a, operands, attrs) => a.emit(qnnConv, operands, attrs),
  product: (a, x, w, attrs) => a.emit(nnConv, { x, w }, attrs),
  named: same,
  say: same,
} as const satisfies ProductFamily;

export const transposedConvolution = {
  root: qnnConvTranspose,
  plain: nnConvTranspose,
  quantized: (a, operands, attrs) => a.emit(qnnConvTranspose, operands, withPadding(attrs)),
  product: (a, x, w, attrs) => a.emit(nnConvTranspose, { x, w }, withPadding(attrs)),
  named: ({ name, law }) => ({ name: `${name}-transpose`, law: law.replaceAll('conv(', 'convᵀ(') }),
  say: same,
} as const satisfies ProductFamily;

/** Σ_k (a − za)(b − zb) = ab − za·colsum(b) − zb·rowsum(a) + K·za·zb, one term at a time. */
export const matmul = {
  root: qnnMatmul,
  plain: nnMatmul,
  quantized: (a, { x, w, zx, zw }) => a.emit(qnnMatmul, { a: x, b: w, ...(zx && { za: zx }), ...(zw && { zb: zw }) }),
  product: (a, x, w) => a.matmul(x, w),
  named(rule) {
    const own = matmulRules[rule.name];
    assert(own, `matrix products have no rule ${rule.name}`);
    return own;
  },
  say: (text) => matmulWords.reduce((said, [words, instead]) => said.replace(words, instead), text),
} as const satisfies ProductFamily;

const matmulRules: Readonly<Partial<Record<string, Named>>> = {
  'drop-zero-point': {
    name: 'drop-matmul-zero-point',
    law: 'qmatmul(a, b; 0, zb) = qmatmul(a, b; zb)   and   qmatmul(a, b; za, 0) = qmatmul(a, b; za)',
  },
  'recentre-weights': {
    name: 'recentre-right',
    law: 'qmatmul(a, b; za, zb) = qmatmul(a, b − zb; za)   when −128 ≤ b − zb ≤ 127',
  },
  'repeat-source': {
    name: 'repeat-left',
    law: 'qmatmul(a, b; za, zb) = qmatmul(concat(a, a), concat(ba, bb); za),   b − zb = ba + bb, all s8; a again only where bb is not 0',
  },
  fold: { name: 'fold-matmul', law: 'qmatmul(a, b; za) = matmul(a, b) − za·Σ_k b[k, n]' },
  'zero-point-free': { name: 'zero-point-free-matmul', law: 'qmatmul(a, b) = matmul(a, b)' },
};

const matmulWords: readonly (readonly [string, string])[] = [
  ['the source', 'the left side'],
  ['the weights are', 'the right side is'],
  ['the weights have', 'the right side has'],
  ['the weights and their', 'the right side and its'],
  ['the weights zero point', 'the right side’s zero point'],
  ['some w − zw', 'some b − zb'],
  ['window-sum or split-weights serve', 'row-sum serves'],
  // no rule of matrix products corrects the rest
  ['recentre-weights, window-sum or split-weights', ''],
  ['recentre-weights', ''],
];

/** A rule of quantized products: like other rules, with the same names of operands for every product. */
export interface ProductRule extends Named {
  readonly exactness: Exactness;
  readonly where?: (match: ProductMatch, miss: MissMaker) => MissReason | undefined;
  readonly rewrite: (match: ProductMatch, algebra: Algebra) => Value;
  readonly wrong: { readonly what: string; readonly rewrite: ProductRule['rewrite'] };
}

/** Such a rule of one family. */
export function productRule(family: ProductFamily, rule: ProductRule): AnyRule {
  const { where, rewrite, wrong } = rule;
  return Object.freeze({
    ...family.named(rule),
    root: family.root,
    exactness: rule.exactness,
    ...(where && {
      where: (match: Site, miss: MissMaker) =>
        where(matchOf(match), (reason, operand, hint) => miss(family.say(reason), operand, hint && family.say(hint))),
    }),
    rewrite: (match: Site, a: Algebra) => rewrite(matchOf(match), a),
    wrong: { ...wrong, rewrite: (match: Site, a: Algebra) => wrong.rewrite(matchOf(match), a) },
  });
}

interface Site {
  readonly graph: GraphEditor;
  readonly node: Node;
}

function matchOf({ graph, node }: Site): ProductMatch {
  const factors = factorsOf(node);
  assert(factors, `${node.op} is not a product`);
  const value = (id: ValueId): Value<ByteType> => ofType(graph.value(id), ...byteTypes);
  const { x, w, zx, zw } = factors;
  const operands = { x: value(x), w: value(w), ...(zx && { zx: value(zx) }), ...(zw && { zw: value(zw) }) };
  return { ...operands, attrs: windowOf(node), layout: layoutOf(node), node, graph, constant: graph.tensor };
}
