/** The arguments of one call, by the names of the schema. */
import { assert } from '../../../diagnostics/index.ts';
import { type ScalarType, scalarTypeOfCode } from '../../../formats/torch/index.ts';
import type { Dim } from '../../../ir/index.ts';
import type { DType } from '../../../tensors/index.ts';
import { Unsupported } from '../../kit/unsupported.ts';
import { dimOf, isUnderstood, numberOf, PackedWeights, SymInt, type TensorLike, type TorchValue } from '../values.ts';
import type { Bound } from './schema.ts';

const isOptional = (value: TorchValue): value is TensorLike | null => value === null || isUnderstood(value);

export class Arguments {
  readonly #values: Bound;
  readonly #floats: ReadonlySet<string>;

  /**
   * `floats` names numbers that are written as floats, whatever their values; absent for TorchScript, which does not
   * tell.
   */
  constructor(values: Bound, floats: ReadonlySet<string> = new Set()) {
    this.#values = values;
    this.#floats = floats;
  }

  /** The names of the schema, in its order. */
  get names(): readonly string[] {
    return [...this.#values.keys()];
  }

  value(name: string): TorchValue {
    const value = this.#values.get(name);
    assert(value !== undefined, `the schema does not have the parameter '${name}'`);
    return value;
  }

  /** True when the schema has the parameter and its value is not None. */
  has(name: string): boolean {
    return this.#values.has(name) && this.value(name) !== null;
  }

  tensor(name: string): TensorLike {
    const value = this.value(name);
    assert(isUnderstood(value), `'${name}' is not a tensor`);
    return value;
  }

  tensors(name: string): readonly TensorLike[] {
    const list = this.#list(name);
    assert(list.every(isUnderstood), `'${name}' is not a list of tensors`);
    return list;
  }

  /** The value of `Tensor?[]`. */
  optionalTensors(name: string): readonly (TensorLike | null)[] {
    const list = this.#list(name);
    assert(list.every(isOptional), `'${name}' is not a list of tensors`);
    return list;
  }

  packed(name: string): PackedWeights {
    const value = this.value(name);
    assert(value instanceof PackedWeights, `'${name}' is not packed weights`);
    return value;
  }

  /** A number that is known during the import. */
  number(name: string): number {
    return this.#known(this.value(name), name);
  }

  /** The same, undefined where the parameter is None or the schema does not have it. */
  optionalNumber(name: string): number | undefined {
    return this.has(name) ? this.number(name) : undefined;
  }

  /** True when a number is written as a float. */
  isFloat(name: string): boolean {
    return this.#floats.has(name);
  }

  int(name: string): number {
    return Math.trunc(this.number(name));
  }

  /** False also where the schema does not have the parameter. */
  bool(name: string): boolean {
    return this.#values.has(name) && Boolean(this.value(name));
  }

  string(name: string): string {
    const value = this.value(name);
    assert(typeof value === 'string', `'${name}' is not a string`);
    return value;
  }

  /** An element type, undefined for None. */
  scalarType(name: string): ScalarType | undefined {
    if (!this.has(name)) return undefined;
    const code = this.int(name);
    const type = scalarTypeOfCode(code);
    if (type === undefined) throw new Unsupported(`the element type ${code}`);
    return type;
  }

  optionalDtype(name: string): DType | undefined {
    return this.scalarType(name)?.dtype;
  }

  dtype(name: string): DType {
    const dtype = this.optionalDtype(name);
    assert(dtype, `'${name}' is not an element type`);
    return dtype;
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
