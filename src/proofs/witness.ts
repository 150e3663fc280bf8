/** An input at which the sides of a region differ, found by interpreting them. */
import { UnskewError } from '../diagnostics/index.ts';
import {
  type DType,
  dtypes,
  type Feeds,
  factorsOf,
  type Graph,
  type ITensor,
  indicesOf,
  interpret,
  isFloat,
  nodesOf,
  sameShape,
  sizeOf,
  type TensorType,
  type ValueId,
} from '../ir/index.ts';
import { type Fill, filledWith, type Witness, witnessInput } from './obligation.ts';
import type { Region } from './region.ts';
import { sizesOf } from './terms.ts';

/** Multiplications that a search may spend on interpreting one side once. */
const MOST_WORK = 2 ** 30;

/** `leaf`: its position; leaves get different seeds, and meet different ends of their ranges. */
const fills = (dtype: DType, leaf: number): readonly Fill[] => {
  const { min, max } = isFloat(dtype) ? { min: -128, max: 127 } : dtypes[dtype];
  const ends = dtypes[dtype].bits === 8 ? [{ value: min }, { value: max }] : [{ value: -1 }, { value: 1 }];
  return [{ value: 0 }, ...ends, ...Array.from({ length: 13 }, (_, i) => ({ seed: 2 * i + 1 + 1000 * leaf }))];
};

/** True when numbers hold the elements; 64-bit integers get no witness here. */
const isShort = (type: TensorType): type is TensorType<DType> =>
  type.dtype !== 'opaque' && dtypes[type.dtype].bits <= 32;

/** @param region of known sizes */
export function findWitness(region: Region): Witness | undefined {
  if (Math.max(workOf(region.before), workOf(region.after)) > MOST_WORK) return undefined;
  const types = region.leaves.map((id) => (region.before.values[id] ?? region.after.values[id]).type);
  if (!types.every(isShort)) return undefined;
  const lengths = types.map(({ dtype }, leaf) => fills(dtype, leaf).length);
  const rounds = lengths.reduce((a, b) => Math.max(a, b), 1);
  for (let i = 0; i < rounds; i++) {
    const used = types.map(({ dtype, shape }, leaf) => {
      const all = fills(dtype, leaf);
      const fill = all[(i + leaf) % all.length];
      return [region.leaves[leaf], filledWith(dtype, sizesOf(shape), fill), fill] as const;
    });
    const feeds = Object.fromEntries(used.map(([id, t]) => [id, t]));
    const values = bothSides(region, feeds);
    if (values === undefined) continue;
    const [before, after] = values;
    const at = firstDifference(before, after);
    if (at === undefined) continue;
    return {
      inputs: Object.fromEntries(used.map(([id, t, fill]) => [id, witnessInput(t, fill)])),
      output: region.root,
      index: [...indicesOf(before.shape)][at],
      before: Number(before.data[at]),
      after: Number(after.data[at]),
    };
  }
  return undefined;
}

/** Interprets both sides; undefined when one of them refuses the input, or their shapes differ. */
function bothSides({ root, before, after }: Region, feeds: Feeds): readonly [ITensor, ITensor] | undefined {
  try {
    const [a, b] = [before, after].map((graph) => interpret(graph, feeds)[root]);
    return sameShape(a.shape, b.shape) ? [a, b] : undefined;
  } catch (error) {
    if (error instanceof UnskewError) return undefined;
    throw error;
  }
}

function firstDifference(a: ITensor, b: ITensor): number | undefined {
  for (let i = 0; i < a.data.length; i++) if (!Object.is(a.data[i], b.data[i])) return i;
  return undefined;
}

/** Elements of the results times the weights that each of them reads, at most. */
function workOf(graph: Graph): number {
  return nodesOf(graph).reduce((all, node) => {
    const size = (id: ValueId) => sizeOf(graph.values[id].type.shape.map(Number));
    const factors = factorsOf(node);
    return all + size(node.id) * (factors ? Math.max(1, size(factors.w)) : 1);
  }, 0);
}
