/** The quantization of a model, as `inspect` shows it: layers, zero points, operators that were not grouped. */
import {
  additionsOf,
  biasOf,
  constantOf,
  consumersOf,
  factorsOf,
  formatType,
  type Graph,
  isOp,
  isPlainProduct,
  isQuantizedProduct,
  type Node,
  nodesOf,
  numbersOf,
  opOf,
  qnnDynamicQuantize,
  qnnQuantize,
  typeOf,
  type ValueId,
} from '../ir/index.ts';
import { type Miss, qdqRules } from '../passes/index.ts';

export interface Layer {
  readonly layer: string;
  readonly op: string;
  /** Computed in integers. */
  readonly isInteger: boolean;
  readonly input: string;
  readonly weights: string;
  /** A number, `per row`, `computed`, or `none`. */
  readonly inputZeroPoint: string;
  /** `none`, a number, `per channel a…b`, or `computed`. */
  readonly weightsZeroPoint: string;
  readonly hasBias: boolean;
}

/** Convolutions and matmuls of a graph whose quantize and dequantize have been grouped. */
export function layersOf(graph: Graph): Layer[] {
  const consumers = consumersOf(graph);
  return nodesOf(graph).flatMap((node) => {
    const factors = isPlainProduct(node) || isQuantizedProduct(node) ? factorsOf(node) : undefined;
    if (factors === undefined) return [];
    const { x, w, zx, zw } = factors;
    const isQuantized = isQuantizedProduct(node);
    const isInteger = isQuantized || typeOf(graph, node.id).dtype === 's32';
    return {
      layer: node.loc.node ?? node.id,
      op: node.op,
      isInteger,
      input: formatType(typeOf(graph, x)),
      weights: formatType(typeOf(graph, w)),
      inputZeroPoint: isQuantized ? zeroPointText(graph, zx, 'per row') : 'none',
      weightsZeroPoint: isQuantized ? zeroPointText(graph, zw, 'per channel') : 'none',
      hasBias: biasOf(node) !== undefined || isFollowedByBias(graph, consumers.get(node.id) ?? []),
    };
  });
}

function zeroPointText(graph: Graph, id: ValueId | undefined, many: string): string {
  if (id === undefined) return 'none';
  const tensor = constantOf(graph, id);
  if (tensor === undefined) return 'computed';
  const values = numbersOf(tensor);
  const [low, high] = [
    values.reduce((a, b) => Math.min(a, b), Infinity),
    values.reduce((a, b) => Math.max(a, b), -Infinity),
  ];
  const isZero = values.every((value) => value === 0);
  return isZero ? 'none' : low === high ? String(low) : `${many} ${low}…${high}`;
}

const isFollowedByBias = (graph: Graph, readers: readonly Node[]): boolean =>
  readers.length === 1 && additionsOf(readers[0]).some(({ added }) => graph.values[added].constant !== undefined);

/** Zero points of activations, one for every place that quantizes or requantizes one; computed ones count as non-zero. */
export function activationZeroPoints(graph: Graph): { readonly total: number; readonly nonZero: number } {
  const found = nodesOf(graph).flatMap((node) => {
    const names = Object.keys(opOf(node).operands);
    if (isOp(node, qnnDynamicQuantize)) return [true];
    const at = names.indexOf(isOp(node, qnnQuantize) ? 'zp' : 'zy');
    if (at < 0) return [];
    const id = node.operands[at];
    const tensor = constantOf(graph, id);
    const isZero = id == null || (tensor !== undefined && numbersOf(tensor).every((v) => v === 0));
    return [!isZero];
  });
  return { total: found.length, nonZero: found.filter(Boolean).length };
}

export interface NotGrouped {
  readonly layer: string;
  readonly op: string;
  readonly rule: string;
  readonly reason: string;
  readonly hint?: string;
}

const grouping: ReadonlySet<string> = new Set(['group-qdq', ...qdqRules.map(({ name }) => name)]);

/**
 * The reasons why operators between dequantize and quantize stayed float: the misses of grouping for remaining nodes.
 */
export function notGrouped(graph: Graph, misses: readonly Miss[]): NotGrouped[] {
  const seen = new Set<string>();
  return misses.flatMap(({ rule, node, reason, hint }) => {
    const layer = node.loc.node ?? node.id;
    const key = `${layer}\n${reason}`;
    if (!grouping.has(rule) || graph.nodes[node.id] === undefined || seen.has(key)) return [];
    seen.add(key);
    return [{ layer, op: node.loc.op ?? node.op, rule, reason, ...(hint && { hint }) }];
  });
}
