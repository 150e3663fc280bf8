/**
 * Compares the values that an engine computed with the meaning of the graph, claim by claim. The meaning of each node
 * is computed from the values that the engine itself computed before it, so that one wrong node is reported once:
 *
 *   integers of integers   equal
 *   floats                 within the running error of running_error.ts
 *   integers of floats     one of those between which the running error leaves the choice: a tie, which is named
 *
 * and of groups that the engine may read otherwise (ONNX Runtime, dequantize … quantize) the bound that the grouping declares.
 */
import {
  bodyAt,
  checkFeeds,
  constantOf,
  controlIf,
  type Feeds,
  type Graph,
  hasBodies,
  type ITensor,
  isOp,
  isTensorOf,
  type Node,
  nnAdd,
  nnMatmul,
  opaqueOp,
  printNode,
  qnnQuantize,
  specialize,
  tensorOfType,
  topologicalOrder,
  type ValueId,
  view,
} from '../ir/index.ts';
import { leadsToStep } from '../passes/index.ts';
import { type Difference, type Divergence, differenceWhere, indexOf, type Observed, sameType } from './compare.ts';
import type { Engine } from './float_bounds.ts';
import { floatsOf, largestOf, magnitude } from './floats.ts';
import { type Bounded, evaluateBounded } from './running_error.ts';
import { ofSum } from './sum_bounds.ts';

/** The graph that a side has to compute, and the engine that computes it. */
export interface Meaning {
  readonly graph: Graph;
  readonly engine: Engine;
  readonly groups?: ReadonlyMap<ValueId, Grouped>;
}

/** The bound that a grouping declares. */
export interface Grouped {
  /** The distance that the source of a quantize may be off by, beyond the running error. */
  readonly slack: number;
  /** A product that may be one of integers, scaled afterwards. */
  readonly isProduct?: boolean;
  readonly why?: string;
}

/** Integers of one node that lie on another side of a tie. */
export interface Ties {
  readonly node: ValueId;
  readonly layer: string;
  readonly count: number;
  readonly size: number;
  /** The first of them. */
  readonly index: readonly number[];
  readonly expected: number;
  readonly found: number;
  /** The value before rounding, in steps of the result, and the largest error that it may have. */
  readonly steps?: number;
  readonly error?: number;
  /** Why the engine computes this group in another arithmetic. */
  readonly why?: string;
}

export interface Agreement {
  readonly ties: readonly Ties[];
  /** Outputs about which nothing is claimed: they depend on an operator that unskew does not compute. */
  readonly unknown: readonly ValueId[];
  /** The first node at which a claim does not hold. */
  readonly divergence?: Divergence;
}

export function agreement({ graph, engine, groups }: Meaning, feeds: Feeds, seen: Observed): Agreement {
  const specialized = specialize(graph, checkFeeds(graph, feeds));
  const values = new Map<ValueId, Bounded>(specialized.inputs.map((id) => [id, { tensor: feeds[id] }]));
  const { order } = topologicalOrder(specialized);
  const ties: Ties[] = [];
  const outputs = new Set(specialized.outputs);
  const products = new Map(
    order.flatMap((node): [ValueId, number][] => {
      const product = view(nnMatmul, node);
      const terms = product && specialized.values[product.a].type.shape.at(-1);
      return product && typeof terms === 'number' ? [[product.y, terms]] : [];
    }),
  );
  const lastRead = new Map(
    order.flatMap(({ operands }, at) => operands.flatMap((id) => (id ? [[id, at] as const] : []))),
  );
  const unknown = () => specialized.outputs.filter((id) => !values.has(id) && !constantOf(specialized, id));
  const knownAt = (id: ValueId) => values.get(id) ?? exactly(constantOf(specialized, id));
  for (const [at, node] of order.entries()) {
    const given = isOp(node, opaqueOp) ? undefined : node.operands.map((id) => (id === null ? null : knownAt(id)));
    const isGiven = given?.every((value) => value !== undefined) === true;
    const inBranch = isGiven && hasBodies(node) ? ofBranch(node, given, engine) : undefined;
    if (!isGiven || (hasBodies(node) && inBranch === undefined)) {
      for (const id of node.results) {
        const found = outputs.has(id) ? undefined : exactly(seen.get(id));
        if (found) values.set(id, found);
      }
      continue;
    }
    const group = groups?.get(node.results[0]);
    const slacks = engine === 'onnxruntime' ? slackOfBias(node, given, products) : [];
    const operands = given.map((value, i) => {
      const slack = (slacks[i] ?? 0) + ((i === 0 && group?.slack) || 0);
      return value && slack > 0 ? loosened(value, slack) : value;
    });
    const isOnce = engine === 'compiled' && leadsToStep(specialized, node.results[0]);
    const results =
      inBranch ?? evaluateBounded(node, operands, isOnce ? (group?.isProduct ? 'grouped' : 'once') : engine);
    for (const [i, id] of node.results.entries()) {
      const named = seen.get(id);
      // a written file may give the name to a value of another type (sums of integers, where the floats are gone)
      const found = named && (outputs.has(id) || sameType(results[i].tensor, named)) ? named : undefined;
      values.set(id, found === undefined ? results[i] : { tensor: found });
      if (found === undefined) continue;
      const outside = outsideOf(results[i], found);
      if (outside) return { ties, unknown: [], divergence: { ...placeOf(specialized, node), ...outside } };
      const tie = tiesAt(node, id, operands, results[i], found);
      if (tie) ties.push({ ...tie, ...(group?.why && { why: group.why }) });
    }
    for (const id of node.operands) if (id && lastRead.get(id) === at && !outputs.has(id)) values.delete(id);
  }
  return { ties, unknown: unknown() };
}

/** The outputs of the branch that a condition takes, nothing in it being seen; undefined where they are not known. */
function ofBranch(node: Node, given: readonly (Bounded | null)[], engine: Engine): readonly Bounded[] | undefined {
  if (!isOp(node, controlIf)) return undefined;
  const { captures, thenBranch, elseBranch } = node.attrs;
  const [cond, ...captured] = given;
  if (!cond || cond.error || cond.low) return undefined;
  const body = (cond.tensor.data[0] ? thenBranch : elseBranch) as Graph;
  const values = new Map<ValueId, Bounded | null>(
    body.inputs.map((id) => [id, captured[captures.indexOf(id)] ?? null]),
  );
  const feeds = Object.fromEntries([...values].flatMap(([id, value]) => (value ? [[id, value.tensor]] : [])));
  const graph = bodyAt(body, feeds);
  const knownAt = (id: ValueId) => values.get(id) ?? exactly(constantOf(graph, id));
  for (const inner of topologicalOrder(graph).order) {
    const operands = inner.operands.map((id) => (id === null ? null : knownAt(id)));
    if (isOp(inner, opaqueOp) || !operands.every((value) => value !== undefined)) return undefined;
    const results = hasBodies(inner) ? ofBranch(inner, operands, engine) : evaluateBounded(inner, operands, engine);
    if (results === undefined) return undefined;
    for (const [i, id] of inner.results.entries()) values.set(id, results[i]);
  }
  const outputs = graph.outputs.map((id) => knownAt(id) ?? undefined);
  return outputs.every((value) => value !== undefined) ? outputs : undefined;
}

const exactly = (tensor: ITensor | undefined): Bounded | undefined => tensor && { tensor };

/**
 * ONNX Runtime makes one Gemm of a product and the bias that is added to it, and may begin the sums with the bias: each
 * term is then rounded in units of the bias. Returns one slack for each operand.
 *
 * @param products the number of terms in each product's sums
 */
function slackOfBias(
  node: Node,
  given: readonly (Bounded | null)[],
  products: ReadonlyMap<ValueId, number>,
): readonly number[] {
  if (!isOp(node, nnAdd)) return [];
  return node.operands.map((id, i) => {
    const terms = id && products.get(id);
    const bias = given[1 - i]?.tensor;
    if (!terms || !bias || !isTensorOf(bias, 'f32')) return 0;
    const largest = largestOf(magnitude(bias).data);
    return Number.isFinite(largest) ? ofSum(terms) * largest : 0;
  });
}

const placeOf = (graph: Graph, node: Node) => ({ node: node.id, location: node.loc, ir: printNode(graph, node) });

const loosened = ({ tensor, error, ...rest }: Bounded, slack: number): Bounded => ({
  ...rest,
  tensor,
  error: error ? error.map((e) => e + slack) : new Float64Array(tensor.data.length).fill(slack),
});

/** Elements that no claim allows. */
function outsideOf({ tensor, error, low, high }: Bounded, found: ITensor): Difference | undefined {
  if (!sameType(tensor, found)) {
    const nothing = { index: [], expected: Number.NaN, found: Number.NaN, count: 1, size: 1, largest: Number.NaN };
    return nothing;
  }
  const { data } = found;
  return differenceWhere(tensor, found, (i, distance) => {
    if (low && high) return data[i] >= low.data[i] && data[i] <= high.data[i];
    // An integer of which nothing is known is not let through
    return error !== undefined && distance <= error[i] && error[i] < Infinity;
  });
}

function tiesAt(
  node: Node,
  id: ValueId,
  operands: readonly (Bounded | null)[],
  { tensor, low }: Bounded,
  found: ITensor,
): Ties | undefined {
  if (low === undefined) return undefined;
  const [a, b] = [tensor.data, found.data];
  let [first, count] = [-1, 0];
  for (let i = 0; i < a.length; i++) {
    if (a[i] === b[i]) continue;
    if (first < 0) first = i;
    count++;
  }
  if (count === 0) return undefined;
  return {
    node: id,
    layer: node.loc.node ?? node.id,
    count,
    size: a.length,
    index: indexOf(first, tensor.shape),
    expected: Number(a[first]),
    found: Number(b[first]),
    ...(isOp(node, qnnQuantize) && inSteps(operands, first)),
  };
}

/** Element `i` of the source of a quantize with one scale, in steps of the result. */
function inSteps([x, scale, zp]: readonly (Bounded | null)[], i: number): { steps?: number; error?: number } {
  const s = scale && tensorOfType(scale.tensor, 'f32').data;
  if (x === null || s?.length !== 1) return {};
  const steps = floatsOf(x.tensor).data[i] / s[0] + Number(zp?.tensor.data[0] ?? 0);
  return { steps, error: (x.error?.[i] ?? 0) / s[0] };
}

/** `at [0, 2, 1, 1]: 12.5000 ± 0.0004 steps became 12, not 13` and how many more. */
export function formatTies({ layer, count, size, index, expected, found, steps, error, why }: Ties): string {
  const real = steps === undefined ? '' : `${steps.toFixed(4)} ± ${Number((error ?? 0).toPrecision(1))} steps `;
  const others = count === 1 ? `of ${size} elements` : `and ${count - 1} more of ${size} elements`;
  return `tie in ${layer} at [${index.join(', ')}]: ${real}became ${found}, not ${expected}, ${others}${why ? ` (${why})` : ''}`;
}
