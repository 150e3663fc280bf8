/** The memory that this process may still take, and the largest array that this Node.js makes. */
import { constants } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { availableMemory } from './available_memory.ts';

/** Bytes of the largest array: 4 GiB in Node.js 20, more than any machine has from 22 on. */
export const LARGEST_ARRAY = constants.MAX_LENGTH;

/** Bytes that are free now, or that the machine or its container has at all; never more than limits of the process leave. */
export function memoryFor(when: 'now' | 'ever'): number {
  const constrained = process.constrainedMemory?.() ?? 0;
  const total = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  const free = when === 'ever' ? total : Math.min(availableMemory(), total);
  return Math.min(free, addressSpaceLeft());
}

/** What `ulimit -v` leaves, on Linux. */
function addressSpaceLeft(): number {
  try {
    const limit = /^Max address space\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    const used = /^VmSize:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return limit === undefined ? Infinity : Math.max(0, Number(limit) - Number(used ?? 0) * 1024);
  } catch {
    return Infinity; // another system
  }
}
