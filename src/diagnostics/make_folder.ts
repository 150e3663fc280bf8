import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemCode } from './system_error.ts';

/**
 * Makes a folder and those around it. Not `mkdir` of Node with `recursive`, which never ends where a folder cannot be made in
 * one that exists (/proc).
 *
 * @throws what the system refuses it with
 */
export function makeFolder(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found?.isDirectory()) return;
  if (found !== undefined) throw Object.assign(new Error('ENOTDIR'), { code: 'ENOTDIR' });
  const parent = dirname(folder);
  if (parent !== folder) makeFolder(parent);
  try {
    mkdirSync(folder);
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error; // somebody else was faster
  }
}
