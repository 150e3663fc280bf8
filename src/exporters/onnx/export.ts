/**
 * Graphs into ONNX files.
 *
 * A graph that came from ONNX goes back into its file: what no pass touched is copied byte for byte, unknown fields,
 * names and order included, and only rewritten operators are written anew (kept.ts, emission.ts). So
 *
 *   exportOnnx(importOnnx(bytes)) equals bytes
 *
 * Weights in files of their own stay there: the result has to lie beside them. New constants go into the model.
 * The operator sets of the file stay as they are, because a newer version may mean something else to the nodes that
 * are kept; an operator that has no form in the version of the file is refused. Any other graph becomes a new model of
 * the lowest version, 13 or above, that its operators need.
 */
import { assert, checkOptions, fail, type OptionNames } from '../../diagnostics/index.ts';
import {
  buildModel,
  type KeptNode,
  type NodeInit,
  type OnnxGraph,
  type OnnxValueInfo,
  spliceModel,
  type ValueInfoInit,
} from '../../formats/onnx/index.ts';
import { capturedBy, isAsImported, type OnnxOrigin, originOf } from '../../importers/index.ts';
import { type DType, type Graph, hasValue, namedType, type TensorType, typeOf, type ValueId } from '../../ir/index.ts';
import { type Around, newBodies, nothingAround, renewed, type WrittenBody, withoutContext } from './bodies.ts';
import { emitGraph } from './emission.ts';
import { KeptFile, refuseLosses } from './kept.ts';
import { schedule, type Unit } from './schedule.ts';
import { validateGraph, validateWritten } from './validate.ts';

export interface ExportOptions {
  /** Entries for the `metadata_props` of the model; they replace entries of the same name. */
  readonly metadata?: Readonly<Record<string, string>>;
}

const optionNames: OptionNames<ExportOptions> = { metadata: true };

/**
 * The bytes of an ONNX model.
 *
 * @throws UnskewError U2008 for an operator that has no ONNX form, or none in the operator set of the file, and for a
 * rewritten node of the file that would lose fields which are not understood; U2009 for `dnnl.*` operators; U1006 for a
 * model of more than 2 GiB; InternalError when the result is not valid ONNX
 */
export function exportOnnx(graph: Graph, options: ExportOptions = {}): Uint8Array {
  checkOptions('exportOnnx', options, optionNames);
  const { metadata = {} } = options;
  const origin = originOf(graph);
  return origin === undefined ? newModel(graph, metadata) : changedModel(graph, origin, metadata);
}

function changedModel(graph: Graph, origin: OnnxOrigin, metadata: Readonly<Record<string, string>>): Uint8Array {
  const { source } = origin;
  const entries = new Map(Object.entries(metadata));
  // functions stay where nothing was rewritten
  if (source && isAsImported(graph, origin) && boundTypes(graph, origin).size === 0) {
    checkInterface(graph, origin);
    return spliceModel(source, { metadata: entries });
  }
  const { bytes, isOrdered } = changedFile(graph, origin, entries, nothingAround);
  validateWritten(bytes, { ...interfaceOf(graph), isOrdered, types: typesIn(graph, origin) });
  return bytes;
}

/** Writes the changed graph into its file. `around` holds names that a body sees; new values get other names. */
function changedFile(
  graph: Graph,
  origin: OnnxOrigin,
  metadata: ReadonlyMap<string, string>,
  around: Around,
): { readonly bytes: Uint8Array; readonly isOrdered: boolean } {
  const { outer } = around;
  const { file } = origin;
  checkInterface(graph, origin);
  const kept = new KeptFile(graph, origin);
  refuseLosses(origin, kept);
  const opset = file.opsets.get('');
  const emitted = emitGraph(graph, {
    opset,
    microsoft: file.opsets.has('com.microsoft'),
    isGiven: (id) => kept.isGiven(id),
    taken: outer.size === 0 ? kept.taken() : new Set([...outer, ...kept.taken()]),
    nodeNames: kept.nodeNames(),
    carry: (node, name) => kept.carry(node, name),
    captured: kept.captured(),
    demanded: [...kept.demanded],
  });
  const provided = new Set(emitted.nodes.flatMap(({ outputs }) => outputs));
  const keptNodes = kept.nodes(emitted.read, provided);
  const names = new Set([
    ...outer,
    ...namesOf(file.graph),
    ...provided,
    ...emitted.initializers.map(({ name }) => name),
  ]);
  const bodies = newBodies(origin, (body, from, context) => changedBody(body, from, context, names));
  const isWhole = keptNodes.size === file.graph.nodes.length && emitted.nodes.length === 0 && bodies.size === 0; // also where it is out of order
  const units: Unit<KeptNode | NodeInit>[] = [
    ...[...keptNodes]
      .sort((a, b) => a - b)
      .map((index) => {
        const node = file.graph.nodes[index];
        const inputs = node.inputs.map((name) => (around.context.has(name) && emitted.names.get(name)) || name);
        return { item: { keep: index }, reads: [...inputs, ...capturedBy(origin, index)], outputs: node.outputs };
      }),
    ...emitted.nodes,
  ];
  const withBodies = (item: KeptNode | NodeInit): KeptNode | NodeInit => {
    if (!('keep' in item)) return item;
    const changed = bodies.get(item.keep);
    return changed === undefined ? item : { ...item, bodies: changed.bodies };
  };
  const nodes = isWhole ? undefined : renewed(schedule(units), origin, emitted.names, around);
  const bytes = spliceModel(file, {
    ...(nodes && { nodes: nodes.map(withBodies) }),
    addInitializers: emitted.initializers,
    dropInitializers: kept.dropped(keptNodes, emitted.read, (index) => bodies.get(index)?.captured),
    dropValueInfos: changedTypes(graph, origin, provided),
    types: boundTypes(graph, origin),
    ...(opset === undefined && emitted.nodes.length > 0 && { opsets: new Map([['', emitted.opset]]) }),
    metadata,
  });
  return { bytes, isOrdered: !isWhole };
}

function changedBody(
  graph: Graph,
  origin: OnnxOrigin,
  context: ReadonlySet<string>,
  outer: ReadonlySet<string>,
): WrittenBody {
  // a body that gives a name of the graphs around it to something else keeps it
  const own = new Set(namesOf(origin.file.graph).filter((name) => !context.has(name)));
  const names = new Set([...outer].filter((name) => !own.has(name)));
  const { bytes, isOrdered } = changedFile(graph, origin, new Map(), { outer: names, context });
  const body = withoutContext(bytes, context);
  const inputs = graph.inputs.filter((name) => !context.has(name));
  const expected = { inputs, outputs: graph.outputs, isOrdered, types: typesIn(graph, origin) };
  validateGraph(body.graph, expected, context);
  return body;
}

const namesOf = ({ inputs, initializers, nodes }: OnnxGraph): readonly string[] => [
  ...inputs.map(({ name }) => name),
  ...initializers.keys(),
  ...nodes.flatMap(({ outputs }) => outputs),
];

const typesIn =
  (graph: Graph, origin: OnnxOrigin) =>
  (name: string): readonly [DType | undefined, DType | undefined] => [
    elementType(origin, name),
    elementType(graph, name),
  ];

const interfaceOf = ({ inputs, outputs }: Graph) => ({ inputs, outputs });

/** Undefined for a name that no value has. */
const typeNamed = ({ values }: Pick<Graph, 'values'>, name: string): TensorType | undefined =>
  hasValue({ values }, name) ? values[name].type : undefined;

/** The type of a value; undefined when unskew does not compute with it. */
function elementType(graph: Pick<Graph, 'values'>, name: string): DType | undefined {
  const dtype = typeNamed(graph, name)?.dtype;
  return dtype === 'opaque' ? undefined : dtype;
}

function newModel(graph: Graph, metadata: Readonly<Record<string, string>>): Uint8Array {
  const declared = (id: ValueId): ValueInfoInit => {
    const { dtype, shape } = typeOf(graph, id);
    if (dtype === 'opaque')
      return fail('U2008', 'a value of a type that is not understood cannot be written', { input: id });
    return { name: id, type: dtype, dims: namedType(graph, { dtype, shape }).shape };
  };
  // Outputs of ONNX are told by name.
  const seen = new Set<ValueId>();
  const twice = graph.outputs.find((id) => seen.size === seen.add(id).size);
  if (twice !== undefined)
    fail('U2008', 'a graph with one value as two of its outputs cannot be written as ONNX', { input: twice });
  const given = new Set(graph.inputs);
  const emitted = emitGraph(graph, {
    opset: undefined,
    microsoft: false,
    isGiven: (id) => given.has(id),
    taken: given,
    nodeNames: new Set(),
    captured: new Set(),
    demanded: [],
  });
  const bytes = buildModel({
    name: graph.name,
    nodes: schedule(emitted.nodes).map(newNode),
    inputs: graph.inputs.map(declared),
    outputs: graph.outputs.map(declared),
    initializers: emitted.initializers,
    opsets: { '': emitted.opset },
    irVersion: irVersionOf(emitted.opset),
    metadata,
  });
  validateWritten(bytes, { ...interfaceOf(graph), isOrdered: true, types: () => [undefined, undefined] });
  return bytes;
}

function newNode(item: KeptNode | NodeInit): NodeInit {
  assert(!('keep' in item), 'a node can be kept only where a file is rewritten');
  return item;
}

/** The IR version of the ONNX release that brought the operator set: https://onnx.ai/onnx/repo-docs/Versioning.html */
const irVersionOf = (opset: number): number => (opset < 19 ? 8 : opset < 21 ? 9 : 10);

function checkInterface({ inputs, outputs }: Graph, { file }: OnnxOrigin): void {
  const declared = file.graph.inputs.map(({ name }) => name).filter((name) => !file.graph.initializers.has(name));
  const same = (ids: readonly string[], names: readonly string[]) => ids.join('\0') === names.join('\0');
  if (
    same(inputs, declared) &&
    same(
      outputs,
      file.graph.outputs.map(({ name }) => name),
    )
  )
    return;
  fail('U2008', 'a graph cannot be written into its file when their inputs or outputs differ');
}

/** Declarations of values whose names now stand for something else. */
function changedTypes(graph: Graph, { file }: OnnxOrigin, emitted: ReadonlySet<string>): ReadonlySet<string> {
  const changed = file.graph.valueInfos.filter(({ name, type }) => {
    const now = typeNamed(graph, name)?.dtype;
    return emitted.has(name) && type?.kind === 'tensor' && type.dtype !== now;
  });
  return new Set(changed.map(({ name }) => name));
}

/** Inputs that the file declares with open dimensions and whose sizes were given, and the outputs with them. */
function boundTypes(graph: Graph, { file }: OnnxOrigin): ReadonlyMap<string, ValueInfoInit> {
  const { inputs, outputs, initializers } = file.graph;
  const bound = ({ name, type }: OnnxValueInfo): readonly [string, ValueInfoInit][] => {
    const now = typeNamed(graph, name);
    if (type?.kind !== 'tensor' || now === undefined || now.dtype === 'opaque') return [];
    const { dtype, shape } = now;
    const dims = shape.map((dim, axis) => (typeof dim === 'number' ? dim : type.dims?.[axis]));
    return dims.every((dim, axis) => dim === type.dims?.[axis]) ? [] : [[name, { name, type: dtype, dims }]];
  };
  const given = inputs.filter(({ name }) => !initializers.has(name)).flatMap(bound);
  return new Map(given.length === 0 ? [] : [...given, ...outputs.flatMap(bound)]);
}
