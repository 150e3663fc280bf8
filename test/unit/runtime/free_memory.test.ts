/** The free memory, in machines and containers of every kind. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { freemem, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { availableMemory } from '../../../src/runtime/free_memory.ts';

const root = mkdtempSync(join(tmpdir(), 'unskew-memory-'));
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Files below the root of a machine. */
function machine(files: Readonly<Record<string, string>>): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${text}\n`);
  }
  return root;
}

const v2 = 'sys/fs/cgroup';
const v1 = 'sys/fs/cgroup/memory';

describe('available memory', () => {
  it.each<[string, Readonly<Record<string, string>>, number]>([
    ['no groups', {}, 1000],
    [
      'a group without a limit',
      { 'proc/self/cgroup': '0::/', [`${v2}/memory.max`]: 'max', [`${v2}/memory.current`]: '5' },
      1000,
    ],
    ['a container', { 'proc/self/cgroup': '0::/', [`${v2}/memory.max`]: '700', [`${v2}/memory.current`]: '300' }, 400],
    [
      'a container that has read files',
      {
        'proc/self/cgroup': '0::/',
        [`${v2}/memory.max`]: '700',
        [`${v2}/memory.current`]: '690',
        [`${v2}/memory.stat`]: 'anon 90\nfile 600\ninactive_file 400\nactive_file 200',
      },
      610,
    ],
    [
      'a service, and a limit of what it is in',
      {
        'proc/self/cgroup': '0::/system/one',
        [`${v2}/system/one/memory.max`]: '900',
        [`${v2}/system/one/memory.current`]: '100',
        [`${v2}/system/memory.max`]: '500',
        [`${v2}/system/memory.current`]: '450',
      },
      50,
    ],
    [
      'the first version',
      {
        'proc/self/cgroup': '5:cpu,cpuacct:/a\n4:memory:/a\n0::/',
        [`${v1}/a/memory.limit_in_bytes`]: '800',
        [`${v1}/a/memory.usage_in_bytes`]: '600',
        [`${v1}/a/memory.stat`]: 'total_inactive_file 100\ntotal_active_file 0',
        [`${v1}/memory.limit_in_bytes`]: '9223372036854771712',
        [`${v1}/memory.usage_in_bytes`]: '600',
      },
      300,
    ],
    [
      'more in use than a limit that was lowered',
      { 'proc/self/cgroup': '0::/', [`${v2}/memory.max`]: '700', [`${v2}/memory.current`]: '900' },
      0,
    ],
    [
      'a limit above what the machine has',
      { 'proc/self/cgroup': '0::/', [`${v2}/memory.max`]: '5000', [`${v2}/memory.current`]: '1' },
      1000,
    ],
  ])('%s', (_name, files, expected) => {
    expect(availableMemory(machine(files), 1000)).toBe(expected);
  });

  it('is some, and at most all, here', () => {
    expect(availableMemory()).toBeGreaterThan(0);
    expect(availableMemory()).toBeLessThanOrEqual(Math.max(freemem(), totalmem()));
  });
});
