/** The library that the addon is linked with, as the loader will look for it: a truncated one ends the process that loads it (SIGBUS). */
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { isCut } from './addon_seal.ts';

const systemFolders = ['/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu', '/lib64', '/usr/lib64', '/usr/local/lib'];

/** The truncated library that the addon would be loaded with; undefined when there is none, or where it lies is not known. */
export function truncatedLibrary(addon: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const file = readFileSync(addon);
  const at = file.indexOf('libdnnl.so.');
  const name = /^libdnnl\.so\.\d+/.exec(file.toString('latin1', at, at + 32))?.[0];
  if (name === undefined) return undefined;
  for (const folder of [...(env.LD_LIBRARY_PATH ?? '').split(/[:;]/).filter((part) => part !== ''), ...systemFolders]) {
    const path = join(folder, name);
    const found = isTruncated(path);
    if (found !== undefined) return found ? path : undefined;
  }
  return undefined;
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
