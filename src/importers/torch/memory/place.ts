/** A tensor in the sense of PyTorch: a view of a storage that others may share. Writes go to the storage. */
import { assert } from '../../../diagnostics/index.ts';
import { type AnyValue, isComputable, type Value } from '../../../ir/index.ts';
import { areApart, areSame, type Builder, type Region, type Step } from './region.ts';

/** A piece of memory: its current contents, as a tensor of the graph. */
export class Storage {
  contents: AnyValue;
  /** Counts the writes. */
  version = 0;
  /** Storages that may be this one: only the layout in memory, which is not known, would tell. */
  readonly unsure = new Set<Storage>();
  /** The operator that wrote to one of these: the contents of this one are not known any more. */
  doubt: string | undefined;

  /** Whose memory it is. */
  readonly origin: unknown;

  constructor(contents: AnyValue, origin?: unknown) {
    this.contents = contents;
    this.origin = origin;
  }

  mayBe(other: Storage): void {
    this.unsure.add(other);
    other.unsure.add(this);
  }

  /** All storages that may be this one, over any number of others. */
  #related(): ReadonlySet<Storage> {
    const found = new Set<Storage>([this]);
    for (const storage of found) for (const next of storage.unsure) found.add(next);
    return found;
  }

  replace(contents: AnyValue, by: string): void {
    this.contents = contents;
    this.version++;
    for (const other of this.#related()) if (other !== this) other.doubt = by;
  }
}

export class Place {
  readonly storage: Storage;
  #region: Region;
  #value: AnyValue;
  #version: number;

  constructor(storage: Storage, region: Region, value: AnyValue) {
    this.storage = storage;
    this.#region = region;
    this.#value = value;
    this.#version = storage.version;
  }

  get region(): Region {
    return this.#region;
  }

  /** The elements as they were when it was last read or written. */
  get value(): AnyValue {
    return this.#value;
  }

  get isStale(): boolean {
    return this.#version !== this.storage.version || this.storage.doubt !== undefined;
  }

  /** The elements as they are now. */
  read(b: Builder): AnyValue {
    const { doubt, version, contents } = this.storage;
    if (doubt !== undefined)
      b.refuse(
        `the tensor may share its memory with one that ${doubt} writes to: only known sizes, or its layout in memory, would tell`,
      );
    if (this.#version === version) return this.#value;
    this.#value = this.#region.steps.reduce((x: AnyValue, step) => step.take(b, known(x)), contents);
    this.#version = version;
    return this.#value;
  }

  /** The importer of programs names values after they are computed. */
  rename(named: <V extends AnyValue>(value: V) => V): void {
    this.#value = named(this.#value);
    this.storage.contents = named(this.storage.contents);
  }

  /** Another view of the same memory. */
  view(region: Region, value: AnyValue): Place {
    return new Place(this.storage, region, value);
  }

  /** `transpose_` and its kin: the tensor itself becomes another view. */
  become(region: Region, value: AnyValue): void {
    this.#region = region;
    this.#value = value;
    this.#version = this.storage.version;
  }

  /** Writes all elements; `isUniform` when they are all the same. */
  write(b: Builder, part: Value, by: string, isUniform: boolean): void {
    const { steps } = this.#region;
    if (!isUniform && steps.some(({ overlaps }) => overlaps))
      b.refuse('elements of the tensor that is written to share their memory: PyTorch does not define the result');
    if (steps.length > 0 && this.storage.doubt !== undefined) this.read(b);
    const contents = written(b, this.storage.contents, steps, part);
    this.storage.doubt = undefined;
    this.storage.replace(contents, by);
    this.#value = part;
    this.#version = this.storage.version;
  }

  /** True when an operator that reads `other` while it writes here would read its own writes. */
  isDisturbedBy(other: Place): boolean {
    if (other.storage !== this.storage) return this.storage.unsure.has(other.storage);
    return !areSame(this.#region, other.#region) && !areApart(this.#region, other.#region);
  }
}

/** The base with the part that the steps lead to replaced. */
export function written(b: Builder, base: AnyValue, [step, ...rest]: readonly Step[], part: Value): Value {
  if (step === undefined) return part;
  const whole = known(base);
  const inner = rest.length === 0 ? part : written(b, step.take(b, whole), rest, part);
  return step.put(b, whole, inner);
}

/** Requires a computable value: a value that is only carried has no views. */
function known(value: AnyValue): Value {
  assert(isComputable(value), `%${value.id} is only carried`);
  return value;
}
