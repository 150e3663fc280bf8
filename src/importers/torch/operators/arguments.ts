/** The arguments of one call, by the names of the schema. */
import { assert } from '../../../diagnostics/index.ts';
import type { Dim } from '../../../ir/types.ts';
import { dimOf, isUnderstood, numberOf, PackedWeights, SymInt, type TensorLike, type TorchValue } from '../values.ts';
import { Unsupported } from './define_torch_op.ts';

const isOptional = (value: TorchValue): value is TensorLike | null => value === null || isUnderstood(value);

export class Arguments {
  readonly #values: ReadonlyMap<string, TorchValue>;

  constructor(values: ReadonlyMap<string, TorchValue>) {
    this.#values = values;
  }

  value(name: string): TorchValue {
    const value = this.#values.get(name);
    assert(value !== undefined, `the schema has no parameter '${name}'`);
    return value;
  }

  has(name: string): boolean {
    return this.#values.has(name) && this.value(name) !== null;
  }

  tensor(name: string): TensorLike {
    const value = this.value(name);
    assert(isUnderstood(value), `'${name}' is no tensor`);
    return value;
  }

  tensors(name: string): readonly TensorLike[] {
    const list = this.#list(name);
    assert(list.every(isUnderstood), `'${name}' is no list of tensors`);
    return list;
  }

  /** Of `Tensor?[]`. */
  optionalTensors(name: string): readonly (TensorLike | null)[] {
    const list = this.#list(name);
    assert(list.every(isOptional), `'${name}' is no list of tensors`);
    return list;
  }

  packed(name: string): PackedWeights {
    const value = this.value(name);
    assert(value instanceof PackedWeights, `'${name}' is no packed weights`);
    return value;
  }

  /** A number that is known now. */
  number(name: string): number {
    return this.#known(this.value(name), name);
  }

  int(name: string): number {
    return Math.trunc(this.number(name));
  }

  bool(name: string): boolean {
    return Boolean(this.value(name));
  }

  string(name: string): string {
    const value = this.value(name);
    assert(typeof value === 'string', `'${name}' is no string`);
    return value;
  }

  floats(name: string): readonly number[] {
    return this.#list(name).map((value) => this.#known(value, name));
  }

  dim(name: string): Dim {
    return this.#dim(this.value(name), name);
  }

  dims(name: string): readonly Dim[] {
    return this.#list(name).map((value) => this.#dim(value, name));
  }

  /** A list of integers; one integer stands for as many. */
  ints(name: string, count?: number): readonly number[] {
    const list = this.#list(name).map((value) => Math.trunc(this.#known(value, name)));
    if (count === undefined || list.length === count) return list;
    if (list.length === 1) return Array<number>(count).fill(list[0]);
    throw new Unsupported(`'${name}' has ${list.length} entries, not ${count}`);
  }

  #list(name: string): readonly TorchValue[] {
    const value = this.value(name);
    return Array.isArray(value) ? value : [value];
  }

  #dim(value: TorchValue, name: string): Dim {
    return value instanceof SymInt ? dimOf(value) : this.#known(value, name);
  }

  #known(value: TorchValue, name: string): number {
    const number = numberOf(value);
    if (number === undefined) throw new Unsupported(`'${name}' depends on the size of an input`);
    return number;
  }
}
