/**
 * A small file system of its own, for effects of a full or a read-only disk. Mounting takes root; without it tests say why they
 * skip.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach } from 'vitest';

const KIBIBYTES = 256;

export interface Mounted {
  /** The mount point; any folder when nothing is mounted. */
  readonly folder: string;
  readonly bytes: number;
  remount(options: 'ro' | 'rw'): void;
}

/** For the tests of the file that calls it. */
export function mountSmall(): Mounted {
  const folder = mkdtempSync(join(tmpdir(), 'unskew-small-'));
  const mount = (...args: string[]): string | undefined => {
    try {
      execFileSync('mount', args, { stdio: ['ignore', 'ignore', 'pipe'] });
      return undefined;
    } catch (error) {
      const { stderr, message } = error as Error & { stderr?: Buffer };
      return String(stderr ?? message).trim();
    }
  };
  const refusal = mount('-t', 'tmpfs', '-o', `size=${KIBIBYTES}k`, 'tmpfs', folder);
  afterAll(() => {
    if (refusal === undefined) execFileSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(({ skip }) => {
    if (refusal !== undefined) skip(`no file system can be mounted here: ${refusal}`);
  });
  return {
    folder,
    bytes: KIBIBYTES << 10,
    remount: (options) => void mount('-o', `remount,${options}`, folder),
  };
}
