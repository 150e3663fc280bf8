/** Inputs for a graph of known sizes. */
import { randomFeeds } from '../../src/cli/random.ts';
import { constantOf, type Feeds, findOp, type Graph, type Node, nodesOf, type ValueId } from '../../src/ir/index.ts';
import { filled } from '../../src/testing/contents.ts';

/** What a model is made for, and what it has to survive: NaN, infinities, integers of the whole range. */
export const feedings = ['usual', 'hostile'] as const;
export type Feeding = (typeof feedings)[number];

export function feedsOf(graph: Graph, feeding: Feeding): Feeds {
  const usual = randomFeeds(graph, 1);
  if (feeding === 'usual') return usual;
  const scales = scalesIn(graph);
  return Object.fromEntries(
    Object.entries(usual).map(([name, tensor], i) => [
      name,
      scales.has(name as ValueId) ? tensor : filled(tensor.dtype, tensor.shape, { pattern: 'non-finite', seed: i + 1 }),
    ]),
  );
}

/** Inputs that are scales: the product of two has to be a number, which grouping assumes. */
const scalesIn = (graph: Graph): ReadonlySet<ValueId> => new Set(nodesOf(graph).flatMap(scalesOf));

const scalesOf = ({ op, operands }: Node): readonly ValueId[] =>
  Object.keys(findOp(op)?.operands ?? {}).flatMap((name, i) => (/^s/.test(name) && operands[i]) || []);

/** A scale that the graph computes is not a number where its inputs are not; what is padding is 0 all the same, ungrouped. */
export const hasComputedScales = (graph: Graph): boolean =>
  nodesOf(graph).some(
    (node) => node.op === 'qnn.dynamic_quantize' || scalesOf(node).some((id) => constantOf(graph, id) === undefined),
  );
