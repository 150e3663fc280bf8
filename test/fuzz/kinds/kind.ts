/** A kind of file in the campaign: its seeds, its changes, and the properties that must hold. */
import type { Draw } from '../draw.ts';
import type { Examination } from '../examination.ts';

export const kindNames = ['onnx', 'pt', 'ptl', 'pt2', 'tflite', 'unskew', 'qir', 'npy', 'pb'] as const;
export type KindName = (typeof kindNames)[number];

/** A sound file to begin with. */
export interface Seed {
  readonly name: string;
  read(): Uint8Array | Promise<Uint8Array>;
}

export interface ChangeContext<S> {
  /** Gentle changes are likely to be read and run, hostile ones to break something. One of these undoes ten others. */
  readonly mood: 'gentle' | 'hostile';
  /** A structure of another seed, to take parts of. */
  other(): Promise<S>;
}

export interface Kind<S = unknown> {
  readonly name: KindName;
  /** The seeds that every clone has (`own`), or also the seeds of the corpus beside the repository. */
  seeds(own: boolean): Promise<readonly Seed[]>;
  open(bytes: Uint8Array): S | Promise<S>;
  /** One change of the structure, by draws alone. */
  change(structure: S, draw: Draw, context: ChangeContext<S>): S | Promise<S>;
  write(structure: S): Uint8Array;
  /** Structures with a part less, for the reduction of a found case. */
  smaller(structure: S): Iterable<S>;
  examine(bytes: Uint8Array, examination: Examination): Promise<void>;
}

export const defineKind = <S>(kind: Kind<S>): Kind => kind as Kind;
