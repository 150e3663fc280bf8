/** The command line as child processes start it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

const { status } = spawnSync(`${root}scripts/setup`, ['--built']);

/** True where dist/ was made of the sources as they are, as `npm test` makes sure. */
export const isBuilt = status === 0;

/** Arguments of Node.js: dist/, which starts in a fifth of the time, or the sources where dist/ was made of others. */
export const program: readonly string[] = isBuilt
  ? [`${root}dist/cli/main.js`]
  : ['--import', import.meta.resolve('tsx'), `${root}src/cli/main.ts`];

/** Puts the bundles of the sources into a folder within the repository, in whose package.json they look for their version. */
export function bundleInto(folder: string): void {
  if (isBuilt) cpSync(`${root}dist`, folder, { recursive: true, filter: (path) => !path.endsWith('.d.ts') });
  else execFileSync(process.execPath, [`${root}scripts/bundle.mjs`, folder], { stdio: 'pipe' });
}
