/** Every model of the corpus: the identity law of splicing, and agreement with onnx-proto's own reading. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type OnnxAttribute, type OnnxGraph, type OnnxTensor, openOnnx } from '../../../src/formats/onnx/index.ts';
import { spliceModel } from '../../../src/formats/onnx/splice/index.ts';
import { externalReader } from '../../../src/runtime/external_data.ts';
import { bytesOf } from '../../../src/tensors/tensor.ts';
import { describeCorpus, many } from '../../support/corpus.ts';
import { readTensorProto } from '../../support/onnx.ts';
import { onnx } from './support.ts';

type Proto<K extends 'NodeProto' | 'GraphProto' | 'AttributeProto' | 'ValueInfoProto' | 'TypeProto'> = InstanceType<
  (typeof onnx)[K]
>;

const big = (value: unknown): bigint => BigInt(String(value));
const utf8 = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
/** Protobuf presence: onnx-proto keeps the fields of a file as own properties. */
const has = (message: object, key: string): boolean => Object.hasOwn(message, key);

function compareTensor(file: Uint8Array, tensor: OnnxTensor): void {
  const proto = onnx.TensorProto.decode(file.subarray(tensor.range.start, tensor.range.end));
  expect([tensor.name, tensor.onnxType, tensor.dims.map(big)]).toEqual([
    proto.name,
    proto.dataType,
    proto.dims.map(big),
  ]);
  if (tensor.external !== undefined || tensor.onnxType === 8) return;
  const expected =
    tensor.dtype === undefined
      ? proto.rawData
      : bytesOf(readTensorProto(file.subarray(tensor.range.start, tensor.range.end)).tensor!.data);
  // 4-bit types, for example, may come as int32 entries, which the tests of typed data compare
  if (tensor.dtype !== undefined || expected.length > 0) expect(Buffer.from(tensor.raw()).equals(expected)).toBe(true);
}

function compareAttribute(file: Uint8Array, attribute: OnnxAttribute, proto: Proto<'AttributeProto'>): void {
  switch (attribute.kind) {
    case 'int':
      expect(big(attribute.value)).toBe(big(proto.i));
      break;
    case 'float':
      expect(attribute.value).toBe(proto.f);
      break;
    case 'string':
      expect(attribute.value).toBe(utf8(proto.s));
      break;
    case 'ints':
      expect(attribute.value.map(big)).toEqual(proto.ints.map(big));
      break;
    case 'floats':
      expect(attribute.value).toEqual(proto.floats);
      break;
    case 'strings':
      expect(attribute.value).toEqual(proto.strings.map(utf8));
      break;
    case 'tensor':
      compareTensor(file, attribute.value);
      break;
    case 'graph':
      compareGraph(file, attribute.value, proto.g as Proto<'GraphProto'>);
      break;
    default:
      expect(attribute.range.end).toBeGreaterThan(attribute.range.start);
  }
}

function compareGraph(file: Uint8Array, graph: OnnxGraph, proto: Proto<'GraphProto'>): void {
  expect(graph.name).toBe(proto.name);
  expect(graph.nodes.length).toBe(proto.node.length);
  graph.nodes.forEach((node, i) => {
    const other = proto.node[i] as Proto<'NodeProto'>;
    expect([node.name, node.opType, node.inputs, node.outputs]).toEqual([
      other.name,
      other.opType,
      other.input,
      other.output,
    ]);
    expect(node.domain).toBe(other.domain === 'ai.onnx' ? '' : other.domain);
    expect([...node.attributes.keys()]).toEqual(other.attribute.map(({ name }) => name));
    for (const attribute of other.attribute)
      compareAttribute(file, node.attributes.get(attribute.name!)!, attribute as Proto<'AttributeProto'>);
  });
  expect([...graph.initializers.keys()]).toEqual(proto.initializer.map(({ name }) => name));
  for (const tensor of graph.initializers.values()) compareTensor(file, tensor);
  for (const [mine, theirs] of [
    [graph.inputs, proto.input],
    [graph.outputs, proto.output],
    [graph.valueInfos, proto.valueInfo],
  ] as const) {
    expect(
      mine.map(({ name, type }) => [
        name,
        type === undefined || type.kind !== 'tensor' ? undefined : [type.onnxType, type.dims],
      ]),
    ).toEqual(theirs.map((info) => [info.name, tensorType(info as Proto<'ValueInfoProto'>)]));
  }
}

function tensorType({ type }: Proto<'ValueInfoProto'>): unknown {
  const tensor = type?.tensorType;
  if (!tensor) return undefined;
  const dims = tensor.shape?.dim?.map((dim) => {
    if (has(dim, 'dimValue')) return Number(dim.dimValue) < 0 ? undefined : Number(dim.dimValue);
    return dim.dimParam || undefined;
  });
  return [tensor.elemType, tensor.shape ? (dims ?? []) : undefined];
}

describeCorpus('the ONNX container on the corpus', (root) => {
  const models = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.onnx'));

  it('has models', () => expect(models.length).toBeGreaterThanOrEqual(many(500)));

  it('splicing without edits gives the file', () => {
    for (const path of models) {
      const bytes = readFileSync(join(root, path));
      const file = openOnnx(bytes, { file: path });
      const nodes = file.graph.nodes.map((_, keep) => ({ keep }));
      expect(Buffer.from(spliceModel(file, { nodes })).equals(bytes), path).toBe(true);
    }
  });

  it('agrees with onnx-proto', () => {
    for (const path of models) {
      const bytes = readFileSync(join(root, path));
      const file = openOnnx(bytes, { file: path, readExternal: externalReader(join(root, path)) });
      const proto = onnx.ModelProto.decode(bytes);
      try {
        expect(big(file.irVersion)).toBe(big(proto.irVersion));
        expect([...file.opsets.values()].map(big)).toEqual(proto.opsetImport.map(({ version }) => big(version)));
        compareGraph(file.bytes, file.graph, proto.graph as Proto<'GraphProto'>);
      } catch (error) {
        (error as Error).message = `${path}: ${(error as Error).message}`;
        throw error;
      }
    }
  });

  it('a changed node leaves the others as they were', () => {
    for (const path of models) {
      const bytes = readFileSync(join(root, path));
      const file = openOnnx(bytes, { file: path });
      const edits = file.graph.nodes.map((_, keep) => (keep === 0 ? { keep, name: 'renamed' } : { keep }));
      const result = openOnnx(spliceModel(file, { nodes: edits }));
      const before = onnx.ModelProto.toObject(onnx.ModelProto.decode(bytes), { bytes: String });
      const after = onnx.ModelProto.toObject(onnx.ModelProto.decode(result.bytes), { bytes: String });
      if (before.graph.node?.[0]) before.graph.node[0].name = 'renamed';
      expect(after, path).toEqual(before);
    }
  });
});
