/** The syntax tree of TorchScript, the subset of Python that PyTorch prints. Lines count from 1. */
export type Expression = { readonly line: number } & (
  | { readonly kind: 'number'; readonly value: number; readonly isFloat: boolean } // 2. is a float, although it is whole
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'attribute'; readonly object: Expression; readonly name: string }
  | { readonly kind: 'subscript'; readonly object: Expression; readonly index: Expression }
  | { readonly kind: 'slice'; readonly bounds: readonly (Expression | undefined)[] }
  | {
      readonly kind: 'call';
      readonly callee: Expression;
      readonly args: readonly Expression[];
      readonly keywords: readonly (readonly [string, Expression])[];
    }
  | { readonly kind: 'list' | 'tuple'; readonly items: readonly Expression[] }
  | { readonly kind: 'dict'; readonly entries: readonly (readonly [Expression, Expression])[] }
  | { readonly kind: 'unary'; readonly operator: string; readonly operand: Expression }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Expression; readonly right: Expression }
  | {
      readonly kind: 'conditional';
      readonly test: Expression;
      readonly then: Expression;
      readonly otherwise: Expression;
    }
);

export type Block = readonly Statement[];

export type Statement = { readonly line: number } & (
  | { readonly kind: 'assign'; readonly targets: readonly Expression[]; readonly value: Expression }
  | { readonly kind: 'augment'; readonly target: Expression; readonly operator: string; readonly value: Expression }
  | { readonly kind: 'expression'; readonly value: Expression }
  | { readonly kind: 'return'; readonly value: Expression | undefined }
  | { readonly kind: 'if'; readonly test: Expression; readonly then: Block; readonly otherwise: Block }
  | { readonly kind: 'while'; readonly test: Expression; readonly body: Block }
  | { readonly kind: 'for'; readonly target: Expression; readonly over: Expression; readonly body: Block }
  | { readonly kind: 'with'; readonly managers: readonly Manager[]; readonly body: Block }
  | { readonly kind: 'raise'; readonly value: Expression | undefined }
  | { readonly kind: 'assert'; readonly test: Expression; readonly message: Expression | undefined }
  | { readonly kind: 'pass' | 'break' | 'continue' }
);

/** `with manager as target:` */
export interface Manager {
  readonly context: Expression;
  readonly target: Expression | undefined;
}

export interface Parameter {
  readonly name: string;
  readonly type: Expression | undefined;
  readonly default: Expression | undefined;
}

export interface FunctionCode {
  readonly name: string;
  readonly line: number;
  readonly parameters: readonly Parameter[];
  readonly body: Block;
}

export interface ClassCode {
  readonly name: string;
  readonly line: number;
  readonly methods: ReadonlyMap<string, FunctionCode>;
  /** `stride : Final[int] = 2`: attributes that the class itself gives. */
  readonly constants: ReadonlyMap<string, Expression>;
  /** The fields of a NamedTuple, in their order. */
  readonly fields: readonly string[] | undefined;
}

/** One file below `code/`. */
export interface SourceFile {
  readonly classes: ReadonlyMap<string, ClassCode>;
  readonly functions: ReadonlyMap<string, FunctionCode>;
}
