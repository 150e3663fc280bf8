/** Opens the bytes of an ONNX file as a checked, typed view. */
import { fail, type Location, UnskewError } from '../../diagnostics/index.ts';
import { looksLike, type OtherFormat, signatureOf } from '../other/index.ts';
import { Context, invalid, Source, warn } from './context.ts';
import type { ExternalReader } from './external_data.ts';
import { canonicalDomain, readGraph } from './graph.ts';
import { readMessage } from './message.ts';
import type { OnnxFile, OnnxFunction } from './model.ts';
import { readOperatorSets } from './operator_sets.ts';
import { entryProto, functionProto, modelProto } from './schema.ts';
import type { Range } from './wire.ts';

/** The newest known version of the format: fields of later ones are carried and not read. */
const NEWEST_IR = 13;

/** A protobuf message is at most this long. */
export const MAX_MODEL_BYTES = 2 ** 31 - 1;

export interface OpenOptions {
  /** Shown in diagnostics. */
  readonly file?: string;
  /** Reads external data: `externalReader(path)` for a model on disk. Without it such tensors cannot be read. */
  readonly readExternal?: ExternalReader;
}

/**
 * Checks and indexes a model in time linear in its size; weights are neither decoded nor copied, so `bytes` must not
 * change while the view is in use.
 *
 * @throws UnskewError U1002 not an ONNX model, U1003 malformed protobuf, U1004 invalid model, U1005 external data
 *   outside of the folder, U1006 too large, U2002 a name given twice
 */
export function openOnnx(bytes: Uint8Array, options: OpenOptions = {}): OnnxFile {
  const location = options.file === undefined ? {} : { file: options.file };
  refuseOther(signatureOf(bytes), location);
  if (bytes.length > MAX_MODEL_BYTES)
    fail('U1006', `the model has ${bytes.length} bytes, protobuf ends at 2 GiB`, location);
  // A Buffer's subarray is a Buffer: give everyone plain arrays.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    return readModel(Context.of(new Source(plain, options.file, options.readExternal)));
  } catch (error) {
    if (error instanceof UnskewError) refuseOther(looksLike(plain, options.file), location);
    throw error;
  }
}

function refuseOther(found: OtherFormat | undefined, location: Location): void {
  if (found !== undefined) fail('U1002', `this is not an ONNX model: it is ${found.what}`, location, found.hint);
}

function readModel(context: Context): OnnxFile {
  const whole = { at: 0, start: 0, end: context.source.bytes.length };
  const fields = readMessage(modelProto, context, whole);
  const irVersion = Number(fields.irVersion ?? 0);
  if (fields.graph === undefined) invalid(context, 'the model has no graph', whole);
  if (irVersion > 0xffff) invalid(context, `the model has the IR version ${irVersion}`, whole);
  if (irVersion < 1) warn(context, `the model says no IR version, or ${irVersion}`);
  if (irVersion > NEWEST_IR)
    warn(context, `the model has the IR version ${irVersion}, and is read as one of version ${NEWEST_IR}`);
  const graph = readGraph(context, fields.graph);
  const functions = fields.functions.map((range) => readFunction(context, range));
  return {
    bytes: context.source.bytes,
    file: context.source.file,
    readExternal: context.source.readExternal,
    irVersion,
    producerName: fields.producerName,
    producerVersion: fields.producerVersion,
    domain: fields.domain,
    modelVersion: fields.modelVersion ?? 0,
    opsets: readOperatorSets(context, fields.opsetImport, graph, functions),
    metadata: new Map(
      fields.metadataProps.map((range) => {
        const { key, value } = readMessage(entryProto, context, range);
        return [key, value];
      }),
    ),
    graph,
    functions,
    unknownFields: fields.unknown,
    warnings: context.source.warnings,
  };
}

function readFunction(outer: Context, range: Range): OnnxFunction {
  const { name, domain, overload } = readMessage(functionProto, outer.inNode('function'), range);
  return { name, domain: canonicalDomain(domain), overload, range };
}
