/**
 * The plans of one graph at all sizes of a class, found from a few of them. Every number of a plan (extents, strides, bytes) is a polynomial of the
 * sizes, because lowerings multiply sizes, divide products of sizes by their factors, and add. Every decision of theirs asks whether sizes are
 * equal, which a class settles, or compares a size with a limit, which is the same for all sizes of a range when it is the same at its ends.
 *
 * A family is given up where the plans that it is found from differ in more than numbers, and where the plans at the ends of the range, which it is
 * not found from, are others than it says.
 */
import { type Graph, specialize } from '../ir/index.ts';
import type { Backend, PlanForm } from './backend.ts';
import { type Part, planGraph, type Step } from './partition.ts';
import { SimplexPolynomials, simplex } from './simplex_polynomials.ts';
import type { SizeClasses, Sizes } from './size_class.ts';

/** Batch · heads · length · length is of degree 3. */
const DEGREE = 3;
/** Families of more symbols take too many plans to be found. */
const MOST_SYMBOLS = 2;
/** Where the search for the first sizes begins: most sizes of a network that are known are no neighbours of these. */
const FIRST_BASE = 59;
/** Where the search for the upper end of the range begins, one after the other. */
const HIGHEST = [4096, 2048, 1024, 512, 256, 128];
/** So many points are looked at in a search; each takes a few microseconds. */
const TRIES = 400;

interface Sample {
  readonly part: Part;
  readonly form: PlanForm;
}

interface Range {
  readonly low: readonly number[];
  readonly high: readonly number[];
}

export class PlanFamily {
  readonly #classes: SizeClasses;
  readonly #class: string;
  readonly #fixed: Sizes;
  readonly #symbols: readonly string[];
  readonly #range: Range;
  readonly #part: Part;
  readonly #form: PlanForm;
  readonly #numbers: SimplexPolynomials;

  private constructor(
    { classes, class: own, fixed, symbols }: Space,
    range: Range,
    { part, form }: Sample,
    numbers: SimplexPolynomials,
  ) {
    this.#classes = classes;
    this.#class = own;
    this.#fixed = fixed;
    this.#symbols = symbols;
    this.#range = range;
    this.#part = part;
    this.#form = form;
    this.#numbers = numbers;
  }

  /**
   * The family in which `symbols` vary and the other sizes are those of `sizes`, of the class of `sizes`; undefined where none is found.
   * It takes a dozen plans.
   */
  static of(
    graph: Graph,
    backends: readonly Backend[],
    classes: SizeClasses,
    sizes: Sizes,
    symbols: readonly string[],
  ): PlanFamily | undefined {
    const own = classes.of(sizes);
    if (own === undefined || symbols.length === 0 || symbols.length > MOST_SYMBOLS) return undefined;
    const space: Space = { graph, backends, classes, class: own, fixed: sizes, symbols };
    const indices = simplex(symbols.length, DEGREE);
    const base = baseOf(space, indices);
    if (base === undefined) return undefined;
    const points = indices.map((index) => moved(base, index));
    const low = firstPoint(
      (i) => base.map((_, k) => 2 + k + i),
      (point) => isOfClass(space, point),
    );
    if (low === undefined || !growEvenly(space, base, indices, low)) return undefined;
    const samples = samplesOf(space, points);
    if (samples === undefined) return undefined;
    const numbers = new SimplexPolynomials(
      base,
      indices,
      samples.map(({ form }) => form.numbers),
    );
    const range = rangeFrom(space, low, numbers, samples[0]);
    return range && new PlanFamily(space, range, samples[0], numbers);
  }

  /** The plan at these sizes; undefined where they are not of the family. */
  at(sizes: Sizes): Step | undefined {
    const point = this.#symbols.map((symbol) => sizes.get(symbol) ?? 0);
    for (const [symbol, size] of this.#fixed)
      if (!this.#symbols.includes(symbol) && sizes.get(symbol) !== size) return undefined;
    const { low, high } = this.#range;
    if (point.some((size, k) => size < low[k] || size > high[k])) return undefined;
    if (this.#classes.of(sizes) !== this.#class) return undefined;
    return { part: this.#part, plan: this.#form.with(this.#numbers.at(point)) };
  }
}

/** The space in which a family is looked for. */
interface Space {
  readonly graph: Graph;
  readonly backends: readonly Backend[];
  readonly classes: SizeClasses;
  readonly class: string;
  readonly fixed: Sizes;
  readonly symbols: readonly string[];
}

const moved = (base: readonly number[], index: readonly number[]): number[] => base.map((n, k) => n + index[k]);

const sizesAt = ({ fixed, symbols }: Pick<Space, 'fixed' | 'symbols'>, point: readonly number[]): Map<string, number> =>
  new Map([...fixed, ...symbols.map((symbol, k) => [symbol, point[k]] as const)]);

const isOfClass = (space: Space, point: readonly number[]): boolean =>
  isAllowed(space, point) && space.classes.of(sizesAt(space, point)) === space.class;

const isAllowed = ({ graph, symbols }: Space, point: readonly number[]): boolean =>
  symbols.every((symbol, k) => {
    const { min = 0, max = Infinity } = graph.symbols?.[symbol] ?? {};
    return point[k] >= min && point[k] <= max;
  });

/** A point around which all points of the simplex are of the class. */
function baseOf(space: Space, indices: readonly (readonly number[])[]): number[] | undefined {
  return firstPoint(
    (i) => space.symbols.map((_, k) => FIRST_BASE + 13 * k + i),
    (base) => indices.every((index) => isOfClass(space, moved(base, index))),
  );
}

/**
 * True when the sizes of the graph themselves are polynomials. Those behind windows with a step are not, and plans, which take long, would tell
 * no more.
 */
function growEvenly(
  space: Space,
  base: readonly number[],
  indices: readonly (readonly number[])[],
  other: readonly number[],
): boolean {
  const valuesAt = (point: readonly number[]) => space.classes.valuesAt(sizesAt(space, point)) ?? new Float64Array();
  const found = new SimplexPolynomials(
    base,
    indices,
    indices.map((index) => valuesAt(moved(base, index))),
  );
  return sameNumbers(valuesAt(other), found.at(other));
}

const sameNumbers = (a: Float64Array, b: Float64Array): boolean => a.every((number, i) => Object.is(number, b[i]));

/** The range in which the family holds: plans at its ends have the form and the numbers that it says. */
function rangeFrom(
  space: Space,
  low: readonly number[],
  numbers: SimplexPolynomials,
  first: Sample,
): Range | undefined {
  const holdsAt = (point: readonly number[]): boolean => {
    const [sample] = samplesOf(space, [point]) ?? [];
    return sample !== undefined && sameForm(sample, first) && sameNumbers(sample.form.numbers, numbers.at(point));
  };
  if (!holdsAt(low)) return undefined;
  for (const highest of HIGHEST) {
    const high = firstPoint(
      (i) => low.map((_, k) => highest - k - i),
      (point) => isOfClass(space, point),
      8,
    );
    if (high?.every((size, k) => size >= low[k]) && holdsAt(high)) return { low, high };
  }
  return undefined;
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
function samplesOf(space: Space, points: readonly (readonly number[])[]): Sample[] | undefined {
  const samples: Sample[] = [];
  for (const point of points) {
    const sample = sampleOf(space, point);
    if (sample === undefined || (samples.length > 0 && !sameForm(sample, samples[0]))) return undefined;
    samples.push(sample);
  }
  return samples;
}

const sameForm = ({ form: a }: Sample, { form: b }: Sample): boolean =>
  a.numbers.length === b.numbers.length && a.matches(b);

/**
 * Undefined where a part of the graph is not of the first back end, and where the sizes are beyond a limit: the error would be of sizes that no
 * run has.
 */
function sampleOf({ graph, backends, ...space }: Space, point: readonly number[]): Sample | undefined {
  let steps: Step[];
  try {
    steps = planGraph(specialize(graph, sizesAt(space, point)), backends);
  } catch {
    return undefined;
  }
  const [step, ...more] = steps;
  const form = more.length === 0 ? step?.plan.form?.() : undefined;
  return form && { part: step.part, form };
}
