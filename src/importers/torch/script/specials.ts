/** Functions of the language that are not operators. */
import { TorchTensor } from '../../../formats/torch/index.ts';
import {
  describe,
  GraphTensor,
  isCodeObject,
  numberOf,
  type TorchValue,
  Undetermined,
  UnknownTensor,
} from '../values.ts';
import type { Expression } from './ast.ts';
import { ModuleObject } from './objects.ts';

/** The interface for functions of the language itself. */
export interface Special {
  evaluate(e: Expression): TorchValue;
  apply(name: string, args: readonly TorchValue[], line: number): TorchValue;
  attribute(object: ModuleObject, name: string, line: number): TorchValue | undefined;
  refuse(line: number, why: string, code?: 'U1004' | 'U2008'): never;
}

export type CallExpression = Extract<Expression, { kind: 'call' }>;

type Body = (this: Special, e: CallExpression) => TorchValue;

/** A function of this many arguments, none by keyword: its body reads no others. */
const taking = (count: number, body: Body): Body =>
  function (e) {
    const { args, keywords, line } = e;
    if (args.length === count && keywords.length === 0) return body.call(this, e);
    const given = `${args.length}${keywords.length > 0 ? ` and ${keywords.length} by keyword` : ''}`;
    return this.refuse(line, `a function of the language that takes ${count} arguments is given ${given}`);
  };

/** A function that an operator computes. */
const computed = (operator: string): Body =>
  taking(1, function ({ args: [value], line }) {
    return this.apply(operator, [this.evaluate(value)], line);
  });

/** Functions that are not operators: types as arguments are not evaluated. */
export const specials: Readonly<Record<string, Body>> = Object.assign(Object.create(null), {
  annotate: taking(2, function ({ args: [type, value] }) {
    const given = this.evaluate(value);
    // a scalar kept as a tensor
    const isNumber = type.kind === 'name' && (type.name === 'float' || type.name === 'int' || type.name === 'number');
    return isNumber && given instanceof TorchTensor ? (numberOf(given) ?? given) : given;
  }),
  unchecked_cast: taking(2, function ({ args: [, value] }) {
    return this.evaluate(value);
  }),
  uninitialized: taking(1, () => new Undetermined('a variable that was never set')),
  getattr: taking(2, function ({ args: [object, name], line }) {
    const module = this.evaluate(object);
    if (name.kind !== 'string') return this.refuse(line, 'the name of an attribute is not a string');
    if (!(module instanceof ModuleObject)) return this.refuse(line, `an attribute of ${describe(module)}`);
    const found = this.attribute(module, name.value, line);
    return found === undefined ? this.refuse(line, `the module has no attribute '${name.value}'`) : found;
  }),
  hasattr: taking(2, function ({ args: [object, name], line }) {
    const module = this.evaluate(object);
    return (
      module instanceof ModuleObject && name.kind === 'string' && this.attribute(module, name.value, line) !== undefined
    );
  }),
  /** Computes the printed values, since that may write to a tensor. */
  print: printed,
  int: computed('aten::Int'),
  float: computed('aten::Float'),
  bool: computed('aten::Bool'),
  str: computed('aten::str'),
  len: computed('aten::len'),
  list: computed('aten::list'),
  isinstance: taking(2, function ({ args: [value, type] }) {
    return isInstance(this.evaluate(value), type);
  }),
});

function printed(this: Special, { args, keywords, line }: CallExpression): TorchValue {
  if (keywords.length > 0) this.refuse(line, 'print takes nothing by keyword');
  for (const value of args) this.evaluate(value);
  return null;
}

const kinds: Readonly<Record<string, (value: TorchValue) => boolean>> = {
  Tensor: (value) => value instanceof GraphTensor || value instanceof TorchTensor || value instanceof UnknownTensor,
  int: (value) => Number.isInteger(value),
  float: (value) => typeof value === 'number',
  bool: (value) => typeof value === 'boolean',
  str: (value) => typeof value === 'string',
  NoneType: (value) => value === null,
};

function isInstance(value: TorchValue, type: Expression): boolean {
  if (type.kind === 'tuple' || type.kind === 'list') return type.items.some((item) => isInstance(value, item));
  if (type.kind === 'name') return kinds[type.name]?.(value) ?? false;
  if (type.kind !== 'subscript' || type.object.kind !== 'name') return isCodeObject(value);
  const { name } = type.object;
  if (name === 'Optional') return value === null || isInstance(value, type.index);
  if (name === 'List') return Array.isArray(value) && value.every((item) => isInstance(item, type.index));
  return name === 'Dict' ? value instanceof Map : Array.isArray(value);
}
