/**
 * Constants in native memory, made once for all plans of a model: the weights are the same for every batch size and every length of a
 * sentence. What is kept goes with the tensor that it was made of.
 */
import { bytesOf, copyStrided, type ITensor, newArray, placeOf, stridesOf } from '../../ir/index.ts';
import type { MemoryDesc, NativeMemory, NativeType, OneDnnBinding } from './binding.ts';
import { heldFileOf } from './held_files.ts';
import { inMemoryOrder } from './layout.ts';

/** Fewer bytes are copied at once. */
const LEAST_LENT = 4096;

interface Packed {
  readonly to: MemoryDesc;
  readonly memory: NativeMemory;
}

export class KeptConstants {
  readonly #made = new WeakMap<object, Map<string, unknown>>();

  /** The result of `make`, which is called once for an object and a purpose, and depends on these alone. */
  once<T>(of: object, purpose: string, make: () => T): T {
    let made = this.#made.get(of);
    if (made === undefined) this.#made.set(of, (made = new Map()));
    if (!made.has(purpose)) made.set(purpose, make());
    return made.get(purpose) as T;
  }

  /** The bytes of a tensor as they are, or as `order` puts them, which depends on the tensor and the purpose alone. */
  memory(t: ITensor, binding: OneDnnBinding, purpose = '', order?: (given: ITensor) => ITensor): NativeMemory {
    // tensors of several shapes may have one array
    const name = order === undefined ? 'memory' : `${purpose} of ${t.dtype}[${t.shape}]`;
    const place = placeOf(t);
    return this.once(place, name, () => {
      const bytes = bytesOf(order === undefined ? place : order(t).data);
      return bytes.length < LEAST_LENT ? binding.memory(bytes) : binding.lent(bytes, heldFileOf(bytes));
    });
  }

  /** Weights, seen as `dims`, in the layout that a primitive chose. */
  packed(
    value: ITensor<NativeType>,
    dims: readonly number[],
    to: MemoryDesc,
    binding: OneDnnBinding,
    threads: number,
  ): NativeMemory {
    const known = this.once(placeOf(value), `packed ${dims.join(' ')}`, (): Packed[] => []);
    const found = known.find((packed) => packed.to.equals(to));
    if (found) return found.memory;
    const from = binding.desc(value.dtype, dims, 'row-major');
    const memory = binding.pack(bytesOf(value.data), from, to, threads);
    known.push({ to, memory });
    return memory;
  }
}

/** A constant in channels-last order. */
export function channelsLast(t: ITensor): ITensor {
  const [order, from] = [t.shape, stridesOf(t.shape)].map((list) => inMemoryOrder('channels-last', list));
  const data = newArray(t.dtype, t.data.length);
  copyStrided(order, t.data, { offset: 0, strides: from }, data, { offset: 0, strides: stridesOf(order) });
  return { ...t, data };
}
