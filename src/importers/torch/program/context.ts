/** What the importer of one operator sees: the arguments by the names of the schema, and a way to emit operators. */

import { assert } from '../../../diagnostics/index.ts';
import type { Value } from '../../../ir/define_op.ts';
import type { DType } from '../../../ir/dtype.ts';
import { nnSlice } from '../../../ir/index.ts';
import { type Dim, formatType, type Loc } from '../../../ir/types.ts';
import { ImportEmitter, type Journal } from '../../kit/import_emitter.ts';
import { Unsupported } from '../../kit/unsupported.ts';
import type { Default, ExportOp, Parameter } from './define_export_op.ts';
import { nameOfScalarType, scalarTypeOf } from './scalar_type.ts';
import type { Argument, ExportNode } from './schema.ts';

/** What the importer of a program knows of it beside the node. */
export interface Surroundings {
  /** The value of that name; refuses one that is not defined. */
  tensor(name: string, loc: Loc): Value;
  /** The size that an integer of that name is. */
  integer(name: string, loc: Loc): Dim;
  /** The targets of all nodes that read a value; `output` for an output of the program. */
  readersOf(name: string): readonly string[];
}

export class ExportContext extends ImportEmitter {
  readonly node: ExportNode;
  readonly #arguments: ReadonlyMap<string, Argument>;
  readonly #parameters: ReadonlyMap<string, Parameter>;
  readonly #around: Surroundings;

  constructor(scope: Journal, op: ExportOp, node: ExportNode, loc: Loc, around: Surroundings) {
    super(scope, loc);
    this.node = node;
    this.#around = around;
    this.#parameters = new Map(op.parameters.map((parameter) => [parameter.name, parameter]));
    this.#arguments = new Map(node.inputs.map(({ name, argument }) => [name, argument]));
    for (const name of this.#arguments.keys())
      if (!this.#parameters.has(name)) this.unsupported(`the argument '${name}'`);
    for (const { name, default: fallback } of op.parameters)
      if (fallback === undefined && !this.#arguments.has(name)) this.refuse(`the argument '${name}' is missing`, name);
  }

  /** The names of the schema. */
  parameters(): readonly string[] {
    return [...this.#parameters.keys()];
  }

  /** The number of outputs, those of a list counted one by one. */
  get outputCount(): number {
    return this.node.outputs.reduce((sum, output) => sum + (output.kind === 'tensor' ? output.names.length : 0), 0);
  }

  // ---- tensors

  tensor(name: string): Value {
    return this.optionalTensor(name) ?? this.#misfit(name);
  }

  optionalTensor(name: string): Value | undefined {
    const argument = this.#given(name);
    if (argument === undefined) return undefined;
    if (argument.kind !== 'tensor' || argument.isList || argument.names[0] === undefined) return this.#misfit(name);
    return this.#around.tensor(argument.names[0], this.at(name));
  }

  /** A list of tensors, None among them. */
  tensors(name: string): readonly (Value | undefined)[] {
    const argument = this.#given(name);
    if (argument?.kind !== 'tensor' || !argument.isList) return this.#misfit(name);
    return argument.names.map((item) => (item === undefined ? undefined : this.#around.tensor(item, this.at(name))));
  }

  /** A tensor, or the number in its place. */
  operand(name: string): Value | number {
    const argument = this.#given(name);
    return argument?.kind === 'tensor' ? this.tensor(name) : this.number(name);
  }

  /** Whether every reader of the node's i-th output is an operator of one of these libraries. */
  isReadOnlyBy(output: number, libraries: readonly string[]): boolean {
    const argument = this.node.outputs[output];
    const name = argument?.kind === 'tensor' ? argument.names[0] : undefined;
    if (name === undefined) return false;
    return this.#around
      .readersOf(name)
      .every((target) => libraries.some((library) => target.startsWith(`${library}.`)));
  }

  // ---- numbers

  /** Whether the argument is there and not None. */
  has(name: string): boolean {
    const argument = this.#given(name);
    return argument === undefined ? (this.#default(name) ?? null) !== null : true;
  }

  /** An integer, a float or a truth value as a number. */
  number(name: string): number {
    const argument = this.#given(name);
    if (argument === undefined)
      return this.#fallback(name, (value) => (Array.isArray(value) ? undefined : Number(value)));
    if (argument.kind === 'int') return this.int(name);
    if ((argument.kind !== 'float' && argument.kind !== 'bool') || argument.isList) return this.#misfit(name);
    return Number(argument.values[0]);
  }

  /** Whether a number is written as a float, whatever its value. */
  isFloat(name: string): boolean {
    return this.#given(name)?.kind === 'float';
  }

  /** An integer that is known now. */
  int(name: string): number {
    return this.#known(this.dim(name), name);
  }

  dim(name: string): Dim {
    const argument = this.#given(name);
    if (argument === undefined) return this.#fallback(name, (value) => (typeof value === 'number' ? value : undefined));
    if (argument.kind !== 'int' || argument.isList) return this.#misfit(name);
    return this.#dim(argument.values[0], name);
  }

  /** A list of integers that are known now; with `count`, one integer stands for as many. */
  ints(name: string, count?: number): readonly number[] {
    const list = this.dims(name).map((dim) => this.#known(dim, name));
    if (count === undefined || list.length === count) return list;
    if (list.length === 1) return Array<number>(count).fill(list[0]);
    return this.refuse(`'${name}' should have ${count} entries, but is [${list}]`, name);
  }

  dims(name: string): readonly Dim[] {
    const argument = this.#given(name);
    if (argument === undefined)
      return this.#fallback(name, (value) =>
        typeof value === 'number' ? [value] : typeof value === 'object' ? value : undefined,
      );
    // an empty list has no kind of its own
    if (argument.kind === 'tensor' && argument.isList && argument.names.length === 0) return [];
    if (argument.kind !== 'int') return this.#misfit(name);
    return argument.values.map((value) => this.#dim(value, name));
  }

  floats(name: string): readonly number[] {
    const argument = this.#given(name);
    if (argument?.kind === 'int') return this.ints(name);
    return argument?.kind === 'float' ? argument.values : this.#misfit(name);
  }

  flag(name: string): boolean {
    const argument = this.#given(name);
    if (argument === undefined)
      return this.#fallback(name, (value) => (typeof value === 'boolean' ? value : undefined));
    return argument.kind === 'bool' && !argument.isList ? argument.values[0] : this.#misfit(name);
  }

  text(name: string): string {
    const argument = this.#given(name);
    if (argument === undefined) return this.#fallback(name, (value) => (typeof value === 'string' ? value : undefined));
    return argument.kind === 'string' ? argument.value : this.#misfit(name);
  }

  /** An element type; undefined for None. */
  dtype(name: string): DType | undefined {
    const argument = this.#given(name);
    if (argument === undefined) return undefined;
    if (argument.kind !== 'dtype') return this.#misfit(name);
    return (
      scalarTypeOf(argument.code)?.dtype ?? this.unsupported(`the element type ${nameOfScalarType(argument.code)}`)
    );
  }

  // ---- helpers

  /** A tensor of rank `rank` at least, else refused. */
  requireRank(x: Value, rank: number, name: string): void {
    if (x.type.shape.length < rank)
      this.refuse(`'${name}' should have at least ${rank} axes, but is ${formatType(x.type)}`, name, 'U2005');
  }

  /** A slice along one axis, `end` not included. */
  slice(x: Value, axis: number, start: number, end: number, step = 1): Value {
    return this.emit(nnSlice, { x }, { starts: [start], ends: [end], axes: [axis], steps: [step] });
  }

  /** undefined when the argument is left out or None. */
  #given(name: string): Exclude<Argument, { kind: 'none' }> | undefined {
    assert(this.#parameters.has(name), `the schema has no parameter '${name}'`);
    const argument = this.#arguments.get(name);
    return argument === undefined || argument.kind === 'none' ? undefined : argument;
  }

  #default(name: string): Default | undefined {
    return this.#parameters.get(name)?.default;
  }

  #fallback<T>(name: string, read: (value: NonNullable<Default>) => T | undefined): T {
    const value = this.#default(name);
    const found = value === undefined || value === null ? undefined : read(value);
    return found ?? this.#misfit(name);
  }

  #dim(value: number | string, name: string): Dim {
    return typeof value === 'number' ? value : this.#around.integer(value, this.at(name));
  }

  #known(dim: Dim, name: string): number {
    if (typeof dim === 'number') return dim;
    throw new Unsupported(`'${name}' depends on the size ${dim} of an input`);
  }

  #misfit(name: string): never {
    const parameter = this.#parameters.get(name);
    assert(parameter, `the schema has no parameter '${name}'`);
    const { type, isList, isOptional } = parameter;
    const argument = this.#arguments.get(name);
    const found = argument === undefined ? 'absent' : argument.kind === 'other' ? argument.field : argument.kind;
    const expected = `${type}${isList ? '[]' : ''}${isOptional ? '?' : ''}`;
    return this.refuse(`'${name}' should be ${expected}, but is ${found}`, name);
  }
}
