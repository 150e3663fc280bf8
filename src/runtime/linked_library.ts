/** The library that the addon is linked with, as the loader will look for it: a truncated one ends the process that loads it (SIGBUS). */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { isCut } from './addon_seal.ts';

const systemFolders = ['/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu', '/lib64', '/usr/lib64', '/usr/local/lib'];

/** The truncated library that the addon would be loaded with; undefined when there is none, or where it lies is not known. */
export function truncatedLibrary(addon: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const name = nameIn(addon);
  if (name === undefined) return undefined;
  for (const folder of [...(env.LD_LIBRARY_PATH ?? '').split(/[:;]/).filter((part) => part !== ''), ...systemFolders]) {
    const path = join(folder, name);
    const found = isTruncated(path);
    if (found !== undefined) return found ? path : undefined;
  }
  return undefined;
}

/** The names of libraries stand near the beginning, and a process is as large as it ever was. */
const PART_BYTES = 2 ** 17;
const MOST_LETTERS = 32;

function nameIn(addon: string): string | undefined {
  const file = openSync(addon, 'r');
  try {
    const part = Buffer.alloc(PART_BYTES);
    for (let at = 0, count = PART_BYTES; count > MOST_LETTERS; at += count - MOST_LETTERS) {
      count = readSync(file, part, 0, part.length, at);
      const name = /libdnnl\.so\.\d+/.exec(part.toString('latin1', 0, count))?.[0];
      if (name !== undefined) return name;
    }
    return undefined;
  } finally {
    closeSync(file);
  }
}

function isTruncated(path: string): boolean | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const start = Buffer.alloc(64);
    const length = readSync(descriptor, start, 0, start.length, 0);
    const isElf = start.subarray(0, 4).toString('latin1') === '\x7fELF'; // the loader reports all other faults
    return isElf && isCut(start.subarray(0, length), fstatSync(descriptor).size);
  } catch {
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}
