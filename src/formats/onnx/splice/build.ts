/** A whole ONNX model from scratch. */
import onnxProto from 'onnx-proto';
import { type Encoded, field, join } from './bytes.ts';
import {
  encodeEntry,
  encodeNode,
  encodeOpset,
  encodeTensor,
  encodeValueInfo,
  type NodeInit,
  type TensorInit,
  type ValueInfoInit,
} from './encode.ts';

const { onnx } = onnxProto;

export interface ModelInit {
  readonly name?: string;
  /** In topological order. */
  readonly nodes: readonly NodeInit[];
  readonly inputs: readonly ValueInfoInit[];
  readonly outputs: readonly ValueInfoInit[];
  readonly initializers?: readonly (TensorInit & { readonly name: string })[];
  readonly valueInfos?: readonly ValueInfoInit[];
  /** Version by domain; the default domain is ''. */
  readonly opsets: Readonly<Record<string, number>>;
  /** Defaults to 8, which ONNX Runtime has read since 1.10. */
  readonly irVersion?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** @throws UnskewError U1006 when the model would have more than 2 GiB */
export function buildModel(model: ModelInit): Uint8Array {
  const { name = 'main', nodes, inputs, outputs, initializers = [], valueInfos = [], metadata = {} } = model;
  const many = <T>(number: number, items: readonly T[], encode: (item: T) => Encoded): Encoded =>
    items.flatMap((item) => field(number, encode(item)));
  const head = onnx.ModelProto.encode({ irVersion: model.irVersion ?? 8, producerName: 'unskew' }).finish();
  const graph = [
    ...many(1, nodes, encodeNode),
    onnx.GraphProto.encode({ name }).finish(),
    ...many(5, initializers, encodeTensor),
    ...many(11, inputs, encodeValueInfo),
    ...many(12, outputs, encodeValueInfo),
    ...many(13, valueInfos, encodeValueInfo),
  ];
  const pieces = [
    head,
    ...field(7, graph),
    ...many(8, Object.entries(model.opsets), ([domain, version]) => encodeOpset(domain, version)),
    ...many(14, Object.entries(metadata), ([key, value]) => encodeEntry(key, value)),
  ];
  return join(pieces, {});
}
