/** The sessions of one graph at all sizes that it meets. */
import type { Backend, BodyProgram, Fallback, NodeTime } from '../codegen/index.ts';
import { bodyAt, type Feeds, type Graph, type ITensor } from '../ir/index.ts';
import { Executable } from './executable.ts';

/** Sets of sizes whose sessions are kept. */
const KEPT = 8;

/** A body of control flow, planned for the sizes that it is given. */
export class Body implements BodyProgram {
  readonly #graph: Graph;
  readonly #backends: () => readonly Backend[];
  /** By sizes, the least recently used first. */
  readonly #executables = new Map<string, Executable>();

  constructor(graph: Graph, backends: () => readonly Backend[]) {
    this.#graph = graph;
    this.#backends = backends;
  }

  async run(feeds: Feeds): Promise<readonly ITensor[]> {
    return this.#listed(await this.#at(feeds).run(feeds));
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
    const made = Executable.of(bodyAt(this.#graph, feeds), this.#backends());
    this.#executables.set(key, made);
    for (const [other, executable] of this.#executables) {
      if (this.#executables.size <= KEPT) break;
      if (executable.running > 0 || executable === made) continue;
      this.#executables.delete(other);
      executable.dispose();
    }
    return made;
  }
}
