/** Inputs for a graph. */
import type * as fc from 'fast-check';
import { assert } from '../diagnostics/index.ts';
import { bindDim, type Feeds, type Graph, isStatic, typeOf } from '../ir/index.ts';
import { contents } from './arbitraries/basic.ts';
import { type Contents, filled, randomSource } from './contents.ts';

/** One pattern for every input, each with a seed of its own. */
export const arbitraryFeeds: fc.Arbitrary<Contents> = contents;

/**
 * A tensor for every input. The symbol N becomes 1 to 3, any other symbol 3 to 5: generators of graphs have to keep
 * windows over symbolic axes within 3.
 */
export function feedsOf(graph: Graph, { pattern, seed }: Contents): Feeds {
  const random = randomSource(seed);
  const sizes = new Map<string, number>();
  const sizeOfSymbol = (symbol: string): number => {
    const size = sizes.get(symbol) ?? Math.floor(random() * 3) + (symbol === 'N' ? 1 : 3);
    sizes.set(symbol, size);
    return size;
  };
  return Object.fromEntries(
    graph.inputs.map((id, i) => {
      const { dtype, shape } = typeOf(graph, id);
      assert(dtype !== 'opaque', `the input %${id} is opaque`);
      for (const dim of shape) if (typeof dim === 'string' && /^\w+$/.test(dim)) sizeOfSymbol(dim);
      const dims = shape.map((dim) => bindDim(dim, sizes));
      assert(isStatic(dims), `the sizes [${dims}] of %${id} follow from symbols that stand alone`);
      return [id, filled(dtype, dims, { pattern, seed: seed + i })];
    }),
  );
}
