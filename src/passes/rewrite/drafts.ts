/**
 * Immer for graphs. It does not freeze what it makes: a pipeline makes a graph per pass, and to look at every node of each of them, and of
 * what the nodes hold, takes 7 % of the time of a compilation (BERT-base). Types say that nobody writes; `legalize` freezes the graph that it gives.
 */
import { enablePatches, freeze, Immer, type produceWithPatches as ofImmer } from 'immer';

enablePatches();

export const produceWithPatches: typeof ofImmer = new Immer({ autoFreeze: false }).produceWithPatches;

/** The same graph, which cannot be written to any more. */
export const frozen = <T>(graph: T): T => freeze(graph, true);
