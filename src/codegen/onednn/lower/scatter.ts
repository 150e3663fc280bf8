/** Elements at computed positions along one axis, and parts that are written at computed places. */
import {
  byteLengthOf,
  type nnGatherElements,
  type nnScatterElements,
  type nnScatterNd,
  sizeOf,
  stridesOf,
  type View,
} from '../../../ir/index.ts';
import type { Recorder } from '../recorder.ts';
import type { Lowering } from './lowering.ts';

const refusesReduction = ({ attrs }: { readonly attrs: { readonly reduction: string } }): string | undefined =>
  attrs.reduction === 'none' ? undefined : `updates that are joined by '${attrs.reduction}'`;

/** The kernel over positions along an axis of x. */
function along({ x, indices, attrs }: View<typeof nnGatherElements | typeof nnScatterElements>, r: Recorder) {
  const shape = r.shape(x);
  const axis = attrs.axis < 0 ? attrs.axis + shape.length : attrs.axis;
  return {
    name: 'along',
    elementBytes: byteLengthOf(r.dtype(x), 1),
    shape: r.shape(indices),
    strides: stridesOf(shape),
    axis,
    size: shape[axis],
    elements: sizeOf(shape),
    positions: r.dtypeOf(indices, 's32', 's64'),
  } as const;
}

export const gatherElements: Lowering<typeof nnGatherElements> = {
  lower(view, r) {
    const buffers = { source: r.use(view.x, 'row-major'), positions: r.use(view.indices, 'row-major') };
    r.kernel({ ...along(view, r), scatters: false }, { ...buffers, destination: r.define(view.y, 'row-major') });
  },
};

export const scatterElements: Lowering<typeof nnScatterElements> = {
  refuses: refusesReduction,
  lower(view, r) {
    const { x, indices, updates, y } = view;
    r.kernel(
      { ...along(view, r), scatters: true },
      {
        source: r.use(x, 'row-major'),
        positions: r.use(indices, 'row-major'),
        updates: r.use(updates, 'row-major'),
        destination: r.define(y, 'row-major'),
      },
    );
  },
};

export const scatterNd: Lowering<typeof nnScatterNd> = {
  refuses: refusesReduction,
  lower({ x, indices, updates, y }, r) {
    const shape = r.shape(x);
    const rows = r.shape(indices);
    const named = rows[rows.length - 1];
    r.kernel(
      {
        name: 'scatter-at',
        elementBytes: byteLengthOf(r.dtype(x), 1),
        sizes: shape.slice(0, named),
        part: sizeOf(shape.slice(named)),
        count: sizeOf(rows.slice(0, -1)),
        positions: r.dtypeOf(indices, 's32', 's64'),
      },
      {
        source: r.use(x, 'row-major'),
        positions: r.use(indices, 'row-major'),
        updates: r.use(updates, 'row-major'),
        destination: r.define(y, 'row-major'),
      },
    );
  },
};
