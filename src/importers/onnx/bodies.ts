/**
 * Reads bodies of control flow as graphs of their own. A body with quantized layers is made a model: its own graph,
 * behind its context, the values that it sees of the graphs around it:
 *
 *   constants                 initializers, so that zero points and weights are known; the bytes of large ones stay where they are
 *   dequantized, and moved    the nodes that do it, so that integers and constants behind a value are seen
 *   anything else             inputs of the types that are known outside
 *
 * Nodes of the context compute the values of the outer ones, under the same names: an exporter leaves the context out
 * again.
 */

import { fail, formatLocation, UnskewError } from '../../diagnostics/index.ts';
import type { OnnxFile, OnnxGraph, OnnxNode } from '../../formats/onnx/index.ts';
import {
  Context,
  type Encoded,
  type ExternalReader,
  eachField,
  field,
  intField,
  printable,
  Source,
  schema,
  textField,
} from '../../formats/onnx/index.ts';
import {
  type Graph,
  isCarriedDequantize,
  isCarriedMovement,
  isStaticType,
  type StaticType,
  sameShape,
  type TensorType,
  type ValueId,
} from '../../ir/index.ts';
import { byteLengthOf, bytesOf, type DType, dtypes, type ITensor, joinedBytes, sizeOf } from '../../tensors/index.ts';
import { bodiesOf, capturedIn } from './node_checks.ts';
import type { OnnxBody, UnreadBody } from './origin.ts';

/** The values that a body can see around it. */
export interface Surroundings {
  readonly file: OnnxFile;
  producer(name: string): OnnxNode | undefined;
  /** Reads it each time: a graph around that one may share it afterwards. */
  constant(name: string): (() => ITensor) | undefined;
  type(name: string): TensorType | undefined;
}

interface BodyContext {
  readonly nodes: ReadonlySet<OnnxNode>;
  /** All names of the context, results of its nodes included. */
  readonly names: ReadonlySet<string>;
}

/** Larger constants are not copied: a body reads them as data in a file of its own, which is the tensor of the graph around it. */
const MOST_COPIED = 4096;
const AROUND = '.around/';
/** TensorProto.DataLocation. */
const EXTERNAL = 1;

/** Initializers of bodies need not be inputs from this version on. */
const FREE_INITIALIZERS = 4;

const model = schema.modelProto.fields;
const graph = schema.graphProto.fields;
const tensor = schema.tensorProto.fields;
const info = schema.valueInfoProto.fields;
const entry = schema.entryProto.fields;
const dimension = schema.dimensionProto.fields;

/**
 * The surroundings of bodies that become graphs of their own: all names that they capture, and the nodes that
 * dequantize or move constants for them, which the new graphs take along.
 */
export function contextOf(bodies: readonly OnnxGraph[], around: Surroundings): BodyContext {
  const names = new Set<string>();
  const nodes = new Set<OnnxNode>();
  const pending = bodies.flatMap(capturedIn);
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    if (names.has(name)) continue;
    names.add(name);
    const node = isConstant(name, around) ? undefined : around.producer(name);
    if (node === undefined || !isFollowed(name, around)) continue;
    nodes.add(node);
    for (const output of node.outputs) if (output !== '') names.add(output);
    for (const input of node.inputs) if (input !== '') pending.push(input);
  }
  return { nodes, names };
}

const isConstant = (name: string, around: Surroundings): boolean =>
  around.file.graph.initializers.has(name) || around.constant(name) !== undefined;

const operatorOf = ({ domain, opType }: OnnxNode): string => (domain === '' ? opType : `${domain}.${opType}`);

/** True when a value is the result of a dequantize, or a constant, moved or not. */
function isFollowed(name: string, around: Surroundings): boolean {
  let at = name;
  for (let depth = 0; depth < 64 && !isConstant(at, around); depth++) {
    const node = around.producer(at);
    if (node === undefined) return false;
    if (isCarriedDequantize(operatorOf(node))) return true;
    if (!isCarriedMovement(operatorOf(node))) return false;
    at = node.inputs[0] ?? '';
  }
  return isConstant(at, around);
}

/** The bodies of a node that are worth it, each as a graph. */
export function readBodies(
  node: OnnxNode,
  isWorth: (body: OnnxGraph) => boolean,
  read: (body: OnnxGraph) => OnnxBody | UnreadBody,
): { readonly bodies: readonly OnnxBody[]; readonly unread: readonly UnreadBody[] } {
  const all = bodiesOf(node).flatMap((body) => (isWorth(body) ? [read(body)] : []));
  return {
    bodies: all.filter((body) => 'graph' in body),
    unread: all.filter((body): body is UnreadBody => !('graph' in body)),
  };
}

/**
 * A body of a node as a graph.
 *
 * @param read imports a model whose graph sees these names of the graphs around it
 */
export function readBody(
  index: number,
  node: OnnxNode,
  body: OnnxGraph,
  around: Surroundings,
  read: (bytes: Uint8Array, context: ReadonlySet<string>, readExternal: ExternalReader | undefined) => Graph,
): OnnxBody | UnreadBody {
  const within = node.name || node.outputs.find((name) => name !== '') || node.opType;
  const why = whyNot(body, around.file);
  if (why !== undefined) return { body, reason: why };
  const context = contextOf([body], around);
  try {
    const { bytes, apart } = modelOf(body, context, around);
    const graph = read(bytes, context.names, readerOf(apart, around));
    shareConstants(graph, context.names, around);
    return { within, node: index, body, context: context.names, graph };
  } catch (error) {
    if (!(error instanceof UnskewError)) throw error;
    const [{ message, location }] = error.diagnostics;
    const where = formatLocation({ ...location, file: undefined });
    return { body, reason: `the body cannot be read: ${message}${where === '' ? '' : `, at ${where}`}`, error };
  }
}

/** Constants of the graph around the body, by the locations that its model gives them. */
function readerOf(apart: ReadonlyMap<string, string>, around: Surroundings): ExternalReader | undefined {
  const { readExternal } = around.file;
  if (apart.size === 0) return readExternal;
  return (location, offset, length) => {
    const name = apart.get(location);
    const constant = name === undefined ? undefined : around.constant(name)?.();
    if (constant !== undefined) return bytesOf(constant.data).subarray(offset, offset + length);
    if (readExternal !== undefined) return readExternal(location, offset, length);
    const hint = 'import the model by its path, so that the files beside it can be read';
    return fail('U1005', `external data '${printable(location)}' cannot be read`, {}, hint);
  };
}

/** The model of a body has constants of its own for those around it: branches that read the same weights would have them twice. */
function shareConstants({ pool, values }: Graph, names: ReadonlySet<string>, around: Surroundings): void {
  for (const name of names) {
    const { constant = undefined, type } = values[name as ValueId] ?? {};
    const outer = around.constant(name);
    if (constant === undefined || outer === undefined) continue;
    const { dtype, shape } = outer();
    if (type?.dtype === dtype && sameShape(type.shape, shape)) pool.share(constant, outer);
  }
}

function whyNot({ inputs, initializers }: OnnxGraph, { irVersion, opsets }: OnnxFile): string | undefined {
  if (irVersion < FREE_INITIALIZERS) return `bodies of files of IR version ${irVersion} are carried`;
  if (!opsets.has('')) return 'the file does not import the operators of the standard';
  const given = inputs.find(({ name }) => initializers.has(name));
  return given && `the input '${given.name}' of the body has a value of its own`;
}

interface BodyModel {
  readonly bytes: Uint8Array;
  /** The names of constants whose data is not in it, by location. */
  readonly apart: ReadonlyMap<string, string>;
}

function modelOf(body: OnnxGraph, { nodes, names }: BodyContext, around: Surroundings): BodyModel {
  const { file } = around;
  const context = Context.of(new Source(file.bytes, file.file, undefined));
  const bytes = (range: { readonly at: number; readonly end: number }) => file.bytes.subarray(range.at, range.end);
  const made = new Set([...nodes].flatMap(({ outputs }) => outputs));
  const initializers: Uint8Array[] = [];
  const inputs: Uint8Array[] = [];
  const apart = new Map<string, string>();
  for (const name of names) {
    if (made.has(name)) continue;
    const large = largeConstant(name, around);
    if (large !== undefined) {
      const location = `${AROUND}${apart.size}`;
      apart.set(location, name);
      initializers.push(...field(graph.initializer[0], externalProto(name, large, location)));
      continue;
    }
    const initializer = file.graph.initializers.get(name);
    const isSparse = file.graph.sparseInitializers.some((sparse) => sparse.name === name);
    const constant = initializer === undefined || isSparse ? around.constant(name)?.() : undefined;
    if (constant !== undefined) initializers.push(...field(graph.initializer[0], tensorProto(name, constant)));
    else if (initializer !== undefined && !isSparse) {
      const { start, end } = initializer.range;
      initializers.push(...field(graph.initializer[0], [file.bytes.subarray(start, end)]));
    } else inputs.push(...field(graph.input[0], valueInfoProto(name, around.type(name))));
  }
  // Nodes of the context in the order of the file, which is one in which they can be computed or is put right by the importer.
  const before = file.graph.nodes.filter((node) => nodes.has(node)).map(({ range }) => bytes(range));
  const own = file.bytes.subarray(body.range.start, body.range.end);
  const pieces: Uint8Array[] = [];
  eachField(context, { at: 0, start: 0, end: file.bytes.length }, (number, range) => {
    if (number === model.graph[0]) {
      for (const piece of field(number, [...before, own, ...initializers, ...inputs])) pieces.push(piece);
    } else if (number === model.irVersion[0] || number === model.opsetImport[0] || number === model.functions[0])
      pieces.push(bytes(range));
  });
  return { bytes: joinedBytes(pieces), apart };
}

/** The type of a constant that is not copied. */
function largeConstant(name: string, around: Surroundings): StaticType | undefined {
  const type = isConstant(name, around) ? around.type(name) : undefined;
  if (type === undefined || !isStaticType(type)) return undefined;
  return byteLengthOf(type.dtype, sizeOf(type.shape)) > MOST_COPIED ? type : undefined;
}

function externalProto(name: string, { dtype, shape }: StaticType, location: string): Encoded {
  return [
    ...headOf(name, dtype, shape),
    ...field(tensor.externalData[0], [...textField(entry.key[0], 'location'), ...textField(entry.value[0], location)]),
    ...intField(tensor.dataLocation[0], EXTERNAL),
  ];
}

const tensorProto = (name: string, { dtype, shape, data }: ITensor): Encoded => [
  ...headOf(name, dtype, shape),
  ...field(tensor.rawData[0], [bytesOf(data)]),
];

const headOf = (name: string, dtype: DType, shape: readonly number[]): Encoded => [
  ...shape.flatMap((size) => intField(tensor.dims[0], size)),
  ...intField(tensor.dataType[0], dtypes[dtype].onnxCode),
  ...textField(tensor.name[0], name),
];

/** Declares a value. Unknown types are left out; symbols of the body are its own. */
function valueInfoProto(name: string, type: TensorType | undefined): Encoded {
  const named = textField(info.name[0], name);
  if (type === undefined || type.dtype === 'opaque') return named;
  const dims = type.shape.flatMap((dim) =>
    field(
      schema.shapeProto.fields.dim[0],
      typeof dim === 'number' ? intField(dimension.dimValue[0], dim) : textField(dimension.dimParam[0], `outer.${dim}`),
    ),
  );
  const tensorType = [
    ...intField(schema.tensorTypeProto.fields.elemType[0], dtypes[type.dtype].onnxCode),
    ...field(schema.tensorTypeProto.fields.shape[0], dims),
  ];
  return [...named, ...field(info.type[0], field(schema.typeProto.fields.tensorType[0], tensorType))];
}
