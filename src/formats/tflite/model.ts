/** A TensorFlow Lite file, its indices followed and checked: no meaning yet. */
import type { FlatBuffer, Path } from './flatbuffer.ts';
import type { TensorTypeName } from './schema.ts';

/** The records of a file. They are not state of a graph: immer leaves instances of classes alone, and would freeze plain objects down to every scale. */
export class TfliteModel {
  readonly source: FlatBuffer;
  readonly version: number;
  readonly description: string;
  readonly subgraphs: readonly TfliteSubgraph[];
  readonly signatures: readonly TfliteSignature[];

  constructor({ source, version, description, subgraphs, signatures }: TfliteModel) {
    this.source = source;
    this.version = version;
    this.description = description;
    this.subgraphs = subgraphs;
    this.signatures = signatures;
  }
}

/** Names that the model's author gave inputs and outputs; places are those in the subgraph's lists of tensors. */
export interface TfliteSignature {
  readonly key: string;
  readonly subgraph: number;
  readonly inputs: ReadonlyMap<number, string>;
  readonly outputs: ReadonlyMap<number, string>;
}

export interface TfliteSubgraph {
  readonly name: string;
  readonly tensors: readonly TfliteTensor[];
  /** Places of tensors. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly operators: readonly TfliteOperator[];
}

export interface TfliteTensor {
  readonly name: string;
  /** Undefined: a number that the schema did not have in 2025. */
  readonly type: TensorTypeName | undefined;
  readonly shape: readonly number[];
  /** -1 for a size that is given when the model runs; empty where all sizes are known. */
  readonly signature: readonly number[];
  /** The bytes of a constant, not copied. */
  readonly data: Uint8Array | undefined;
  readonly quantization: TfliteQuantization | undefined;
  readonly isVariable: boolean;
  /** Set where `data` has the elements of blocks that are not zero, and no others. */
  readonly sparsity: TfliteSparsity | undefined;
}

/** The order of stored elements: one level within the other, those of blocks innermost. */
export interface TfliteSparsity {
  /** The axis of each level; axis rank + k is the place within block k. */
  readonly order: readonly number[];
  /** The axis that block k divides. */
  readonly blocks: readonly number[];
  readonly levels: readonly SparsityLevel[];
}

/** All positions of a level, or for each position of the levels around it those of `indices` from one segment to the next. */
export type SparsityLevel =
  | { readonly size: number }
  | { readonly segments: readonly number[]; readonly indices: readonly number[] };

export interface TfliteQuantization {
  /** One scale and zero point, or one for each position along `axis`. */
  readonly scale: readonly number[];
  readonly zeroPoint: readonly number[];
  readonly axis: number;
  /** Scales by blocks, or by rules of somebody's own: not read. */
  readonly isForeign: boolean;
}

export interface TfliteOperator {
  /** The name in the schema (`CONV_2D`), or the name of a custom operator. */
  readonly name: string;
  readonly isCustom: boolean;
  readonly version: number;
  /** Places of tensors; -1 for an absent one. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly intermediates: readonly number[];
  readonly customOptions: Uint8Array | undefined;
  /** The member of the union of options, and the position of its table. */
  readonly optionsType: number;
  readonly optionsAt: number | undefined;
  readonly path: Path;
}
