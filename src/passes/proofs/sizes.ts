/**
 * A region for known sizes. A symbol under a window takes every size up to where sizes repeat: the window, its pads and one
 * more stride. Others take a few sizes, no two of them the same. Sizes are those of the region's leaves: where a leaf is
 * (W − 13)/2 + 1 long, W begins at 13.
 */
import {
  bindDim,
  type Graph,
  type Node,
  nodesOf,
  type Shape,
  specialize,
  symbolsIn,
  type ValueId,
} from '../../ir/index.ts';
import type { Region } from './region.ts';

/** Sizes of a symbol under a window that are tried at most, and of all of them together. */
const MOST_SIZES = 64;
const MOST_TOGETHER = 256;
/** Values of a symbol that are looked at for the sizes wanted. */
const MOST_VALUES = 4096;

/** Of other symbols. Where elements are picked by position: an index from the front is none from the back in all of them. */
const SIZES = [2, 3];
const SIZES_OF_PICKED = [2, 5, 11, 32];
const picking = /^nn\.(slice|gather|gather_elements|concat|pad|tile)$/;

/** Made when asked for: what is decided without sizes needs none. */
export class SizedRegions implements Iterable<Region> {
  readonly #region: Region;
  readonly #bindings: readonly ReadonlyMap<string, number>[];
  readonly #made: (Region | undefined)[] = [];

  constructor(region: Region) {
    this.#region = region;
    this.#bindings = bindingsOf(region);
  }

  get first(): Region | undefined {
    for (const region of this) return region;
    return undefined;
  }

  *[Symbol.iterator](): Generator<Region> {
    for (let i = 0; i < this.#bindings.length; i++) {
      if (!(i in this.#made)) this.#made[i] = this.#sized(this.#bindings[i]);
      const region = this.#made[i];
      if (region) yield region;
    }
  }

  #sized(sizes: ReadonlyMap<string, number>): Region | undefined {
    const region = this.#region;
    if (sizes.size === 0) return region;
    try {
      return { ...region, before: specialize(region.before, sizes), after: specialize(region.after, sizes) };
    } catch {
      return undefined; // no window fits into this size
    }
  }
}

function bindingsOf(region: Region): readonly ReadonlyMap<string, number>[] {
  const shapes = region.leaves.map((id) => region.before.values[id].type.shape);
  const nodes = [...nodesOf(region.before), ...nodesOf(region.after)];
  const isWindowed = nodes.some(({ attrs }) => Array.isArray(attrs.strides));
  const spatial = new Set<string>();
  const others = new Set<string>();
  for (const shape of shapes)
    shape.forEach((dim, axis) => {
      for (const symbol of symbolsIn(dim)) (isWindowed && axis >= 2 ? spatial : others).add(symbol);
    });
  if (spatial.size + others.size === 0) return [new Map()];
  const reach = Math.min(Math.max(4, ...nodes.map((node) => reachOf(region, node))), MOST_SIZES);
  const fixed = fixedByWeights(region);
  const lists = [...spatial].map(
    (symbol) => [symbol, fixed.has(symbol) ? [fixed.get(symbol)!] : everyValue(symbol, shapes, reach)] as const,
  );
  const windows = combined(lists.map(([, values]) => values));
  const few = nodes.some(({ op }) => picking.test(op)) ? SIZES_OF_PICKED : SIZES;
  const other = [...others].map(
    (symbol, i) => [symbol, few.map((size) => fixed.get(symbol) ?? valueFor(symbol, shapes, size + i))] as const,
  );
  const rounds = others.size === 0 ? windows.length : Math.max(windows.length, few.length);
  const found = Array.from({ length: rounds }, (_, round): ReadonlyMap<string, number> => {
    const sizes = windows[round % windows.length] ?? [];
    return new Map([
      ...lists.map(([symbol], i) => [symbol, sizes[i]] as const),
      ...other.map(([symbol, values]) => [symbol, values[round % few.length]] as const),
    ]);
  });
  const sizesOf = (binding: ReadonlyMap<string, number>) =>
    shapes.map((shape) => shape.map((d) => bindDim(d, binding)));
  // symbols that nothing relates may have to be one size all the same: those of what is not understood
  if (others.size > 1)
    for (const size of few)
      found.push(
        new Map([
          ...(found[0] ?? []),
          ...other.map(([symbol]) => [symbol, fixed.get(symbol) ?? valueFor(symbol, shapes, size)] as const),
        ]),
      );
  const byShape = new Map(found.map((binding) => [JSON.stringify(sizesOf(binding)), binding]));
  return [...byShape.values()].filter((binding) =>
    sizesOf(binding).every((shape) => shape.every((d) => Number(d) >= 1)),
  );
}

/** Values of symbols for which a matrix product has as many columns on the left as known weights have rows. */
function fixedByWeights({ before, after }: Region): ReadonlyMap<string, number> {
  const fixed = new Map<string, number>();
  for (const graph of [before, after])
    for (const { op, operands } of nodesOf(graph)) {
      if (!op.endsWith('matmul')) continue;
      const [columns, rows] = [0, 1].map((i) => graph.values[operands[i] as ValueId].type.shape.at(-1 - i));
      const [symbol, ...others] = new Set(symbolsIn(columns ?? 0));
      if (symbol === undefined || others.length > 0 || typeof rows !== 'number') continue;
      const sizesFor = dimensions(symbol, [[columns as string]]);
      for (let value = 1; value <= MOST_VALUES && !fixed.has(symbol); value++)
        if (sizesFor(value)[0] === rows) fixed.set(symbol, value);
    }
  return fixed;
}

/** What the dimensions that depend on one symbol alone are for a value of it. */
function dimensions(symbol: string, shapes: readonly Shape[]): (value: number) => readonly number[] {
  const own = shapes.flat().filter((dim) => new Set(symbolsIn(dim)).size === 1 && symbolsIn(dim).includes(symbol));
  return (value) => own.map((dim) => Number(bindDim(dim, new Map([[symbol, value]]))));
}

/** The values for which these dimensions take their first `count` sizes from 1 on. */
function everyValue(symbol: string, shapes: readonly Shape[], count: number): readonly number[] {
  const sizesFor = dimensions(symbol, shapes);
  const found: number[] = [];
  for (let value = 1, last = ''; value <= MOST_VALUES && found.length < count; value++) {
    const sizes = sizesFor(value);
    if (sizes.some((size) => size < 1) || sizes.join() === last) continue;
    last = sizes.join();
    found.push(value);
  }
  return found;
}

/** The least value for which no such dimension is below a size. */
function valueFor(symbol: string, shapes: readonly Shape[], size: number): number {
  const sizesFor = dimensions(symbol, shapes);
  for (let value = size; value <= MOST_VALUES; value++) if (sizesFor(value).every((d) => d >= size)) return value;
  return size;
}

/** Every value with every other; where these are too many, each value of every list, and diagonals through them. */
function combined(lists: readonly (readonly number[])[]): readonly (readonly number[])[] {
  const all = lists.reduce((product, list) => product * list.length, 1);
  if (all <= MOST_TOGETHER)
    return lists.reduce<readonly (readonly number[])[]>(
      (partial, list) => partial.flatMap((known) => list.map((value) => [...known, value])),
      [[]],
    );
  const longest = Math.max(...lists.map((list) => list.length));
  return Array.from({ length: MOST_TOGETHER }, (_, i) => {
    const shift = Math.floor(i / longest);
    return lists.map((list, axis) => list[(i + shift * axis) % list.length]);
  });
}

/** window + pads + stride along the axis where that is most. */
function reachOf(region: Region, node: Node): number {
  const { strides, pads, dilations } = node.attrs as Record<string, readonly number[] | undefined>;
  if (strides === undefined || pads === undefined || dilations === undefined || !node.operands[1]) return 0;
  const graph: Graph = region.before.nodes[node.id] === node ? region.before : region.after;
  const kernel = graph.values[node.operands[1] as ValueId].type.shape.slice(2) as readonly number[];
  const rank = strides.length;
  return Math.max(...strides.map((s, i) => dilations[i] * (kernel[i] - 1) + 1 + pads[i] + pads[i + rank] + s));
}
