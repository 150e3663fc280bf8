/**
 * A changed ONNX file: all parts that an edit does not name are copied byte for byte, fields in their order, unknown
 * ones included. Law: spliceModel(file, {}) equals file.bytes.
 */
import { assert } from '../../../diagnostics/index.ts';
import { Context, Source } from '../context.ts';
import { canonicalDomain } from '../graph.ts';
import { readMessage } from '../message.ts';
import type { OnnxFile, OnnxNode, OnnxValueInfo } from '../model.ts';
import * as schema from '../schema.ts';
import type { Range } from '../wire.ts';
import { eachField, replaced } from '../write.ts';
import { type Encoded, field, intField, join } from './bytes.ts';
import {
  type AttributeInit,
  encodeEntry,
  encodeNode,
  encodeOpset,
  encodeTensor,
  encodeValueInfo,
  type NodeInit,
  type TensorInit,
  type ValueInfoInit,
} from './encode.ts';

/** A node of the file, by its index there; changes leave all other fields as they are, unknown ones too. */
export interface KeptNode {
  readonly keep: number;
  readonly name?: string;
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  /** Attributes to set, or to remove where null. */
  readonly attributes?: Readonly<Record<string, AttributeInit | null>>;
  /** New graphs for its bodies, by the offset of the old ones in the file. */
  readonly bodies?: ReadonlyMap<number, Encoded>;
}

export interface Edits {
  /** The nodes of the new graph, in topological order; left out: as they were. */
  readonly nodes?: readonly (KeptNode | NodeInit)[];
  readonly addInitializers?: readonly (TensorInit & { readonly name: string })[];
  /** Graph inputs of the same names (IR version 3 lists initializers as inputs too) are dropped with them. */
  readonly dropInitializers?: ReadonlySet<string>;
  /** Other types for inputs and outputs; of the old declaration all else stays. */
  readonly types?: ReadonlyMap<string, ValueInfoInit>;
  readonly addValueInfos?: readonly ValueInfoInit[];
  /** More value infos to drop; those of values that are gone are dropped anyway. */
  readonly dropValueInfos?: ReadonlySet<string>;
  /** Operator sets to add or to raise. */
  readonly opsets?: ReadonlyMap<string, number>;
  /** Metadata to add or to replace. */
  readonly metadata?: ReadonlyMap<string, string>;
}

/** From this IR version on an initializer need not be a graph input. */
export const FREE_INITIALIZERS = 4;

const model = schema.modelProto.fields;
const graph = schema.graphProto.fields;
const node = schema.nodeProto.fields;
const attribute = schema.attributeProto.fields;
const valueInfo = schema.valueInfoProto.fields;

/** @throws UnskewError U1006 when the result would have more than 2 GiB */
export function spliceModel(file: OnnxFile, edits: Edits): Uint8Array {
  const context = Context.of(new Source(file.bytes, file.file, undefined));
  const out = new Pieces(file.bytes);
  const raiseIr = (edits.addInitializers ?? []).length > 0 && file.irVersion < FREE_INITIALIZERS;
  const opsets = new Map(edits.opsets);
  const metadata = new Map(edits.metadata);

  eachField(context, { at: 0, start: 0, end: file.bytes.length }, (number, range) => {
    const replacement = ((): Encoded | undefined => {
      switch (number) {
        case model.irVersion[0]:
          return raiseIr ? intField(number, FREE_INITIALIZERS) : undefined;
        case model.graph[0]: {
          const spliced = spliceGraph(context, file, edits);
          return spliced && field(number, spliced);
        }
        case model.opsetImport[0]: {
          const domain = canonicalDomain(readMessage(schema.operatorSetProto, context, range).domain);
          opsets.delete(domain);
          const version = edits.opsets?.get(domain);
          if (version === undefined || version === file.opsets.get(domain)) return undefined;
          assert(version > file.opsets.get(domain)!, `operator set '${domain}' cannot be lowered to ${version}`);
          return field(number, [...without(context, range, (inner) => inner === 2), ...intField(2, version)]);
        }
        case model.metadataProps[0]: {
          const { key } = readMessage(schema.entryProto, context, range);
          metadata.delete(key);
          const value = edits.metadata?.get(key);
          return value === undefined ? undefined : field(number, encodeEntry(key, value));
        }
      }
    })();
    if (replacement === undefined) out.copy(range.at, range.end);
    else out.add(replacement);
  });
  for (const [domain, version] of opsets) out.add(field(model.opsetImport[0], encodeOpset(domain, version)));
  for (const [key, value] of metadata) out.add(field(model.metadataProps[0], encodeEntry(key, value)));
  return join(out.list, file.file === undefined ? {} : { file: file.file });
}

/** The payload of the changed graph; undefined where it stays as it is. */
function spliceGraph(context: Context, file: OnnxFile, edits: Edits): Encoded | undefined {
  const { range, nodes, initializers, inputs, outputs, valueInfos } = file.graph;
  const { dropInitializers = new Set<string>(), addInitializers = [], addValueInfos = [] } = edits;
  const entries = edits.nodes ?? nodes.map((_, keep) => ({ keep }));
  assert(
    entries.every((entry) => !('keep' in entry) || nodes[entry.keep] !== undefined),
    'an edit keeps a node that the file does not have',
  );
  const gone = goneValues(file, edits, entries);
  const out = new Pieces(file.bytes);

  // A kept node goes to its old place, a new one to the place of the next old node, the last ones to the end.
  let next = 0;
  const emitNodes = (upTo: number): void => {
    while (next < entries.length) {
      const entry = entries[next];
      if (!('keep' in entry)) out.add(field(graph.node[0], encodeNode(entry)));
      else if (entry.keep > upTo) return;
      else if (isChanged(entry)) out.add(field(graph.node[0], changeNode(context, nodes[entry.keep], entry)));
      else out.copy(nodes[entry.keep].range.at, nodes[entry.keep].range.end);
      next++;
      if ('keep' in entry && entry.keep === upTo) return;
    }
  };

  const seen = { node: 0, input: 0, valueInfo: 0 };
  /** Writes a declaration whose type is another one; false where it is not. */
  const retyped = (number: number, { name, range }: OnnxValueInfo): boolean => {
    const info = edits.types?.get(name);
    if (info === undefined) return false;
    const rest = without(context, range, (inner) => inner === valueInfo.name[0] || inner === valueInfo.type[0]);
    out.add(field(number, [...encodeValueInfo(info), ...rest]));
    return true;
  };
  eachField(context, range, (number, { at, start, end }) => {
    switch (number) {
      case graph.node[0]:
        return emitNodes(seen.node++);
      case graph.initializer[0]:
        // initializers and outputs may stand twice: told by name
        if (dropInitializers.has(readMessage(schema.tensorProto, context, { at, start, end }).name)) return;
        break;
      case graph.input[0]: {
        const input = inputs[seen.input++];
        if ((initializers.has(input.name) && gone(input.name)) || retyped(number, input)) return;
        break;
      }
      case graph.output[0]: {
        const { name } = readMessage(schema.valueInfoProto, context, { at, start, end });
        const output = outputs.find((other) => other.name === name);
        if (output !== undefined && retyped(number, output)) return;
        break;
      }
      case graph.valueInfo[0]: {
        const { name } = valueInfos[seen.valueInfo++];
        if (gone(name) || edits.dropValueInfos?.has(name)) return;
        break;
      }
      case graph.quantizationAnnotation[0]:
        if (gone(readMessage(schema.annotationProto, context, { at, start, end }).tensorName)) return;
        break;
    }
    out.copy(at, end);
  });
  emitNodes(Number.POSITIVE_INFINITY);
  for (const tensor of addInitializers) out.add(field(graph.initializer[0], encodeTensor(tensor)));
  for (const info of addValueInfos) out.add(field(graph.valueInfo[0], encodeValueInfo(info)));
  return out.isCopyOf(range) ? undefined : out.list;
}

/** Says which values the edits remove from the main graph. */
function goneValues(
  file: OnnxFile,
  edits: Edits,
  entries: readonly (KeptNode | NodeInit)[],
): (name: string) => boolean {
  const { nodes, initializers, inputs } = file.graph;
  const dropped = edits.dropInitializers ?? new Set<string>();
  const before = new Set([...initializers.keys(), ...nodes.flatMap((node) => node.outputs)]);
  const now = new Set([
    ...[...initializers.keys()].filter((name) => !dropped.has(name)),
    ...inputs.map(({ name }) => name).filter((name) => !dropped.has(name)),
    ...(edits.addInitializers ?? []).map(({ name }) => name),
    ...entries.flatMap((entry) => ('keep' in entry ? (entry.outputs ?? nodes[entry.keep].outputs) : entry.outputs)),
  ]);
  return (name) => before.has(name) && !now.has(name);
}

const isChanged = ({ name, inputs, outputs, attributes, bodies }: KeptNode): boolean =>
  [name, inputs, outputs, attributes, bodies].some((change) => change !== undefined);

/** The node without its changed fields, then the changes; bodies in their places. */
export function changeNode(
  context: Context,
  original: OnnxNode,
  { name, inputs, outputs, attributes = {}, bodies }: KeptNode,
): Encoded {
  const removed = new Set(Object.keys(attributes).map((key) => original.attributes.get(key)?.range.at));
  const isDropped = (number: number, { at }: Range): boolean => {
    if (number === node.name[0]) return name !== undefined;
    if (number === node.input[0]) return inputs !== undefined;
    if (number === node.output[0]) return outputs !== undefined;
    return removed.has(at);
  };
  const kept = replaced(context, original.range, (number, range) => {
    if (isDropped(number, range)) return [];
    if (bodies === undefined || number !== node.attribute[0]) return undefined;
    return field(
      number,
      replaced(context, range, (part, { at }) => {
        const body = part === attribute.g[0] || part === attribute.graphs[0] ? bodies.get(at) : undefined;
        return body && field(part, body);
      }),
    );
  });
  const set = Object.entries(attributes).filter((entry): entry is [string, AttributeInit] => entry[1] !== null);
  return [...kept, ...encodeNode({ name, inputs, outputs, attributes: Object.fromEntries(set) })];
}

/** The fields of a message other than the dropped ones, as they are. */
function without(context: Context, range: Range, drop: (number: number, range: Range) => boolean): Encoded {
  const out = new Pieces(context.source.bytes);
  eachField(context, range, (number, field) => {
    if (!drop(number, field)) out.copy(field.at, field.end);
  });
  return out.list;
}

/** Pieces of the new file; neighbouring copies become one. */
class Pieces {
  readonly list: Uint8Array[] = [];
  private readonly bytes: Uint8Array;
  /** The stretch of the file that the last piece copies. */
  private last: { start: number; end: number } | undefined;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  copy(start: number, end: number): void {
    if (this.last?.end === start) {
      this.last = { start: this.last.start, end };
      this.list.pop();
    } else this.last = { start, end };
    this.list.push(this.bytes.subarray(this.last.start, end));
  }

  add(pieces: Encoded): void {
    this.last = undefined;
    for (const piece of pieces) this.list.push(piece);
  }

  isCopyOf({ start, end }: Range): boolean {
    if (this.list.length === 0) return start === end;
    return this.list.length === 1 && this.last?.start === start && this.last.end === end;
  }
}
