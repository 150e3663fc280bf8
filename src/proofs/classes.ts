/**
 * The classes of positions that were compared in any size of a region. With S a choice of sizes, p a position of the result
 * and P[S, p] the difference of both sides at p, a polynomial in the elements of the unknowns:
 *
 *   class(S, p) = class(S', p')  ⇒  P[S', p'] is P[S, p] with x[i + d] in the place of x[i], for one d for each unknown x
 *
 * since along every axis the same taps are inside of the source, the same constants are read, and all that reads an unknown
 * reads it in equal steps from equal offsets. One of the two is 0 where the other is. Classes are tuples of classes of
 * coordinates, so that rows and columns are only ever looked at apart: of sizes that bring no new tuple nothing is evaluated.
 */
import { type Shape, sizeOf } from '../ir/index.ts';
import type { Grid } from './grid.ts';

/** Classes of one size beyond which all of them are compared, without being written down. */
const MOST_CLASSES = 2 ** 12;

/** The compared classes of one region, in all its sizes. */
export class Classes {
  readonly #contexts = new Map<string, number>();
  readonly #compared = new Set<string>();
  /** The axes whose size is not the same in all. */
  readonly #open: readonly number[];
  readonly #fixed: readonly number[];

  /** @param shape of the result, with symbols */
  constructor(shape: Shape) {
    const axes = shape.map((_, axis) => axis);
    this.#open = axes.filter((axis) => typeof shape[axis] === 'string');
    this.#fixed = axes.filter((axis) => typeof shape[axis] === 'number');
  }

  /** The classes of a grid, as texts that mean the same in all sizes; undefined when there are too many. */
  of(grid: Grid): readonly string[] | undefined {
    if (sizeOf(this.#open.map((axis) => grid.at[axis].length)) > MOST_CLASSES) return undefined;
    const context = grid.contextOf(this.#fixed);
    const number = this.#contexts.get(context) ?? this.#contexts.size;
    this.#contexts.set(context, number);
    return this.#open.reduce<readonly string[]>(
      (tuples, axis) => {
        const own = grid.classesAt(axis);
        return tuples.flatMap((tuple) => own.map((mark) => `${tuple} ${mark}`));
      },
      [`${number}`],
    );
  }

  /** Restricts the grid to coordinates of classes that were not compared yet; false when none is left. */
  restrict(grid: Grid): boolean {
    const tuples = this.of(grid);
    if (tuples === undefined) return true;
    const places = tuples.flatMap((tuple, place) => (this.#compared.has(tuple) ? [] : [place]));
    for (const tuple of tuples) this.#compared.add(tuple);
    if (places.length === tuples.length) return places.length > 0;
    const at = [...grid.at];
    let inner = tuples.length;
    for (const axis of this.#open) {
      const { length } = at[axis];
      inner /= length;
      const wanted = new Set(places.map((place) => Math.floor(place / inner) % length));
      at[axis] = at[axis].filter((_, i) => wanted.has(i));
    }
    grid.restrict(at);
    return places.length > 0;
  }
}
