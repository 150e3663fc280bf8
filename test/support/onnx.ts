/** ONNX files for tests: tensors read, small models written, both by onnx-proto and so apart from the importer. */
import onnxProto from 'onnx-proto';
import type { Dim } from '../../src/ir/types.ts';
import { type DType, dtypeOfOnnxCode, dtypes, elementTypes, viewAs } from '../../src/tensors/dtype.ts';
import { bytesOf, type ITensor } from '../../src/tensors/tensor.ts';

const { onnx } = onnxProto;

/** The code of an ONNX element type name, also of types that unskew only carries. */
export function onnxTypeCode(name: string): number {
  const known = Object.values(elementTypes).find((type) => type.onnx === name);
  if (!known) throw new Error(`no ONNX element type ${name}`);
  return known.onnxCode;
}

/** A TensorProto as a tensor; undefined for an element type that unskew does not compute with, and for no tensor. */
export function readTensorProto(bytes: Uint8Array): { readonly name: string; readonly tensor: ITensor | undefined } {
  const proto = onnx.TensorProto.decode(bytes);
  const dtype = dtypeOfOnnxCode(proto.dataType);
  const shape = proto.dims.map(Number);
  if (dtype === undefined) return { name: proto.name, tensor: undefined };
  return { name: proto.name, tensor: { dtype, shape, data: elementsOf(proto, dtype) } as ITensor };
}

function elementsOf(proto: InstanceType<typeof onnx.TensorProto>, dtype: DType): ITensor['data'] {
  if (proto.rawData.length > 0) return viewAs(dtype, new Uint8Array(proto.rawData));
  const typed =
    dtype === 'f32'
      ? proto.floatData
      : dtype === 'f64'
        ? proto.doubleData
        : dtype === 's64'
          ? proto.int64Data
          : dtype === 'u64' || dtype === 'u32'
            ? proto.uint64Data
            : proto.int32Data;
  const data = new dtypes[dtype].storage(typed.length); // of bytes, where elements share them
  for (let i = 0; i < typed.length; i++) {
    data[i] = (
      data instanceof BigInt64Array || data instanceof BigUint64Array ? BigInt(String(typed[i])) : Number(typed[i])
    ) as never;
  }
  return data;
}

export interface ModelTensor {
  readonly name: string;
  /** ONNX element type name; none: no type is declared. */
  readonly type?: string;
  /** undefined: no shape is declared. */
  readonly dims?: readonly Dim[] | undefined;
}
export interface ModelInitializer {
  readonly name: string;
  readonly tensor: ITensor;
  /** The type and elements, of an ONNX type that the IR does not have, that are written in place of those of `tensor`. */
  readonly raw?: { readonly onnxType: number; readonly bytes: Uint8Array };
}
export type ModelAttr =
  | number
  | string
  | readonly number[]
  | { readonly f: number }
  | { readonly floats: readonly number[] }
  | { readonly t: ITensor }
  /** The body of a control-flow operator. */
  | { readonly g: ModelGraph };
export interface ModelNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attrs?: Readonly<Record<string, ModelAttr>>;
  readonly domain?: string;
  readonly name?: string;
}
export interface ModelGraph {
  readonly nodes: readonly ModelNode[];
  readonly inputs: readonly ModelTensor[];
  readonly outputs: readonly ModelTensor[];
  readonly initializers?: readonly ModelInitializer[];
  readonly valueInfo?: readonly ModelTensor[];
}
export interface Model extends ModelGraph {
  /** Version by domain; the default domain is `''`. */
  readonly opsets?: Readonly<Record<string, number>>;
  readonly irVersion?: number;
}

/** The bytes of a model. Nothing is checked: wrong models are wanted too. */
export function writeModel({ opsets = { '': 17 }, irVersion = 10, ...graph }: Model): Uint8Array {
  const message = {
    irVersion,
    producerName: 'unskew tests',
    opsetImport: Object.entries(opsets).map(([domain, version]) => ({ domain, version })),
    graph: graphProto(graph, 'main'),
  };
  return onnx.ModelProto.encode(message).finish();
}

function graphProto(
  { nodes, inputs, outputs, initializers = [], valueInfo = [] }: ModelGraph,
  name: string,
): onnxProto.onnx.IGraphProto {
  return {
    name,
    node: nodes.map(({ op, inputs: input, outputs: output, attrs = {}, domain = '', name: nodeName = '' }) => ({
      opType: op,
      name: nodeName,
      domain,
      input: [...input],
      output: [...output],
      attribute: Object.entries(attrs).map(([key, value]) => ({ name: key, ...attribute(value) })),
    })),
    input: inputs.map(declared),
    output: outputs.map(declared),
    valueInfo: valueInfo.map(declared),
    initializer: initializers.map(({ name: tensorName, tensor, raw }) => ({
      ...tensorProto(tensor, tensorName),
      ...(raw && { dataType: raw.onnxType, rawData: raw.bytes }),
    })),
  };
}

const tensorProto = (tensor: ITensor, name: string) => ({
  name,
  dims: [...tensor.shape],
  dataType: dtypes[tensor.dtype].onnxCode,
  rawData: bytesOf(tensor.data),
});

const declared = ({ name, type, dims }: ModelTensor) => {
  const shape = dims && { dim: dims.map((d) => (typeof d === 'number' ? { dimValue: d } : { dimParam: d })) };
  const tensorType = type !== undefined && { elemType: onnxTypeCode(type), ...(shape && { shape }) };
  return { name, ...(tensorType && { type: { tensorType } }) };
};

function attribute(value: ModelAttr) {
  const { AttributeType } = onnx.AttributeProto;
  if (typeof value === 'number') return { type: AttributeType.INT, i: value };
  if (typeof value === 'string') return { type: AttributeType.STRING, s: Buffer.from(value) };
  if ('f' in value) return { type: AttributeType.FLOAT, f: value.f };
  if ('floats' in value) return { type: AttributeType.FLOATS, floats: [...value.floats] };
  if ('t' in value) return { type: AttributeType.TENSOR, t: tensorProto(value.t, '') };
  if ('g' in value) return { type: AttributeType.GRAPH, g: graphProto(value.g, 'body') };
  return { type: AttributeType.INTS, ints: [...value] };
}

/** The model with some of its inputs made initializers: for operands that must be constants. */
export function fixInputs(bytes: Uint8Array, fixed: readonly (ITensor | undefined)[]): Uint8Array {
  const model = onnx.ModelProto.decode(bytes);
  const { graph } = model;
  if (!graph?.input || !graph.initializer) throw new Error('the model has no graph');
  const given = new Set(graph.initializer.map(({ name }) => name));
  const inputs = graph.input.filter(({ name }) => !given.has(name));
  const initializers = inputs.flatMap(({ name }, i) => {
    const tensor = fixed[i];
    return tensor ? [tensorProto(tensor, name ?? '')] : [];
  });
  const names = new Set(initializers.map(({ name }) => name));
  const rest = graph.input.filter(({ name }) => !names.has(name ?? ''));
  const fixedGraph = { ...graph, input: rest, initializer: [...graph.initializer, ...initializers] };
  return onnx.ModelProto.encode({ ...model, graph: fixedGraph }).finish();
}
