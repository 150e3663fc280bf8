/** The bytes of a model's file where nobody else reads them, so that their memory may go once weights are packed. */
import { statSync } from 'node:fs';
import { fail } from '../diagnostics/index.ts';
import { type ConstantPool, keysOf } from '../ir/index.ts';
import { readModelFileSync } from './import_model.ts';

/** A state of a file: another one has other contents, or may have. */
interface Version {
  readonly size: number;
  readonly mtimeMs: number;
  /** Which nobody sets. */
  readonly ctimeMs: number;
  readonly ino: number;
}

export interface OwnFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Of the file when it was read. */
  readonly version: Version;
}

/** Taken before the file is read. Undefined for what gives its contents once, such as a pipe, and for what cannot be read at all. */
export function versionOf(path: string): Version | undefined {
  try {
    const stat = statSync(path);
    const { size, mtimeMs, ctimeMs, ino } = stat;
    return stat.isFile() ? { size, mtimeMs, ctimeMs, ino } : undefined;
  } catch {
    return undefined; // reading it says why
  }
}

/** Undefined where others may read the memory, or the file may have changed meanwhile. */
export const ownFile = (path: string, bytes: Uint8Array, version: Version | undefined): OwnFile | undefined =>
  version !== undefined && version.size === bytes.length && bytes.length === bytes.buffer.byteLength
    ? { path, bytes, version }
    : undefined;

/**
 * The same constants, which are read from the file again when somebody looks at them.
 *
 * @throws UnskewError (then) U1001 when the file is not there any more, or is another one
 */
export function apartFrom({ path, bytes, version }: OwnFile, pool: ConstantPool): ConstantPool {
  let known: Uint8Array | undefined;
  const reread = (): Uint8Array => (known ??= readAgain(path, version));
  return pool.apartFrom(bytes.buffer, (offset, length) => reread().subarray(offset, offset + length));
}

function readAgain(path: string, version: Version): Uint8Array {
  const now = versionOf(path);
  const isSame = now !== undefined && keysOf(version).every((name) => now[name] === version[name]);
  const bytes = isSame ? readModelFileSync(path) : undefined;
  if (bytes?.length === version.size) return bytes;
  return fail(
    'U1001',
    `the file ${now === undefined ? 'is not there any more' : 'has changed since the model was compiled'}, and proofs need its weights`,
    { file: path },
    'compile the model again',
  );
}
