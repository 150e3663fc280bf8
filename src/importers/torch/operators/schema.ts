/** Schemas of operators, as PyTorch writes them, and the arguments that fit them. */
import { assert } from '../../../diagnostics/index.ts';
import { describe, isTensor, numberOf, PackedWeights, SymInt, type TorchValue } from '../values.ts';

export interface Schema {
  /** `aten::conv2d` */
  readonly name: string;
  /** `padding` of `aten::conv2d.padding`; `default` where the schema names none. */
  readonly overload: string;
  readonly parameters: readonly Parameter[];
}

export interface Parameter {
  readonly name: string;
  readonly type: ParameterType;
  readonly isList: boolean;
  /** A list some of whose elements may be None: `Tensor?[]`. */
  readonly mayHoldNone: boolean;
  readonly isOptional: boolean;
  /** Behind the `*` of the schema: given by name alone. */
  readonly isKeyword: boolean;
  /** Absent for a required one. */
  readonly default?: TorchValue;
}

const isNumber = (value: TorchValue): boolean => value instanceof SymInt || numberOf(value) !== undefined;

/**
 * `Operand`: a tensor, or a number in its place. `packed`: weights as an engine packs them. `any`: not looked at, or looked at by
 * the operator itself.
 */
const fits = {
  Tensor: isTensor,
  Operand: (value) => isTensor(value) || isNumber(value),
  Scalar: isNumber,
  int: (value) => value instanceof SymInt || Number.isInteger(numberOf(value)),
  float: isNumber,
  bool: (value) => typeof value === 'boolean' || value === 0 || value === 1,
  str: (value) => typeof value === 'string',
  /** A code of c10::ScalarType. */
  ScalarType: (value) => typeof value === 'number',
  packed: (value) => value instanceof PackedWeights,
  any: () => true,
} as const satisfies Record<string, (value: TorchValue) => boolean>;

export type ParameterType = keyof typeof fits;
const isParameterType = (word: string): word is ParameterType => Object.hasOwn(fits, word);

/** `aten::max_pool2d(Tensor self, int[] kernel_size, int[] stride=[], bool ceil_mode=False)` */
export function parseSchema(text: string): Schema {
  const match = /^(\w+::\w+)(?:\.(\w+))?\((.*)\)$/.exec(text);
  assert(match, `'${text}' is not a schema`);
  const [, name, overload = 'default', list] = match;
  const parts = list === '' ? [] : list.split(/, (?![^[]*\])/);
  const star = parts.indexOf('*');
  const parameters = parts.flatMap((part, i) =>
    part === '*' ? [] : [{ ...parseParameter(part), isKeyword: star >= 0 && i > star }],
  );
  return { name, overload, parameters };
}

function parseParameter(text: string): Omit<Parameter, 'isKeyword'> {
  const match = /^(\w+)(?:(\?)?(\[\d*\]))?(\?)? (\w+)(?:=(.*))?$/.exec(text);
  assert(match, `'${text}' does not declare a parameter`);
  const [, type, optionalItems, list, optional, name, fallback] = match;
  assert(isParameterType(type), `'${type}' is not a type of parameters`);
  return {
    name,
    type,
    isList: list !== undefined,
    mayHoldNone: optionalItems !== undefined,
    isOptional: optional !== undefined,
    ...(fallback !== undefined && { default: parseDefault(fallback) }),
  };
}

const words: Readonly<Record<string, TorchValue>> = { None: null, True: true, False: false };

function parseDefault(text: string): TorchValue {
  if (text in words) return words[text];
  if (text.startsWith('[')) return text === '[]' ? [] : text.slice(1, -1).split(', ').map(parseDefault);
  return text.startsWith('"') ? text.slice(1, -1) : Number(text);
}

export type Bound = ReadonlyMap<string, TorchValue>;

/** Why arguments do not fit a schema. */
export interface Misfit {
  /** The name of the argument. */
  readonly input: string;
  readonly why: string;
  /** True for an argument that the schema lacks: a newer PyTorch may have it. */
  readonly isUnknown?: boolean;
}

/** The arguments by name, or why they do not fit the schema. */
export function bind({ parameters }: Schema, args: readonly TorchValue[], keywords: Bound): Bound | Misfit {
  const most = parameters.filter(({ isKeyword }) => !isKeyword).length;
  if (args.length > most) return { input: '', why: `${args.length} arguments for ${most}`, isUnknown: true };
  const bound = new Map<string, TorchValue>();
  for (const [i, parameter] of parameters.entries()) {
    const { name } = parameter;
    if (i < args.length && keywords.has(name)) return { input: name, why: `the argument '${name}' is given twice` };
    const given = i < args.length ? args[i] : keywords.get(name);
    const value = given === undefined ? parameter.default : given;
    if (value === undefined) return { input: name, why: `the argument '${name}' is missing` };
    if (given !== undefined && !isFitting(parameter, given))
      return { input: name, why: `'${name}' should be ${textOf(parameter)}, but is ${describe(given)}` };
    bound.set(name, value);
  }
  for (const name of keywords.keys())
    if (!bound.has(name)) return { input: name, why: `the argument '${name}'`, isUnknown: true };
  return bound;
}

export const isBound = (answer: Bound | Misfit): answer is Bound => answer instanceof Map;

function isFitting({ type, isList, mayHoldNone, isOptional }: Parameter, value: TorchValue): boolean {
  if (value === null) return isOptional || type === 'any';
  if (isList && Array.isArray(value)) return value.every((item) => (item === null ? mayHoldNone : fits[type](item)));
  return (!isList || type === 'int') && fits[type](value);
}

const textOf = ({ type, isList, isOptional }: Parameter): string =>
  `${type}${isList ? '[]' : ''}${isOptional ? '?' : ''}`;
