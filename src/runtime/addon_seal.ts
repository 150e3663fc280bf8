/**
 * Checks, before a file is loaded, that it is the addon built from these sources: loading a truncated library ends the
 * process (SIGBUS), one with a flipped bit computes other numbers, and one of other sources takes other arguments.
 *
 * `native/seal.cmake` ends the file with a line: a digest of the sources, and a checksum of all that is before it. Both are
 * looked at each time, which takes some 6 ms once per process.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { systemCode, systemReason } from '../diagnostics/index.ts';
import { addonSources } from './sources.ts';

const seal = /\nunskew addon, sources ([0-9a-f]{64}), checksum ([0-9a-f]{64})\n$/;
const CHECKSUM_PART = ', checksum '.length + 64 + 1;
/** Larger files are not read: no addon comes near this size. */
const MOST_BYTES = 256 << 20;
/** Files are read so many bytes at a time: fresh memory for all of them takes as long as their checksum. */
const CHUNK = 2 ** 18;

/**
 * Tells the fault of a file, in words that follow "the native addon"; undefined when it has none.
 *
 * @param root the folder of the package, with the sources that the addon has to be built from
 */
export function addonFault(path: string, root: string): string | undefined {
  let file: Contents;
  try {
    const read = readRegular(path);
    if (typeof read === 'string') return read;
    file = read;
  } catch (error) {
    const isMissing = systemCode(error) === 'ENOENT';
    return isMissing ? 'has not been built' : `cannot be read: ${systemReason(error)}`;
  }
  const found = seal.exec(file.end.toString('latin1'));
  if (found === null) return unsealed(file);
  const [, sources, checksum] = found;
  if (checksum !== file.checksum) return 'is damaged: it does not have the checksum that it was built with';
  if (sources !== addonSources(root)) return 'was built from other sources than this unskew has';
  return undefined;
}

interface Contents {
  readonly size: number;
  readonly start: Buffer;
  readonly end: Buffer;
  /** Of all that is before the checksum in the seal. */
  readonly checksum: string;
}

function readRegular(path: string): Contents | string {
  // O_NONBLOCK: opening a pipe must not wait for a writer
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(descriptor);
    if (stat.isDirectory()) return 'is a folder';
    if (!stat.isFile()) return 'is not a file';
    const { size } = stat;
    if (size > MOST_BYTES) return `is not a native addon: it has ${size} bytes`;
    const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK, size));
    const read = (from: number, length: number): Buffer | undefined => {
      for (let at = 0; at < length; ) {
        const count = readSync(descriptor, chunk, at, length - at, from + at);
        if (count === 0) return undefined;
        at += count;
      }
      return chunk.subarray(0, length);
    };
    const hash = createHash('sha256');
    const checked = size - CHECKSUM_PART;
    for (let from = 0; from < checked; from += CHUNK) {
      const part = read(from, Math.min(CHUNK, checked - from));
      if (part === undefined) return SHORTER;
      hash.update(part);
    }
    const start = Buffer.from(read(0, Math.min(ELF_HEADER, size)) ?? []);
    const end = read(Math.max(0, size - SEAL), Math.min(SEAL, size));
    return end === undefined ? SHORTER : { size, start, end, checksum: hash.digest('hex') };
  } finally {
    closeSync(descriptor);
  }
}

const SHORTER = 'became shorter while it was read';
const ELF_HEADER = 64;
/** The seal ends within so many bytes. */
const SEAL = 256;

/** Files of an earlier unskew, of another program, or of none. */
function unsealed({ start, size }: Contents): string {
  if (size === 0) return 'is an empty file';
  const isElf = start.subarray(0, 4).toString('latin1') === '\x7fELF';
  if (!isElf) return 'is not a native addon at all';
  return isCut(start, size)
    ? 'is truncated'
    : 'is not of this version of unskew, or not of unskew: it has no mark of its build';
}

/** True when a library (ELF, 64 bits) of the given size ends before its last part, the table of sections. */
export function isCut(start: Buffer, size: number): boolean {
  if (start.length < ELF_HEADER) return true;
  return Number(start.readBigUInt64LE(0x28)) + start.readUInt16LE(0x3a) * start.readUInt16LE(0x3c) > size;
}
