/** How much memory this process may still take. */
import { readFileSync } from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';

/**
 * Bytes, by the machine and by every group of processes (container, service) that this one is in. A limit of its address space
 * (`ulimit -v`) is not among them: there, allocations fail, which is an error and not the end of the process.
 *
 * @param root where /proc and /sys are, for tests
 */
export function availableMemory(root = '/', machine = freemem()): number {
  return Math.min(machine, ...controlGroups(root).map((group) => leftIn(group) ?? Number.POSITIVE_INFINITY));
}

interface ControlGroup {
  readonly folder: string;
  readonly limit: string;
  readonly usage: string;
  /** Keys of memory.stat: pages of files, which the system takes back before anything is killed. */
  readonly reclaimable: readonly string[];
}

const versions = {
  v1: {
    limit: 'memory.limit_in_bytes',
    usage: 'memory.usage_in_bytes',
    reclaimable: ['total_inactive_file', 'total_active_file'],
  },
  v2: { limit: 'memory.max', usage: 'memory.current', reclaimable: ['inactive_file', 'active_file'] },
} as const;

/** The group of this process and those around it. A container may see its own as the root. */
function controlGroups(root: string): ControlGroup[] {
  const lines = (text(join(root, 'proc/self/cgroup')) ?? '').split('\n').map((line) => line.split(':'));
  return lines.flatMap(([id, controllers, ...path]) => {
    const isV2 = id === '0' && controllers === '';
    if (!isV2 && !controllers?.split(',').includes('memory')) return [];
    const mount = join(root, isV2 ? 'sys/fs/cgroup' : 'sys/fs/cgroup/memory');
    const parts = path.join(':').split('/').filter(Boolean);
    return [...parts.keys(), parts.length].map((depth) => ({
      folder: join(mount, ...parts.slice(0, depth)),
      ...versions[isV2 ? 'v2' : 'v1'],
    }));
  });
}

/** Undefined where there is no limit. */
function leftIn({ folder, limit, usage, reclaimable }: ControlGroup): number | undefined {
  const [most, used] = [limit, usage].map((name) => Number(text(join(folder, name)) ?? Number.NaN));
  if (!Number.isSafeInteger(most) || Number.isNaN(used)) return undefined;
  const stat = new Map(
    (text(join(folder, 'memory.stat')) ?? '').split('\n').map((line) => line.split(' ') as [string, string]),
  );
  const files = reclaimable.reduce((sum, key) => sum + Number(stat.get(key) ?? 0), 0);
  return Math.max(0, most - Math.max(0, used - files));
}

function text(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
