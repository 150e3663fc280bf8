/** Functions of the language that are no operators. */
import { TorchTensor } from '../pickle/index.ts';
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

/** What the functions of the language itself see. */
export interface Special {
  evaluate(e: Expression): TorchValue;
  apply(name: string, args: readonly TorchValue[], line: number): TorchValue;
  attribute(object: ModuleObject, name: string, line: number): TorchValue | undefined;
  refuse(line: number, why: string): never;
}

export type CallExpression = Extract<Expression, { kind: 'call' }>;

/** Functions that are no operators: types as arguments are not evaluated. */
export const specials: Readonly<Record<string, (this: Special, e: CallExpression) => TorchValue>> = Object.assign(
  Object.create(null),
  {
    annotate(this: Special, { args: [type, value] }: CallExpression) {
      const given = this.evaluate(value);
      // a scalar that is kept as a tensor
      const isNumber = type.kind === 'name' && (type.name === 'float' || type.name === 'int' || type.name === 'number');
      return isNumber && given instanceof TorchTensor ? (numberOf(given) ?? given) : given;
    },
    unchecked_cast(this: Special, { args: [, value] }: CallExpression) {
      return this.evaluate(value);
    },
    uninitialized: () => new Undetermined('a variable that was never set'),
    getattr(this: Special, { args: [object, name], line }: CallExpression) {
      const module = this.evaluate(object);
      const attribute = name.kind === 'string' ? name.value : '';
      if (!(module instanceof ModuleObject)) return this.refuse(line, `an attribute of ${describe(module)}`);
      const found = this.attribute(module, attribute, line);
      return found === undefined ? this.refuse(line, `there is no attribute '${attribute}'`) : found;
    },
    hasattr(this: Special, { args: [object, name], line }: CallExpression) {
      const module = this.evaluate(object);
      return (
        module instanceof ModuleObject &&
        name.kind === 'string' &&
        this.attribute(module, name.value, line) !== undefined
      );
    },
    int(this: Special, { args: [value], line }: CallExpression) {
      return this.apply('aten::Int', [this.evaluate(value)], line);
    },
    float(this: Special, { args: [value], line }: CallExpression) {
      return this.apply('aten::Float', [this.evaluate(value)], line);
    },
    bool(this: Special, { args: [value], line }: CallExpression) {
      return this.apply('aten::Bool', [this.evaluate(value)], line);
    },
    str(this: Special, { args: [value], line }: CallExpression) {
      return this.apply('aten::str', [this.evaluate(value)], line);
    },
    len(this: Special, { args: [value], line }: CallExpression) {
      return this.apply('aten::len', [this.evaluate(value)], line);
    },
    list(this: Special, { args: [value], line }: CallExpression) {
      return this.apply('aten::list', [this.evaluate(value)], line);
    },
    isinstance(this: Special, { args: [value, type] }: CallExpression) {
      return isInstance(this.evaluate(value), type);
    },
  },
);

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
