/** Programs of torch.export made by hand, as `torch.export.save` writes them, in the layout of PyTorch 2.14. */

import { openArchive } from '../../../src/formats/torch/archive/index.ts';
import { importExport } from '../../../src/importers/torch/program/index.ts';
import type { Graph } from '../../../src/ir/graph.ts';
import { interpret } from '../../../src/ir/interpret.ts';
import type { DType } from '../../../src/tensors/dtype.ts';
import { bytesOf, type ITensor, stridesOf, tensor } from '../../../src/tensors/tensor.ts';
import { type Entry, zip } from '../torch/archives.ts';

export const codes = { u8: 1, s8: 2, s16: 3, s32: 4, s64: 5, f16: 6, f32: 7, f64: 8, bool: 12, bf16: 13 } as const;
type Coded = keyof typeof codes;

/** A number, or a symbol. */
export type Size = number | string;
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export const size = (n: Size): Json =>
  typeof n === 'number'
    ? { as_int: n }
    : {
        as_expr: { expr_str: n.includes('(') ? n : `Symbol('${n}', positive=True, integer=True)`, hint: { as_int: 2 } },
      };

export const meta = (dtype: number, shape: readonly Size[], strides?: readonly number[], offset = 0): Json => ({
  dtype,
  sizes: shape.map(size),
  requires_grad: false,
  device: { type: 'cpu', index: null },
  strides: (strides ?? stridesOf(shape.map((n) => (typeof n === 'number' ? n : 1)))).map(size),
  storage_offset: size(offset),
  layout: 7,
});

// ---- arguments

export const t = (name: string): Json => ({ as_tensor: { name } });
export const ts = (...names: readonly string[]): Json => ({ as_tensors: names.map((name) => ({ name })) });
export const f = (value: number): Json => ({ as_float: Number.isFinite(value) ? value : String(value) });
export const dtype = (name: Coded): Json => ({ as_scalar_type: codes[name] });

/** JSON of the schema as it is; plain values as the kind they look like. */
function argument(value: Json): Json {
  if (value === null) return { as_none: true };
  if (typeof value === 'boolean') return { as_bool: value };
  if (typeof value === 'number') return Number.isInteger(value) ? { as_int: value } : { as_float: value };
  if (typeof value === 'string') return { as_string: value };
  return Array.isArray(value) ? { as_ints: value } : value;
}

export interface NodeSpec {
  readonly target: string;
  readonly args: Readonly<Record<string, Json>>;
  readonly outputs: readonly string[];
  /** The outputs are one list. */
  readonly asList?: boolean;
}

export const node = (target: string, args: NodeSpec['args'], ...outputs: readonly string[]): NodeSpec => ({
  target,
  args,
  outputs,
});

export interface ProgramSpec {
  readonly inputs?: Readonly<Record<string, readonly [Coded, readonly Size[]]>>;
  readonly weights?: Readonly<Record<string, ITensor>>;
  readonly nodes: readonly NodeSpec[];
  /** Types of the results of the nodes. */
  readonly values: Readonly<Record<string, readonly [Coded, readonly Size[]]>>;
  readonly outputs: readonly string[];
  readonly ranges?: Json;
  /** The last word on the document. */
  readonly edit?: (document: Record<string, unknown>) => void;
}

/** A linear layer, a view of open size and a softmax. */
export const smallProgram: ProgramSpec = {
  inputs: { x: ['f32', ['s0', 2]] },
  weights: { w: tensor('f32', [1, 2, 3, 4], [2, 2]) },
  nodes: [
    node('aten.linear.default', { input: t('x'), weight: t('w') }, 'a'),
    node('aten.view.default', { self: t('a'), size: [-1, 2, 1] }, 'b'),
    node('aten.softmax.int', { self: t('b'), dim: 1 }, 'y'),
  ],
  values: { a: ['f32', ['s0', 2]], b: ['f32', ['s0', 2, 1]], y: ['f32', ['s0', 2, 1]] },
  outputs: ['y'],
};

export function documentOf(spec: ProgramSpec): Record<string, unknown> {
  const { inputs = {}, weights = {}, nodes, values, outputs, ranges = {}, edit } = spec;
  const document = {
    graph_module: {
      graph: {
        inputs: [...Object.keys(weights), ...Object.keys(inputs)].map(t),
        outputs: outputs.map(t),
        nodes: nodes.map(({ target, args, outputs: names, asList = false }) => ({
          target: target.startsWith('_') ? target : `torch.ops.${target}`,
          inputs: Object.entries(args).map(([name, value]) => ({ name, arg: argument(value), kind: 1 })),
          outputs: asList ? [ts(...names)] : names.map(t),
          metadata: {},
        })),
        tensor_values: Object.fromEntries([
          ...Object.entries(weights).map(
            ([name, { dtype: d, shape }]) => [name, meta(codes[d as Coded], shape)] as const,
          ),
          ...[...Object.entries(inputs), ...Object.entries(values)].map(
            ([name, [d, shape]]) => [name, meta(codes[d], shape)] as const,
          ),
        ]),
        sym_int_values: {},
        sym_bool_values: {},
      },
      signature: {
        input_specs: [
          ...Object.keys(weights).map((name) => ({
            buffer: { arg: { name }, buffer_name: `m.${name}`, persistent: true },
          })),
          ...Object.keys(inputs).map((name) => ({ user_input: { arg: t(name) } })),
        ],
        output_specs: outputs.map((name) => ({ user_output: { arg: t(name) } })),
      },
      module_call_graph: [],
    },
    opset_version: { aten: 10 },
    range_constraints: ranges,
    schema_version: { major: 8, minor: 20 },
    torch_version: '2.14.1',
  };
  edit?.(document);
  return document;
}

export const payload = (path: string, tensorMeta: Json, usesPickle = false): Json => ({
  path_name: path,
  is_param: false,
  use_pickle: usesPickle,
  tensor_meta: tensorMeta,
});

export function entriesOf(spec: ProgramSpec): Entry[] {
  const weights = Object.entries(spec.weights ?? {});
  const config = Object.fromEntries(
    weights.map(([name, { dtype: d, shape }], i) => [
      `m.${name}`,
      payload(`weight_${i}`, meta(codes[d as Coded], shape)),
    ]),
  );
  return [
    { name: 'net/archive_format', data: 'pt2' },
    { name: 'net/byteorder', data: 'little' },
    { name: 'net/models/model.json', data: JSON.stringify(documentOf(spec)) },
    { name: 'net/data/weights/model_weights_config.json', data: JSON.stringify({ config }) },
    ...weights.map(([, { data }], i) => ({ name: `net/data/weights/weight_${i}`, data: bytesOf(data) })),
    { name: 'net/data/constants/model_constants_config.json', data: '{"config": {}}' },
  ];
}

export const importEntries = async (
  entries: readonly Entry[],
  state?: Parameters<typeof importExport>[1],
): Promise<Graph> => importExport(await openArchive(zip(entries), 'm.pt2'), state);

export const importProgram = (spec: ProgramSpec, state?: Parameters<typeof importExport>[1]): Promise<Graph> =>
  importEntries(entriesOf(spec), state);

/** A program of one operator. Tensors among the arguments are inputs, of the type that they have. */
export async function evaluate(
  target: string,
  args: Readonly<Record<string, Json | ITensor | readonly ITensor[]>>,
  ...results: readonly (readonly [Coded, readonly Size[]])[]
): Promise<readonly ITensor[]> {
  const feeds: Record<string, ITensor> = {};
  const bound: Record<string, Json> = {};
  for (const [name, value] of Object.entries(args)) {
    if (isTensor(value)) {
      feeds[name] = value;
      bound[name] = t(name);
    } else if (Array.isArray(value) && value.length > 0 && value.every(isTensor)) {
      for (const [i, item] of value.entries()) feeds[`${name}${i}`] = item;
      bound[name] = ts(...value.map((_, i) => `${name}${i}`));
    } else bound[name] = value as Json;
  }
  const names = results.map((_, i) => `result${i}`);
  const graph = await importProgram({
    inputs: Object.fromEntries(Object.entries(feeds).map(([name, { dtype: d, shape }]) => [name, [d as Coded, shape]])),
    nodes: [{ target, args: bound, outputs: names, asList: /split|chunk|unbind/.test(target) }],
    values: Object.fromEntries(names.map((name, i) => [name, results[i]])),
    outputs: names,
  });
  if (graph.origin?.unsupported.length) throw new Error(JSON.stringify(graph.origin.unsupported));
  const values = interpret(graph, feeds);
  return graph.outputs.map((id) => values[id]);
}

const isTensor = (value: unknown): value is ITensor<DType> =>
  typeof value === 'object' && value !== null && 'data' in value && 'shape' in value;
