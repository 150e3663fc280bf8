/** GraphProto and NodeProto. */

import { fail } from '../../diagnostics/index.ts';
import { sameBytes } from '../../tensors/index.ts';
import { attributeName, readAttribute } from './attribute.ts';
import { type Context, invalid, warn } from './context.ts';
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
  const nodes = fields.node.map((node, index) => readNode(context, node, index));
  const outputs = distinct(context, 'output', fields.output);
  const isUsed = (name: string): boolean =>
    outputs.some((output) => output.name === name) ||
    nodes.some(({ inputs, attributes }) => inputs.includes(name) || [...attributes.values()].some(hasGraphs));
  const initializers = new Map<string, OnnxTensor>();
  for (const initializer of fields.initializer) {
    const tensor = readTensor(context, initializer);
    const { name } = tensor;
    const shown = `initializer '${printable(name)}' is given twice`;
    const other = initializers.get(name);
    if (name === '') warn(context, 'an initializer without a name is passed over');
    else if (other === undefined) initializers.set(name, tensor);
    else if (isSameTensor(tensor, other)) warn(context.inPart(name), `${shown}, with the same elements`);
    else if (!isUsed(name)) warn(context.inPart(name), `${shown}; nobody uses it`);
    else fail('U2002', shown, context.location);
  }
  const sparseInitializers = fields.sparseInitializer.map((tensor) => readSparseTensor(context, tensor));
  for (const { name, dense } of sparseInitializers) {
    if (initializers.has(name)) fail('U2002', `initializer '${printable(name)}' is given twice`, context.location);
    initializers.set(name, dense);
  }
  return {
    name: fields.name,
    nodes,
    initializers,
    inputs: distinct(context, 'input', fields.input),
    outputs,
    valueInfos: fields.valueInfo.map((info) => readValueInfo(context, info)),
    sparseInitializers,
    range,
    unknownFields: fields.unknown,
  };
}

/** Inputs of one name cannot be told apart; an output may be listed twice. */
function distinct(context: Context, role: 'input' | 'output', ranges: readonly Range[]): OnnxValueInfo[] {
  const infos = new Map<string, OnnxValueInfo>();
  for (const range of ranges) {
    const info = readValueInfo(context, range);
    const { name } = info;
    const twice = `graph ${role} '${printable(name)}' is given twice`;
    if (name === '') invalid(context, `a graph ${role} has no name`, range);
    if (!infos.has(name)) infos.set(name, info);
    else if (role === 'output') warn(context.inPart(name), twice);
    else fail('U2002', twice, context.location);
  }
  return [...infos.values()];
}

const hasGraphs = ({ kind }: OnnxAttribute): boolean => kind === 'graph' || kind === 'graphs';

/** True when two tensors have the same type, shape and bytes, or refer to the same external bytes. */
function isSameTensor(a: OnnxTensor, b: OnnxTensor): boolean {
  if (a.onnxType !== b.onnxType || a.dims.join() !== b.dims.join()) return false;
  const [at, other] = [a.external, b.external];
  if (at || other)
    return at?.location === other?.location && at?.offset === other?.offset && at?.length === other?.length;
  return a.byteLength !== undefined && sameBytes(a.raw(), b.raw());
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
