/** What an internal fault leaves behind: written where it can be, and never a fault of its own. */
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeFolder } from './make_folder.ts';

/**
 * Writes a file into the folder, or into one for temporary files where that is not possible.
 *
 * @param contents what is in the file; it may throw
 * @returns its path, or undefined when it cannot be written anywhere
 */
export function writeReproducer(folder: string, name: string, contents: (path: string) => string): string | undefined {
  for (const place of [folder, join(tmpdir(), 'unskew-reproducers')]) {
    const path = join(place, name);
    let isOurs = false;
    try {
      makeFolder(place);
      writeFileSync(path, '', { flag: 'wx' });
      isOurs = true;
      writeFileSync(path, contents(path));
      return path;
    } catch {
      if (isOurs) discard(path); // half of it would not replay
    }
  }
  return undefined;
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // nothing is left to be done
  }
}
