/**
 * The zero points that remain on convolutions and matrix products of a legalized graph, each with the reason: a verdict
 * must not hide them. Products are
 *
 *   qnn.*    integer products that no rule corrected (or that the target leaves as they are: those are not listed)
 *   nn.*     float products of dequantized operands that were not grouped, those of recurrent layers among them
 *   opaque   operators of the file that are carried: quantized ones, and float ones of dequantized operands
 */
import {
  carriedFactors,
  carriedIntegerProducts,
  constantOf,
  factorsOf,
  type Graph,
  geometryOf,
  isCarriedDequantize,
  isCarriedMovement,
  isOp,
  isPlainProduct,
  isQuantizedProduct,
  type Node,
  type NodeOf,
  nnCast,
  nnGru,
  nnLstm,
  nodesOf,
  opaqueOp,
  opOf,
  productKind,
  qnnBlockDequantize,
  qnnBlockMatmul,
  qnnDequantize,
  qnnDynamicLstm,
  readerOf,
  type ValueId,
  viewOf,
} from '../ir/index.ts';
import { qdqStages } from './group_qdq.ts';
import { GraphEditor } from './rewrite/editor.ts';
import { nearness } from './rewrite/nearness.ts';
import { isUnrelated } from './rewrite/plan.ts';
import { type AnyRule, type MissReason, matchOf } from './rewrite/rule.ts';
import type { Target } from './target.ts';

export interface RemainingZeroPoint {
  /** The node of the product in the legalized graph, and the name of its layer in the model. */
  readonly node: string;
  readonly layer: string;
  /** As in `CertificateEntry`. */
  readonly bodyOf?: readonly string[];
  /** The operator of the product; for a carried one, the operator of the file. */
  readonly op: string;
  /** The operand that the zero point belongs to, by its name (`x`, `w`, `a`, `b`), or by its index where the product is carried. */
  readonly operand: string;
  /** The zero point itself, where a value holds it. */
  readonly zeroPoint?: string;
  readonly reason: string;
  /** A step that would help. */
  readonly hint?: string;
}

/** An operand of a product. */
interface Side {
  readonly name: string;
  readonly value: ValueId;
  readonly zero: ValueId | undefined;
}

/** The sides of a product; empty for any other node. */
function sidesOf(node: Node): readonly Side[] {
  const [kind, factors] = [productKind(node), factorsOf(node)];
  if (kind === undefined || factors === undefined) return [];
  const { x, w } = geometryOf(kind).operands;
  return [
    { name: x, value: factors.x, zero: factors.zx },
    { name: w, value: factors.w, zero: factors.zw },
  ];
}

const IN_BLOCKS = 'its weights are packed, with a zero point for each block';
const IN_RECURRENCE = 'its products are inside of a recurrence';

/** Reasons for which an operator of the file has zero points that belong neither to a tensor nor to a channel. */
const carriedBecause: Readonly<Record<string, string>> = {
  'com.microsoft.MatMulNBits': IN_BLOCKS,
  'com.microsoft.MatMulBnb4': 'its weights are packed, with a table for each block',
  'com.microsoft.DynamicQuantizeLSTM': IN_RECURRENCE,
};

/** `rules`: the rules that could have corrected an integer product, for reasons. */
export function remainingZeroPoints(graph: Graph, target: Target, rules: readonly AnyRule[]): RemainingZeroPoint[] {
  const editor = new GraphEditor(graph);
  const found: RemainingZeroPoint[] = [];
  for (const node of nodesOf(graph)) {
    const add = (operand: string, zero: ValueId | undefined, op: string, why: MissReason): void => {
      const { reason, hint } = why;
      const layer = node.loc.node ?? node.id;
      found.push({
        node: node.id,
        layer,
        op,
        operand,
        ...(zero && { zeroPoint: zero }),
        reason,
        ...(hint && { hint }),
      });
    };
    if (isQuantizedProduct(node)) {
      for (const side of sidesOf(node)) {
        if (!isZeroPoint(graph, side.zero) || isLegal(graph, node, target)) continue;
        add(side.name, side.zero, node.op, whyNotCorrected(editor, node, side, rules));
      }
    } else if (isPlainProduct(node)) {
      for (const { name, value } of sidesOf(node)) {
        const zero = zeroPointBehind(editor, value);
        if (zero !== undefined) add(name, zero, node.op, whyNotGrouped(editor, node));
      }
    } else if (isOp(node, nnLstm, nnGru)) {
      for (const [index, name] of ['x', 'w', 'r'].entries()) {
        const zero = zeroPointBehind(editor, node.operands[index]);
        if (zero !== undefined) add(name, zero, node.op, { reason: IN_RECURRENCE });
      }
    } else if (isOp(node, qnnDynamicLstm) && !target.takesZeroPoints) {
      // The inputs and the states have zero points that each run computes.
      add('x', undefined, node.op, { reason: IN_RECURRENCE });
      const { zw, zr } = viewOf(node);
      for (const [name, zero] of Object.entries({ w: zw, r: zr }))
        if (isZeroPoint(graph, zero)) add(name, zero, node.op, { reason: IN_RECURRENCE });
    } else if (isOp(node, qnnBlockMatmul) && !target.takesZeroPoints) {
      const { zp, attrs } = viewOf(node);
      if (attrs.levels === 'affine') add('b', zp, node.op, { reason: IN_BLOCKS });
    } else if (isOp(node, opaqueOp)) carriedZeroPoints(editor, node, add);
  }
  return found;
}

type Add = (operand: string, zero: ValueId | undefined, op: string, why: MissReason) => void;

function carriedZeroPoints(editor: GraphEditor, node: NodeOf<typeof opaqueOp>, add: Add): void {
  const graph = editor.base;
  const { operator } = node.attrs;
  const why = whyCarried(graph, node, operator);
  const indices = carriedIntegerProducts[operator];
  if (indices?.length === 0) add('all', undefined, operator, why);
  for (const index of indices ?? []) {
    const zero = node.operands[index];
    if (isZeroPoint(graph, zero)) add(String(index), zero, operator, why);
  }
  if (indices !== undefined) return;
  for (const index of carriedFactors(operator, node.operands.length)) {
    const zero = zeroPointBehind(editor, node.operands[index]);
    if (zero !== undefined) add(String(index), zero, operator, why);
  }
}

/** True for a zero point that exists and is not known to be 0 everywhere. */
export function isZeroPoint(graph: Graph, id: ValueId | null | undefined): id is ValueId {
  if (id === null || id === undefined) return false;
  const data = constantOf(graph, id)?.data;
  return data === undefined || Array.prototype.some.call(data, (value) => Number(value) !== 0);
}

/** Zero points that the target takes: of known weights, or a constant scalar of the source of a symmetric product. */
function isLegal(graph: Graph, node: Node, target: Target): boolean {
  const { capabilities } = target;
  const { zx, zw } = factorsOf(node) ?? {};
  if (target.takesZeroPoints?.(node, readerOf(graph))) return true;
  return capabilities.sourceZeroPoint && zw === undefined && constantOf(graph, zx)?.data.length === 1;
}

const dequantizing: ReadonlySet<string> = new Set([qnnDequantize.name, qnnBlockDequantize.name]);

/** The zero point with which an operand of a float product was dequantized, behind any movement. */
function zeroPointBehind(editor: GraphEditor, id: ValueId | null | undefined): ValueId | undefined {
  const queue = [id];
  for (let at = 0; at < queue.length && at < 64; at++) {
    const value = queue[at];
    const node = value ? editor.producer(value) : undefined;
    if (node === undefined) continue;
    const operator = isOp(node, opaqueOp) ? node.attrs.operator : node.op;
    if (dequantizing.has(operator) || isCarriedDequantize(operator)) {
      const zero = node.operands[2];
      if (isZeroPoint(editor.base, zero)) return zero;
    } else if (operator === nnCast.name || opOf(node).traits.includes('movement') || isCarriedMovement(operator))
      for (const operand of node.operands.slice(0, /concat/i.test(operator) ? 64 : 1)) queue.push(operand);
  }
  return undefined;
}

/** The most helpful reason of the rules about this product; among equal ones, the last rule's. */
function whyNotCorrected(
  editor: GraphEditor,
  node: Node,
  { value, zero }: Side,
  rules: readonly AnyRule[],
): MissReason {
  const reasons = missesOf(editor, node, rules).filter(({ operand }) => operand !== undefined);
  const about = reasons.filter(({ operand }) => operand === zero || operand === value);
  return nearest(about) ?? nearest(reasons) ?? { reason: 'no rule corrects it' };
}

const toFloat: readonly AnyRule[] = qdqStages.products.flat();

function whyNotGrouped(editor: GraphEditor, node: Node): MissReason {
  return nearest(missesOf(editor, node, toFloat)) ?? { reason: 'the product is computed in float' };
}

/** The importer's reason for carrying the operator, or for the first carried operator in front of it. */
function whyCarried(graph: Graph, node: Node, operator: string): MissReason {
  const unsupported = graph.origin?.unsupported ?? [];
  const own = unsupported.find(({ value }) => node.results.some((id) => id === value));
  if (own !== undefined)
    return {
      reason: `the operator ${operator} is carried: ${[own.reason, carriedBecause[operator] ?? []].flat().join(', ')}`,
    };
  const first = unsupported.at(0);
  const behind = first === undefined ? '' : `, as ${first.operator} of %${first.value} (${first.reason})`;
  return { reason: `the operator ${operator} is carried: an operand has a type that is not understood${behind}` };
}

const missesOf = (editor: GraphEditor, node: Node, rules: readonly AnyRule[]): MissReason[] =>
  rules.flatMap((rule) => {
    if (rule.root.name !== node.op) return [];
    const found = rule.where?.(matchOf(editor, node), (reason, operand, hint) => ({
      reason,
      ...(operand && { operand: operand.id }),
      ...(hint && { hint }),
    }));
    return found === undefined || isUnrelated(found) ? [] : [found];
  });

const nearest = (misses: readonly MissReason[]): MissReason | undefined =>
  misses.reduce<MissReason | undefined>(
    (best, miss) => (best === undefined || nearness(miss) < nearness(best) ? miss : best),
    undefined,
  );
