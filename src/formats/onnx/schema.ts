/**
 * The messages of onnx.proto3 (IR versions 1 to 13) as data: field names, numbers and kinds. A field that is not listed
 * is unknown: carried through, never interpreted. Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
 */
import { BYTES, FIXED32, FIXED64, VARINT } from './wire.ts';

/**
 * The kinds of fields. `run` kinds are repeated and possibly large: validated and counted, decoded on demand; scalars
 * may be packed or not. `present` fields are checked for their wire type and otherwise left alone.
 */
export const kinds = {
  string: { wire: BYTES, run: false },
  strings: { wire: BYTES, run: false },
  bytes: { wire: BYTES, run: false },
  message: { wire: BYTES, run: false },
  messages: { wire: BYTES, run: false },
  present: { wire: BYTES, run: false },
  int: { wire: VARINT, run: false },
  float: { wire: FIXED32, run: false },
  ints: { wire: VARINT, run: true },
  floats: { wire: FIXED32, run: true },
  doubles: { wire: FIXED64, run: true },
  blobs: { wire: BYTES, run: true },
} as const;

export type Kind = keyof typeof kinds;
export type Fields = Readonly<Record<string, readonly [field: number, kind: Kind]>>;

export interface Message<F extends Fields = Fields> {
  readonly name: string;
  readonly fields: F;
  readonly byNumber: readonly ({ readonly key: string; readonly kind: Kind } | undefined)[];
  /** A message of zero bytes, as `readMessage` gives it. */
  readonly blank: Readonly<Record<string, unknown>>;
}

const none: readonly never[] = Object.freeze([]);

function blankOf(kind: Kind): unknown {
  if (kinds[kind].run) return 0;
  if (kind === 'string') return '';
  if (kind === 'strings' || kind === 'messages') return none;
  return kind === 'present' ? false : undefined;
}

function message<const F extends Fields>(name: string, fields: F): Message<F> {
  const byNumber: { key: string; kind: Kind }[] = [];
  const blank: Record<string, unknown> = { unknown: none };
  for (const [key, [field, kind]] of Object.entries(fields)) {
    byNumber[field] = { key, kind };
    blank[key] = blankOf(kind);
  }
  return { name, fields, byNumber, blank };
}

export const modelProto = message('ModelProto', {
  irVersion: [1, 'int'],
  producerName: [2, 'string'],
  producerVersion: [3, 'string'],
  domain: [4, 'string'],
  modelVersion: [5, 'int'],
  docString: [6, 'present'],
  graph: [7, 'message'],
  opsetImport: [8, 'messages'],
  metadataProps: [14, 'messages'],
  trainingInfo: [20, 'messages'],
  functions: [25, 'messages'],
  configuration: [26, 'messages'],
});

export const graphProto = message('GraphProto', {
  node: [1, 'messages'],
  name: [2, 'string'],
  initializer: [5, 'messages'],
  docString: [10, 'present'],
  input: [11, 'messages'],
  output: [12, 'messages'],
  valueInfo: [13, 'messages'],
  quantizationAnnotation: [14, 'messages'],
  sparseInitializer: [15, 'messages'],
  metadataProps: [16, 'messages'],
});

export const nodeProto = message('NodeProto', {
  input: [1, 'strings'],
  output: [2, 'strings'],
  name: [3, 'string'],
  opType: [4, 'string'],
  attribute: [5, 'messages'],
  docString: [6, 'present'],
  domain: [7, 'string'],
  overload: [8, 'string'],
  metadataProps: [9, 'messages'],
  deviceConfigurations: [10, 'messages'],
});

export const attributeProto = message('AttributeProto', {
  name: [1, 'string'],
  f: [2, 'float'],
  i: [3, 'int'],
  s: [4, 'bytes'],
  t: [5, 'message'],
  g: [6, 'message'],
  floats: [7, 'floats'],
  ints: [8, 'ints'],
  strings: [9, 'blobs'],
  tensors: [10, 'messages'],
  graphs: [11, 'messages'],
  docString: [13, 'present'],
  tp: [14, 'message'],
  typeProtos: [15, 'messages'],
  type: [20, 'int'],
  refAttrName: [21, 'string'],
  sparseTensor: [22, 'message'],
  sparseTensors: [23, 'messages'],
});

export const segmentProto = message('TensorProto.Segment', { begin: [1, 'int'], end: [2, 'int'] });

export const tensorProto = message('TensorProto', {
  dims: [1, 'ints'],
  dataType: [2, 'int'],
  segment: [3, 'message'],
  floatData: [4, 'floats'],
  int32Data: [5, 'ints'],
  stringData: [6, 'blobs'],
  int64Data: [7, 'ints'],
  name: [8, 'string'],
  rawData: [9, 'bytes'],
  doubleData: [10, 'doubles'],
  uint64Data: [11, 'ints'],
  docString: [12, 'present'],
  externalData: [13, 'messages'],
  dataLocation: [14, 'int'],
  metadataProps: [16, 'messages'],
});

export const sparseTensorProto = message('SparseTensorProto', {
  values: [1, 'message'],
  indices: [2, 'message'],
  dims: [3, 'ints'],
});

export const valueInfoProto = message('ValueInfoProto', {
  name: [1, 'string'],
  type: [2, 'message'],
  docString: [3, 'present'],
  metadataProps: [4, 'messages'],
});

export const typeProto = message('TypeProto', {
  tensorType: [1, 'message'],
  sequenceType: [4, 'message'],
  mapType: [5, 'message'],
  denotation: [6, 'string'],
  opaqueType: [7, 'message'],
  sparseTensorType: [8, 'message'],
  optionalType: [9, 'message'],
});

export const tensorTypeProto = message('TypeProto.Tensor', { elemType: [1, 'int'], shape: [2, 'message'] });
export const shapeProto = message('TensorShapeProto', { dim: [1, 'messages'] });
export const dimensionProto = message('TensorShapeProto.Dimension', {
  dimValue: [1, 'int'],
  dimParam: [2, 'string'],
  denotation: [3, 'string'],
});

export const operatorSetProto = message('OperatorSetIdProto', { domain: [1, 'string'], version: [2, 'int'] });
export const entryProto = message('StringStringEntryProto', { key: [1, 'string'], value: [2, 'string'] });
export const annotationProto = message('TensorAnnotation', {
  tensorName: [1, 'string'],
  quantParameterTensorNames: [2, 'messages'],
});

export const functionProto = message('FunctionProto', {
  name: [1, 'string'],
  input: [4, 'strings'],
  output: [5, 'strings'],
  attribute: [6, 'strings'],
  node: [7, 'messages'],
  docString: [8, 'present'],
  opsetImport: [9, 'messages'],
  domain: [10, 'string'],
  attributeProto: [11, 'messages'],
  valueInfo: [12, 'messages'],
  overload: [13, 'string'],
  metadataProps: [14, 'messages'],
});
