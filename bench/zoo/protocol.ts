/**
 * What the engines of the zoo's benchmark speak: a child gets a line of JSON and answers with one. An engine is told a model, a number of
 * threads and a file with its inputs when it starts, and answers `Started` after its first run.
 */

/** A tensor in a file of JSON; `data` are its bytes in base64, little endian. */
export interface StoredTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: string;
}

export type StoredTensors = Readonly<Record<string, StoredTensor>>;

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
  /** Runs for this long, at least once; the answer is the median in ms. */
  | { readonly do: 'time'; readonly ms: number }
  /** Runs once and writes the outputs to a file, as `StoredTensors`; the answer is true. */
  | { readonly do: 'outputs'; readonly file: string }
  /** The answer is the greatest resident memory of the process in KiB. */
  | { readonly do: 'peak' };
