/** Operators that count what they find. */
import type { nnNonMaxSuppression, nnNonZero } from '../../../ir/index.ts';
import { rowTypes } from '../kernels/row_kernel.ts';
import type { Lowering } from './lowering.ts';

export const nonZero: Lowering<typeof nnNonZero> = {
  refuses({ x }, graph) {
    const dtype = graph.dtype(x);
    if (graph.shape(x).length === 0) return 'a scalar';
    return [...rowTypes, 'bool'].includes(dtype) ? undefined : `elements of ${dtype}`;
  },
  lower({ x, y }, r) {
    const type = r.dtype(x) === 'bool' ? 'u8' : r.dtypeOf(x, ...rowTypes);
    r.kernel(
      { name: 'non-zero', type, shape: r.shape(x) },
      { source: r.use(x, 'row-major'), destination: r.define(y, 'row-major') },
    );
  },
};

export const nonMaxSuppression: Lowering<typeof nnNonMaxSuppression> = {
  lower({ boxes, scores, y, attrs }, r) {
    const [batches, classes, count] = r.shape(scores);
    const most = Math.min(count, attrs.maxPerClass);
    const { byCentre, overlapThreshold: overlap, scoreThreshold: score } = attrs;
    r.kernel(
      { name: 'non-max-suppression', batches, classes, boxes: count, most, byCentre, overlap, score },
      { boxes: r.use(boxes, 'row-major'), scores: r.use(scores, 'row-major'), destination: r.define(y, 'row-major') },
    );
  },
};
