/**
 * A compiled model as one file:
 *
 *   8 bytes   "UNSKEW", 0, version
 *   4 bytes   length of the header, little endian
 *   4 bytes   CRC-32 of the header and of the 12 bytes before
 *   header    JSON: the graph at level dnnl as text, the table of its constants (of those in bodies by path) with the CRC-32 of each, certificate,
 *             strategies, target, length of what follows
 *   constants each 64-byte aligned, in the order of the table, zeros between them
 *
 * Everything but those zeros is under a checksum, and all of them are verified when the file is read: a flipped bit in a
 * weight would be other numbers, without a word. CRC-32 finds every burst of up to 32 bits and takes 14 ms for 100 MB.
 *
 * The graph is host-independent; layouts, packing and memory are planned where the file is loaded. It is kept in its
 * textual form because the parser checks all of it, and people can read it.
 */

import { fail, UnskewError } from '../diagnostics/index.ts';
import {
  byteLengthOf,
  bytesOf,
  constantsByPath,
  type DType,
  type Graph,
  type ITensor,
  isDType,
  parse,
  print,
  sizeOf,
  tensorOfBytes,
  verify,
} from '../ir/index.ts';
import type { Certificate, StrategyReport } from '../passes/index.ts';
import { platform } from '../platform/index.ts';
import { COMPILED_NAME } from './compiled_name.ts';
import type { TargetDescription } from './targets.ts';

const MAGIC = [...COMPILED_NAME, 2] as const;
const VERSION = MAGIC.length - 1;
const CHECKED = MAGIC.length + 4;
const PREFIX = CHECKED + 4;
const ALIGNMENT = 64;

export interface CompiledModel {
  readonly graph: Graph;
  readonly target: TargetDescription;
  readonly certificate: Certificate;
  readonly strategies: readonly StrategyReport[];
}

interface Place {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** From the start of the constants. */
  readonly offset: number;
  readonly crc: number;
}

interface Header extends Omit<CompiledModel, 'graph'> {
  readonly graph: string;
  readonly constants: Readonly<Record<string, Place>>;
  /** The bytes of the constants, gaps included. */
  readonly size: number;
}

const aligned = (n: number): number => Math.ceil(n / ALIGNMENT) * ALIGNMENT;

export function writeCompiledFile({ graph, target, certificate, strategies }: CompiledModel): Uint8Array {
  const constants: Record<string, Place> = {};
  const payload: { readonly bytes: Uint8Array; readonly offset: number }[] = [];
  let [end, size] = [0, 0];
  for (const [id, tensor] of constantsByPath(graph)) {
    const bytes = bytesOf(tensor.data);
    constants[id] = { dtype: tensor.dtype, shape: tensor.shape, offset: end, crc: platform.crc32(bytes) };
    payload.push({ bytes, offset: end });
    size = end + bytes.length;
    end = aligned(size);
  }
  const text = print(graph, { elideConstants: true });
  const header: Header = { graph: text, constants, size, target, certificate, strategies };
  const json = new TextEncoder().encode(JSON.stringify(header));
  const start = aligned(PREFIX + json.length);
  const file = new Uint8Array(start + size);
  file.set(MAGIC);
  const view = new DataView(file.buffer);
  view.setUint32(MAGIC.length, json.length, true);
  file.set(json, PREFIX);
  view.setUint32(CHECKED, headerChecksum(file, json.length), true);
  for (const { bytes, offset } of payload) file.set(bytes, start + offset);
  return file;
}

const headerChecksum = (file: Uint8Array, length: number): number =>
  platform.crc32(file.subarray(PREFIX, PREFIX + length), platform.crc32(file.subarray(0, CHECKED)));

/** @throws UnskewError U5004 for a file of another version, a truncated or a damaged one */
export function readCompiledFile(bytes: Uint8Array, file?: string): CompiledModel {
  const refuse = (why: string): never =>
    fail(
      'U5004',
      `this compiled model ${why}`,
      file === undefined ? {} : { file },
      'compile it again with: unskew compile MODEL -o FILE',
    );
  if (bytes.length < PREFIX) refuse('is truncated');
  if (bytes[VERSION] !== MAGIC[VERSION])
    refuse(`is of version ${bytes[VERSION]}; this unskew reads version ${MAGIC[VERSION]}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = view.getUint32(MAGIC.length, true);
  if (PREFIX + length > bytes.length) refuse('is truncated');
  if (headerChecksum(bytes, length) !== view.getUint32(CHECKED, true))
    refuse('is damaged: its header does not have the checksum that was written');
  const header =
    readHeader(bytes.subarray(PREFIX, PREFIX + length)) ?? refuse('is damaged: its header is not one of ours');
  const start = aligned(PREFIX + length);
  if (start + header.size !== bytes.length) refuse(`should have ${start + header.size} bytes, but has ${bytes.length}`);
  const constants = new Map<string, ITensor>();
  for (const [id, place] of Object.entries(header.constants)) {
    const { dtype, section } =
      sectionOf(bytes.subarray(Math.min(start, bytes.length)), place) ??
      refuse(`is damaged: the constant @${id} is not inside the file`);
    if (platform.crc32(section) !== place.crc)
      refuse(`is damaged: the constant @${id} does not have the checksum that was written`);
    constants.set(id, tensorOfBytes(dtype, place.shape, section));
  }
  const { target, certificate, strategies } = header;
  try {
    const graph = parse(header.graph, file, constants);
    const violations = verify(graph, 'dnnl');
    return violations.length === 0
      ? { graph, target, certificate, strategies }
      : refuse(`is damaged: ${violations[0].message}`);
  } catch (error) {
    if (error instanceof UnskewError && error.code !== 'U5004')
      return refuse(`is damaged: ${error.diagnostics[0].message}`);
    throw error;
  }
}

/** The element type of a constant, and its bytes. */
function sectionOf(
  constants: Uint8Array,
  { dtype, shape, offset }: Place,
): { readonly dtype: DType; readonly section: Uint8Array } | undefined {
  const isSize = (n: unknown): n is number => typeof n === 'number' && Number.isSafeInteger(n) && n >= 0;
  if (!isDType(dtype) || !Array.isArray(shape) || !shape.every(isSize) || !isSize(offset)) return undefined;
  const length = byteLengthOf(dtype, sizeOf(shape));
  const end = offset + length;
  return end <= constants.length ? { dtype, section: constants.subarray(offset, end) } : undefined;
}

function readHeader(bytes: Uint8Array): Header | undefined {
  let header: Header;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
  const isRecord = (value: unknown): value is Record<string, unknown> => value !== null && typeof value === 'object';
  const sound =
    isRecord(header) &&
    typeof header.graph === 'string' &&
    isRecord(header.constants) &&
    Object.values(header.constants).every(isRecord) &&
    Number.isSafeInteger(header.size) &&
    isRecord(header.target) &&
    isRecord(header.certificate) &&
    Array.isArray(header.certificate.entries) &&
    Array.isArray(header.strategies);
  return sound ? header : undefined;
}
