/** Keeps results apart from memory of others: feeds, constants of the model, and each other. */
import type { ITensor, TypedArray } from '../tensors/index.ts';

export const copyOf = (t: ITensor): ITensor => ({ ...t, data: (t.data as TypedArray).slice() as ITensor['data'] });

/**
 * Operators that only view a tensor in another way (identity, reshape) pass its memory on. One run records here whose
 * memory it reads; the results that it returns own their memory, copied if necessary.
 */
export class ForeignBuffers {
  readonly #buffers = new Set<ArrayBufferLike>();

  /** Notes memory that belongs to somebody else. */
  note(t: ITensor): ITensor {
    this.#buffers.add(t.data.buffer);
    return t;
  }

  has(t: ITensor): boolean {
    return this.#buffers.has(t.data.buffer);
  }

  /** The tensor, or a copy when its memory belongs to somebody else; from now on the caller owns it. */
  owned(t: ITensor): ITensor {
    return this.note(this.has(t) ? copyOf(t) : t);
  }
}
