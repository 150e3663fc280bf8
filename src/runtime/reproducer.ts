/** Files that an internal fault leaves behind. Writing them never throws: undefined means that no folder can be written to. */
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, parse } from 'node:path';
import { systemCode } from '../diagnostics/index.ts';
import { makeFolder } from './make_folder.ts';

/** Limits the search for a free name: faults of the same millisecond want the same one. */
const MOST_OF_ONE_NAME = 1000;

/**
 * Writes a file into the folder, or into one for temporary files when this fails. An existing file of the same name
 * stays: the new one is called `name-2`, and so on.
 *
 * @param contents the text of the file; it may throw
 * @returns its path, or undefined when it cannot be written anywhere
 */
export function writeReproducer(folder: string, name: string, contents: (path: string) => string): string | undefined {
  for (const place of [folder, join(tmpdir(), 'unskew-reproducers')]) {
    let path: string | undefined;
    try {
      makeFolder(place);
      path = reserved(place, name);
      writeFileSync(path, contents(path));
      return path;
    } catch {
      if (path !== undefined) discard(path); // half of it would not replay
    }
  }
  return undefined;
}

/** Creates an empty file that nobody else has. @throws the error of the system */
function reserved(folder: string, name: string): string {
  const { name: stem, ext } = parse(name);
  for (let n = 1; ; n++) {
    const path = join(folder, n === 1 ? name : `${stem}-${n}${ext}`);
    try {
      writeFileSync(path, '', { flag: 'wx' });
      return path;
    } catch (error) {
      if (systemCode(error) !== 'EEXIST' || n === MOST_OF_ONE_NAME) throw error;
    }
  }
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // nothing is left to be done
  }
}
