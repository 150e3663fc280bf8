/**
 * At which positions of the result both sides have to be compared. Positions at which everything on both sides does the
 * same (the same taps are inside, the same constants are read) form a class; one of each is enough. A position is a
 * tuple of coordinates, and a class is a product of classes of coordinates: (row class) × (column class) × ….
 */
import { type ITensor, sizeOf } from '../ir/index.ts';
import { apart, areApart, joined, type Marks, positions } from './marks.ts';
import { identityOf, remember } from './remember.ts';
import { type Dense, type Reading, range, unsupported } from './terms.ts';

/** Positions per result that are compared at most. */
const MOST_POSITIONS = 2 ** 24;

export class Grid {
  readonly shape: readonly number[];
  readonly #kinds: (Marks | undefined)[];
  readonly #slopes: readonly Map<string, number>[];
  /** Axes of which nothing is known. */
  readonly #separate = new Set<number>();
  readonly #notes: unknown[] = [];
  #at: readonly Int32Array[] | undefined;

  constructor(shape: readonly number[]) {
    this.shape = shape;
    this.#kinds = shape.map(() => undefined);
    this.#slopes = shape.map(() => new Map());
  }

  /**
   * Coordinates differ where they differ for a value of this shape, which is aligned with the result at its last axis; and
   * where an unknown is read in steps of one size here and of another there.
   */
  refine(shape: readonly number[], kinds: readonly (Marks | undefined)[], reads: readonly Reading[]): void {
    const lead = this.shape.length - shape.length;
    for (const { leaf, slopes } of reads)
      this.shape.forEach((size, axis) => {
        // broadcast where the value has no such axis, or a size of 1
        if (size !== 1) this.#steps(leaf, axis, (shape[axis - lead] ?? 1) === 1 ? 0 : slopes[axis - lead]);
      });
    shape.forEach((size, own) => {
      const kind = kinds[own];
      if (size === 1) {
        // One coordinate here; in other sizes it may be of another class.
        if (kind) this.note(kind[0]);
        return;
      }
      const axis = this.#axisOf(shape, own);
      if (axis === undefined) {
        // Reshaped on its way to the result: nothing is known of how coordinates correspond.
        if (lead === 0) {
          this.note(kind && identityOf(kind));
          this.#tellApart(own);
        } else if (kind || reads.some(({ slopes }) => slopes[own] !== 0))
          this.shape.forEach((_, i) => void this.#separateAxis(i));
      } else if (!this.#separate.has(axis)) this.#kinds[axis] = joined(this.#kinds[axis], kind);
    });
  }

  /** Notes a fact that classes leave out: equal classes of two sizes are alike only when their notes are equal too. */
  note(what: unknown): void {
    this.#notes.push(what);
  }

  /**
   * Records that readings of an unknown move along with positions: all of them in the same step, or positions differ.
   */
  #steps(leaf: string, axis: number, slope: number): void {
    const known = this.#slopes[axis].get(leaf);
    if (known === undefined) this.#slopes[axis].set(leaf, slope);
    else if (known !== slope) this.#separateAxis(axis);
  }

  /**
   * Refines the grid after a reshape. Axes that both shapes begin and end with keep their meaning; along the others all
   * coordinates count as different, in both shapes. Returns the homes of the axes of `to`.
   */
  refineByReshape(from: Dense, to: readonly number[]): readonly (number | undefined)[] {
    const { shape } = from;
    const shorter = Math.min(shape.length, to.length);
    let [suffix, prefix] = [0, 0];
    while (suffix < shorter && shape[shape.length - 1 - suffix] === to[to.length - 1 - suffix]) suffix++;
    while (prefix < shorter - suffix && shape[prefix] === to[prefix]) prefix++;
    const middles = [shape, to].map((sizes) => sizes.slice(prefix, sizes.length - suffix));
    this.note(['reshape', prefix, suffix, middles]);
    for (const sizes of [shape, to])
      for (let own = prefix; own < sizes.length - suffix; own++) {
        const axis = own + this.shape.length - sizes.length;
        if (sizes[own] !== 1 && axis >= 0 && this.shape[axis] === sizes[own]) this.#tellApart(axis);
      }
    return to.map((_, own) => {
      if (own < prefix) return this.home(from, own);
      const behind = to.length - own;
      return behind <= suffix ? this.home(from, shape.length - behind) : this.#axisOf(to, own);
    });
  }

  /** The axis of the result that an axis was taken for when its classes were learnt: as a reshape left it, or counted from the last. */
  home = ({ shape, homes }: Pick<Dense, 'shape' | 'homes'>, own: number): number | undefined =>
    homes ? homes[own] : this.#axisOf(shape, own);

  /**
   * Requires that these axes are one axis of the result (undefined: an unknown one); else all their positions count as
   * different.
   */
  requireOne(homes: readonly (number | undefined)[]): void {
    const all = new Set(homes);
    if (all.size > 1) for (const axis of all) if (axis !== undefined) this.#separateAxis(axis);
  }

  /**
   * The axis of the result that axis `own` of a value of this shape corresponds to; undefined when it is not known. For
   * values of another rank it is counted from the last, as long as all sizes up to it equal the result's.
   */
  #axisOf(shape: readonly number[], own: number): number | undefined {
    const lead = this.shape.length - shape.length;
    const last = lead === 0 ? own : shape.length - 1;
    for (let i = last; i >= own; i--) if (shape[i] !== this.shape[i + lead]) return undefined;
    return own + lead;
  }

  /** The same for a constant: coordinates are alike where its slices are equal. Shorter constants are broadcast. */
  refineByConstant(t: ITensor): void {
    const lead = this.shape.length - t.shape.length;
    if (lead < 0) {
      if (sizeOf(t.shape) > 1) this.#kinds.forEach((_, axis) => void this.#separateAxis(axis));
      return;
    }
    const shape = [...Array<number>(lead).fill(1), ...t.shape];
    this.refine(
      shape,
      shape.map((size, axis) => {
        const kinds = this.#kinds[axis];
        const settled = size === 1 || (kinds && areApart(kinds)) || size !== this.shape[axis];
        return settled ? undefined : sliceKinds(t, axis - lead);
      }),
      [],
    );
  }

  /** One coordinate of each class, for every axis. */
  get at(): readonly Int32Array[] {
    if (this.#at) return this.#at;
    const at = this.shape.map((size, axis) => {
      const kinds = this.#kinds[axis];
      if (kinds === undefined) return Int32Array.of(0);
      if (areApart(kinds)) return range(size);
      const first = new Map<number, number>();
      kinds.forEach((kind, i) => {
        if (!first.has(kind)) first.set(kind, i);
      });
      return first.size === size ? range(size) : Int32Array.from(first.values());
    });
    if (sizeOf(this.shape) === 0) return (this.#at = this.shape.map(() => new Int32Array(0)));
    if (sizeOf(at.map((list) => list.length)) > MOST_POSITIONS) unsupported('too many positions that differ');
    return (this.#at = at);
  }

  /** The coordinates at which a value of this shape has to be known. */
  coordinatesOf(shape: readonly number[]): readonly Int32Array[] {
    return shape.map((size, own) => {
      if (size === 1) return Int32Array.of(0);
      const axis = this.#axisOf(shape, own);
      return axis === undefined ? range(size) : this.at[axis];
    });
  }

  /** From now on only these coordinates: a part of `at` along every axis. */
  restrict(at: readonly Int32Array[]): void {
    this.#at = at;
  }

  /** The classes at the coordinates `at` of an axis. */
  classesAt = (axis: number): readonly number[] =>
    Array.from(this.at[axis], (coordinate) => this.#kinds[axis]?.[coordinate] ?? -1);

  /**
   * Everything that must be equal for classes of two sizes to be the same: notes, readings of unknowns, and axes of
   * fixed size.
   */
  contextOf(fixedAxes: readonly number[]): string {
    const along = (axis: number) => {
      const kinds = this.#kinds[axis];
      return kinds && areApart(kinds) ? identityOf(kinds) : this.classesAt(axis).join();
    };
    return JSON.stringify([this.#notes, this.#slopes.map((slopes) => [...slopes]), fixedAxes.map(along)]);
  }

  /** Marks the coordinates of an axis as different; the marks are the same in every size with the same notes. */
  #tellApart(axis: number): void {
    if (!this.#separate.has(axis)) this.#kinds[axis] = joined(this.#kinds[axis], positions(this.shape[axis]));
  }

  #separateAxis(axis: number): void {
    if (this.#separate.has(axis)) return;
    this.#separate.add(axis);
    this.#kinds[axis] = apart(this.shape[axis]);
  }
}

const slices = new WeakMap<ITensor, Map<number, Marks>>();
/** Equal slices along an axis get the same mark. */
const sliceKinds = (t: ITensor, axis: number): Marks => remember(slices, t, axis, () => marksOfSlices(t, axis));

function marksOfSlices({ data, shape }: ITensor, axis: number): Marks {
  const inner = sizeOf(shape.slice(axis + 1));
  const size = shape[axis];
  const outer = sizeOf(shape.slice(0, axis));
  const hashes = new Int32Array(size);
  for (let o = 0, at = 0; o < outer; o++)
    for (let i = 0; i < size; i++) {
      let hash = hashes[i];
      for (const end = at + inner; at < end; at++) hash = (Math.imul(hash, 31) + Number(data[at])) | 0;
      hashes[i] = hash;
    }
  const equal = (a: number, b: number): boolean => {
    for (let o = 0; o < outer; o++)
      for (let j = 0; j < inner; j++)
        if (data[(o * size + a) * inner + j] !== data[(o * size + b) * inner + j]) return false;
    return true;
  };
  const byHash = new Map<number, number[]>();
  const own = apart(size);
  const marks = own.map((_, i) => {
    const candidates = byHash.get(hashes[i]) ?? [];
    byHash.set(hashes[i], candidates);
    const same = candidates.find((other) => equal(other, i));
    if (same === undefined) candidates.push(i);
    return own[same ?? i];
  });
  return [...byHash.values()].flat().length === size ? own : marks;
}
