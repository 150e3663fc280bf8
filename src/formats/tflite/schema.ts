/** The tables of a TensorFlow Lite file, by version 3 of its schema: https://github.com/tensorflow/tensorflow/tree/master/tensorflow/compiler/mlir/lite/schema. Numbers are those of the fields. */
import {
  blob,
  bool,
  field,
  int8,
  int32,
  member,
  numbers,
  type RecordFrom,
  table,
  text,
  uint8,
  uint32,
  uint64,
  vector,
  word,
} from './fields.ts';

/** Element types in the order of their numbers. */
export const tensorTypes = [
  'FLOAT32',
  'FLOAT16',
  'INT32',
  'UINT8',
  'INT64',
  'STRING',
  'BOOL',
  'INT16',
  'COMPLEX64',
  'INT8',
  'FLOAT64',
  'COMPLEX128',
  'UINT64',
  'RESOURCE',
  'VARIANT',
  'UINT32',
  'UINT16',
  'INT4',
  'BFLOAT16',
  'INT2',
  'UINT4',
  'FLOAT8_E4M3FN',
  'FLOAT8_E5M2',
] as const;

export type TensorTypeName = (typeof tensorTypes)[number];

export const tensorType = word(tensorTypes);

export const quantizationTable = table({
  scale: field(2, numbers('float32'), []),
  zeroPoint: field(3, numbers('int64'), []),
  /** 0: none; 1: by custom rules; 2: by blocks. */
  detailsType: field(4, uint8, 0),
  quantizedDimension: field(6, int32, 0),
});

const dimensionTable = table({
  format: field(0, word(['DENSE', 'SPARSE_CSR'] as const), 'DENSE'),
  denseSize: field(1, int32, 0),
  segmentsType: field(2, uint8, 0),
  segments: field(3, member),
  indicesType: field(4, uint8, 0),
  indices: field(5, member),
});

export const sparsityTable = table({
  traversalOrder: field(0, numbers('int32'), []),
  blockMap: field(1, numbers('int32'), []),
  dimensions: field(2, vector(dimensionTable), []),
});

/** The members of the union SparseIndexVector by their numbers; 0 is none. */
export const indexVectors = [
  undefined,
  table({ values: field(0, numbers('int32'), []) }),
  table({ values: field(0, numbers('uint16'), []) }),
  table({ values: field(0, numbers('uint8'), []) }),
] as const;

export const tensorTable = table({
  shape: field(0, numbers('int32'), []),
  type: field(1, tensorType, 'FLOAT32'),
  buffer: field(2, uint32, 0),
  name: field(3, text, ''),
  quantization: field(4, quantizationTable),
  isVariable: field(5, bool, false),
  sparsity: field(6, sparsityTable),
  shapeSignature: field(7, numbers('int32'), []),
  externalBuffer: field(10, uint32, 0),
});

export const operatorTable = table({
  opcodeIndex: field(0, uint32, 0),
  inputs: field(1, numbers('int32'), []),
  outputs: field(2, numbers('int32'), []),
  optionsType: field(3, uint8, 0),
  options: field(4, member),
  customOptions: field(5, blob),
  mutatingVariableInputs: field(7, numbers('bool'), []),
  intermediates: field(8, numbers('int32'), []),
  options2Type: field(11, uint8, 0),
});

const subgraphTable = table({
  tensors: field(0, vector(tensorTable), []),
  inputs: field(1, numbers('int32'), []),
  outputs: field(2, numbers('int32'), []),
  operators: field(3, vector(operatorTable), []),
  name: field(4, text, ''),
});

const bufferTable = table({
  data: field(0, blob),
  /** Data behind the FlatBuffer, in files of more than 2 GiB. */
  offset: field(1, uint64, 0),
  size: field(2, uint64, 0),
});

const operatorCodeTable = table({
  /** The number up to 127, from before 2020. */
  deprecatedBuiltinCode: field(0, int8, 0),
  customCode: field(1, text),
  version: field(2, int32, 1),
  builtinCode: field(3, int32, 0),
});

const tensorMapTable = table({ name: field(0, text, ''), tensorIndex: field(1, uint32, 0) });

const signatureTable = table({
  inputs: field(0, vector(tensorMapTable), []),
  outputs: field(1, vector(tensorMapTable), []),
  key: field(2, text, ''),
  subgraphIndex: field(4, uint32, 0),
});

export const modelTable = table({
  version: field(0, uint32, 0),
  operatorCodes: field(1, vector(operatorCodeTable), []),
  subgraphs: field(2, vector(subgraphTable), []),
  description: field(3, text, ''),
  buffers: field(4, vector(bufferTable), []),
  signatures: field(7, vector(signatureTable), []),
});

export type ModelRecord = RecordFrom<typeof modelTable>;
export type TensorRecord = RecordFrom<typeof tensorTable>;
export type OperatorRecord = RecordFrom<typeof operatorTable>;
export type SubgraphRecord = RecordFrom<typeof subgraphTable>;
export type SparsityRecord = RecordFrom<typeof sparsityTable>;
export type QuantizationRecord = RecordFrom<typeof quantizationTable>;
