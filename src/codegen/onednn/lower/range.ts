/** Numbers that follow from sizes: ranges and shapes. */
import type { nnRange, nnShape } from '../../../ir/index.ts';
import { rangeTypes } from '../kernels/movement_kernel.ts';
import type { Lowering } from './lowering.ts';

/** In binary64, as the interpreter computes them, products of more positions with integers of 32 bits are not exact. */
const MOST_POSITIONS = 2 ** 21;

export const range: Lowering<typeof nnRange> = {
  refuses: ({ y }, graph) =>
    Number(graph.shape(y)[0]) <= MOST_POSITIONS ? undefined : `a range of more than ${MOST_POSITIONS} numbers`,
  lower({ start, delta, y }, r) {
    r.kernel(
      { name: 'range', type: r.dtypeOf(y, ...rangeTypes), count: r.shape(y)[0] },
      { start: r.use(start, 'row-major'), delta: r.use(delta, 'row-major'), destination: r.define(y, 'row-major') },
    );
  },
};

export const shape: Lowering<typeof nnShape> = {
  lower({ x, y }, r) {
    r.kernel({ name: 'numbers', values: r.shape(x) }, { destination: r.define(y, 'row-major') });
  },
};
