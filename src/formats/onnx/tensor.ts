/** TensorProto: sizes are checked at once, elements are decoded only when asked for. */

import { fail, withLocation } from '../../diagnostics/index.ts';
import {
  byteLengthOf,
  dtypeOfOnnxCode,
  dtypes,
  type ElementType,
  elementTypeOfOnnxCode,
  elementTypes,
  isFloat,
  isStoredType,
  sameBytes,
  sharesBytes,
  sizeOf,
  viewAs,
} from '../../tensors/index.ts';
import { type Context, invalid, warn } from './context.ts';
import { checkLocation } from './external_data.ts';
import { allocate, type Decoded, eachInt, readFixed, readInts, readMessage } from './message.ts';
import type { OnnxSparseTensor, OnnxTensor } from './model.ts';
import { printable } from './printable.ts';
import { entryProto, segmentProto, sparseTensorProto, tensorProto } from './schema.ts';
import type { Range } from './wire.ts';

const EXTERNAL = 1;
const MAX_RANK = 1024;

type Fields = Decoded<(typeof tensorProto)['fields']>;
type TypedField = 'floatData' | 'int32Data' | 'int64Data' | 'doubleData' | 'uint64Data' | 'stringData';
const typedFields: readonly TypedField[] = [
  'floatData',
  'int32Data',
  'int64Data',
  'doubleData',
  'uint64Data',
  'stringData',
];

export const onnxTypeName = (code: number): string => {
  const type = elementTypeOfOnnxCode(code);
  return type === undefined ? `type ${code}` : elementTypes[type].onnx;
};

/** @throws UnskewError U1003, U1004, U1005 (location of external data), U1006 */
export function readTensor(outer: Context, range: Range): OnnxTensor {
  const fields = readMessage(tensorProto, outer, range);
  const { name } = fields;
  const context = name === '' || outer.input !== undefined ? outer : outer.inPart(name);
  const fault = (what: string): never => invalid(context, `tensor '${printable(name)}' ${what}`, range);

  const onnxType = Number(fields.dataType ?? 0);
  if (onnxType === 0) fault('has no element type');
  const dims = readDims(context, range, fields.dims, fault);
  const type = elementTypeOfOnnxCode(onnxType);
  const elements = dims.reduce((product, dim) => product * dim, dims.includes(0) ? 0 : 1);
  const byteLength = type === undefined || type === 'string' ? undefined : byteLengthOf(type, elements);
  if (!Number.isSafeInteger(byteLength ?? elements)) fault(`has dims [${dims}], more than any memory holds`);
  const shape = (): string => `${onnxTypeName(onnxType)}[${dims}]`;
  const odd = (what: string): void => warn(context, `tensor '${printable(name)}' ${what}`);
  // unused entries are read too: when they are damaged, other readers would see another file
  for (const entry of [...fields.externalData, ...fields.metadataProps]) readMessage(entryProto, context, entry);
  if (fields.segment !== undefined) {
    readMessage(segmentProto, context, fields.segment);
    odd('says that it is a part of one; it is read as the whole');
  }

  const base = { name, onnxType, dtype: dtypeOfOnnxCode(onnxType), dims, byteLength, range };
  const typed = typedFields.filter((field) => fields[field] > 0);
  if (Number(fields.dataLocation ?? 0) === EXTERNAL) {
    if (fields.rawData !== undefined || typed.length > 0) fault('has external data and data of its own');
    const external = readExternalInfo(context, fields, byteLength, fault);
    return { ...base, external, raw: once(() => readExternal(context, name, external)) };
  }
  const field = fieldOf(type);
  const given = field === undefined ? 0 : fields[field];
  const wanted = countOf(type, elements);
  // a value of another field is nobody's
  for (const other of typed)
    if (other !== field && (given > 0 || fields.rawData))
      odd(`is ${shape()} and has ${other} besides, which is passed over`);
  if (fields.rawData !== undefined && type !== 'string') {
    const { start, end } = fields.rawData;
    if (byteLength !== undefined && byteLength !== end - start) {
      fault(`is ${shape()}, ${byteLength} bytes, but has ${end - start} bytes of data`);
    }
    const bytes = context.source.bytes.subarray(start, end);
    if (given > 0) {
      const isSame = given === wanted && sameBytes(decodeTyped(context, base, field, given), bytes);
      if (!isSame) fault(`has raw_data and ${field}, and they are not the same`);
      odd(`has its elements in raw_data and in ${field}`);
    }
    return { ...base, raw: () => bytes };
  }
  const wrong = typed.find((other) => other !== field);
  if (field !== undefined && wrong !== undefined && given === 0) fault(`is ${shape()} but has ${wrong}`);
  if (wanted === 0 && given > 0)
    odd(`is ${shape()}, without elements, and has ${given} in ${field}, which are passed over`);
  else if (field !== undefined && given !== wanted)
    fault(`is ${shape()}, ${wanted} values, but has ${given} in ${field}`);
  if (field !== undefined) warnOfBits(context, base, field);
  return { ...base, raw: once(() => (wanted === 0 ? new Uint8Array(0) : decodeTyped(context, base, field, given))) };
}

/**
 * A sparse tensor with the dense one that it stands for.
 *
 * @throws UnskewError U1004 for indices that do not fit, when the dense elements are asked for
 */
export function readSparseTensor(context: Context, range: Range): OnnxSparseTensor {
  const fields = readMessage(sparseTensorProto, context, range);
  if (fields.values === undefined) invalid(context, 'a sparse tensor has no values', range);
  const values = readTensor(context, fields.values);
  const { name, onnxType, dtype } = values;
  const fault = (what: string): never => invalid(context, `sparse tensor '${printable(name)}' ${what}`, range);
  const indices = fields.indices && readTensor(context, fields.indices);
  const dims = readInts(context, range, sparseTensorProto.fields.dims[0], fields.dims).map(Number);
  if (dims.length > MAX_RANK || dims.some((dim) => !Number.isSafeInteger(dim) || dim < 0)) fault(`has dims [${dims}]`);
  const elements = sizeOf(dims);
  const byteLength = dtype && byteLengthOf(dtype, elements);
  if (!Number.isSafeInteger(byteLength ?? elements)) fault(`has dims [${dims}], more than any memory holds`);
  const raw = once(() => {
    if (dtype === undefined) return fault('has elements that are carried only');
    if (sharesBytes(dtype)) return fault('has elements that share bytes');
    const bytes = byteLengthOf(dtype, 1);
    const dense = allocate(context, byteLengthOf(dtype, elements));
    const [from, at] = [values.raw(), positionsOf(indices, dims, fault)];
    if (at.length * bytes !== from.length) fault(`has ${at.length} indices and ${from.length / bytes} values`);
    for (const [i, to] of at.entries()) dense.set(from.subarray(i * bytes, (i + 1) * bytes), to * bytes);
    return dense;
  });
  return { name, range, dense: { name, onnxType, dtype, dims, byteLength, range, raw } };
}

/** Indices are positions in the row-major order, or one row of positions for each value. */
function positionsOf(
  indices: OnnxTensor | undefined,
  dims: readonly number[],
  fault: (what: string) => never,
): number[] {
  if (indices === undefined) return [];
  if (indices.dtype !== 's64') fault('has indices that are not int64');
  const list = Array.from(viewAs('s64', indices.raw()), Number);
  const width = indices.dims.length === 2 ? dims.length : 1;
  const sizes = indices.dims.length === 2 ? dims : [sizeOf(dims)];
  if (list.length % width !== 0) fault(`has indices of shape [${indices.dims}]`);
  return Array.from({ length: list.length / width }, (_, row) =>
    sizes.reduce((position, size, axis) => {
      const index = list[row * width + axis];
      return index >= 0 && index < size ? position * size + index : fault(`has the index ${index} of a size ${size}`);
    }, 0),
  );
}

function readDims(context: Context, range: Range, rank: number, fault: (what: string) => never): number[] {
  if (rank > MAX_RANK) fault(`has ${rank} dimensions`);
  return readInts(context, range, tensorProto.fields.dims[0], rank).map((dim) => {
    if (typeof dim === 'bigint' || dim < 0) fault(`has dimension ${dim}`);
    return Number(dim);
  });
}

/** The field of TensorProto that keeps elements of a type outside of raw_data. */
function fieldOf(type: ElementType | undefined): TypedField | undefined {
  switch (type) {
    case 'f32':
    case 'c64':
      return 'floatData';
    case 'f64':
    case 'c128':
      return 'doubleData';
    case 's64':
      return 'int64Data';
    case 'u32':
    case 'u64':
      return 'uint64Data';
    case 'string':
      return 'stringData';
    default:
      return type && 'int32Data';
  }
}

/** Entries of the typed field: complex numbers take two, sub-byte types come a byte at a time. */
function countOf(type: ElementType | undefined, elements: number): number {
  if (type === undefined || type === 'string') return elements;
  const { kind, bits } = elementTypes[type];
  if (kind === 'complex') return 2 * elements;
  return bits < 8 ? byteLengthOf(type, elements) : elements;
}

function decodeTyped(
  context: Context,
  tensor: Omit<OnnxTensor, 'raw'>,
  field: TypedField | undefined,
  count: number,
): Uint8Array {
  const { onnxType, dtype, range } = tensor;
  const name = printable(tensor.name);
  if (field === undefined)
    invalid(context, `tensor '${name}' has the unknown element type ${onnxType} and no raw_data`, range);
  if (field === 'stringData') fail('U2006', `tensor '${name}' holds strings`, context.location);
  const [number] = tensorProto.fields[field];
  if (field === 'floatData') return readFixed(context, range, number, count, 4);
  if (field === 'doubleData') return readFixed(context, range, number, count, 8);

  const big = field === 'int64Data' || dtype === 'u64';
  // elements that share a byte come a byte at a time
  const entry = dtype === undefined || sharesBytes(dtype) ? 'u8' : dtype;
  const bytes = allocate(context, byteLengthOf(entry, count));
  const array = viewAs(entry, bytes);
  eachInt(context, range, number, (value, i) => {
    if (big) array[i] = BigInt(value);
    else if (dtype === 'bool') array[i] = value === 0 ? 0 : 1;
    // larger values are cut down to their lowest bits
    else array[i] = typeof value === 'bigint' ? Number(BigInt.asIntN(32, value)) : value;
  });
  return bytes;
}

/** Says where an integer does not fit the element type: ONNX Runtime takes its lowest bits. */
function warnOfBits(
  context: Context,
  { name, onnxType, dtype, range }: Omit<OnnxTensor, 'raw'>,
  field: TypedField,
): void {
  if ((field !== 'int32Data' && field !== 'uint64Data') || dtype === 'u64') return;
  // float16 and bfloat16 come as bit patterns; a byte of a carried or packed type may be written signed or unsigned
  const isBytes = dtype === undefined || isStoredType(dtype);
  const { min, max } = isBytes ? { min: -128, max: 255 } : isFloat(dtype) ? dtypes.u16 : dtypes[dtype];
  let wrong: number | bigint | undefined;
  eachInt(context, range, tensorProto.fields[field][0], (value) => {
    if (value < min || value > max) wrong ??= value;
  });
  if (wrong === undefined) return;
  const taken = dtype === 'bool' ? 'it is taken as true' : 'its lowest bits are taken';
  warn(context, `tensor '${printable(name)}' holds ${wrong}, which is not a ${onnxTypeName(onnxType)}: ${taken}`);
}

function readExternalInfo(
  context: Context,
  fields: Fields,
  byteLength: number | undefined,
  fault: (what: string) => never,
): { location: string; offset: number; length: number } {
  const entries = new Map(
    fields.externalData.map((range) => {
      const { key, value } = readMessage(entryProto, context, range);
      return [key, value];
    }),
  );
  const number = (key: string): number | undefined => {
    const text = entries.get(key);
    if (text === undefined) return undefined;
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    return Number.isSafeInteger(value) ? value : fault(`has the external data ${key} '${printable(text)}'`);
  };
  const location = entries.get('location') ?? fault('has external data without a location');
  checkLocation(location, context.location);
  const length = number('length') ?? byteLength ?? fault('has external data of unknown length');
  if (byteLength !== undefined && length !== byteLength) {
    fault(`has ${length} bytes of external data, its dims and type want ${byteLength}`);
  }
  return { location, offset: number('offset') ?? 0, length };
}

function readExternal(context: Context, name: string, external: NonNullable<OnnxTensor['external']>): Uint8Array {
  const { location, offset, length } = external;
  if (context.source.readExternal === undefined) {
    const hint = 'import the model by its path, so that the files beside it can be read';
    fail('U1005', `tensor '${printable(name)}' keeps its data in '${printable(location)}'`, context.location, hint);
  }
  const { readExternal } = context.source;
  const bytes = withLocation(context.location, () => readExternal(location, offset, length));
  if (bytes.length === length) return bytes;
  fail(
    'U1005',
    `tensor '${printable(name)}' wants ${length} bytes of '${printable(location)}' and got ${bytes.length}`,
    context.location,
  );
}

function once<T>(compute: () => T): () => T {
  let value: { readonly result: T } | undefined;
  return () => (value ??= { result: compute() }).result;
}
