/**
 * The parts of an ExportedProgram that the importer reads, decoded and checked. Schema: torch/_export/serde/schema.py
 * of PyTorch. Unions are objects with one field, enumerations integers. Newer minor versions add fields and kinds, so
 * that an unknown kind is refused only by code that needs it.
 */
import { fail } from '../../../diagnostics/index.ts';
import { isObject, type Json } from './json.ts';

/** The version of the schema: a new major version means a change that breaks readers. */
const MAJOR = 8;

export interface ExportedProgram {
  readonly torchVersion: string;
  readonly graph: ExportGraph;
  readonly inputs: readonly InputSpec[];
  readonly outputs: readonly OutputSpec[];
  /** The sizes that the symbols may have; an absent bound limits nothing. */
  readonly ranges: ReadonlyMap<string, { readonly min?: number; readonly max?: number }>;
}

export interface ExportGraph {
  readonly nodes: readonly ExportNode[];
  readonly tensors: ReadonlyMap<string, TensorMeta>;
  readonly integers: ReadonlyMap<string, Size>;
}

export interface ExportNode {
  /** `aten.conv2d.default`, without `torch.ops.`; `_operator.mul` for Python's own. */
  readonly target: string;
  readonly inputs: readonly { readonly name: string; readonly argument: Argument }[];
  readonly outputs: readonly Argument[];
  /** The file and line of the model's own source, as far as the program says. */
  readonly source?: string;
}

export type Argument =
  | { readonly kind: 'none' }
  | { readonly kind: 'tensor'; readonly names: readonly (string | undefined)[]; readonly isList: boolean }
  /** A name stands for an integer that depends on the sizes of the inputs. */
  | { readonly kind: 'int'; readonly values: readonly (number | string)[]; readonly isList: boolean }
  | { readonly kind: 'float'; readonly values: readonly number[]; readonly isList: boolean }
  | { readonly kind: 'bool'; readonly values: readonly boolean[]; readonly isList: boolean }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'dtype'; readonly code: number }
  /** Everything else, by the name of its field: `as_graph`. */
  | { readonly kind: 'other'; readonly field: string };

/** The names of all tensors among arguments. */
export const tensorNames = (list: readonly Argument[]): readonly string[] =>
  list.flatMap((argument) => (argument.kind === 'tensor' ? argument.names.filter((name) => name !== undefined) : []));

/** A number, or the sympy expression of one. */
export type Size = number | { readonly expression: string };

export interface TensorMeta {
  readonly dtype: number;
  readonly sizes: readonly Size[];
  readonly strides: readonly Size[];
  readonly offset: Size;
  readonly layout: number;
}

export type InputSpec =
  | { readonly kind: 'user'; readonly argument: Argument }
  | { readonly kind: 'stored'; readonly name: string; readonly key: string }
  | { readonly kind: 'other'; readonly field: string };

export type OutputSpec =
  | { readonly kind: 'user'; readonly argument: Argument }
  /** The new value of a stored tensor (by its key) or of an input. */
  | { readonly kind: 'mutation'; readonly name: string; readonly of: 'stored' | 'input'; readonly target: string }
  | { readonly kind: 'other'; readonly field: string };

/** One entry of a weights or constants config. */
export interface PayloadMeta {
  readonly path: string;
  readonly usesPickle: boolean;
  readonly meta: TensorMeta | undefined;
}

/** @throws UnskewError U1002 for another major version of the schema, U1004 for JSON that does not fit the schema */
export function decodeProgram(json: Json): ExportedProgram {
  const version = json.get('schema_version');
  const [major, minor] = [version.get('major').int(), version.get('minor').int()];
  if (major !== MAJOR)
    fail(
      'U1002',
      `the program has version ${major}.${minor} of the export schema, only ${MAJOR}.x is read`,
      version.where,
      'export the model again with PyTorch 2.6 or newer',
    );
  const module = json.get('graph_module');
  const graph = module.get('graph');
  const signature = module.get('signature');
  return {
    torchVersion: json.find('torch_version')?.string() ?? '',
    graph: {
      nodes: graph.get('nodes').list(decodeNode),
      tensors: graph.get('tensor_values').entries(decodeTensorMeta),
      integers: graph.find('sym_int_values')?.entries(decodeSize) ?? new Map(),
    },
    inputs: signature.get('input_specs').list(decodeInput),
    outputs: signature.get('output_specs').list(decodeOutput),
    ranges: json.get('range_constraints').entries((range) => {
      const [min, max] = [range.find('min_val')?.int(), range.find('max_val')?.int()];
      return { ...(min !== undefined && { min }), ...(max !== undefined && { max }) };
    }),
  };
}

/** @throws UnskewError U1004 */
export const decodePayloads = (json: Json): ReadonlyMap<string, PayloadMeta> =>
  json.get('config').entries((entry) => {
    const meta = entry.find('tensor_meta');
    return {
      path: entry.get('path_name').string(),
      usesPickle: entry.get('use_pickle').bool(),
      meta: meta && decodeTensorMeta(meta),
    };
  });

function decodeNode(json: Json): ExportNode {
  return {
    target: json
      .get('target')
      .string()
      .replace(/^torch\.ops\./, ''),
    inputs: json.get('inputs').list((input) => ({
      name: input.get('name').string(),
      argument: decodeArgument(input.get('arg')),
    })),
    outputs: json.get('outputs').list(decodeArgument),
    ...sourceOf(json),
  };
}

/** The last line of the stack that the node was recorded at. */
function sourceOf(json: Json): { source?: string } {
  const metadata = isObject(json.value) ? json.value.metadata : undefined;
  const stack = isObject(metadata) ? metadata.stack_trace : undefined;
  if (typeof stack !== 'string') return {};
  const last = [...stack.slice(-4000).matchAll(/File "([^"]{1,500})", line (\d+)/g)].at(-1);
  return last ? { source: `${last[1]}:${last[2]}` } : {};
}

const nameOf = (json: Json): string => json.get('name').string();

function optionalName(json: Json): string | undefined {
  const [field, value] = json.union();
  return field === 'as_tensor' ? nameOf(value) : undefined;
}

/** The number, or the name of the integer. */
function symbolicInt(json: Json): number | string {
  const [field, value] = json.union();
  return field === 'as_name' ? value.string() : value.int();
}

const one = <T>(value: T) => ({ values: [value], isList: false });
const many = <T>(values: readonly T[]) => ({ values, isList: true });

const decoders: Readonly<Record<string, (json: Json) => Argument>> = {
  as_none: () => ({ kind: 'none' }),
  as_tensor: (json) => ({ kind: 'tensor', names: [nameOf(json)], isList: false }),
  as_tensors: (json) => ({ kind: 'tensor', names: json.list(nameOf), isList: true }),
  as_optional_tensor(json) {
    const name = optionalName(json);
    return name === undefined ? { kind: 'none' } : { kind: 'tensor', names: [name], isList: false };
  },
  as_optional_tensors: (json) => ({ kind: 'tensor', names: json.list(optionalName), isList: true }),
  as_int: (json) => ({ kind: 'int', ...one(json.int()) }),
  as_ints: (json) => ({ kind: 'int', ...many(json.list((item) => item.int())) }),
  as_sym_int: (json) => ({ kind: 'int', ...one(symbolicInt(json)) }),
  as_sym_ints: (json) => ({ kind: 'int', ...many(json.list(symbolicInt)) }),
  as_float: (json) => ({ kind: 'float', ...one(json.float()) }),
  as_floats: (json) => ({ kind: 'float', ...many(json.list((item) => item.float())) }),
  as_bool: (json) => ({ kind: 'bool', ...one(json.bool()) }),
  as_bools: (json) => ({ kind: 'bool', ...many(json.list((item) => item.bool())) }),
  as_string: (json) => ({ kind: 'string', value: json.string() }),
  as_scalar_type: (json) => ({ kind: 'dtype', code: json.int() }),
};

function decodeArgument(json: Json): Argument {
  const [field, value] = json.union();
  return Object.hasOwn(decoders, field) ? decoders[field](value) : { kind: 'other', field };
}

function decodeSize(json: Json): Size {
  const [field, value] = json.union();
  return field === 'as_expr' ? { expression: value.get('expr_str').string() } : value.int();
}

const decodeTensorMeta = (json: Json): TensorMeta => ({
  dtype: json.get('dtype').int(),
  sizes: json.get('sizes').list(decodeSize),
  strides: json.get('strides').list(decodeSize),
  offset: decodeSize(json.get('storage_offset')),
  layout: json.get('layout').int(),
});

/** Which field of the spec holds the key of the stored tensor. */
const storedKeys: Readonly<Record<string, string>> = {
  parameter: 'parameter_name',
  buffer: 'buffer_name',
  tensor_constant: 'tensor_constant_name',
};

function decodeInput(json: Json): InputSpec {
  const [field, spec] = json.union();
  if (field === 'user_input') return { kind: 'user', argument: decodeArgument(spec.get('arg')) };
  if (!Object.hasOwn(storedKeys, field)) return { kind: 'other', field };
  return { kind: 'stored', name: nameOf(spec.get('arg')), key: spec.get(storedKeys[field]).string() };
}

/** The field of the spec that holds the changed name. */
const changedKeys: Readonly<Record<string, readonly [of: 'stored' | 'input', key: string]>> = {
  buffer_mutation: ['stored', 'buffer_name'],
  parameter_mutation: ['stored', 'parameter_name'],
  user_input_mutation: ['input', 'user_input_name'],
};

function decodeOutput(json: Json): OutputSpec {
  const [field, spec] = json.union();
  if (Object.hasOwn(changedKeys, field)) {
    const [of, key] = changedKeys[field];
    return { kind: 'mutation', name: nameOf(spec.get('arg')), of, target: spec.get(key).string() };
  }
  return field === 'user_output'
    ? { kind: 'user', argument: decodeArgument(spec.get('arg')) }
    : { kind: 'other', field };
}
