/**
 * The plans of one graph at all sizes of a class, found from a few of them. Every number of a plan (extents, strides, bytes) is a polynomial of the
 * sizes, because lowerings multiply sizes, divide products of sizes by their factors, and add. Every decision of theirs asks whether sizes are
 * equal, which a class settles, or compares a size with a limit, which is the same for all sizes of a range when it is the same at its ends.
 * Sizes may happen to be equal at one member, as a past of 64 positions and heads of 64 elements: its plan is the one in which they are two sizes.
 * Sizes of 0 and 1 broadcast, so that a member has them only where all members do.
 * Behind windows with a step, sizes are quotients rounded down: polynomials of sizes with one remainder by the product of the steps. The family
 * then has the sizes with this remainder.
 *
 * A family is given up where the plans that it is found from differ in more than numbers, and where the plans at the ends of the range, which it is
 * not found from, are others than it says.
 */
import { type Graph, specialize } from '../ir/index.ts';
import type { Backend, PlanForm } from './backend.ts';
import { type Part, planningOf, type Step } from './partition.ts';
import { SimplexPolynomials, simplex } from './simplex_polynomials.ts';
import type { SizeClasses, Sizes } from './size_class.ts';
import type { Steps } from './steps.ts';

/** Batch · heads · length · length is of degree 3. */
const DEGREE = 3;
/** Families of more axes take too many plans to be found. */
const MOST_AXES = 2;
/** Where the search for the first sizes begins: most sizes of a network that are known are no neighbours of these. */
const FIRST_BASE = 59;
/** By how much neighbours of a family differ: products of the steps of windows. */
const STEPS = [1, 2, 4, 8, 16, 32, 64];
/** Where the search for the lower end of the range begins, one after the other: small images have windows that are wider than them. */
const LOWEST = [2, 64, 256];
/** Where the search for the upper end of the range begins, one after the other. */
const HIGHEST = [4096, 2048, 1024, 512, 256, 128];
/** So many points are looked at in a search; each takes a few microseconds. */
const TRIES = 400;
const FEW_TRIES = 50;

/** Sizes that grow together, by their symbols: how much each is more than the first of them. */
export type Axis = ReadonlyMap<string, number>;

interface Sample {
  readonly part: Part;
  readonly form: PlanForm;
}

/** Samples of one form: the first one whole, and the numbers of all. Plans are large, so that one is kept. */
interface Samples {
  readonly first: Sample;
  readonly numbers: readonly Float64Array[];
}

interface Range {
  readonly low: readonly number[];
  readonly high: readonly number[];
}

export class PlanFamily {
  readonly #classes: SizeClasses;
  /** Every size of the graph. */
  readonly #sizes: SimplexPolynomials;
  readonly #fixed: Sizes;
  readonly #axes: readonly Axis[];
  readonly #lattice: Lattice;
  readonly #range: Range;
  readonly #part: Part;
  readonly #form: PlanForm;
  readonly #numbers: SimplexPolynomials;

  private constructor(
    { classes, fixed, axes }: Space,
    lattice: Lattice,
    range: Range,
    { part, form }: Sample,
    sizes: SimplexPolynomials,
    numbers: SimplexPolynomials,
  ) {
    this.#classes = classes;
    this.#sizes = sizes;
    this.#fixed = fixed;
    this.#axes = axes;
    this.#lattice = lattice;
    this.#range = range;
    this.#part = part;
    this.#form = form;
    this.#numbers = numbers;
  }

  /**
   * The family in which the sizes of `axes` vary and the others are those of `sizes`, of the class of `sizes`; undefined where none is found.
   * It takes a dozen plans, and is done in steps.
   */
  static *finding(
    graph: Graph,
    backends: readonly Backend[],
    classes: SizeClasses,
    sizes: Sizes,
    axes: readonly Axis[],
  ): Steps<PlanFamily | undefined> {
    const own = classes.of(sizes);
    if (own === undefined || axes.length === 0 || axes.length > MOST_AXES) return undefined;
    const space: Space = { graph, backends, classes, class: own, fixed: sizes, axes };
    const indices = simplex(axes.length, DEGREE);
    const lattice = latticeOf(space, indices);
    if (lattice === undefined) return undefined;
    const samples = yield* samplesOf(
      space,
      indices.map((index) => pointAt(lattice, index)),
    );
    if (samples === undefined) return undefined;
    const { first } = samples;
    const numbers = polynomialsOf(indices, samples.numbers);
    const range = yield* rangeFrom(space, lattice, numbers, first);
    return range && new PlanFamily(space, lattice, range, first, sizesOf(space, lattice, indices), numbers);
  }

  /**
   * By how much sizes of a family differ at least, and so by what their remainders are equal; undefined where there is no family. It takes
   * no plan.
   */
  static stepOf(graph: Graph, classes: SizeClasses, sizes: Sizes, axes: readonly Axis[]): number | undefined {
    const own = classes.of(sizes);
    if (own === undefined || axes.length === 0 || axes.length > MOST_AXES) return undefined;
    const space = { graph, backends: [], classes, class: own, fixed: sizes, axes };
    return latticeOf(space, simplex(axes.length, DEGREE))?.step;
  }

  /** Frees what sessions of members have left for others. */
  dispose(): void {
    this.#form.dispose?.();
  }

  /** The plan at these sizes; undefined where they are not of the family. */
  at(sizes: Sizes): Step | undefined {
    const point = this.#axes.map((axis) => sizes.get(leadOf(axis)) ?? 0);
    const own = sizesAt({ fixed: this.#fixed, axes: this.#axes }, point);
    for (const [symbol, size] of own) if (sizes.get(symbol) !== size) return undefined;
    const { low, high } = this.#range;
    if (point.some((size, k) => size < low[k] || size > high[k])) return undefined;
    const index = indexOf(this.#lattice, point);
    return index.every(Number.isInteger) && this.#hasAt(sizes, index)
      ? { part: this.#part, plan: this.#form.with(this.#numbers.at(index)) }
      : undefined;
  }

  /** True when the sizes of the graph are those that the family says, and 0 and 1 where those of other members are. */
  #hasAt(sizes: Sizes, index: readonly number[]): boolean {
    const [own, any] = [this.#sizes.at(index), this.#sizes.atBase];
    const found = this.#classes.valuesAt(sizes);
    return found !== undefined && sameNumbers(found, own) && own.every((n, i) => n === any[i] || (n > 1 && any[i] > 1));
  }
}

/** The space in which a family is looked for. */
interface Space {
  readonly graph: Graph;
  readonly backends: readonly Backend[];
  readonly classes: SizeClasses;
  readonly class: string;
  readonly fixed: Sizes;
  readonly axes: readonly Axis[];
}

/** The symbol whose size is a coordinate of points. */
export const leadOf = (axis: Axis): string => axis.keys().next().value ?? '';

/** Points `step` apart. */
interface Lattice {
  readonly base: readonly number[];
  readonly step: number;
}

const pointAt = ({ base, step }: Lattice, index: readonly number[]): number[] =>
  base.map((n, k) => n + step * index[k]);

const indexOf = ({ base, step }: Lattice, point: readonly number[]): number[] =>
  point.map((n, k) => (n - base[k]) / step);

const polynomialsOf = (indices: readonly (readonly number[])[], values: readonly Float64Array[]): SimplexPolynomials =>
  new SimplexPolynomials(
    indices[0].map(() => 0),
    indices,
    values,
  );

const sizesAt = ({ fixed, axes }: Pick<Space, 'fixed' | 'axes'>, point: readonly number[]): Map<string, number> =>
  new Map([
    ...fixed,
    ...axes.flatMap((axis, k) => [...axis].map(([symbol, more]) => [symbol, point[k] + more] as const)),
  ]);

const isOfClass = (space: Space, point: readonly number[]): boolean =>
  isAllowed(space, point) && space.classes.of(sizesAt(space, point)) === space.class;

const isAllowed = ({ graph, axes }: Space, point: readonly number[]): boolean =>
  axes.every((axis, k) =>
    [...axis].every(([symbol, more]) => {
      const { min = 0, max = Infinity } = graph.symbols?.[symbol] ?? {};
      return point[k] + more >= min && point[k] + more <= max;
    }),
  );

/**
 * The points of the class, with the remainders of the sizes that are asked for, on which the sizes of the graph are polynomials; undefined where
 * there are none. Plans, which take long, would tell no more.
 */
function latticeOf(space: Space, indices: readonly (readonly number[])[]): Lattice | undefined {
  for (const step of STEPS) {
    const base = firstPoint(
      (i) => space.axes.map((axis, k) => alike(space, axis, step, FIRST_BASE + (13 * k + i) * step)),
      (point) => indices.every((index) => isOfClass(space, pointAt({ base: point, step }, index))),
      step === 1 ? TRIES : FEW_TRIES,
    );
    if (base === undefined) continue;
    if (growEvenly(space, { base, step }, indices)) return { base, step };
  }
  return undefined;
}

/** The least coordinate from `least` on that leaves the remainder by `step` which that of the sizes asked for leaves. */
function alike({ fixed }: Space, axis: Axis, step: number, least: number): number {
  const remainder = ((fixed.get(leadOf(axis)) ?? 0) - least) % step;
  return least + (remainder < 0 ? remainder + step : remainder);
}

/** Points at an end of the range, from `first` on in the given direction. */
const candidates =
  (space: Space, { step }: Lattice, first: number, direction: 1 | -1) =>
  (i: number): number[] =>
    space.axes.map((axis, k) => alike(space, axis, step, first + direction * (k + i) * step));

/** True when the sizes of the graph are polynomials on a lattice: those behind windows with a step are not where the step is too small. */
function growEvenly(space: Space, lattice: Lattice, indices: readonly (readonly number[])[]): boolean {
  const found = sizesOf(space, lattice, indices);
  // 19 and 38 leave every remainder by a power of 2 that their neighbours leave
  const others = [4, 5, 6, 7, 19, 38].map((far) => space.axes.map((_, k) => far + k * (far % 3)));
  return others.every((index) => sameNumbers(valuesAt(space, lattice, index), found.at(index)));
}

const valuesAt = (space: Space, lattice: Lattice, index: readonly number[]): Float64Array =>
  space.classes.valuesAt(sizesAt(space, pointAt(lattice, index))) ?? new Float64Array();

const sizesOf = (space: Space, lattice: Lattice, indices: readonly (readonly number[])[]): SimplexPolynomials =>
  polynomialsOf(
    indices,
    indices.map((index) => valuesAt(space, lattice, index)),
  );

const sameNumbers = (a: Float64Array, b: Float64Array): boolean => a.every((number, i) => Object.is(number, b[i]));

/** The range in which the family holds: plans at its ends have the form and the numbers that it says. */
function* rangeFrom(
  space: Space,
  lattice: Lattice,
  numbers: SimplexPolynomials,
  first: Sample,
): Steps<Range | undefined> {
  function* holdsAt(point: readonly number[]): Steps<boolean> {
    const sample = yield* sampleOf(space, point);
    return (
      sample !== undefined &&
      sameForm(sample, first) &&
      sameNumbers(sample.form.numbers, numbers.at(indexOf(lattice, point)))
    );
  }
  function* endFrom(starts: readonly number[], direction: 1 | -1, tries?: number): Steps<number[] | undefined> {
    for (const start of starts) {
      const point = firstPoint(candidates(space, lattice, start, direction), (p) => isOfClass(space, p), tries);
      if (point && (yield* holdsAt(point))) return point;
    }
    return undefined;
  }
  const low = yield* endFrom(LOWEST, 1);
  const high = low && (yield* endFrom(HIGHEST, -1, 8));
  return low && high?.every((size, k) => size >= low[k]) ? { low, high } : undefined;
}

function firstPoint(
  at: (i: number) => number[],
  holds: (point: number[]) => boolean,
  tries = TRIES,
): number[] | undefined {
  for (let i = 0; i < tries; i++) {
    const point = at(i);
    if (holds(point)) return point;
  }
  return undefined;
}

/** Plans of one form at these points; undefined where there is none. */
function* samplesOf(space: Space, points: readonly (readonly number[])[]): Steps<Samples | undefined> {
  let first: Sample | undefined;
  const numbers: Float64Array[] = [];
  for (const point of points) {
    const sample = yield* sampleOf(space, point);
    if (sample === undefined || (first && !sameForm(sample, first))) return undefined;
    first ??= sample;
    numbers.push(sample.form.numbers);
  }
  return first && { first, numbers };
}

const sameForm = ({ form: a }: Sample, { form: b }: Sample): boolean =>
  a.numbers.length === b.numbers.length && a.matches(b);

/**
 * Undefined where a part of the graph is not of the first back end, and where the sizes are beyond a limit: the error would be of sizes that no
 * run has.
 */
function* sampleOf({ graph, backends, ...space }: Space, point: readonly number[]): Steps<Sample | undefined> {
  let steps: Step[];
  yield;
  try {
    steps = yield* planningOf(specialize(graph, sizesAt(space, point)), backends);
  } catch {
    return undefined;
  }
  const [step, ...more] = steps;
  const form = more.length === 0 ? step?.plan.form?.() : undefined;
  return form && { part: step.part, form };
}
