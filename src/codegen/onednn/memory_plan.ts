/**
 * One arena for all that is alive only while a plan runs: offsets by lifetime. Buffers whose lifetimes overlap never
 * share bytes; larger buffers are placed first, each at the lowest offset that is free for its whole life.
 */
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
  const offsets = new Array<number>(buffers.length).fill(0);
  const placed: { readonly at: number; readonly end: number; readonly lifetime: Lifetime }[] = [];
  const bySize = buffers
    .map((_, i) => i)
    .sort((a, b) => buffers[b].bytes - buffers[a].bytes || buffers[a].first - buffers[b].first);
  for (const index of bySize) {
    const lifetime = buffers[index];
    const size = Math.ceil(lifetime.bytes / ALIGNMENT) * ALIGNMENT;
    const overlapping = placed
      .filter((p) => p.lifetime.first <= lifetime.last && lifetime.first <= p.lifetime.last)
      .sort((a, b) => a.at - b.at);
    let at = 0;
    for (const other of overlapping) {
      if (at + size <= other.at) break;
      at = Math.max(at, other.end);
    }
    offsets[index] = at;
    placed.push({ at, end: at + size, lifetime });
  }
  return { offsets, bytes: placed.reduce((max, p) => Math.max(max, p.end), 0) };
}
