/**
 * Plans one arena for all buffers that live only while a plan runs: offsets by lifetime. Buffers whose lifetimes
 * overlap never share bytes; larger buffers are placed first, each at the lowest offset that is free for its whole
 * life.
 */
import { firstNotBelow, Occupancy } from './occupancy.ts';

export interface Lifetime {
  readonly bytes: number;
  /** Index of the first and the last command that touches the buffer. */
  readonly first: number;
  readonly last: number;
}

export interface MemoryPlan {
  readonly offsets: readonly number[];
  readonly bytes: number;
}

const ALIGNMENT = 64;

export function planMemory(buffers: readonly Lifetime[]): MemoryPlan {
  // two lives have a time in common when they have one in common at which one of them begins
  const times = [...new Set(buffers.map(({ first }) => first))].sort((a, b) => a - b);
  const occupancy = new Occupancy(times.length);
  const offsets = new Array<number>(buffers.length).fill(0);
  const bySize = buffers
    .map((_, i) => i)
    .sort((a, b) => buffers[b].bytes - buffers[a].bytes || buffers[a].first - buffers[b].first);
  let end = 0;
  for (const index of bySize) {
    const { bytes, first, last } = buffers[index];
    const size = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    const [from, to] = [firstNotBelow(times, first), firstNotBelow(times, last + 1) - 1];
    const at = occupancy.lowest(size, from, to);
    occupancy.take(at, size, from, to);
    offsets[index] = at;
    end = Math.max(end, at + size);
  }
  return { offsets, bytes: end };
}
