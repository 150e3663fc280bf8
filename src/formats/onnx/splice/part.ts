/**
 * A model of some nodes of another one, between inputs and outputs of its own. What its nodes and initializers say is copied
 * byte for byte, and so are the operator sets and the functions that give them a meaning.
 */
import { Context, Source } from '../context.ts';
import type { OnnxFile } from '../model.ts';
import * as schema from '../schema.ts';
import { eachField, textField } from '../write.ts';
import { type Encoded, field, intField, join } from './bytes.ts';
import {
  encodeNode,
  encodeOpset,
  encodeTensor,
  encodeValueInfo,
  type NodeInit,
  type TensorInit,
  type ValueInfoInit,
} from './encode.ts';
import { changeNode, FREE_INITIALIZERS, type KeptNode } from './splice.ts';

export interface PartInit {
  /** In topological order. */
  readonly nodes: readonly (KeptNode | NodeInit)[];
  /** Initializers of the file that stay. */
  readonly kept: ReadonlySet<string>;
  readonly initializers: readonly (TensorInit & { readonly name: string })[];
  readonly inputs: readonly ValueInfoInit[];
  /** A name alone has the type that follows from the nodes. */
  readonly outputs: readonly (ValueInfoInit | { readonly name: string })[];
  /** Results whose types stay as the file declares them, wherever it does. */
  readonly described?: ReadonlySet<string>;
  /** Operator sets that the file does not name. */
  readonly opsets: ReadonlyMap<string, number>;
  /** The newest version of the default operator set that is written; without it the newest that released runtimes read. */
  readonly newest?: number;
}

/**
 * The newest versions that released runtimes read; they refuse files of later ones, whatever is in them. Operators of later sets gained
 * element types and attributes, which a runtime of these versions refuses where a node has them.
 */
const RELEASED = { irVersion: 10, opset: 26 };

const model = schema.modelProto.fields;
const graph = schema.graphProto.fields;
const valueInfo = schema.valueInfoProto.fields;

/** @throws UnskewError U1006 when the result would have more than 2 GiB */
export function partOfModel(file: OnnxFile, part: PartInit): Uint8Array {
  const context = Context.of(new Source(file.bytes, file.file, undefined));
  const copied = ({ at, end }: { readonly at: number; readonly end: number }) => file.bytes.subarray(at, end);
  const irVersion = Math.min(Math.max(file.irVersion, FREE_INITIALIZERS), RELEASED.irVersion);
  const pieces: Uint8Array[] = [...intField(model.irVersion[0], irVersion)];
  eachField(context, { at: 0, start: 0, end: file.bytes.length }, (number, range) => {
    if (number === model.functions[0]) pieces.push(copied(range));
  });
  for (const [domain, version] of [...file.opsets, ...part.opsets]) {
    const released = domain === '' ? Math.min(version, part.newest ?? RELEASED.opset) : version;
    pieces.push(...field(model.opsetImport[0], encodeOpset(domain, released)));
  }
  pieces.push(...field(model.graph[0], graphOf(context, file, part, copied)));
  return join(pieces, file.file === undefined ? {} : { file: file.file });
}

function graphOf(
  context: Context,
  { graph: { nodes, initializers, name, outputs, valueInfos } }: OnnxFile,
  part: PartInit,
  copied: (range: { readonly at: number; readonly end: number }) => Uint8Array,
): Encoded {
  const payload = (item: KeptNode | NodeInit): Encoded =>
    'keep' in item ? changeNode(context, nodes[item.keep], item) : encodeNode(item);
  const outputOf = (output: PartInit['outputs'][number]): Encoded =>
    'type' in output ? encodeValueInfo(output) : textField(valueInfo.name[0], output.name);
  return [
    ...part.nodes.flatMap((item) => field(graph.node[0], payload(item))),
    ...textField(graph.name[0], name === '' ? 'main' : name),
    ...[...initializers].flatMap(([name, { range }]) => (part.kept.has(name) ? [copied(range)] : [])),
    ...part.initializers.flatMap((tensor) => field(graph.initializer[0], encodeTensor(tensor))),
    ...part.inputs.flatMap((input) => field(graph.input[0], encodeValueInfo(input))),
    ...part.outputs.flatMap((output) => field(graph.output[0], outputOf(output))),
    ...[...outputs, ...valueInfos].flatMap(({ name, range }) => (part.described?.has(name) ? [copied(range)] : [])),
  ];
}
