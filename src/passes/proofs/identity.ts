/** Obligation (a): both sides of a region are the same polynomial in their unknowns. */
import { type Graph, type Node, producersOf, sizeOf, type ValueId } from '../../ir/index.ts';
import { picked } from './dense.ts';
import { type EvaluationOptions, Side } from './evaluate.ts';
import { Grid } from './grid.ts';
import { type Expression, sameForms } from './normal_form.ts';
import { OpaqueProducts } from './opaque_products.ts';
import { accumulator } from './products.ts';
import { Ranges } from './range.ts';
import { type Region, sizedRegions } from './region.ts';
import { PRIME, primeField, RandomPoints, type Ring, wrapping } from './ring.ts';
import { tailOf } from './rounding.ts';
import { ones, type Terms, Unsupported, type Vector } from './terms.ts';
import { Weights } from './weights.ts';

/** What checks share: passes over weights, ranges, and random points. */
export class Session {
  readonly weights = new Weights();
  readonly #random: RandomPoints;
  readonly #ranges = new Map<Graph, Ranges>();
  readonly #vectors = new Map<string, Vector>();

  /** @param seed of the random points; from the system when absent */
  constructor(seed?: number) {
    this.#random = new RandomPoints(seed);
  }

  /** What is known of the values of a graph, for all that is asked of it. */
  ranges(graph: Graph): Ranges {
    const known = this.#ranges.get(graph) ?? new Ranges(graph, this.weights);
    this.#ranges.set(graph, known);
    return known;
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

  opaque = (): OpaqueProducts => new OpaqueProducts(this.#random);

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
  /** Compared (channel, class) pairs, sizes of symbolic axes that were tried, degree of the polynomials: 0 when their normal
   * forms are equal, and constants were compared. */
  readonly compared: number;
  readonly sizes: number;
  readonly degree: number;
}

/** Roots that round: both sides are compared before they do. */
const rounds = ({ op }: Node): boolean => op === 'qnn.requantize' || op.startsWith('dnnl.');

export function checkIdentity(region: Region, session: Session): IdentityReport {
  let compared = 0;
  const forms = sameForms(expressionsOf(region), session.weights);
  if (forms) return { verdict: 'same', compared: forms.constants, sizes: 1, degree: 0 };
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

/** What is compared: of a value that is rounded, its sum. */
const expressionsOf = ({ root: id, before, after }: Region): Expression[] =>
  [before, after].map((graph) => {
    const root = graph.nodes[id];
    const sum = root?.op === 'qnn.requantize' ? (tailOf(graph, root)?.sum ?? (root.operands[0] as ValueId)) : undefined;
    return { graph, root, sum };
  });

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
  const sides = expressionsOf(region);
  const producers = new Map(sides.map(({ graph }) => [graph, producersOf(graph)]));
  const evaluate = (
    { graph, root, sum }: Expression,
    point: Pick<EvaluationOptions, 'ring' | 'leaves' | 'opaque' | 'learning'>,
  ): Float64Array => {
    const side = new Side({
      graph,
      producers: producers.get(graph) as ReadonlyMap<ValueId, Node>,
      grid,
      weights: session.weights,
      ...point,
    });
    const value = sum
      ? side.value(sum)
      : root && rounds(root)
        ? accumulator(
            root,
            root.operands.map((id) => (id === null ? undefined : side.value(id))),
            side,
          )
        : side.value(region.root);
    const dense = side.dense(value, shape);
    return point.learning ? dense.data : picked(dense, grid.at);
  };
  const [random, zero] = [points(false), points(true)];
  for (const side of sides) evaluate(side, { ring: primeField, leaves: random, learning: true });
  const both = (ring: Ring, leaves: ReadonlyMap<ValueId, Terms>, opaque?: OpaqueProducts) =>
    sides.map((side) => evaluate(side, { ring, leaves, opaque }));
  const firstDifference = ([a, b]: readonly Float64Array[]): number => {
    for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return i;
    return -1;
  };
  const count = sizeOf(grid.at.map((list) => list.length));
  // Unknowns at 0 leave the constants, which are compared in the arithmetic of the operators themselves.
  const at = firstDifference(both(wrapping, zero));
  if (at >= 0) return { index: coordinates(at, grid), count };
  if (firstDifference(both(primeField, random, session.opaque())) < 0) return { count };
  const values = both(primeField, random);
  if (firstDifference(values) < 0) return { count };
  // Where constants agree modulo 2^32 alone they are taken off before values at a random point are compared.
  const origins = both(primeField, zero);
  const differs = firstDifference(values.map((side, s) => primeField.add(side, origins[s], -1)));
  return differs < 0 ? { count } : { index: coordinates(differs, grid), count };
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
  degree === 0
    ? `equal normal forms: the same products of sources and weights, and the same ${compared} constants modulo 2^32`
    : `constants exactly modulo 2^32, coefficients at a random point over Z/(2^31 − 1), for ${compared} (channel, class of positions)${sizes > 1 ? ` in ${sizes} sizes` : ''}; a difference is missed with probability ≤ ${degree}/${PRIME}`;
