/**
 * The memory that this process may still take, and the largest array that this Node.js makes. memory_need.ts computes
 * the need of a graph; runtime/means.ts the additional need of a plan, and the error when an allocation fails all the
 * same.
 */
import { constants } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';
import { join } from 'node:path';

/** Bytes of the largest array: 4 GiB in Node.js 20, more than any machine has from 22 on. */
export const LARGEST_ARRAY = constants.MAX_LENGTH;

/** The bytes that are free now, or that the machine or its container has at all; at most the limits of the process. */
export function memoryFor(when: 'now' | 'ever'): number {
  const constrained = process.constrainedMemory?.() ?? 0;
  const total = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  const free = when === 'ever' ? total : Math.min(availableMemory(), total);
  return Math.min(free, addressSpaceLeft());
}

/**
 * Bytes, by the machine and by every group of processes (container, service) that this one is in.
 *
 * @param root where /proc and /sys are, for tests
 */
export function availableMemory(root = '/', machine = freemem()): number {
  return Math.min(machine, ...controlGroups(root).map((group) => leftIn(group) ?? Number.POSITIVE_INFINITY));
}

/** The address space that `ulimit -v` leaves, on Linux. */
function addressSpaceLeft(): number {
  const limit = /^Max address space\s+(\d+)/m.exec(text('/proc/self/limits') ?? '')?.[1];
  const used = /^VmSize:\s+(\d+) kB/m.exec(text('/proc/self/status') ?? '')?.[1];
  return limit === undefined ? Number.POSITIVE_INFINITY : Math.max(0, Number(limit) - Number(used ?? 0) * 1024);
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

/** The control group of this process and its parents. A container may see its own group as the root. */
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

/** The memory that a control group leaves; undefined when it sets no limit. */
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
