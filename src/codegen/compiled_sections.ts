/** The frame of a compiled file: what it begins with, and the sections behind its header. `compiled_file.ts` has the whole form. */
import { fail } from '../diagnostics/index.ts';
import type { Certificate, StrategyReport } from '../passes/index.ts';
import { platform } from '../platform/index.ts';
import { COMPILED_NAME } from './compiled_name.ts';
import type { TargetDescription } from './targets.ts';

export const MAGIC = [...COMPILED_NAME, 4] as const;
export const VERSION = MAGIC.length - 1;
export const CHECKED = MAGIC.length + 4;
export const PREFIX = CHECKED + 4;
const ALIGNMENT = 64;

export const aligned = (n: number): number => Math.ceil(n / ALIGNMENT) * ALIGNMENT;

/** Bytes behind the header; offsets count from the first section. */
export interface Section {
  readonly offset: number;
  readonly bytes: number;
  readonly crc: number;
}

export interface Place {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly crc: number;
}

/** The plan of the model on one kind of machine. */
export interface ReadyPart {
  /** Names the machine, the kernels and the code that planned. */
  readonly key: string;
  /** JSON. */
  readonly plan: Section;
  /** The offset behind the last section. */
  readonly end: number;
}

export interface Header {
  readonly graph: string;
  readonly constants: Readonly<Record<string, Place>>;
  /** The bytes of the constants, gaps included. */
  readonly size: number;
  readonly target: TargetDescription;
  readonly certificate: Certificate;
  readonly strategies: readonly StrategyReport[];
  readonly ready?: ReadyPart;
}

/** A file as far as it is read. */
export interface Source {
  readonly size: number;
  /** So many bytes from a place on; the file has them. They are there until the next call. */
  read(offset: number, bytes: number): Uint8Array;
  /** Its name in messages. */
  readonly file?: string | undefined;
}

/** Appends sections, each aligned. */
export class Sections {
  readonly #payload: { readonly bytes: Uint8Array; readonly offset: number }[] = [];
  /** The offset behind the last section. */
  end = 0;

  add(bytes: Uint8Array): Section {
    const offset = aligned(this.end);
    this.#payload.push({ bytes, offset });
    this.end = offset + bytes.length;
    return { offset, bytes: bytes.length, crc: platform.crc32(bytes) };
  }

  /** The sections, one behind the other. */
  joined(): Uint8Array {
    const all = new Uint8Array(this.end);
    for (const { bytes, offset } of this.#payload) all.set(bytes, offset);
    return all;
  }

  /** The file. */
  behind(header: Header): Uint8Array {
    const json = new TextEncoder().encode(JSON.stringify(header));
    const start = aligned(PREFIX + json.length);
    const file = new Uint8Array(start + this.end);
    file.set(MAGIC);
    const view = new DataView(file.buffer);
    view.setUint32(MAGIC.length, json.length, true);
    file.set(json, PREFIX);
    view.setUint32(CHECKED, checksumOf(file, json), true);
    for (const { bytes, offset } of this.#payload) file.set(bytes, start + offset);
    return file;
  }
}

const checksumOf = (start: Uint8Array, header: Uint8Array): number =>
  platform.crc32(header, platform.crc32(start.subarray(0, CHECKED)));

export function refused(why: string, file: string | undefined): never {
  return fail(
    'U5004',
    `this compiled model ${why}`,
    file === undefined ? {} : { file },
    'compile it again with: unskew compile MODEL -o FILE',
  );
}

/**
 * The header, and where the sections begin.
 *
 * @throws UnskewError U5004 for a file of another version, a truncated or a damaged one
 */
export function headerOf(source: Source): { readonly header: Header; readonly start: number } {
  const refuse = (why: string): never => refused(why, source.file);
  if (source.size < PREFIX) refuse('is truncated');
  const prefix = source.read(0, PREFIX).slice();
  if (prefix[VERSION] !== MAGIC[VERSION])
    refuse(`is of version ${prefix[VERSION]}; this unskew reads version ${MAGIC[VERSION]}`);
  const view = new DataView(prefix.buffer, prefix.byteOffset);
  const length = view.getUint32(MAGIC.length, true);
  if (PREFIX + length > source.size) refuse('is truncated');
  const json = source.read(PREFIX, length);
  if (checksumOf(prefix, json) !== view.getUint32(CHECKED, true))
    refuse('is damaged: its header does not have the checksum that was written');
  const header = readHeader(json) ?? refuse('is damaged: its header is not one of ours');
  const start = aligned(PREFIX + length);
  const end = start + (header.ready?.end ?? header.size);
  if (end !== source.size) refuse(`should have ${end} bytes, but has ${source.size}`);
  return { header, start };
}

/** @throws UnskewError U5004 for one that is outside of the file or damaged */
export function sectionOf(source: Source, start: number, { offset, bytes, crc }: Section, what: string): Uint8Array {
  if (!isSize(offset) || !isSize(bytes) || start + offset + bytes > source.size)
    refused(`is damaged: ${what} is not inside the file`, source.file);
  const section = source.read(start + offset, bytes);
  if (platform.crc32(section) !== crc)
    refused(`is damaged: ${what} does not have the checksum that was written`, source.file);
  return section;
}

export const isSize = (n: unknown): n is number => typeof n === 'number' && Number.isSafeInteger(n) && n >= 0;

const isRecord = (value: unknown): value is Record<string, unknown> => value !== null && typeof value === 'object';

function readHeader(bytes: Uint8Array): Header | undefined {
  let header: Header;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
  const sound =
    isRecord(header) &&
    typeof header.graph === 'string' &&
    isRecord(header.constants) &&
    Object.values(header.constants).every(isRecord) &&
    isSize(header.size) &&
    isRecord(header.target) &&
    isRecord(header.certificate) &&
    Array.isArray(header.certificate.entries) &&
    Array.isArray(header.strategies) &&
    (header.ready === undefined || (isRecord(header.ready) && isRecord(header.ready.plan) && isSize(header.ready.end)));
  return sound ? header : undefined;
}
