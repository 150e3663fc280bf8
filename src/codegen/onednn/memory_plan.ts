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

/** Of so few buffers a list is looked through faster than a tree is built. */
const FEW = 512;

/**
 * @param few so many buffers at most are kept in a list; both ways give the same plan
 * @param order the buffers in any order, which becomes that of their placement; the plan is the same for all, and that of like sizes is soon sorted
 */
export function planMemory(buffers: readonly Lifetime[], few = FEW, order = buffers.map((_, i) => i)): MemoryPlan {
  const [sizes, firsts] = [buffers.map(({ bytes }) => bytes), buffers.map(({ first }) => first)];
  const bySize = order.sort((a, b) => sizes[b] - sizes[a] || firsts[a] - firsts[b] || a - b);
  const place = buffers.length <= few ? inList() : inTree(buffers);
  const offsets = new Array<number>(buffers.length).fill(0);
  let end = 0;
  for (const index of bySize) {
    const buffer = buffers[index];
    const size = Math.ceil(buffer.bytes / ALIGNMENT) * ALIGNMENT;
    offsets[index] = place(buffer, size);
    end = Math.max(end, offsets[index] + size);
  }
  return { offsets, bytes: end };
}

/** Takes the lowest place for a buffer, and returns it. */
type Place = (life: Lifetime, size: number) => number;

function inTree(buffers: readonly Lifetime[]): Place {
  // two lives have a time in common when they have one in common at which one of them begins
  const times = [...new Set(buffers.map(({ first }) => first))].sort((a, b) => a - b);
  const occupancy = new Occupancy(times.length);
  return ({ first, last }, size) => {
    const [from, to] = [firstNotBelow(times, first), firstNotBelow(times, last + 1) - 1];
    const at = occupancy.lowest(size, from, to);
    occupancy.take(at, size, from, to);
    return at;
  };
}

function inList(): Place {
  /** By their starts. */
  const taken: { readonly start: number; readonly end: number; readonly first: number; readonly last: number }[] = [];
  return ({ first, last }, size) => {
    let start = 0;
    for (const other of taken) {
      if (other.last < first || last < other.first || other.end <= start) continue;
      if (other.start >= start + size) break;
      start = other.end;
    }
    if (size > 0) {
      let at = taken.length;
      while (at > 0 && taken[at - 1].start > start) at--;
      taken.splice(at, 0, { start, end: start + size, first, last });
    }
    return start;
  };
}
