/**
 * Constants live beside the graph, never inside immer state: typed arrays are neither drafted nor frozen.
 * A pool only grows; graphs that passes derive from one another share it.
 */
import { assert } from '../diagnostics/index.ts';
import { platform } from '../platform/index.ts';
import { bytesOf, heldTensor, type ITensor, placeOf, tensorOfBytes, viewAs } from '../tensors/index.ts';

export type ConstantId = string & { readonly __brand: 'ConstantId' };

export interface PoolContents {
  readonly entries: readonly (readonly [ConstantId, ITensor])[];
  readonly next: number;
}

export class ConstantPool {
  readonly #entries = new Map<ConstantId, () => ITensor>();
  readonly #hashes = new Map<ConstantId, string>();
  #next = 0;

  /** Adds a tensor; `load` may be a function, called at the first use (weights that may never be looked at). */
  add(tensor: ITensor | (() => ITensor)): ConstantId {
    const id = `c${this.#next++}` as ConstantId;
    if (typeof tensor !== 'function') this.#entries.set(id, () => tensor);
    else {
      let loaded: ITensor | undefined;
      this.#entries.set(id, () => (loaded ??= tensor()));
    }
    return id;
  }

  /** Lets a constant lie in the memory of an equal one, of another pool. */
  share(id: ConstantId, equal: () => ITensor): void {
    assert(this.#entries.has(id), `no constant ${id} in the pool`);
    this.#entries.set(id, equal);
  }

  /** A pool of the same constants, and ids that continue the given ones. */
  static of({ entries, next }: PoolContents): ConstantPool {
    const pool = new ConstantPool();
    for (const [id, tensor] of entries) pool.#entries.set(id, () => tensor);
    pool.#next = next;
    return pool;
  }

  /** The constants of these ids, as plain data. */
  contentsOf(ids: Iterable<ConstantId>): PoolContents {
    return { entries: [...new Set(ids)].map((id) => [id, this.get(id)]), next: this.#next };
  }

  get(id: ConstantId): ITensor {
    const entry = this.#entries.get(id);
    assert(entry, `no constant ${id} in the pool`);
    return entry();
  }

  /** A pool of the same constants; those that lie in `memory` are read with `read` when somebody first looks at them. */
  apartFrom(memory: ArrayBufferLike, read: (offset: number, length: number) => Uint8Array): ConstantPool {
    const pool = new ConstantPool();
    for (const [id, entry] of this.#entries) {
      const tensor = entry();
      const { dtype, shape } = tensor;
      const { buffer, byteOffset, byteLength } = placeOf(tensor);
      let known: ITensor | undefined;
      const again = () => (known ??= tensorOfBytes(dtype, shape, read(byteOffset, byteLength)));
      pool.#entries.set(id, buffer === memory ? again : entry);
    }
    pool.#next = this.#next;
    return pool;
  }

  /**
   * A pool of the same constants in `memory` that may be given away: nobody reads it any more. Small ones are copied; `read` copies the
   * others when somebody looks at them, and they are remembered by their old places (`placeOf`).
   *
   * @param least bytes of those that are not small
   */
  heldIn(memory: ArrayBufferLike, least: number, read: (offset: number, length: number) => Uint8Array): ConstantPool {
    const pool = new ConstantPool();
    for (const [id, entry] of this.#entries) {
      const tensor = entry();
      const { dtype, shape } = tensor;
      const place = placeOf(tensor);
      const { buffer, byteOffset, byteLength } = place;
      let held: ITensor = tensor;
      if (buffer === memory)
        held =
          byteLength < least
            ? ({ dtype, shape, data: tensor.data.slice() } as ITensor)
            : heldTensor(dtype, shape, place, () => viewAs(dtype, read(byteOffset, byteLength)));
      pool.#entries.set(id, () => held);
    }
    pool.#next = this.#next;
    return pool;
  }

  /** A pool with these constants alone. */
  only(ids: Iterable<ConstantId>): ConstantPool {
    const pool = new ConstantPool();
    for (const id of ids) {
      const tensor = this.get(id);
      pool.#entries.set(id, () => tensor);
    }
    pool.#next = this.#next;
    return pool;
  }

  /** SHA-256 of type, shape and contents, 16 hex digits: equal contents, equal hash. */
  hash(id: ConstantId): string {
    const known = this.#hashes.get(id);
    if (known !== undefined) return known;
    const { dtype, shape, data } = this.get(id);
    const type = new TextEncoder().encode(`${dtype}[${shape.join(',')}]`);
    const digest = platform.sha256([type, bytesOf(data)]).slice(0, 16);
    this.#hashes.set(id, digest);
    return digest;
  }
}
