/** Opens the bytes of an ONNX file as a checked, typed view. */
import { fail, type Location, UnskewError } from '../../../diagnostics/index.ts';
import { looksLike, type OtherFormat, signatureOf } from '../../other_formats.ts';
import { Context, invalid, Source } from './context.ts';
import type { ExternalReader } from './external_data.ts';
import { canonicalDomain, readGraph } from './graph.ts';
import { type Decoded, readMessage } from './message.ts';
import type { OnnxFile, OnnxFunction } from './model.ts';
import { printable } from './printable.ts';
import { entryProto, functionProto, modelProto, operatorSetProto } from './schema.ts';
import type { Range } from './wire.ts';

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
  if (irVersion < 1 || irVersion > 0xffff) invalid(context, `the model has the IR version ${irVersion}`, whole);
  return {
    bytes: context.source.bytes,
    file: context.source.file,
    readExternal: context.source.readExternal,
    irVersion,
    producerName: fields.producerName,
    producerVersion: fields.producerVersion,
    domain: fields.domain,
    modelVersion: fields.modelVersion ?? 0,
    opsets: readOpsets(context, fields),
    metadata: new Map(
      fields.metadataProps.map((range) => {
        const { key, value } = readMessage(entryProto, context, range);
        return [key, value];
      }),
    ),
    graph: readGraph(context, fields.graph),
    functions: fields.functions.map((range) => readFunction(context, range)),
    unknownFields: fields.unknown,
  };
}

function readOpsets(context: Context, fields: Decoded<(typeof modelProto)['fields']>): Map<string, number> {
  const opsets = new Map<string, number>();
  for (const range of fields.opsetImport) {
    const parts = readMessage(operatorSetProto, context, range);
    const domain = canonicalDomain(parts.domain);
    const version = Number(parts.version ?? 0);
    const shown = domain === '' ? 'ai.onnx' : printable(domain);
    if (version < 1 || !Number.isSafeInteger(version))
      invalid(context, `operator set '${shown}' has version ${version}`, range);
    const before = opsets.get(domain) ?? version;
    if (before !== version)
      invalid(context, `operator set '${shown}' is imported as ${before} and as ${version}`, range);
    opsets.set(domain, version);
  }
  if (opsets.size === 0) invalid(context, 'the model imports no operator set', { at: 0, start: 0, end: 0 });
  return opsets;
}

function readFunction(outer: Context, range: Range): OnnxFunction {
  const { name, domain, overload } = readMessage(functionProto, outer.inNode('function'), range);
  return { name, domain: canonicalDomain(domain), overload, range };
}
