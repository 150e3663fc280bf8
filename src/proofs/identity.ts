/** Obligation (a): both sides of a region are the same polynomial in their unknowns. */
import {
  biasOf,
  constantOf,
  factorsOf,
  type Graph,
  isProduct,
  nodesOf,
  producersOf,
  sameShape,
  sizeOf,
  type ValueId,
} from '../ir/index.ts';
import { Classes } from './classes.ts';
import { picked } from './dense.ts';
import { sideOf } from './evaluate.ts';
import { fusedAs } from './fused.ts';
import { Grid } from './grid.ts';
import { type Expression, sameForms } from './normal_form.ts';
import { accumulator } from './products.ts';
import { magnitude } from './range.ts';
import type { Region } from './region.ts';
import { PRIME, primeField, type Ring, wrapping } from './ring.ts';
import { roundedSum, tailOf } from './rounding.ts';
import type { Session } from './session.ts';
import type { EvaluationOptions } from './side.ts';
import type { SizedRegions } from './sizes.ts';
import { shortIntegers, sizesOf, type Terms, Unsupported, unsupported } from './terms.ts';
import type { Weights } from './weights.ts';

export type IdentityReport = Work & Finding;

type Finding =
  | { readonly verdict: 'same' }
  | { readonly verdict: { readonly open: string } }
  | { readonly verdict: 'different'; readonly at: Place };

/** The region for known sizes in which both sides differ, and where. */
interface Place {
  readonly region: Region;
  readonly index: readonly number[];
}

/**
 * Compared (channel, class) pairs, sizes of symbolic axes that were tried, and the degree of the polynomials: 0 where their
 * normal forms are equal, and constants were compared.
 */
interface Work {
  readonly compared: number;
  readonly sizes: number;
  readonly degree: number;
}

/** @param sizes the region for known sizes */
export function checkIdentity(region: Region, sizes: SizedRegions, session: Session): IdentityReport {
  let [compared, tried] = [0, 0];
  const report = () => ({ sizes: tried, degree: degreeOf(region), compared });
  try {
    if (region.before.values[region.root].type.shape.includes(0))
      return { verdict: 'same', compared: 0, sizes: 1, degree: 0 };
    requireIntegers(region, 'before', session);
    requireIntegers(region, 'after', session);
    knowWeights(region, session.weights);
    const forms = sameForms(expressionsOf(region), session.weights);
    if (forms) return { verdict: 'same', compared: forms.constants, sizes: 1, degree: 0 };
    const classes = new Classes(region.before.values[region.root].type.shape);
    const covering = sizes.covering((sized) => classes.of(new Comparison(sized, session).grid));
    for (const sized of covering) {
      const comparison = new Comparison(sized, session);
      tried++;
      if (!classes.restrict(comparison.grid)) continue;
      const { index, count } = comparison.run();
      compared += count;
      if (index)
        return { ...report(), verdict: 'different', at: smallest(covering, session) ?? { region: sized, index } };
    }
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error;
    return { ...report(), verdict: { open: `not decided: ${error.message}` } };
  }
  if (compared === 0) return { ...report(), verdict: { open: 'no size was tried that leaves elements to compare' } };
  return { ...report(), verdict: 'same' };
}

/** The difference in the smallest size that has one, for people to look at. @param sizes the largest first */
function smallest(sizes: readonly Region[], session: Session): Place | undefined {
  for (const region of sizes.toReversed()) {
    const { index } = new Comparison(region, session).run();
    if (index) return { region, index };
  }
  return undefined;
}

/** An element of rank r is a product of r unknowns, and unknown weights, sources and zero points are multiplied. */
function degreeOf({ leaves, before }: Region): number {
  const ranks = leaves.map((id) => Math.max(before.values[id]?.type.shape.length ?? 0, 1)).sort((a, b) => b - a);
  return Math.max(1, (ranks[0] ?? 0) + (ranks[1] ?? 0));
}

/** The compared expressions: the sum of a rounded value, else the value. */
const expressionsOf = ({ root: id, before, after }: Region): Expression[] =>
  [before, after].map((graph) => {
    const root = graph.nodes[id];
    const sum = roundedSum(graph, root);
    return { graph, root, sum };
  });

/**
 * The largest magnitude up to which another type computes as s32 would: f32 is exact up to it, the others fit into s32.
 */
const MOST: Partial<Record<string, number>> = { f32: 2 ** 24, f64: 2 ** 31 - 1, s64: 2 ** 31 - 1 };

/**
 * Floats and 64-bit integers stand for integers modulo 2^32 only while they hold them exactly and s32 would as well.
 * Nodes between a sum and the node that rounds it do not belong to the identity, and a product of the rewritten side
 * owes its bounds apart.
 */
function requireIntegers({ root, ...region }: Region, side: 'before' | 'after', session: Session): void {
  const graph = region[side];
  const isOther = (id: ValueId) => !narrow.has(graph.values[id].type.dtype);
  if (graph.inputs.some(isOther)) unsupported('sources that are not integers of at most 32 bits');
  const nodes = nodesOf(graph).filter(({ id }) => isOther(id));
  if (nodes.length === 0) return;
  const rounding = graph.nodes[root];
  const rounded = new Set(rounding && tailOf(graph, rounding)?.between);
  const ranges = session.ranges(graph);
  for (const node of nodes) {
    if (rounded.has(node.id)) continue;
    const { dtype } = graph.values[node.id].type;
    const isSum = isProduct(node);
    if (biasOf(node)) unsupported('a bias in floats');
    if (isSum && side === 'after' && dtype === 'f32') continue;
    const reach = isSum ? (ranges.partialSums(node) ?? Infinity) : magnitude(ranges.of(node.id));
    if (!(reach <= (MOST[dtype] ?? 0))) unsupported(`${dtype} that may be beyond the integers it holds`);
  }
}

const narrow: ReadonlySet<string> = new Set(shortIntegers);

/** Axes are walked over position by position, and each unknown is a vector for each of them. */
const LONGEST = 2 ** 25;

function requireShort({ before, after }: Region): void {
  for (const { values } of [before, after])
    for (const { type } of Object.values<Graph['values'][ValueId]>(values))
      for (const dim of type.shape) if (Number(dim) > LONGEST) unsupported(`an axis of ${dim} positions`);
}

/** Registers the constant weights, so that weights less their zero points are recognized. */
function knowWeights({ before, after }: Region, { centred }: Weights): void {
  for (const graph of [before, after])
    for (const node of nodesOf(graph)) {
      const constant = constantOf(graph, factorsOf(node)?.w);
      if (constant && constant.shape.length > 1) centred.know(constant);
    }
}

/** Compares both sides of a region at random points: at one position of each class. */
class Comparison {
  readonly #session: Session;
  /** The classes of positions on both sides; `run` compares one of each, or those that it was restricted to. */
  readonly grid: Grid;
  readonly #sides: readonly IndexedExpression[];
  readonly #region: Region;

  constructor(region: Region, session: Session) {
    requireShort(region);
    const [shape, other] = [region.before, region.after].map((graph) => graph.values[region.root].type.shape);
    if (!sameShape(shape, other)) throw new Unsupported('shapes differ');
    this.#session = session;
    this.#region = region;
    this.grid = new Grid(sizesOf(shape));
    this.#sides = expressionsOf(region).map((side) => ({ ...side, producers: producersOf(side.graph) }));
    const [leaves, { weights }] = [this.#points(false), session];
    for (const side of this.#sides) this.#evaluate(side, { ring: primeField, leaves, weights, learning: true });
  }

  run(): { readonly index?: readonly number[]; readonly count: number } {
    const { weights, projections } = this.#session;
    const [random, zero] = [this.#points(false), this.#points(true)];
    const count = sizeOf(this.grid.at.map((list) => list.length));
    const differAt = (at: number) => ({ index: coordinates(at, this.grid), count });
    // Unknowns at 0 leave the constants, which are compared in the arithmetic of the operators themselves.
    const constants = firstDifference(this.#both({ ring: wrapping, leaves: zero, weights }));
    if (constants >= 0) return differAt(constants);
    // A multiple of p is 0 in the field, and only differences modulo 2^32 count.
    const unlike = (ring: Ring, w: Point['weights']) =>
      firstDifference(this.#both({ ring, leaves: random, weights: w }));
    if (unlike(wrapping, projections) >= 0) {
      const at = unlike(wrapping, weights);
      if (at >= 0) return differAt(at);
    }
    if (unlike(primeField, projections) < 0) return { count };
    const values = this.#both({ ring: primeField, leaves: random, weights });
    if (firstDifference(values) < 0) return { count };
    // Where constants agree modulo 2^32 alone they are taken off before values at a random point are compared.
    const origins = this.#both({ ring: primeField, leaves: zero, weights });
    const at = firstDifference(values.map((side, s) => primeField.add(side, origins[s], -1)));
    return at < 0 ? { count } : differAt(at);
  }

  /** Random points, or 0, for the unknowns that both sides share. */
  #points(known: boolean): ReadonlyMap<ValueId, Terms> {
    const { leaves, before, after } = this.#region;
    return new Map(
      leaves.map((id) => {
        const { type } = before.values[id] ?? after.values[id];
        const unknown = this.#session.unknown(id, sizesOf(type.shape));
        return [id, known ? { ...unknown, terms: [] } : unknown];
      }),
    );
  }

  #both = (point: Point): Float64Array[] => this.#sides.map((side) => this.#evaluate(side, point));

  #evaluate({ root, sum, ...expression }: IndexedExpression, point: Point): Float64Array {
    const side = sideOf({ ...expression, ...point, grid: this.grid });
    const fused = sum === undefined && root ? fusedAs(root, (id) => side.value(id)) : undefined;
    const value = fused ? accumulator(fused, side) : side.value(sum ?? this.#region.root);
    const dense = side.result(value);
    return point.learning ? dense.data : picked(dense, this.grid.at);
  }
}

type IndexedExpression = Expression & Pick<EvaluationOptions, 'producers'>;
type Point = Pick<EvaluationOptions, 'ring' | 'leaves' | 'weights' | 'learning'>;

function firstDifference([a, b]: readonly Float64Array[]): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return i;
  return -1;
}

function coordinates(flat: number, { at }: Grid): number[] {
  const index = new Array<number>(at.length);
  for (let axis = at.length - 1; axis >= 0; axis--) {
    index[axis] = at[axis][flat % at[axis].length];
    flat = Math.floor(flat / at[axis].length);
  }
  return index;
}

/** The method in a report, as the certificate states it. */
export const identityMethod = ({ compared, sizes, degree }: Work): string =>
  degree === 0
    ? `equal normal forms: the same products of sources and weights, and the same ${compared} constants modulo 2^32`
    : `constants exactly modulo 2^32, coefficients at a random point over Z/(2^31 − 1), for ${compared} (channel, class of positions)${sizes > 1 ? ` in ${sizes} sizes, which have the classes of all sizes` : ''}; a difference is missed with probability ≤ ${degree}/${PRIME}`;
