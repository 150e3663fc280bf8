/**
 * Checks, before a file is loaded, that it is the addon built from these sources: loading a truncated library ends the
 * process (SIGBUS), one with a flipped bit computes other numbers, and one of other sources takes other arguments.
 *
 * `native/seal.cmake` ends the file with a line: a digest of the sources, and a checksum of all that is before it. Both are
 * looked at each time, which takes some 5 ms once per process.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode, systemReason } from '../diagnostics/index.ts';

const seal = /\nunskew addon, sources ([0-9a-f]{64}), checksum ([0-9a-f]{64})\n$/;
const CHECKSUM_PART = ', checksum '.length + 64 + 1;
/** Larger files are not read: no addon comes near this size. */
const MOST_BYTES = 256 << 20;

/**
 * Tells the fault of a file, in words that follow "the native addon"; undefined when it has none.
 *
 * @param root the folder of the package, with the sources that the addon has to be built from
 */
export function addonFault(path: string, root: string): string | undefined {
  let file: Buffer;
  try {
    const read = readRegular(path);
    if (typeof read === 'string') return read;
    file = read;
  } catch (error) {
    const isMissing = systemCode(error) === 'ENOENT';
    return isMissing ? 'has not been built' : `cannot be read: ${systemReason(error)}`;
  }
  const found = seal.exec(file.subarray(-256).toString('latin1'));
  if (found === null) return unsealed(file);
  const [, sources, checksum] = found;
  if (checksum !== digestOf(file.subarray(0, file.length - CHECKSUM_PART)))
    return 'is damaged: it does not have the checksum that it was built with';
  if (sources !== sourcesDigest(root)) return 'was built from other sources than this unskew has';
  return undefined;
}

function readRegular(path: string): Buffer | string {
  // O_NONBLOCK: opening a pipe must not wait for a writer
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(descriptor);
    if (stat.isDirectory()) return 'is a folder';
    if (!stat.isFile()) return 'is not a file';
    if (stat.size > MOST_BYTES) return `is not a native addon: it has ${stat.size} bytes`;
    const file = Buffer.allocUnsafeSlow(stat.size);
    for (let at = 0; at < file.length; ) {
      const count = readSync(descriptor, file, at, file.length - at, at);
      if (count === 0) return 'became shorter while it was read';
      at += count;
    }
    return file;
  } finally {
    closeSync(descriptor);
  }
}

/** Files of an earlier unskew, of another program, or of none. */
function unsealed(file: Buffer): string {
  if (file.length === 0) return 'is an empty file';
  const isElf = file.subarray(0, 4).toString('latin1') === '\x7fELF';
  if (!isElf) return 'is not a native addon at all';
  return isCut(file, file.length)
    ? 'is truncated'
    : 'is not of this version of unskew, or not of unskew: it has no mark of its build';
}

/** True when a library (ELF, 64 bits) of the given size ends before its last part, the table of sections. */
export function isCut(start: Buffer, size: number): boolean {
  if (start.length < 64) return true;
  return Number(start.readBigUInt64LE(0x28)) + start.readUInt16LE(0x3a) * start.readUInt16LE(0x3c) > size;
}

/** The digest of the sources, computed as in `native/seal.cmake`. */
function sourcesDigest(root: string): string | undefined {
  try {
    const native = readdirSync(join(root, 'native'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(cc|h)$/.test(entry.name))
      .map(({ parentPath, name }) => join(parentPath, name).slice(root.length))
      .filter((path) => !path.startsWith('native/test/'));
    const lines = ['CMakeLists.txt', ...native]
      .sort()
      .map((path) => `${digestOf(readFileSync(join(root, path)))}  ${path}\n`);
    return digestOf(lines.join(''));
  } catch {
    return undefined; // the sources are missing or unreadable, so they cannot be compared
  }
}

const digestOf = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');
