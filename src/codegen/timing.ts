/** Graphs timed against each other. */
import type { Graph } from '../ir/index.ts';

export interface TimingOptions {
  /** Turns of every contender; the least time counts. */
  readonly rounds: number;
  /** The time of one turn, in µs: what is faster runs several times. */
  readonly turn: number;
}

export const usualTiming: TimingOptions = { rounds: 32, turn: 400 };

export interface Timing {
  /** Graphs of one key take the same time. */
  keyOf(graph: Graph): string;
  /** Microseconds of one run of each; undefined for one that the back end does not compute as a whole. */
  time(graphs: readonly Graph[], options?: TimingOptions): readonly (number | undefined)[];
}
