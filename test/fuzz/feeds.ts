/** Inputs for a graph of known sizes. */
import type { Observed } from '../../src/cli/compare.ts';
import { randomFeeds } from '../../src/cli/random.ts';
import {
  constantOf,
  type Feeds,
  findOp,
  type Graph,
  type ITensor,
  isFloat,
  type Node,
  nodesOf,
  type ValueId,
} from '../../src/ir/index.ts';
import { filled } from '../../src/testing/contents.ts';

/** Inputs of the kind that a model is made for, and hostile ones: NaN, infinities, integers of the whole range. */
export const feedings = ['usual', 'hostile'] as const;
export type Feeding = (typeof feedings)[number];

export function feedsOf(graph: Graph, feeding: Feeding): Feeds {
  const usual = randomFeeds(graph, 1);
  if (feeding === 'usual') return usual;
  const scales = scalesIn(graph);
  const onlyNumbers = hasComputedScales(graph);
  return Object.fromEntries(
    Object.entries(usual).map(([name, tensor], i) => [
      name,
      scales.has(name as ValueId) ? tensor : hostile(tensor, i + 1, onlyNumbers),
    ]),
  );
}

/**
 * Products of these do not overflow: a sum of infinities of both signs depends on its order, about which nobody makes a claim.
 */
const LARGEST = 1e15;

function hostile({ dtype, shape }: ITensor, seed: number, onlyNumbers: boolean): ITensor {
  const isNarrow = dtype === 'f16' || dtype === 'bf16';
  const tensor = filled(dtype, shape, { pattern: onlyNumbers && isNarrow ? 'random' : 'non-finite', seed }) as ITensor;
  if (!isFloat(dtype) || isNarrow) return tensor;
  const data = (tensor.data as Float32Array).map((v) => {
    if (!Number.isFinite(v)) return onlyNumbers ? 0 : v;
    return Math.min(Math.max(v, -LARGEST), LARGEST);
  });
  return { ...tensor, data } as ITensor;
}

/** Inputs that are scales: the product of two has to be a number, which grouping assumes. */
const scalesIn = (graph: Graph): ReadonlySet<ValueId> => new Set(nodesOf(graph).flatMap(scalesOf));

const scalesOf = ({ op, operands }: Node): readonly ValueId[] =>
  Object.keys(findOp(op)?.operands ?? {}).flatMap((name, i) => (/^s/.test(name) && operands[i]) || []);

/** A scale that is computed of NaN is NaN, and who multiplies by it when is nobody's claim: padding is 0 or NaN then. */
export const hasComputedScales = (graph: Graph): boolean =>
  nodesOf(graph).some(
    (node) => node.op === 'qnn.dynamic_quantize' || scalesOf(node).some((id) => constantOf(graph, id) === undefined),
  );

/**
 * True when the product of any two scales is a normal number. Grouping assumes so for computed scales (qdq_computed).
 */
export function hasNormalScales(graph: Graph, values: Observed): boolean {
  let [least, most] = [Infinity, 0];
  for (const id of scalesIn(graph))
    for (const scale of ((values.get(id) ?? constantOf(graph, id))?.data as Float32Array | undefined) ?? []) {
      least = Math.min(least, Math.abs(scale));
      most = Math.max(most, Math.abs(scale));
    }
  return Math.fround(least * least) >= 2 ** -126 && Math.fround(most * most) < Infinity;
}
