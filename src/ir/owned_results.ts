/** Keeps results apart from what is not theirs: feeds, constants of the model, and each other. */
import type { ITensor, TypedArray } from '../tensors/index.ts';

export const copyOf = (t: ITensor): ITensor => ({ ...t, data: (t.data as TypedArray).slice() as ITensor['data'] });

/**
 * Operators that only look at a tensor in another way (identity, reshape) hand on its memory. One run notes here whose
 * memory it reads, and what it hands out is then its own, copied where it has to be.
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

  /** The tensor, or a copy of it where its memory is somebody else's; from now on it belongs to whoever asked. */
  owned(t: ITensor): ITensor {
    return this.note(this.has(t) ? copyOf(t) : t);
  }
}
