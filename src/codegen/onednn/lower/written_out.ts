/** Pads that are written into memory in front of a window. */
import { sizeOf } from '../../../ir/index.ts';
import { inMemoryOrder } from '../layout.ts';
import type { Buffer, Recorder } from '../recorder.ts';

/** A channels-last source surrounded by a value; nothing to do without pads. */
export function writtenOut(r: Recorder, shape: readonly number[], pads: readonly number[], value: number) {
  const rank = shape.length - 2;
  const [begin, end] = [pads.slice(0, rank), pads.slice(rank)].map((list) => [0, 0, ...list]);
  const dims = shape.map((size, axis) => begin[axis] + size + end[axis]);
  const pad = (source: Buffer): Buffer => {
    if (pads.every((p) => p === 0)) return source;
    const destination = r.scratch(sizeOf(dims));
    const [inOrder, padsBegin, padsEnd] = [shape, begin, end].map((list) => inMemoryOrder('channels-last', list));
    r.kernel(
      { name: 'pad', elementBytes: 1, shape: inOrder, padsBegin, padsEnd, value: value & 255 },
      { source, destination },
    );
    return destination;
  };
  return { dims, pad };
}
