/** AttributeProto: one of fourteen kinds of value, or a reference to an attribute of the enclosing function. */
import { fail } from '../../diagnostics/index.ts';
import { type Context, invalid } from './context.ts';
import { checkList, type Decoded, MAX_STRING, readBlobs, readFixed, readInts } from './message.ts';
import type { OnnxAttribute, OnnxGraph, OnnxType } from './model.ts';
import { attributeProto } from './schema.ts';
import { readSparseTensor, readTensor } from './tensor.ts';
import { readType } from './types.ts';
import type { Range } from './wire.ts';

type Fields = Decoded<(typeof attributeProto)['fields']>;
type ValueKey = (typeof valueKeys)[number];

/** The keys of values by AttributeProto.AttributeType, 1 to 14. */
const valueKeys = [
  'f',
  'i',
  's',
  't',
  'g',
  'floats',
  'ints',
  'strings',
  'tensors',
  'graphs',
  'sparseTensor',
  'sparseTensors',
  'tp',
  'typeProtos',
] as const;

const lenient = new TextDecoder('utf-8', { ignoreBOM: true });

export type GraphReader = (context: Context, range: Range) => OnnxGraph;

export function attributeName(fields: Fields, context: Context, range: Range): string {
  return fields.name === '' ? invalid(context, 'an attribute has no name', range) : fields.name;
}

/**
 * @param context located at the attribute
 * @throws UnskewError U1003, U1004 when the value does not go with the type, U1006
 */
export function readAttribute(context: Context, range: Range, fields: Fields, readGraph: GraphReader): OnnxAttribute {
  const number = attributeProto.fields;
  const required = (value: Range | undefined): Range =>
    value ?? invalid(context, 'the attribute has a type and no value', range);
  const type = (value: Range): OnnxType => readType(context, value) ?? invalid(context, 'a type says nothing', value);

  if (fields.refAttrName !== '') return { kind: 'reference', value: fields.refAttrName, range };
  const key = valueKey(context, range, fields);
  switch (key) {
    case 'f':
      return { kind: 'float', value: fields.f ?? 0, range };
    case 'i':
      return { kind: 'int', value: fields.i ?? 0, range };
    case 's': {
      const bytes =
        fields.s === undefined ? new Uint8Array(0) : context.source.bytes.subarray(fields.s.start, fields.s.end);
      return {
        kind: 'string',
        bytes,
        range,
        get value() {
          return decodeLenient(context, bytes);
        },
      };
    }
    case 't':
      return { kind: 'tensor', value: readTensor(context, required(fields.t)), range };
    case 'g':
      return { kind: 'graph', value: readGraph(context, required(fields.g)), range };
    case 'sparseTensor':
      return { kind: 'sparseTensor', value: readSparseTensor(context, required(fields.sparseTensor)), range };
    case 'tp':
      return { kind: 'type', value: type(required(fields.tp)), range };
    case 'ints':
      return {
        kind: 'ints',
        range,
        get value() {
          return readInts(context, range, number.ints[0], fields.ints);
        },
      };
    case 'floats':
      return {
        kind: 'floats',
        range,
        get value() {
          const bytes = readFixed(context, range, number.floats[0], checkList(context, fields.floats), 4);
          const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
          return Array.from({ length: fields.floats }, (_, i) => view.getFloat32(4 * i, true));
        },
      };
    case 'strings':
      return {
        kind: 'strings',
        range,
        get bytes() {
          return readBlobs(context, range, number.strings[0], fields.strings);
        },
        get value() {
          return this.bytes.map((bytes) => decodeLenient(context, bytes));
        },
      };
    case 'tensors':
      return { kind: 'tensors', value: fields.tensors.map((tensor) => readTensor(context, tensor)), range };
    case 'graphs':
      return { kind: 'graphs', value: fields.graphs.map((graph) => readGraph(context, graph)), range };
    case 'sparseTensors':
      return {
        kind: 'sparseTensors',
        value: fields.sparseTensors.map((tensor) => readSparseTensor(context, tensor)),
        range,
      };
    case 'typeProtos':
      return { kind: 'types', value: fields.typeProtos.map(type), range };
  }
}

/** The field that holds the value: as `type` says, or, in files of before IR version 2, the only one there is. */
function valueKey(context: Context, range: Range, fields: Fields): ValueKey {
  const used = valueKeys.filter((key) => {
    const value = fields[key];
    return Array.isArray(value)
      ? value.length > 0
      : attributeProto.fields[key][1] in empties
        ? value !== 0
        : value !== undefined;
  });
  const type = fields.type === undefined || fields.type === 0 ? undefined : valueKeys[Number(fields.type) - 1];
  if (type === undefined && Number(fields.type ?? 0) !== 0)
    invalid(context, `unknown attribute type ${fields.type}`, range);
  const key = type ?? used[0];
  if (key === undefined) invalid(context, 'the attribute has neither type nor value', range);
  const other = used.find((candidate) => candidate !== key);
  if (other !== undefined) invalid(context, `the attribute has values of two kinds: ${key} and ${other}`, range);
  return key;
}

/** Kinds that decode to a count. */
const empties = { ints: true, floats: true, blobs: true };

function decodeLenient(context: Context, bytes: Uint8Array): string {
  if (bytes.length > MAX_STRING) fail('U1006', `a string of ${bytes.length} bytes`, context.location);
  return lenient.decode(bytes);
}
