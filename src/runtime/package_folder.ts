/** The folder of the package, wherever the code of a bundle lies in it. */
import { existsSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';

/** The nearest folder above this file that has a package.json, and the separator. */
export const packageFolder: string = `${above(import.meta.dirname)}${sep}`;

function above(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder;
  const next = dirname(folder);
  return next === folder ? folder : above(next);
}
