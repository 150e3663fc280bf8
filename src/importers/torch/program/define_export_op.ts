/** The declaration of an operator of torch.export: its schema, as PyTorch writes it, and what it becomes. */
import { assert } from '../../../diagnostics/index.ts';
import type { Value } from '../../../ir/define_op.ts';
import type { ExportContext } from './context.ts';

export interface ExportOp {
  /** `aten.conv2d.default` */
  readonly target: string;
  readonly parameters: readonly Parameter[];
  /** The results in the order of the node's outputs; one that is undefined cannot be computed. */
  import(ctx: ExportContext): Value | readonly (Value | undefined)[];
}

export interface Parameter {
  readonly name: string;
  readonly type: ParameterType;
  readonly isList: boolean;
  readonly isOptional: boolean;
  /** undefined for a required one, null for None. */
  readonly default: Default | undefined;
}

/** `Operand`: a tensor, or a number in its place. `any`: not looked at (devices, memory formats). */
const parameterTypes = ['Tensor', 'Operand', 'Scalar', 'int', 'float', 'bool', 'str', 'ScalarType', 'any'] as const;
export type ParameterType = (typeof parameterTypes)[number];
export type Default = null | boolean | number | string | readonly number[];

/**
 * One operator, or several that differ in their schemas alone:
 * `aten.max_pool2d.default(Tensor self, int[] kernel_size, int[] stride=[], bool ceil_mode=False)`
 */
export const defineExportOp = (
  schema: string | readonly string[],
  body: (ctx: ExportContext) => ReturnType<ExportOp['import']>,
): readonly ExportOp[] =>
  (typeof schema === 'string' ? [schema] : schema).map((text) => Object.freeze({ ...parseSchema(text), import: body }));

function parseSchema(text: string): Pick<ExportOp, 'target' | 'parameters'> {
  const match = /^([\w.]+)\((.*)\)$/.exec(text);
  assert(match, `'${text}' is no schema`);
  const [, target, list] = match;
  const parts = list === '' ? [] : list.split(/, (?![^[]*\])/);
  return { target, parameters: parts.map(parseParameter) };
}

function parseParameter(text: string): Parameter {
  const match = /^(\w+)(\[\])?(\?)? (\w+)(?:=(.*))?$/.exec(text);
  assert(match, `'${text}' declares no parameter`);
  const [, word, list, optional, name, fallback] = match;
  const type = parameterTypes.find((known) => known === word);
  assert(type, `'${word}' is no type of parameters`);
  return {
    name,
    type,
    isList: list !== undefined,
    isOptional: optional !== undefined,
    default: fallback === undefined ? undefined : parseDefault(fallback),
  };
}

function parseDefault(text: string): Default {
  if (text === 'None') return null;
  if (text === 'True' || text === 'False') return text === 'True';
  if (text.startsWith('[')) return text === '[]' ? [] : text.slice(1, -1).split(', ').map(Number);
  return text.startsWith('"') ? text.slice(1, -1) : Number(text);
}
