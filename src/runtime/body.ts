/** The sessions of one graph at all sizes that it meets. */
import { type Backend, type BodyProgram, type Fallback, type NodeTime, PlanFamilies } from '../codegen/index.ts';
import {
  bindDim,
  bodyAt,
  bodySizes,
  type Feeds,
  type Graph,
  type ITensor,
  type Shape,
  symbolsIn,
  type ValueId,
} from '../ir/index.ts';
import { Executable } from './executable.ts';
import { FamilySearch } from './family_search.ts';
import { Foresight } from './foresight.ts';

/** Sets of sizes whose sessions are kept. */
const KEPT = 8;

/** The same of those that others of their family make good use of: one that runs, the next one, and one before. */
const KEPT_MEMBERS = 3;

/** A body of control flow, planned for the sizes that it is given. */
export class Body implements BodyProgram {
  readonly #graph: Graph;
  readonly #backends: () => readonly Backend[];
  /** In the shapes of its inputs. */
  readonly #symbols: readonly string[];
  #families: PlanFamilies | undefined;
  readonly #search = new FamilySearch();
  readonly #foresight = new Foresight();
  /** By sizes, the least recently used first. */
  readonly #executables = new Map<string, Executable>();

  constructor(graph: Graph, backends: () => readonly Backend[]) {
    this.#graph = graph;
    this.#symbols = [...new Set(graph.inputs.flatMap((id) => graph.values[id].type.shape).flatMap(symbolsIn))];
    this.#backends = backends;
  }

  run(feeds: Feeds, areUnchanging = false): Promise<readonly ITensor[]> | readonly ITensor[] {
    const key = this.#keyOf(feeds);
    const known = this.#known(key);
    if (known) return this.#ran(known, feeds, areUnchanging);
    const sizes = this.#sizesOf(feeds);
    const sought = sizes && { families: this.#familiesOf(), sizes };
    return this.#search.run(sought, feeds, areUnchanging, (own, isOurs) =>
      this.#ran(this.#known(key) ?? this.#made(key, own, sizes, true), own, isOurs),
    );
  }

  runSync(feeds: Feeds): readonly ITensor[] {
    return this.#listed(this.#at(feeds).runSync(feeds));
  }

  profile(feeds: Feeds): { outputs: readonly ITensor[]; times: readonly NodeTime[] } {
    const { results, times } = this.#at(feeds).profile(feeds);
    return { outputs: this.#listed(results), times };
  }

  get fallbacks(): readonly Fallback[] {
    const [executable] = this.#executables.values();
    return executable?.fallbacks ?? [];
  }

  dispose(): void {
    for (const executable of this.#executables.values()) executable.dispose();
    this.#search.dispose();
    this.#executables.clear();
    this.#families?.dispose();
  }

  #ran(executable: Executable, feeds: Feeds, areUnchanging: boolean): Promise<readonly ITensor[]> | readonly ITensor[] {
    const results = executable.run(feeds, areUnchanging);
    if (!(results instanceof Promise)) return this.#listed(results);
    this.#foresee(feeds); // while the run computes
    return results.then(this.#listed);
  }

  /** Makes the session of the sizes that come next, where they follow from those before and are of a family. */
  #foresee(feeds: Feeds): void {
    const sizes = this.#symbols.length > 0 ? this.#sizesOf(feeds) : undefined;
    const next = sizes && this.#foresight.around(sizes)?.next;
    if (next === undefined) return;
    const key = this.#keyBy((id) => this.#graph.values[id].type.shape.map((dim) => bindDim(dim, next)));
    if (this.#executables.has(key)) return;
    try {
      if (this.#familiesOf().known(next)) this.#made(key, feeds, next, true);
    } catch {
      // the run that needs it fails, if there is one
    }
  }

  #listed = (results: Readonly<Record<string, ITensor>>): readonly ITensor[] =>
    this.#graph.outputs.map((id) => results[id]);

  #familiesOf = (): PlanFamilies => (this.#families ??= new PlanFamilies(this.#graph, this.#backends()));

  #at(feeds: Feeds): Executable {
    const key = this.#keyOf(feeds);
    return this.#known(key) ?? this.#made(key, feeds, this.#sizesOf(feeds), false);
  }

  #keyOf = (feeds: Feeds): string => this.#keyBy((id) => feeds[id].shape);
  #keyBy = (shapeOf: (id: ValueId) => Shape): string => this.#graph.inputs.map((id) => shapeOf(id).join()).join(';');

  #known(key: string): Executable | undefined {
    const known = this.#executables.get(key);
    if (known !== undefined && this.#executables.size > 1) {
      this.#executables.delete(key);
      this.#executables.set(key, known);
    }
    return known;
  }

  /**
   * Sizes of symbols have families of plans; others are planned each for itself.
   *
   * @param isSearched a family for them was looked for
   */
  #made(key: string, feeds: Feeds, sizes: ReadonlyMap<string, number> | undefined, isSearched: boolean): Executable {
    this.#evict(1);
    const made = sizes
      ? Executable.at(this.#familiesOf(), sizes, isSearched)
      : Executable.of(bodyAt(this.#graph, feeds), this.#backends());
    this.#executables.set(key, made);
    this.#evict(0, made);
    return made;
  }

  /** The sizes of symbols, where there are any and they tell all sizes of the inputs. */
  #sizesOf(feeds: Feeds): ReadonlyMap<string, number> | undefined {
    const known = bodySizes(this.#graph, feeds);
    const symbols = new Map(
      this.#symbols.flatMap((name) => (known.has(name) ? [[name, known.get(name) as number]] : [])),
    );
    // at the size 0 of a symbol others may follow than the types say
    const isWhole = this.#graph.inputs.every((id) =>
      this.#graph.values[id].type.shape.every((dim, axis) => bindDim(dim, symbols) === feeds[id].shape[axis]),
    );
    return isWhole && symbols.size > 0 ? symbols : undefined;
  }

  /** @param coming so many are about to be made: sessions that are of use for these go before */
  #evict(coming: 0 | 1, made?: Executable): void {
    let members = coming;
    for (const { isMember } of this.#executables.values()) if (isMember) members++;
    for (const [key, executable] of this.#executables) {
      const { isMember } = executable;
      if (this.#executables.size + coming <= KEPT && (!isMember || members <= KEPT_MEMBERS)) continue;
      if (executable.running > 0 || executable === made || (coming > 0 && !isMember)) continue;
      if (isMember) members--;
      this.#executables.delete(key);
      executable.retire();
    }
  }
}
