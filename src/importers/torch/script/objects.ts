/** Objects in the code of an archive besides numbers, lists and tensors. */
import type { Location } from '../../../diagnostics/index.ts';
import type { CodeObject, TorchValue } from '../values.ts';
import type { ClassCode, FunctionCode } from './ast.ts';

/** A module: its class, its attributes, and where it hangs in the tree. */
export class ModuleObject implements CodeObject {
  readonly codeKind = 'module';
  readonly className: string;
  readonly attributes = new Map<string, TorchValue>();
  /** `features.0`; the root is ''. Set when the module is first reached. */
  path: string | undefined;

  constructor(className: string) {
    this.className = className;
  }
}

/** A function of the archive, or a method with its object. */
export class FunctionObject implements CodeObject {
  readonly codeKind = 'function';
  readonly code: FunctionCode;
  readonly file: string;
  readonly self: ModuleObject | undefined;

  constructor(code: FunctionCode, file: string, self?: ModuleObject) {
    this.code = code;
    this.file = file;
    this.self = self;
  }
}

/** The names of the elements of a NamedTuple, which is a list beside. */
const fieldsOfTuples = new WeakMap<readonly TorchValue[], readonly string[]>();

export function namedTuple(fields: readonly string[], values: readonly TorchValue[]): TorchValue[] {
  const tuple = [...values];
  fieldsOfTuples.set(tuple, fields);
  return tuple;
}

export const fieldsOf = (value: readonly TorchValue[]): readonly string[] | undefined => fieldsOfTuples.get(value);

/** The element of this name; undefined when it does not exist. */
export const fieldOf = (value: readonly TorchValue[], name: string): TorchValue | undefined =>
  value[fieldsOf(value)?.indexOf(name) ?? -1];

/** A class of the archive: of a NamedTuple, or one that code makes objects of (`C.__new__(C)`). */
export class ClassObject implements CodeObject {
  readonly codeKind = 'class';
  readonly name: string;
  readonly code: ClassCode;
  readonly isAllocator: boolean;

  constructor(name: string, code: ClassCode, isAllocator: boolean) {
    this.name = name;
    this.code = code;
    this.isAllocator = isAllocator;
  }

  /** Calls the class; `refuse` says why it cannot make an object. */
  make(
    args: readonly TorchValue[],
    keywords: ReadonlyMap<string, TorchValue>,
    refuse: (why: string) => never,
  ): TorchValue {
    if (this.isAllocator) return new ModuleObject(this.name);
    const { fields, constants } = this.code;
    if (fields === undefined) return refuse(`a call of the class ${this.name}`);
    if (args.length > fields.length) refuse(`${args.length} values for the ${fields.length} fields of ${this.name}`);
    const values = fields.map((field, i): TorchValue => {
      const given = i < args.length ? args[i] : keywords.get(field);
      if (given === undefined && !constants.has(field)) refuse(`the field '${field}' of ${this.name} is not given`);
      return given ?? null;
    });
    return namedTuple(fields, values);
  }
}

/** The operators on tensors, implemented by the importer. */
export interface Operators {
  has(name: string): boolean;
  apply(call: OperatorCall): TorchValue;
  /** A tensor as it is after all writes. */
  current(value: TorchValue, where: Location): TorchValue;
}

export interface OperatorCall {
  readonly name: string;
  readonly args: readonly TorchValue[];
  readonly keywords: ReadonlyMap<string, TorchValue>;
  /** The module that it stands in, and the variable that gets the result. */
  readonly module: string;
  readonly variable: string | undefined;
  readonly where: Location;
}
