/** The state that checks share: passes over weights, ranges, and random points. */
import { type Graph, sizeOf } from '../ir/index.ts';
import type { ByteSums } from './byte_sums.ts';
import { Ranges } from './range.ts';
import { RandomPoints } from './ring.ts';
import { ones, type Terms, type Vector } from './terms.ts';
import { UnknownProjections } from './unknown_projections.ts';
import { Weights } from './weights.ts';

export class Session {
  readonly weights: Weights;
  readonly projections: UnknownProjections;
  readonly #random: RandomPoints;
  readonly #ranges = new Map<Graph, Ranges>();
  readonly #vectors = new Map<string, Vector>();

  /**
   * @param seed of the random points; from the system when absent
   * @param sums how 8-bit weights are added up
   */
  constructor(seed?: number, sums?: ByteSums) {
    this.weights = new Weights(sums);
    this.#random = new RandomPoints(seed);
    this.projections = new UnknownProjections(this.weights, this.#random);
  }

  /** The ranges of a graph, shared by all checks of it. */
  ranges(graph: Graph): Ranges {
    const known = this.#ranges.get(graph) ?? new Ranges(graph, this.weights);
    this.#ranges.set(graph, known);
    return known;
  }

  /**
   * One vector for each unknown, axis and size, so that weights need no new pass when other axes change their sizes.
   */
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
    const reads = [{ leaf, slopes: shape.map((size) => (size === 1 ? 0 : 1)) }];
    return { kind: 'terms', shape, terms: [{ scale, axes, reads }], marks: shape.map(() => undefined) };
  }
}
