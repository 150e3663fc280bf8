/** The families of plans of one graph whose sizes are known with each run. */
import type { Graph } from '../ir/index.ts';
import type { Backend } from './backend.ts';
import type { Step } from './partition.ts';
import { PlanFamily } from './plan_family.ts';
import { SizeClasses, type Sizes } from './size_class.ts';

/** Plans of more bytes are made anew, with the checks that this takes. */
const MOST_BYTES = 2 ** 28;
/** So many earlier sets of sizes are compared with a new one, at most and at least. */
const MOST_SEEN = 16;
const LEAST_SEEN = 2;

export class PlanFamilies {
  readonly graph: Graph;
  readonly backends: readonly Backend[];
  #classes: SizeClasses | undefined;
  readonly #families: PlanFamily[] = [];
  /** Of families that were looked for: their symbols, the other sizes, the class. */
  readonly #tried = new Set<string>();
  readonly #seen: Sizes[] = [];

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
    if (sizes.size === 0) return undefined;
    const member = this.#known(sizes) ?? this.#found(sizes);
    return member && member.plan.bytes <= MOST_BYTES ? member : undefined;
  }

  #known(sizes: Sizes): Step | undefined {
    for (const family of this.#families) {
      const member = family.at(sizes);
      if (member) return member;
    }
    return undefined;
  }

  /** A family in which the symbols vary that differ from the earlier sizes which are most alike. */
  #found(sizes: Sizes): Step | undefined {
    const seen = [...this.#seen];
    if (seen.length < MOST_SEEN) this.#seen.push(sizes);
    if (seen.length < LEAST_SEEN) return undefined;
    const [symbols] = seen
      .map((other) => [...sizes.keys()].filter((symbol) => other.get(symbol) !== sizes.get(symbol)))
      .filter(({ length }) => length > 0)
      .sort((a, b) => a.length - b.length);
    if (symbols === undefined) return undefined;
    this.#classes ??= new SizeClasses(this.graph);
    const fixed = [...sizes].filter(([symbol]) => !symbols.includes(symbol));
    const key = JSON.stringify([symbols, fixed, this.#classes.of(sizes)]);
    if (this.#tried.has(key)) return undefined;
    this.#tried.add(key);
    const family = PlanFamily.of(this.graph, this.backends, this.#classes, sizes, symbols);
    if (family) this.#families.push(family);
    return family?.at(sizes);
  }
}
