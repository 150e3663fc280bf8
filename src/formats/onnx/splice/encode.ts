/** New nodes, tensors and value infos, encoded by onnx-proto. */
import onnxProto from 'onnx-proto';
import protobuf from 'protobufjs/minimal.js';
import { assert } from '../../../diagnostics/index.ts';
import { byteLengthOf, type DType, dtypes, sizeOf } from '../../../tensors/index.ts';
import type { OnnxDim } from '../model.ts';
import { type Encoded, field } from './bytes.ts';

const { onnx } = onnxProto;

/** A type that unskew computes with, or the TensorProto.DataType of any other. */
type TypeOrCode = DType | number;

export interface TensorInit {
  readonly name?: string;
  readonly type: TypeOrCode;
  readonly dims: readonly number[];
  /** The elements, row major, little endian; goes to `raw_data` without being copied before the file is written. */
  readonly data: Uint8Array;
}

export interface ValueInfoInit {
  readonly name: string;
  readonly type: TypeOrCode;
  /** Left out when the rank is unknown. */
  readonly dims?: readonly OnnxDim[];
}

export type AttributeInit =
  | { readonly kind: 'int'; readonly value: number | bigint }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'tensor'; readonly value: TensorInit }
  | { readonly kind: 'ints'; readonly value: readonly (number | bigint)[] }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] };

export interface NodeInit {
  readonly opType: string;
  readonly name?: string;
  readonly domain?: string;
  /** '' where an optional input or output is absent. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, AttributeInit>>;
}

/** Field 9 of TensorProto. */
const RAW_DATA = 9;
const utf8 = new TextEncoder();

export const onnxCode = (type: TypeOrCode): number => (typeof type === 'number' ? type : dtypes[type].onnxCode);

/** Fields that are left out or empty are not written. */
export function encodeNode({
  opType,
  name,
  domain,
  inputs = [],
  outputs = [],
  attributes = {},
}: Partial<NodeInit>): Encoded {
  const head = onnx.NodeProto.encode({
    input: [...inputs],
    output: [...outputs],
    ...(name && { name }),
    ...(opType && { opType }),
    ...(domain && { domain }),
  }).finish();
  return [head, ...Object.entries(attributes).flatMap(([key, value]) => field(5, encodeAttribute(key, value)))];
}

export function encodeAttribute(name: string, attribute: AttributeInit): Encoded {
  const { AttributeType } = onnx.AttributeProto;
  const encode = (value: ConstructorParameters<typeof onnx.AttributeProto>[0]): Encoded => [
    onnx.AttributeProto.encode({ name, ...value }).finish(),
  ];
  switch (attribute.kind) {
    case 'int':
      return encode({ type: AttributeType.INT, i: int64(attribute.value) });
    case 'float':
      return encode({ type: AttributeType.FLOAT, f: attribute.value });
    case 'string':
      return encode({ type: AttributeType.STRING, s: utf8.encode(attribute.value) });
    case 'ints':
      return encode({ type: AttributeType.INTS, ints: attribute.value.map(int64) });
    case 'floats':
      return encode({ type: AttributeType.FLOATS, floats: [...attribute.value] });
    case 'strings':
      return encode({ type: AttributeType.STRINGS, strings: attribute.value.map((text) => utf8.encode(text)) });
    case 'tensor':
      return [...encode({ type: AttributeType.TENSOR }), ...field(5, encodeTensor(attribute.value))];
  }
}

export function encodeTensor({ name, type, dims, data }: TensorInit): Encoded {
  if (typeof type === 'string') {
    const bytes = byteLengthOf(type, sizeOf(dims));
    assert(bytes === data.length, `tensor '${name}' is ${type}[${dims}], ${bytes} bytes, but has ${data.length}`);
  }
  const head = onnx.TensorProto.encode({ dims: [...dims], dataType: onnxCode(type), ...(name && { name }) }).finish();
  return [head, ...field(RAW_DATA, [data])];
}

export function encodeValueInfo({ name, type, dims }: ValueInfoInit): Encoded {
  const shape = dims && { dim: dims.map(encodeDim) };
  return [
    onnx.ValueInfoProto.encode({
      name,
      type: { tensorType: { elemType: onnxCode(type), ...(shape && { shape }) } },
    }).finish(),
  ];
}

function encodeDim(dim: OnnxDim): { dimValue?: number; dimParam?: string } {
  if (dim === undefined) return {};
  return typeof dim === 'number' ? { dimValue: dim } : { dimParam: dim };
}

export function encodeEntry(key: string, value: string): Encoded {
  return [onnx.StringStringEntryProto.encode({ key, value }).finish()];
}

export function encodeOpset(domain: string, version: number): Encoded {
  return [onnx.OperatorSetIdProto.encode({ domain, version }).finish()];
}

/** Numbers go as they are; protobufjs takes bigints as Long only. */
function int64(value: number | bigint): number | protobuf.Long {
  if (typeof value === 'number') {
    assert(Number.isSafeInteger(value), `${value} is not an integer attribute`);
    return value;
  }
  assert(BigInt.asIntN(64, value) === value, `${value} does not fit 64 bits`);
  const word = (bits: bigint): number => Number(BigInt.asUintN(32, bits));
  return new protobuf.util.LongBits(word(value), word(value >> 32n)).toLong(false);
}
