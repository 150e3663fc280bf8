/** The families of plans of one graph whose sizes are known with each run. */
import type { Graph } from '../ir/index.ts';
import type { Backend } from './backend.ts';
import type { Step } from './partition.ts';
import { type Axis, leadOf, PlanFamily } from './plan_family.ts';
import { SizeClasses, type Sizes } from './size_class.ts';
import { atOnce, type Steps } from './steps.ts';

/** Plans of more bytes are made anew, with the checks that this takes. */
const MOST_BYTES = 2 ** 28;
/** So many earlier sets of sizes are compared with a new one, at most and at least. */
const MOST_SEEN = 16;
const LEAST_SEEN = 2;
/** So often families are looked for in vain. */
const MOST_FAILURES = 12;

export class PlanFamilies {
  readonly graph: Graph;
  readonly backends: readonly Backend[];
  #classes: SizeClasses | undefined;
  readonly #families: PlanFamily[] = [];
  /** Counts of requests. The key of a family is made of its axes, the other sizes, the class of the sizes and their remainders. */
  readonly #asked = new Map<string, number>();
  readonly #steps = new Map<string, number | undefined>();
  #failures = 0;
  readonly #seen: Sizes[] = [];
  #search: Steps<void> | undefined;
  /** The result of the last request. A run asks twice: whether to search, and then for its plan. */
  #latest: { readonly sizes: Sizes; readonly member: Step | undefined } | undefined;

  /** @param backends in the order in which they are asked */
  constructor(graph: Graph, backends: readonly Backend[]) {
    this.graph = graph;
    this.backends = backends;
  }

  /**
   * The plan at these sizes where it follows from those at others: the third set of sizes begins a family, of which later ones are
   * members. Two sets are a batch and its rest, and to find a family takes longer than to plan them.
   */
  memberAt(sizes: Sizes): Step | undefined {
    const search = this.search(sizes);
    if (search) atOnce(search);
    return this.known(sizes);
  }

  /** The same where it follows from what is known. */
  known(sizes: Sizes): Step | undefined {
    if (this.#latest?.sizes !== sizes) this.#latest = { sizes, member: this.#member(sizes) };
    return this.#latest.member;
  }

  #member(sizes: Sizes): Step | undefined {
    for (const family of this.#families) {
      const member = family.at(sizes);
      if (member) return member.plan.bytes <= MOST_BYTES ? member : undefined;
    }
    return undefined;
  }

  /**
   * The search for a family of these sizes, which may be the one that goes on already; undefined where it follows from what is known that there
   * is one, or none. To be asked once for each set of sizes that is run.
   */
  search(sizes: Sizes): Steps<void> | undefined {
    if (sizes.size === 0 || this.known(sizes)) return undefined;
    return (this.#search ??= this.#begun(sizes));
  }

  /** Frees what sessions have left for those of other sizes. */
  dispose(): void {
    for (const family of this.#families) family.dispose();
  }

  /** For a family in which the sizes vary that differ from the earlier ones which are most alike. */
  #begun(sizes: Sizes): Steps<void> | undefined {
    const seen = [...this.#seen];
    if (seen.length < MOST_SEEN) this.#seen.push(sizes);
    if (seen.length < LEAST_SEEN) return undefined;
    const [axes] = seen
      .map((other) => axesBetween(other, sizes))
      .filter(({ length }) => length > 0)
      .sort((a, b) => a.length - b.length);
    if (axes === undefined) return undefined;
    this.#classes ??= new SizeClasses(this.graph);
    const fixed = [...sizes].filter(([symbol]) => !axes.some((axis) => axis.has(symbol)));
    const of = JSON.stringify([axes.map((axis) => [...axis]), fixed, this.#classes.of(sizes)]);
    const step = this.#stepOf(of, sizes, axes);
    if (step === undefined || this.#failures >= MOST_FAILURES) return undefined;
    const remainders = axes.map((axis) => (sizes.get(leadOf(axis)) ?? 0) % step);
    const key = `${of} ${remainders}`;
    const asked = (this.#asked.get(key) ?? 0) + 1;
    this.#asked.set(key, asked);
    // those of one remainder may be few
    if (asked !== (step === 1 ? 1 : LEAST_SEEN + 1)) return undefined;
    return this.#searching(PlanFamily.finding(this.graph, this.backends, this.#classes, sizes, axes));
  }

  *#searching(finding: Steps<PlanFamily | undefined>): Steps<void> {
    try {
      const family = yield* finding;
      this.#latest = undefined;
      if (family) this.#families.push(family);
      else this.#failures++;
    } finally {
      this.#search = undefined;
    }
  }

  /** Found once: it takes some milliseconds where there is no family. */
  #stepOf(of: string, sizes: Sizes, axes: readonly Axis[]): number | undefined {
    this.#classes ??= new SizeClasses(this.graph);
    if (!this.#steps.has(of)) this.#steps.set(of, PlanFamily.stepOf(this.graph, this.#classes, sizes, axes));
    return this.#steps.get(of);
  }
}

/**
 * The sizes that differ, those together that differ by the same: a decoder's past and its mask are longer by one with every word, and no
 * plan has another past with the same mask.
 */
function axesBetween(other: Sizes, sizes: Sizes): Axis[] {
  const byGrowth = new Map<number, Map<string, number>>();
  for (const [symbol, size] of sizes) {
    const growth = size - (other.get(symbol) ?? 0);
    if (growth === 0) continue;
    const axis = byGrowth.get(growth) ?? new Map<string, number>();
    const [lead = symbol] = axis.keys();
    byGrowth.set(growth, axis.set(symbol, size - (sizes.get(lead) ?? 0)));
  }
  return [...byGrowth.values()];
}
