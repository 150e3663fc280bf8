/** The bytes of a model's file where nobody else reads them, so that their memory may go once weights are packed. */
import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import type { HeldFile } from '../codegen/index.ts';
import { fail } from '../diagnostics/index.ts';
import { type ConstantPool, type Graph, isStatic, keysOf } from '../ir/index.ts';
import type { BackendOrder } from './backend_names.ts';
import { backends } from './backends.ts';
import { readModelFileSync } from './import_model.ts';
import { changedFile } from './means.ts';

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

export type OfPools = (pool: ConstantPool) => ConstantPool;

/**
 * For a model whose sessions read constants later: those of bodies when they first run, those of open sizes with any run. Undefined for others,
 * and where the memory cannot be given back before.
 */
export function heldFor(
  { inputs, values }: Pick<Graph, 'inputs' | 'values'>,
  hasBodies: boolean,
  [first]: BackendOrder,
  file: OwnFile,
): OfPools | undefined {
  const { hold } = backends[first];
  const isLater = hasBodies || inputs.some((id) => !isStatic(values[id].type.shape));
  return isLater && hold ? heldBy(file, hold) : undefined;
}

/** Smaller constants are copied: plans look at them. */
const LEAST_HELD = 2 ** 15;

type Hold = (bytes: Uint8Array, descriptor: number) => HeldFile;

/**
 * Makes pools of the same constants, in memory that goes back to the system as sessions pack it: those of later sizes read the file again.
 * It stays open, so that it may be deleted or replaced. Undefined where it is not the file any more that was read.
 */
function heldBy(file: OwnFile, hold: Hold): OfPools | undefined {
  const held = holding(file, hold);
  if (held === undefined) return undefined;
  const read = (offset: number, length: number): Uint8Array => {
    try {
      return held.read(offset, length);
    } catch (error) {
      throw changedFile(error) ?? error;
    }
  };
  const made = new Map<ConstantPool, ConstantPool>();
  return (pool) => {
    const known = made.get(pool) ?? pool.heldIn(file.bytes.buffer, LEAST_HELD, read);
    made.set(pool, known);
    return known;
  };
}

function holding({ path, bytes, version }: OwnFile, hold: Hold): HeldFile | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return isVersion(fstatSync(descriptor), version) ? hold(bytes, descriptor) : undefined;
  } catch {
    return undefined; // the memory stays
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

const isVersion = (now: Version, version: Version): boolean =>
  keysOf(version).every((name) => now[name] === version[name]);

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
  const isSame = now !== undefined && isVersion(now, version);
  const bytes = isSame ? readModelFileSync(path) : undefined;
  if (bytes?.length === version.size) return bytes;
  return fail(
    'U1001',
    `the file ${now === undefined ? 'is not there any more' : 'has changed since the model was compiled'}, and proofs need its weights`,
    { file: path },
    'compile the model again',
  );
}
