/**
 * A compiled model as one file:
 *
 *   8 bytes   "UNSKEW", 0, version
 *   4 bytes   length of the header, little endian
 *   header    JSON: the graph at level dnnl as text, the table of its large constants, certificate, strategies, target
 *   constants each 64-byte aligned, in the order of the table
 *
 * The graph is host-independent; layouts, packing and memory are planned where the file is loaded. It is kept in its
 * textual form because the parser checks all of it, and people can read it.
 */
import { fail, UnskewError } from '../diagnostics/index.ts';
import {
  bytesOf,
  constantOf,
  dtypes,
  type Graph,
  type ITensor,
  isDType,
  parse,
  print,
  sizeOf,
  tensorOfBytes,
  type ValueId,
  verify,
} from '../ir/index.ts';
import type { Certificate } from '../passes/certificate.ts';
import type { StrategyReport } from '../passes/strategies.ts';
import type { Target } from '../passes/target.ts';

const MAGIC = [0x55, 0x4e, 0x53, 0x4b, 0x45, 0x57, 0, 1] as const;
const VERSION = MAGIC.length - 1;
const PREFIX = MAGIC.length + 4;
const ALIGNMENT = 64;

export interface CompiledModel {
  readonly graph: Graph;
  readonly target: Target;
  readonly certificate: Certificate;
  readonly strategies: readonly StrategyReport[];
}

interface Place {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** From the start of the constants. */
  readonly offset: number;
}

interface Header extends Omit<CompiledModel, 'graph'> {
  readonly graph: string;
  readonly constants: Readonly<Record<string, Place>>;
}

/** By the magic alone: the version is judged when it is read. */
export const isCompiledFile = (bytes: Uint8Array): boolean =>
  MAGIC.slice(0, VERSION).every((byte, i) => bytes[i] === byte);

const aligned = (n: number): number => Math.ceil(n / ALIGNMENT) * ALIGNMENT;

export function writeCompiledFile({ graph, ...rest }: CompiledModel): Uint8Array {
  const constants: Record<string, Place> = {};
  const payload: { readonly bytes: Uint8Array; readonly offset: number }[] = [];
  let [end, size] = [0, 0];
  for (const id of Object.keys(graph.values) as ValueId[]) {
    const tensor = constantOf(graph, id);
    if (tensor === undefined) continue;
    const bytes = bytesOf(tensor.data);
    constants[id] = { dtype: tensor.dtype, shape: tensor.shape, offset: end };
    payload.push({ bytes, offset: end });
    size = end + bytes.length;
    end = aligned(size);
  }
  const header: Header = { graph: print(graph, { elideConstants: true }), constants, ...rest };
  const json = new TextEncoder().encode(JSON.stringify(header));
  const start = aligned(PREFIX + json.length);
  const file = new Uint8Array(start + size);
  file.set(MAGIC);
  new DataView(file.buffer).setUint32(MAGIC.length, json.length, true);
  file.set(json, PREFIX);
  for (const { bytes, offset } of payload) file.set(bytes, start + offset);
  return file;
}

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
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(MAGIC.length, true);
  if (PREFIX + length > bytes.length) refuse('is truncated');
  const header =
    readHeader(bytes.subarray(PREFIX, PREFIX + length)) ?? refuse('is damaged: its header is none of ours');
  const start = aligned(PREFIX + length);
  const constants = new Map<string, ITensor>();
  for (const [id, place] of Object.entries(header.constants)) {
    constants.set(
      id,
      constantAt(bytes.subarray(Math.min(start, bytes.length)), place) ??
        refuse(`is damaged: the constant @${id} is not inside the file`),
    );
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

function constantAt(constants: Uint8Array, { dtype, shape, offset }: Place): ITensor | undefined {
  const isSize = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;
  if (!isDType(dtype) || !Array.isArray(shape) || !shape.every(isSize) || !isSize(offset)) return undefined;
  const length = sizeOf(shape) * dtypes[dtype].bytes;
  return offset + length <= constants.length
    ? tensorOfBytes(dtype, shape, constants.subarray(offset, offset + length))
    : undefined;
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
    isRecord(header.target) &&
    isRecord(header.certificate) &&
    Array.isArray(header.certificate.entries) &&
    Array.isArray(header.strategies);
  return sound ? header : undefined;
}
