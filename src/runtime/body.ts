/** The sessions of one graph at all sizes that it meets. */
import { type Backend, type BodyProgram, type Fallback, type NodeTime, PlanFamilies } from '../codegen/index.ts';
import { bindDim, bodyAt, bodySizes, type Feeds, type Graph, type ITensor, symbolsIn } from '../ir/index.ts';
import { Executable } from './executable.ts';

/** Sets of sizes whose sessions are kept. */
const KEPT = 8;

/** A body of control flow, planned for the sizes that it is given. */
export class Body implements BodyProgram {
  readonly #graph: Graph;
  readonly #backends: () => readonly Backend[];
  /** In the shapes of its inputs. */
  readonly #symbols: readonly string[];
  #families: PlanFamilies | undefined;
  /** By sizes, the least recently used first. */
  readonly #executables = new Map<string, Executable>();

  constructor(graph: Graph, backends: () => readonly Backend[]) {
    this.#graph = graph;
    this.#symbols = [...new Set(graph.inputs.flatMap((id) => graph.values[id].type.shape).flatMap(symbolsIn))];
    this.#backends = backends;
  }

  run(feeds: Feeds, areUnchanging?: boolean): Promise<readonly ITensor[]> | readonly ITensor[] {
    const results = this.#at(feeds).run(feeds, areUnchanging);
    return results instanceof Promise ? results.then(this.#listed) : this.#listed(results);
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
    this.#executables.clear();
    this.#families?.dispose();
  }

  /** Sizes of symbols have families of plans; others are planned each for itself. */
  #made(feeds: Feeds): Executable {
    const { symbols, isWhole } = sizesOf(this.#graph, this.#symbols, feeds);
    if (!isWhole || symbols.size === 0) return Executable.of(bodyAt(this.#graph, feeds), this.#backends());
    this.#families ??= new PlanFamilies(this.#graph, this.#backends());
    return Executable.at(this.#families, symbols);
  }

  #listed = (results: Readonly<Record<string, ITensor>>): readonly ITensor[] =>
    this.#graph.outputs.map((id) => results[id]);

  #at(feeds: Feeds): Executable {
    const key = this.#graph.inputs.map((id) => feeds[id].shape.join()).join(';');
    const known = this.#executables.get(key);
    if (known !== undefined) {
      if (this.#executables.size > 1) {
        this.#executables.delete(key);
        this.#executables.set(key, known);
      }
      return known;
    }
    this.#evict(1);
    const made = this.#made(feeds);
    this.#executables.set(key, made);
    this.#evict(0, made);
    return made;
  }

  /** @param coming so many are about to be made: sessions that are of use for these go before */
  #evict(coming: 0 | 1, made?: Executable): void {
    for (const [key, executable] of this.#executables) {
      if (this.#executables.size + coming <= KEPT) return;
      if (executable.running > 0 || executable === made || (coming > 0 && !executable.isMember)) continue;
      this.#executables.delete(key);
      executable.retire();
    }
  }
}

/** The sizes of symbols; whole where they tell all sizes of the inputs. */
function sizesOf(
  graph: Graph,
  names: readonly string[],
  feeds: Feeds,
): { readonly symbols: ReadonlyMap<string, number>; readonly isWhole: boolean } {
  const known = bodySizes(graph, feeds);
  const symbols = new Map(names.flatMap((name) => (known.has(name) ? [[name, known.get(name) as number]] : [])));
  // at the size 0 of a symbol others may follow than the types say
  const isWhole = graph.inputs.every((id) =>
    graph.values[id].type.shape.every((dim, axis) => bindDim(dim, symbols) === feeds[id].shape[axis]),
  );
  return { symbols, isWhole };
}
