/** Obligation (a): both sides of a region are the same polynomial in their unknowns. */
import { type Graph, type Node, sizeOf, type ValueId } from '../../ir/index.ts';
import { picked, Side } from './evaluate.ts';
import { Grid } from './grid.ts';
import { accumulator } from './products.ts';
import { type Region, sizedRegions } from './region.ts';
import { PRIME, primeField, RandomPoints, type Ring, wrapping } from './ring.ts';
import { tailOf } from './rounding.ts';
import { ones, type Terms, Unsupported, type Vector } from './terms.ts';
import { type Projections, UnknownProjections, Weights } from './weights.ts';

/** What checks share: passes over weights, and random points. */
export class Session {
  readonly weights = new Weights();
  readonly projections: UnknownProjections;
  readonly #random: RandomPoints;
  readonly #vectors = new Map<string, Vector>();

  /** @param seed of the random points; from the system when absent */
  constructor(seed?: number) {
    this.#random = new RandomPoints(seed);
    this.projections = new UnknownProjections(this.weights, this.#random);
  }

  /** One vector for each unknown, axis and size: for other sizes of other axes weights need no other pass. */
  vector(leaf: string, axis: number, size: number): Vector {
    if (size === 1) return ones(1);
    const key = `${axis} ${size} ${leaf}`;
    const known = this.#vectors.get(key);
    if (known) return known;
    const made = this.#random.vector(size);
    this.#vectors.set(key, made);
    return made;
  }

  /** A single unknown is a random scale. */
  unknown(leaf: string, shape: readonly number[]): Terms {
    const scale = sizeOf(shape) === 1 ? this.#random.next() : 1;
    const axes = shape.map((size, axis) => this.vector(leaf, axis, size));
    return { kind: 'terms', shape, terms: [{ scale, axes }], marks: shape.map(() => undefined) };
  }
}

export interface IdentityReport {
  readonly verdict: 'same' | 'different' | { readonly open: string };
  /** The region for known sizes, where both sides differ. */
  readonly at?: { readonly region: Region; readonly index: readonly number[] };
  /** Compared (channel, class) pairs, sizes of symbolic axes that were tried, degree of the polynomials. */
  readonly compared: number;
  readonly sizes: number;
  readonly degree: number;
}

/** Roots that round: both sides are compared before they do. */
const rounds = (node: Node | undefined): boolean =>
  node?.op === 'qnn.requantize' || node?.op.startsWith('dnnl.') === true;

export function checkIdentity(region: Region, session: Session): IdentityReport {
  let compared = 0;
  const regions = sizedRegions(region);
  const degree = degreeOf(region);
  const report = { sizes: regions.length, degree };
  try {
    for (const sized of regions) {
      const { index, count } = compare(sized, session);
      compared += count;
      if (index) return { ...report, verdict: 'different', at: { region: sized, index }, compared };
    }
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error;
    return { ...report, verdict: { open: `not decided: ${error.message}` }, compared };
  }
  if (regions.length === 0) return { ...report, verdict: { open: 'no sizes fit' }, compared };
  return { ...report, verdict: 'same', compared };
}

/** An element of rank r is a product of r unknowns, and unknown weights, sources and zero points are multiplied. */
function degreeOf({ leaves, before }: Region): number {
  const ranks = leaves.map((id) => Math.max(before.values[id]?.type.shape.length ?? 0, 1)).sort((a, b) => b - a);
  return Math.max(1, (ranks[0] ?? 0) + (ranks[1] ?? 0));
}

function compare(region: Region, session: Session): { readonly index?: readonly number[]; readonly count: number } {
  const shape = region.before.values[region.root].type.shape as readonly number[];
  const other = region.after.values[region.root].type.shape as readonly number[];
  if (shape.length !== other.length || shape.some((size, i) => size !== other[i]))
    throw new Unsupported('shapes differ');
  const grid = new Grid(shape);
  const points = (known: boolean): ReadonlyMap<ValueId, Terms> =>
    new Map(
      region.leaves.map((id) => {
        const type = region.before.values[id]?.type ?? region.after.values[id].type;
        const unknown = session.unknown(id, type.shape as readonly number[]);
        return [id, known ? { ...unknown, terms: [] } : unknown];
      }),
    );
  const evaluate = (
    graph: Graph,
    ring: Ring,
    leaves: ReadonlyMap<ValueId, Terms>,
    weights: Projections = session.weights,
    learning = false,
  ): Float64Array => {
    const side = new Side({ graph, grid, ring, leaves, weights, learning });
    const node = graph.nodes[region.root];
    const value =
      node?.op === 'qnn.requantize'
        ? side.value(tailOf(graph, node)?.sum ?? (node.operands[0] as ValueId))
        : rounds(node)
          ? accumulator(
              node,
              node.operands.map((id) => (id === null ? undefined : side.value(id))),
              side,
            )
          : side.value(region.root);
    const dense = side.dense(value, shape);
    return learning ? dense.data : picked(dense, grid.at);
  };
  const random = points(false);
  for (const graph of [region.before, region.after]) evaluate(graph, primeField, random, session.weights, true);
  const both = (ring: Ring, leaves: ReadonlyMap<ValueId, Terms>, weights?: Projections) =>
    [region.before, region.after].map((graph) => evaluate(graph, ring, leaves, weights));
  const firstDifference = ([a, b]: readonly Float64Array[]): number => a.findIndex((v, i) => v !== b[i]);
  // Unknowns at 0 leave the constants, which are compared in the arithmetic of the operators themselves. Where these
  // agree modulo 2^32 alone they are taken off before values at a random point are compared.
  const zero = points(true);
  let at = firstDifference(both(wrapping, zero));
  let values = both(primeField, random, session.projections);
  if (at < 0 && firstDifference(values) >= 0) values = both(primeField, random);
  if (at < 0 && firstDifference(values) >= 0) {
    const origins = both(primeField, zero);
    at = firstDifference(values.map((side, s) => side.map((v, i) => primeField.reduce(v - origins[s][i]))));
  }
  const count = values[0].length;
  return at < 0 ? { count } : { index: coordinates(at, grid), count };
}

function coordinates(flat: number, { at }: Grid): number[] {
  const index = new Array<number>(at.length);
  for (let axis = at.length - 1; axis >= 0; axis--) {
    index[axis] = at[axis][flat % at[axis].length];
    flat = Math.floor(flat / at[axis].length);
  }
  return index;
}

/** Of a report: how the identity was decided, as the certificate says it. */
export const identityMethod = ({ compared, sizes, degree }: IdentityReport): string =>
  `constants exactly modulo 2^32, coefficients at a random point over Z/(2^31 − 1), for ${compared} (channel, class of positions)${sizes > 1 ? ` in ${sizes} sizes` : ''}; a difference is missed with probability ≤ ${degree}/${PRIME}`;
