/**
 * A region for known sizes. A symbol under a window takes every size up to where classes of positions repeat. A window of
 * taps 0, d, … e − 1 at position p of stride t reads p·t − a + k·d, of which those in 0 … s − 1 are inside. From s = e on no
 * window is cut off at both sides, so that s and s + t have the same classes: cut off before, whole, and cut off behind by
 * what (s − 1 + a) mod t leaves. So all s up to e + t, and some more for the pads, have all classes there are.
 *
 * A symbol that pads are computed from takes as many, and one size more for all pads there are beyond. Others take a few
 * sizes, no two of them the same. Sizes are those of the region's leaves: where a leaf is (W − 13)/2 + 1 long, W begins at 13.
 */
import {
  type AttrValue,
  bindDim,
  factorsOf,
  type Graph,
  isOp,
  isStatic,
  type Node,
  nnConcat,
  nnGather,
  nnGatherElements,
  nnPad,
  nnSlice,
  nnTile,
  nodesOf,
  oneOf,
  opOf,
  productKind,
  type Shape,
  specialize,
  symbolsIn,
} from '../ir/index.ts';
import { haveTrait, type Region } from './region.ts';

/** Sizes of a symbol under a window that are tried at most, and of all of them together. */
const MOST_SIZES = 512;
const MOST_TOGETHER = 256;
/** Values of a symbol that are looked at for the sizes wanted, and of these such as have other pads only. */
const MOST_VALUES = 4096;
const MOST_BEYOND = 64;

/**
 * Sizes of other symbols. `SIZES_OF_PICKED` is for elements picked by position: an index counted from the front and one
 * counted from the back cannot be equal in all of them.
 */
const SIZES = [2, 3];
const SIZES_OF_PICKED = [2, 5, 11, 32];
const isPicking = oneOf(nnSlice, nnGather, nnGatherElements, nnConcat, nnPad, nnTile);

type Sizes = ReadonlyMap<string, number>;
/** A symbol and the values that it takes. */
type Values = readonly [symbol: string, values: readonly number[]];

/** Regions for known sizes, made on demand: a proof that needs no sizes makes none. */
export class SizedRegions implements Iterable<Region> {
  readonly #region: Region;
  readonly #leaves: readonly Shape[];
  /** The sizes in attributes, which decide as well. */
  readonly #given: readonly Shape[];
  /** Symbols under a window; `others`: all other symbols. */
  readonly #spatial: readonly Values[];
  readonly #others: readonly Values[];
  readonly #made = new Map<string, Region | undefined>();

  constructor(region: Region) {
    this.#region = region;
    const nodes = [...nodesOf(region.before), ...nodesOf(region.after)];
    const leaves = region.leaves.map((id) => region.before.values[id].type.shape);
    this.#leaves = leaves;
    this.#given = nodes.flatMap(sizesInAttributes);
    const pads = nodes.filter((node) => isOp(node, nnPad)).flatMap(sizesInAttributes);
    // movements alone are followed element by element, which takes long for many sizes
    const isSum = ![region.before, region.after].every((graph) => haveTrait(graph, 'movement', 'identity'));
    const isWindowed = nodes.some((node) => numbersIn(node, 'strides'));
    const spatial = new Set(isSum ? pads.flat().flatMap(symbolsIn) : []);
    for (const shape of isWindowed ? leaves : [])
      for (const symbol of shape.slice(2).flatMap(symbolsIn)) spatial.add(symbol);
    const others = new Set(
      leaves
        .flat()
        .flatMap(symbolsIn)
        .filter((symbol) => !spatial.has(symbol)),
    );
    const fixed = fixedByWeights(region);
    const sought: Sought = {
      leaves,
      given: this.#given,
      pads,
      count: nodes.reduce((most, node) => Math.max(most, reachOf(region, node)), 4),
      period: nodes.flatMap((node) => numbersIn(node, 'strides') ?? []).reduce(leastCommonMultiple, 1),
    };
    this.#spatial = [...spatial].map((symbol) => {
      const value = fixed.get(symbol);
      return [symbol, value === undefined ? everyValue(symbol, sought) : [value]];
    });
    const few = nodes.some(isPicking) ? SIZES_OF_PICKED : SIZES;
    const valuesOf = (symbol: string, more: number) =>
      few.map((size) => fixed.get(symbol) ?? valueFor(symbol, leaves, size + more));
    // symbols that nothing relates may have to be one size all the same: those of what is not understood
    const alike = (symbol: string) => (others.size > 1 ? valuesOf(symbol, 0) : []);
    this.#others = [...others].map((symbol, i) => [symbol, [...valuesOf(symbol, i), ...alike(symbol)]]);
  }

  get first(): Region | undefined {
    for (const region of this) return region;
    return undefined;
  }

  *[Symbol.iterator](): Generator<Region> {
    for (const sizes of this.#together(this.#spatial)) {
      const region = this.#sized(sizes);
      if (region) yield region;
    }
  }

  /**
   * Sizes that have all classes of positions there are, the largest first. Rows depend on one symbol and columns on another:
   * a height whose classes other heights have beside one width, they have beside every width.
   *
   * @param classesOf the classes of a region of known sizes; undefined: too many to tell
   */
  covering(classesOf: (sized: Region) => readonly string[] | undefined): readonly Region[] {
    const downwards = this.#spatial.map(([symbol, values]): Values => [symbol, values.toReversed()]);
    const areApart = [...this.#leaves, ...this.#given].every((shape) =>
      shape.every((dim) => new Set(symbolsIn(dim)).size < 2),
    );
    const needed =
      areApart && downwards.length > 0 ? downwards.map((own) => this.#needed(own, downwards, classesOf)) : downwards;
    return this.#together(needed).flatMap((sizes) => this.#sized(sizes) ?? []);
  }

  #needed(
    [symbol, values]: Values,
    all: readonly Values[],
    classesOf: (sized: Region) => readonly string[] | undefined,
  ): Values {
    const others = [...all, ...this.#others].map(([other, [first]]) => [other, first] as const);
    const known = new Set<string>();
    const needed = values.filter((value) => {
      const sized = this.#sized(new Map([...others, [symbol, value]]));
      if (sized === undefined) return false;
      const classes = classesOf(sized);
      const isNew = classes?.every((own) => known.has(own)) !== true;
      for (const own of classes ?? []) known.add(own);
      return isNew;
    });
    return [symbol, needed];
  }

  /** Every spatial size with every other, while other symbols take turns; no two of them the same. */
  #together(spatial: readonly Values[]): readonly Sizes[] {
    if (spatial.length + this.#others.length === 0) return [new Map()];
    const windows = combined(spatial.map(([, values]) => values));
    const turns = this.#others[0]?.[1].length ?? 0;
    const rounds = windows.length === 0 ? 0 : Math.max(windows.length, turns);
    const found = Array.from({ length: rounds }, (_, round): Sizes => {
      const sizes = windows[round % windows.length];
      return new Map([
        ...spatial.map(([symbol], i) => [symbol, sizes[i]] as const),
        ...this.#others.map(([symbol, values]) => [symbol, values[round % turns]] as const),
      ]);
    });
    const leavesOf = (sizes: Sizes) => this.#leaves.map((shape) => shape.map((d) => bindDim(d, sizes)));
    const keyOf = (sizes: Sizes) =>
      JSON.stringify([leavesOf(sizes), this.#given.map((shape) => shape.map((d) => bindDim(d, sizes)))]);
    return [...new Map(found.map((sizes) => [keyOf(sizes), sizes])).values()].filter((sizes) =>
      leavesOf(sizes).every((shape) => shape.every((d) => Number(d) >= 1)),
    );
  }

  #sized(sizes: Sizes): Region | undefined {
    const region = this.#region;
    if (sizes.size === 0) return region;
    const key = [...sizes].sort().join();
    if (this.#made.has(key)) return this.#made.get(key);
    const made = specialized(region, sizes);
    this.#made.set(key, made);
    return made;
  }
}

function specialized(region: Region, sizes: Sizes): Region | undefined {
  try {
    return { ...region, before: specialize(region.before, sizes), after: specialize(region.after, sizes) };
  } catch {
    return undefined; // no window fits into this size
  }
}

/** Attributes that are lists of sizes, with unknown ones among them. */
const sizesInAttributes = (node: Node): readonly Shape[] =>
  Object.keys(node.attrs).flatMap((name) => {
    const sizes = opOf(node).attrs[name]?.kind === 'dims' && listIn(node, name);
    return sizes && !isStatic(sizes) ? [sizes] : [];
  });

/** An attribute that is a list of numbers or sizes; undefined when a node has none of this name. */
function listIn({ attrs }: Node, name: string): Shape | undefined {
  const value = attrs[name];
  return isList(value) ? value : undefined;
}
const isList = (value: AttrValue | undefined): value is Shape => Array.isArray(value);

/** The same of numbers alone. */
function numbersIn(node: Node, name: string): readonly number[] | undefined {
  const list = listIn(node, name);
  return list && isStatic(list) ? list : undefined;
}

/** Values of symbols for which a matrix product has as many columns on the left as known weights have rows. */
function fixedByWeights({ before, after }: Region): ReadonlyMap<string, number> {
  const fixed = new Map<string, number>();
  for (const graph of [before, after])
    for (const node of nodesOf(graph)) {
      const factors = productKind(node) === 'matmul' ? factorsOf(node) : undefined;
      if (factors === undefined) continue;
      const [columns, rows] = [graph.values[factors.x].type.shape.at(-1), graph.values[factors.w].type.shape.at(-2)];
      const [symbol, ...others] = new Set(symbolsIn(columns ?? 0));
      if (columns === undefined || symbol === undefined || others.length > 0 || typeof rows !== 'number') continue;
      const sizesFor = dimensions(symbol, [[columns]]);
      for (let value = 1; value <= MOST_VALUES && !fixed.has(symbol); value++)
        if (sizesFor(value)[0] === rows) fixed.set(symbol, value);
    }
  return fixed;
}

/** The dimensions that depend on one symbol alone, as a function of its value. */
function dimensions(symbol: string, shapes: readonly Shape[]): (value: number) => readonly number[] {
  const own = shapes.flat().filter((dim) => new Set(symbolsIn(dim)).size === 1 && symbolsIn(dim).includes(symbol));
  return (value) => own.map((dim) => Number(bindDim(dim, new Map([[symbol, value]]))));
}

interface Sought {
  readonly leaves: readonly Shape[];
  readonly given: readonly Shape[];
  readonly pads: readonly Shape[];
  /** The number of sizes, and the number of classes after which they repeat. */
  readonly count: number;
  readonly period: number;
}

/**
 * The values for which dimensions of leaves take their first `count` sizes from 1 on, and other dimensions all their
 * sizes beside these. Beyond them classes repeat, unless pads change: then one value for each pads and each remainder.
 * Of very many sizes the first half, and the ones in which a window is whole.
 */
function everyValue(symbol: string, { leaves, given, pads, count, period }: Sought): readonly number[] {
  const [sizesFor, othersFor, padsFor] = [leaves, given, pads].map((shapes) => dimensions(symbol, shapes));
  const found: number[] = [];
  const beyond = new Set<string>();
  let [last, lastAll, sizes] = ['', '', 0];
  for (let value = 1; value <= MOST_VALUES && beyond.size < MOST_BEYOND; value++) {
    const own = sizesFor(value);
    const [key, all] = [own.join(), `${own} ${othersFor(value)}`];
    if (own.some((size) => size < 1) || all === lastAll) continue;
    if (key !== last) sizes++;
    [last, lastAll] = [key, all];
    if (sizes > count) {
      if (pads.length === 0) break;
      const repeated = `${padsFor(value)} ${own.map((size) => size % period)}`;
      if (beyond.has(repeated)) continue;
      beyond.add(repeated);
    }
    found.push(value);
  }
  return found.length <= MOST_SIZES ? found : [...found.slice(0, MOST_SIZES / 2), ...found.slice(-MOST_SIZES / 2)];
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

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return (a / x) * b;
}

/** window + pads + stride along the axis where this sum is largest. */
function reachOf(region: Region, node: Node): number {
  const factors = factorsOf(node);
  if (factors === undefined) return 0;
  const [strides, pads, dilations] = ['strides', 'pads', 'dilations'].map((name) => numbersIn(node, name));
  if (!strides || !pads || !dilations) return 0;
  const graph: Graph = region.before.nodes[node.id] === node ? region.before : region.after;
  const kernel = graph.values[factors.w].type.shape.slice(2).map(Number);
  const rank = strides.length;
  return Math.max(...strides.map((s, i) => dilations[i] * (kernel[i] - 1) + 1 + pads[i] + pads[i + rank] + s));
}
