/** What the code of an archive handles besides numbers, lists and tensors. */
import type { Location } from '../../../diagnostics/index.ts';
import type { CodeObject, TorchValue } from '../values.ts';
import type { FunctionCode } from './ast.ts';

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

/** What an operator on tensors becomes; given by the importer. */
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
