/** Searches for families of plans, which take as long as a dozen plans, while the event loop turns, and the runs that wait for them. */
import type { PlanFamilies } from '../codegen/index.ts';
import { fail } from '../diagnostics/index.ts';
import { copyOf, type Feeds } from '../ir/index.ts';
import { inTurns } from './turn.ts';

/** The families of a graph, and the sizes of a run for which there may be one. */
export interface Sought {
  readonly families: PlanFamilies;
  readonly sizes: ReadonlyMap<string, number>;
}

export class FamilySearch {
  #going: Promise<void> | undefined;
  #isDisposed = false;

  /**
   * Runs at once where nothing is to be found, else when the search has ended, in the order of the calls.
   *
   * @param areUnchanging nobody changes the feeds before the run has ended; others are copied for a run that waits
   * @throws UnskewError U4002 (as a rejection) where the model was disposed of while the run waited
   */
  run<T>(
    sought: Sought | undefined,
    feeds: Feeds,
    areUnchanging: boolean,
    run: (feeds: Feeds, areUnchanging: boolean) => T | Promise<T>,
  ): T | Promise<T> {
    const search = sought && this.#for(sought);
    if (search === undefined) return run(feeds, areUnchanging);
    const own = areUnchanging ? feeds : copiesOf(feeds);
    return search.then(() => {
      if (this.#isDisposed) fail('U4002', 'the model was disposed of before the run ended', {}, 'await the runs first');
      return run(own, true);
    });
  }

  /** Runs that wait are refused, and no further search begins. */
  dispose(): void {
    this.#isDisposed = true;
  }

  /** Ends when no more is to be found for these sizes; undefined where it is so already. */
  #for(sought: Sought): Promise<void> | undefined {
    const search = this.#isDisposed ? undefined : sought.families.search(sought.sizes);
    if (search === undefined) return undefined;
    this.#going ??= inTurns(search).finally(() => {
      this.#going = undefined;
    });
    return this.#going.then(() => this.#for(sought));
  }
}

const copiesOf = (feeds: Feeds): Feeds =>
  Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, copyOf(tensor)]));
