/** Names the code of an unskew by digests of its sources: that of the addon, and that which makes plans for it. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Bundles know the digests of the sources that they were made of (scripts/bundle.mjs). */
declare const BUNDLED_SOURCES: string | undefined;
declare const BUNDLED_PLANNER: string | undefined;

/** @param root the folder of the package, with a separator at its end */
export const addonSources = (root: string): string | undefined =>
  typeof BUNDLED_SOURCES === 'string' ? BUNDLED_SOURCES : addonDigest(root);

let planner: { readonly digest: string | undefined } | undefined;

/** The code that plans is loaded once per process, whatever becomes of its files. */
export function plannerSources(root: string): string | undefined {
  if (typeof BUNDLED_PLANNER === 'string') return BUNDLED_PLANNER;
  planner ??= { digest: plannerDigest(root) };
  return planner.digest;
}

/** As `native/seal.cmake` computes it; undefined where sources are missing or unreadable. */
export const addonDigest = (root: string): string | undefined =>
  digestOfFiles(root, 'native', (path) => /\.(cc|h)$/.test(path) && !path.startsWith('native/test/'), 'CMakeLists.txt');

/** Of all of src/: a list of what plans depend on would lack something one day. Undefined as above. */
export const plannerDigest = (root: string): string | undefined =>
  digestOfFiles(root, 'src', (path) => path.endsWith('.ts'));

function digestOfFiles(
  root: string,
  folder: string,
  isOne: (path: string) => boolean,
  ...others: readonly string[]
): string | undefined {
  try {
    const files = readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(root.length))
      .filter(isOne);
    const lines = [...others, ...files].sort().map((path) => `${digestOf(readFileSync(join(root, path)))}  ${path}\n`);
    return digestOf(lines.join(''));
  } catch {
    return undefined;
  }
}

const digestOf = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');
