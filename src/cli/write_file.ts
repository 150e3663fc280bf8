/**
 * Writes a file. The path may name:
 *
 *   - a regular file, or none yet: it is replaced as a whole or not at all. The new contents go into a file beside it, are
 *     synced, read back and renamed over the old one, whose mode and owner they take over; an error or Ctrl-C leaves nothing.
 *   - a link: its target is written, even when it does not exist yet.
 *   - a device or a pipe: written through, never replaced.
 *
 * Other hard links of a replaced file keep the old contents, since replacing makes a new file.
 */
import { accessSync, chmodSync, chownSync, closeSync, constants, fsync, openSync, type Stats, write } from 'node:fs';
import { lstat, open, readFile, readlink, realpath, rename } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { fail, systemHint, systemReason } from '../diagnostics/index.ts';
import { makeFolder, openBeside } from '../runtime/index.ts';

/** The place that a path leads to. */
export type Place =
  /** A file to replace as a whole; `now`: the existing file. */
  | { readonly kind: 'file'; readonly path: string; readonly now?: Stats }
  | { readonly kind: 'through'; readonly path: string }
  /** An open file of this process, named through /proc. */
  | { readonly kind: 'descriptor'; readonly descriptor: number };

const MOST_LINKS = 40;
const PERMISSIONS = 0o7777;

/** @throws UnskewError U1007 */
export async function writeFile(place: Place, contents: Uint8Array, shown: string): Promise<void> {
  await refusing(shown, async () => {
    if (place.kind === 'file') await replace(place.path, contents, place.now);
    else if (place.kind === 'through') await writeThrough(place.path, contents);
    else await writeAll(place.descriptor, contents);
  });
}

/** Follows links. Folders on the way are made. @throws UnskewError U1007 */
export const placeOf = (path: string): Promise<Place> => refusing(path, () => follow(path));

async function follow(path: string): Promise<Place> {
  if (path.endsWith('/')) throw systemError('EISDIR');
  let at = resolve(path);
  for (let links = 0; links < MOST_LINKS; links++) {
    makeFolder(dirname(at));
    const folder = await realpath(dirname(at));
    at = join(folder, basename(at));
    const found = await orNothing(lstat(at));
    if (found?.isSymbolicLink()) {
      // links in /proc/PID/fd name open files, which have no other name where they are pipes
      const owner = /^\/proc\/(\d+)\/(?:task\/\d+\/)?fd$/.exec(folder)?.[1];
      if (owner === String(process.pid)) return { kind: 'descriptor', descriptor: Number(basename(at)) };
      if (owner !== undefined) return { kind: 'through', path: at };
      at = resolve(folder, await readlink(at));
      continue;
    }
    if (found === undefined) return { kind: 'file', path: at };
    if (found.isDirectory()) throw systemError('EISDIR');
    return found.isFile() ? { kind: 'file', path: at, now: found } : { kind: 'through', path: at };
  }
  throw systemError('ELOOP');
}

async function replace(path: string, contents: Uint8Array, now: Stats | undefined): Promise<void> {
  if (now !== undefined) accessSync(path, constants.W_OK); // a file that may not be written may not be replaced either
  const beside = openBeside(dirname(path), now === undefined ? 0o666 : 0o600);
  try {
    try {
      await writeAll(beside.descriptor, contents);
      if (now !== undefined) takeOver(beside.path, now);
      await sync(beside.descriptor);
    } finally {
      closeSync(beside.descriptor);
    }
    if (!(await readFile(beside.path)).equals(contents)) throw new Error('the written file reads back as other bytes');
    await rename(beside.path, path);
    beside.keep();
    await syncFolder(dirname(path));
  } finally {
    beside.remove();
  }
}

/** Takes over the mode of the replaced file, and its owner if allowed. */
function takeOver(path: string, { mode, uid, gid }: Stats): void {
  try {
    chownSync(path, uid, gid);
  } catch {
    // the file stays ours, as every file is that we make
  }
  chmodSync(path, mode & PERMISSIONS);
}

/** O_NOCTTY: writing to a terminal does not make it the controlling one. */
async function writeThrough(path: string, contents: Uint8Array): Promise<void> {
  // not openSync: opening a pipe waits for its reader
  const handle = await open(path, constants.O_WRONLY | constants.O_APPEND | constants.O_NOCTTY);
  try {
    await writeAll(handle.fd, contents);
  } finally {
    await handle.close();
  }
}

const writeSome = promisify(write);
const syncDescriptor = promisify(fsync);

async function writeAll(descriptor: number, contents: Uint8Array): Promise<void> {
  for (let at = 0; at < contents.length; ) {
    const { bytesWritten } = await writeSome(descriptor, contents, at, contents.length - at, null);
    at += bytesWritten;
  }
}

/** File systems that do not sync say EINVAL. */
async function sync(descriptor: number): Promise<void> {
  await syncDescriptor(descriptor).catch((error) => {
    if (error.code !== 'EINVAL' && error.code !== 'ENOTSUP') throw error;
  });
}

/** So that the new name survives a power failure too. */
async function syncFolder(folder: string): Promise<void> {
  let descriptor: number;
  try {
    descriptor = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch {
    return; // a folder that may be written and not read
  }
  try {
    await sync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

const orNothing = <T>(found: Promise<T>): Promise<T | undefined> =>
  found.catch((error) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });

const systemError = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });

async function refusing<T>(path: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    return fail(
      'U1007',
      `the file cannot be written: ${systemReason(error)}`,
      { file: path },
      systemHint(error, 'write'),
    );
  }
}
