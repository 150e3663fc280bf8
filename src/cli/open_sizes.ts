/** Sizes for dimensions that nobody gave. */
import { UnskewError } from '../diagnostics/index.ts';
import {
  factorsOf,
  type Graph,
  geometryOf,
  layoutOf,
  nodesOf,
  sourceChannels,
  specialize,
  symbolsIn,
  valueIdsOf,
} from '../ir/index.ts';

/** The sizes to try, small ones first: the first that fits is run or planned. */
const USUAL = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32, 48, 64, 96, 128, 192, 224, 256, 384, 512];
/** A dimension that has to equal one of the weights is not tried beyond this. */
const LARGEST = 4096;

/**
 * Sizes for the symbols of the inputs with which every operator of the graph has a result: 1 if possible, else larger
 * ones, the same for all symbols, except that first axes may stay 1.
 *
 * @returns undefined when none of the tried sizes fits
 */
export function fittingSizes(graph: Graph): ReadonlyMap<string, number> | undefined {
  const dims = (axes: (axis: number) => boolean) =>
    new Set(
      graph.inputs.flatMap((id) => graph.values[id].type.shape.filter((_, axis) => axes(axis)).flatMap(symbolsIn)),
    );
  const [all, first] = [dims(() => true), dims((axis) => axis === 0)];
  if (all.size === 0) return new Map();
  const fixed = fixedByWeights(graph);
  const sizes = [...new Set([...USUAL, ...sizesOfConstants(graph)])];
  const candidates = sizes.flatMap((size) => [1, size].map((batch) => ({ size, batch })));
  for (const { size, batch } of candidates) {
    const wanted = (symbol: string) => fixed.get(symbol) ?? (first.has(symbol) ? batch : size);
    const bound = new Map([...all].map((symbol) => [symbol, inRange(graph, symbol, wanted(symbol))]));
    if (fits(graph, bound)) return bound;
  }
  return undefined;
}

/** Channels of a convolution and columns of a product: their weights say how many. */
function fixedByWeights(graph: Graph): ReadonlyMap<string, number> {
  const fixed = new Map<string, number>();
  for (const node of nodesOf(graph)) {
    const factors = factorsOf(node);
    if (factors === undefined) continue;
    const layout = layoutOf(node);
    const [x, w] = [factors.x, factors.w].map((id) => graph.values[id].type.shape);
    const symbol = x[geometryOf(layout.kind).sourceAxis(x.length)];
    const size = sourceChannels(layout, w);
    if (typeof symbol === 'string' && typeof size === 'number') fixed.set(symbol, size);
  }
  return fixed;
}

function inRange({ symbols }: Graph, symbol: string, size: number): number {
  const { min = 0, max = Number.POSITIVE_INFINITY } = symbols?.[symbol] ?? {};
  return Math.max(min, Math.min(max, size));
}

function sizesOfConstants(graph: Graph): readonly number[] {
  const constants = valueIdsOf(graph).filter((id) => graph.values[id].constant !== undefined);
  const sizes = constants.flatMap((id) => graph.values[id].type.shape.filter((size) => typeof size === 'number'));
  return sizes.filter((size) => size > 0 && size <= LARGEST).sort((a, b) => a - b);
}

/** True when all types can be inferred and no open size becomes 0. */
function fits(graph: Graph, sizes: ReadonlyMap<string, number>): boolean {
  try {
    const { values } = specialize(graph, sizes);
    return valueIdsOf({ values }).every((id) =>
      values[id].type.shape.every((dim, axis) => dim === graph.values[id].type.shape[axis] || Number(dim) > 0),
    );
  } catch (error) {
    if (error instanceof UnskewError) return false;
    throw error;
  }
}
