/** Searches for families of plans, which take as long as a dozen plans, while the event loop turns. */
import type { PlanFamilies } from '../codegen/index.ts';
import { copyOf, type Feeds } from '../ir/index.ts';
import { inTurns } from './turn.ts';

export class FamilySearch {
  #going: Promise<void> | undefined;

  /** Ends when no more is to be found for runs of these sizes, in the order of the calls; undefined where it is so already. */
  for(families: PlanFamilies, sizes: ReadonlyMap<string, number>): Promise<void> | undefined {
    const search = families.search(sizes);
    if (search === undefined) return undefined;
    this.#going ??= inTurns(search).finally(() => {
      this.#going = undefined;
    });
    return this.#going.then(() => this.for(families, sizes));
  }
}

/** For a run that waits. */
export const copiesOf = (feeds: Feeds): Feeds =>
  Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, copyOf(tensor)]));
