/**
 * What the engines of the zoo's benchmark speak: a child gets a line of JSON and answers with one. Its argument is a `Start` as JSON, and it
 * answers `Started` after its first run.
 */
import type { Engine, LimitedIsa } from './engines.ts';

/** A tensor in a file of JSON; `data` are its bytes in base64, little endian. */
export interface StoredTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: string;
}

/** Inputs or outputs in the order of the model. */
export type StoredTensors = Readonly<Record<string, StoredTensor>>;

export interface Start {
  /** `interpreter` computes the meaning of the quantized graph, once. */
  readonly engine: Engine | 'interpreter';
  readonly model: string;
  readonly threads: number;
  /** A file with one `StoredTensors` or several, which differ in sizes. */
  readonly feeds: string;
  /** The arithmetic, where the file leaves it open: one of unskew's profiles. */
  readonly profile?: string;
  readonly isa?: LimitedIsa;
}

/** The first line of an engine: that it has run once, or why it cannot. */
export type Started =
  | {
      /** Nodes on the interpreter; unskew alone tells it. */
      readonly interpreted?: number;
      /** Of a peer. */
      readonly version?: string;
    }
  | { readonly refused: string };

export type Request =
  /** Runs the first inputs for this long, at least once; the answer is the median in ms. */
  | { readonly do: 'time'; readonly ms: number }
  /** Runs all inputs in order, each so many times in a row; the answer is the times of each in ms. */
  | { readonly do: 'pass'; readonly times: number }
  /** Runs the first inputs once and writes the outputs to a file, as `StoredTensors`; the answer is true. */
  | { readonly do: 'outputs'; readonly file: string }
  /** The answer is the greatest resident memory of the process in KiB. */
  | { readonly do: 'peak' };
