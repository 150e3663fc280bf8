/** GraphProto and NodeProto. */
import { fail } from '../../../diagnostics/index.ts';
import { attributeName, readAttribute } from './attribute.ts';
import { type Context, invalid } from './context.ts';
import { readMessage } from './message.ts';
import type { OnnxAttribute, OnnxGraph, OnnxNode, OnnxTensor, OnnxValueInfo } from './model.ts';
import { printable } from './printable.ts';
import { attributeProto, graphProto, nodeProto } from './schema.ts';
import { readSparseTensor, readTensor } from './tensor.ts';
import { readValueInfo } from './types.ts';
import type { Range } from './wire.ts';

export const MAX_GRAPH_DEPTH = 64;

/** The two spellings of the default operator domain are one. */
export const canonicalDomain = (domain: string): string => (domain === 'ai.onnx' ? '' : domain);

/** @throws UnskewError U1003, U1004, U1005, U1006, U2002 (a name of an initializer or input given twice) */
export function readGraph(outer: Context, range: Range): OnnxGraph {
  const context = outer.inGraph();
  if (context.depth > MAX_GRAPH_DEPTH) {
    fail('U1004', `graphs are nested more than ${MAX_GRAPH_DEPTH} deep (at byte ${range.at})`, {
      file: context.location.file,
    });
  }
  const fields = readMessage(graphProto, context, range);
  const initializers = new Map<string, OnnxTensor>();
  for (const initializer of fields.initializer) {
    const tensor = readTensor(context, initializer);
    if (tensor.name === '') invalid(context, 'an initializer has no name', initializer);
    if (initializers.has(tensor.name))
      fail('U2002', `initializer '${printable(tensor.name)}' is given twice`, context.location);
    initializers.set(tensor.name, tensor);
  }
  const sparseInitializers = fields.sparseInitializer.map((tensor) => readSparseTensor(context, tensor));
  for (const { name, dense } of sparseInitializers) {
    if (initializers.has(name)) fail('U2002', `initializer '${printable(name)}' is given twice`, context.location);
    initializers.set(name, dense);
  }
  return {
    name: fields.name,
    nodes: fields.node.map((node, index) => readNode(context, node, index)),
    initializers,
    inputs: distinct(context, 'input', fields.input),
    outputs: distinct(context, 'output', fields.output),
    valueInfos: fields.valueInfo.map((info) => readValueInfo(context, info)),
    sparseInitializers,
    range,
    unknownFields: fields.unknown,
  };
}

function distinct(context: Context, role: 'input' | 'output', ranges: readonly Range[]): OnnxValueInfo[] {
  const infos = ranges.map((range) => readValueInfo(context, range));
  const names = new Set<string>();
  for (const { name, range } of infos) {
    if (name === '') invalid(context, `a graph ${role} has no name`, range);
    if (names.has(name)) fail('U2002', `graph ${role} '${printable(name)}' is given twice`, context.location);
    names.add(name);
  }
  return infos;
}

function readNode(outer: Context, range: Range, index: number): OnnxNode {
  const fields = readMessage(nodeProto, outer.inNode(`#${index}`), range);
  const { name, opType } = fields;
  const context = outer.inNode(name === '' ? `#${index}` : name, opType);
  if (opType === '') invalid(context, 'a node has no operator', range);

  const attributes = new Map<string, OnnxAttribute>();
  let unknown = fields.unknown.length > 0;
  for (const attribute of fields.attribute) {
    const parts = readMessage(attributeProto, context, attribute);
    const key = attributeName(parts, context, attribute);
    if (attributes.has(key)) invalid(context, `attribute '${printable(key)}' is given twice`, attribute);
    attributes.set(key, readAttribute(context.inPart(key), attribute, parts, readGraph));
    unknown ||= parts.unknown.length > 0;
  }
  return {
    name,
    opType,
    domain: canonicalDomain(fields.domain),
    overload: fields.overload,
    inputs: fields.input,
    outputs: fields.output,
    attributes,
    range,
    unknownFields: unknown,
  };
}
