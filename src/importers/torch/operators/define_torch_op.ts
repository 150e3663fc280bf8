/** The declaration of a PyTorch operator: its schema, as PyTorch writes them, and what it becomes. */
import { assert } from '../../../diagnostics/index.ts';
import { GraphTensor, isTensor, numberOf, PackedWeights, SymInt, type TorchValue, UnknownTensor } from '../values.ts';
import type { Arguments } from './arguments.ts';
import type { TorchContext } from './context.ts';

export interface TorchOp {
  /** `quantized::conv2d`; overloads share a name and are told apart by their arguments. */
  readonly name: string;
  readonly parameters: readonly Parameter[];
  /** The result has the shape of the first operand, whatever that is. */
  readonly keepsShape: boolean;
  import(ctx: TorchContext, args: Arguments): TorchValue;
}

export interface Parameter {
  readonly name: string;
  readonly type: ParameterType;
  readonly isList: boolean;
  /** A list some of whose elements may be None: `Tensor?[]`. */
  readonly mayHoldNone: boolean;
  readonly isOptional: boolean;
  /** Absent for a required one. */
  readonly default?: TorchValue;
}

const parameterTypes = ['Tensor', 'Scalar', 'int', 'float', 'bool', 'str', 'packed', 'any'] as const;
export type ParameterType = (typeof parameterTypes)[number];

interface Declaration {
  /** `aten::max_pool2d(Tensor self, int[] kernel_size, int[] stride=[], bool ceil_mode=False)` */
  readonly schema: string | readonly string[];
  readonly keepsShape?: boolean;
  readonly import: TorchOp['import'];
}

/** One operator, or several that differ in name and arguments alone: names in place become the operator itself. */
export function defineTorchOp({ schema, keepsShape = false, import: body }: Declaration): readonly TorchOp[] {
  return (typeof schema === 'string' ? [schema] : schema).map((text) =>
    Object.freeze({ ...parseSchema(text), keepsShape, import: body }),
  );
}

export function parseSchema(text: string): { name: string; parameters: Parameter[] } {
  const match = /^(\w+::\w+)\((.*)\)$/.exec(text);
  assert(match, `'${text}' is no schema`);
  const [, name, list] = match;
  const parts = list === '' ? [] : list.split(/, (?![^[]*\])/);
  return { name, parameters: parts.filter((part) => part !== '*').map(parseParameter) };
}

function parseParameter(text: string): Parameter {
  const match = /^(\w+)(?:(\?)?(\[\d*\]))?(\?)? (\w+)(?:=(.*))?$/.exec(text);
  assert(match, `'${text}' declares no parameter`);
  const [, word, optionalItems, list, optional, name, fallback] = match;
  const type = parameterTypes.find((known) => known === word);
  assert(type, `'${word}' is no type of parameters`);
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

/** The arguments by name when they fit the schema, undefined when they do not. */
export function bind(
  { parameters }: Pick<TorchOp, 'parameters'>,
  args: readonly TorchValue[],
  keywords: ReadonlyMap<string, TorchValue>,
): ReadonlyMap<string, TorchValue> | undefined {
  if (args.length > parameters.length) return undefined;
  const bound = new Map<string, TorchValue>();
  for (const [i, parameter] of parameters.entries()) {
    const given = i < args.length ? args[i] : keywords.get(parameter.name);
    const value = given === undefined ? parameter.default : given;
    if (value === undefined || !fits(parameter, value)) return undefined;
    bound.set(parameter.name, value);
  }
  for (const name of keywords.keys()) if (!bound.has(name)) return undefined;
  return bound;
}

function fits({ type, isList, mayHoldNone, isOptional }: Parameter, value: TorchValue): boolean {
  if (value === null) return isOptional || type === 'any';
  if (isList && Array.isArray(value)) return value.every((item) => (item === null ? mayHoldNone : fitsOne(type, item)));
  return (!isList || type === 'int') && fitsOne(type, value);
}

const fitsOne = (type: ParameterType, value: TorchValue): boolean => checks[type](value);

const isNumber = (value: TorchValue): boolean => value instanceof SymInt || numberOf(value) !== undefined;

const checks: Readonly<Record<ParameterType, (value: TorchValue) => boolean>> = {
  Tensor: isTensor,
  Scalar: isNumber,
  int: isNumber,
  float: isNumber,
  bool: (value) => typeof value === 'boolean' || value === 0 || value === 1,
  str: (value) => typeof value === 'string',
  packed: (value) => value instanceof PackedWeights,
  any: () => true,
};

/** Whether an operator is about tensors of the graph at all. */
export const readsGraph = (value: TorchValue): boolean =>
  value instanceof GraphTensor || value instanceof UnknownTensor || (Array.isArray(value) && value.some(readsGraph));

/** Thrown by an importer for what is valid and not understood here: the operator becomes an opaque one. */
export class Unsupported extends Error {
  override readonly name = 'Unsupported';
}
