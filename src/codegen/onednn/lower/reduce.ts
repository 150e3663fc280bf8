/** Reductions over axes. */
import { type nnGlobalAveragePool, type nnGlobalMaxPool, type OpWith, sizeOf, type View } from '../../../ir/index.ts';
import type { Kernel } from '../kernel.ts';
import { rowTypes } from '../kernels/row_kernel.ts';
import type { Recorder } from '../recorder.ts';
import type { GraphView, Lowering } from './lowering.ts';
import { three } from './reference.ts';
import { runsOf } from './runs.ts';

type Operation = (Kernel & { readonly name: 'reduce' })['operation'];
interface Reduced {
  readonly attrs: { readonly axes: readonly number[]; readonly keepdims: boolean };
}

/** The interpreter sums integers of 32 bits in binary64, which is exact for that many. */
const MOST_INTEGERS = 2 ** 21;

export const refusesManyIntegers = (dtype: string, count: number): string | undefined =>
  (dtype === 's32' || dtype === 'u32') && count > MOST_INTEGERS
    ? `a sum of more than ${MOST_INTEGERS} integers`
    : undefined;

export const axesOf = (axes: readonly number[], rank: number): readonly number[] =>
  axes.length === 0
    ? [...Array(rank).keys()]
    : axes.map((axis) => (axis < 0 ? axis + rank : axis)).sort((a, b) => a - b);

function record(
  { x, y }: View<OpWith<'x'>>,
  r: Recorder,
  operation: Operation,
  axes: readonly number[],
  keeps: boolean,
) {
  const { source, layout, outer, length, inner } = runsOf(r, x, axes, keeps);
  r.kernel(
    { name: 'reduce', operation, type: r.dtypeOf(x, ...rowTypes), outer, length, inner },
    { source, destination: r.define(y, keeps ? layout : 'row-major') },
  );
}

export const reduction = (operation: Operation) => ({
  refuses({ x, attrs }: View<OpWith<'x'>> & Reduced, graph: GraphView): string | undefined {
    const dtype = graph.dtype(x);
    if (!rowTypes.some((type) => type === dtype)) return `reductions of ${dtype}`;
    const shape = graph.shape(x);
    const length = sizeOf(axesOf(attrs.axes, shape.length).map((axis) => Number(shape[axis])));
    return operation === 'sum' ? refusesManyIntegers(dtype, length) : undefined;
  },
  lower(view: View<OpWith<'x'>> & Reduced, r: Recorder): void {
    const { x, attrs } = view;
    record(view, r, operation, axesOf(attrs.axes, r.shape(x).length), attrs.keepdims);
  },
});

const spatialAxes = (rank: number): readonly number[] => [...Array(rank).keys()].slice(2);

export const globalAveragePool: Lowering<typeof nnGlobalAveragePool> = {
  refuses: ({ x }, graph) =>
    rowTypes.some((type) => type === graph.dtype(x)) ? undefined : `means of ${graph.dtype(x)}`,
  lower: (view, r) => record(view, r, 'mean', spatialAxes(r.shape(view.x).length), true),
};

/** Integers have no NaN to pass over. */
export const globalMaxPool: Lowering<typeof nnGlobalMaxPool> = {
  refuses({ x }, graph) {
    if (graph.dtype(x) === 'f64') return 'its kernel computes f32 and integers only';
    return graph.dtype(x) === 'f32' && graph.shape(x).length > 5 ? 'a window of more than three axes' : undefined;
  },
  lower(view, r) {
    const { x, y } = view;
    const [batch, channels, ...spatial] = r.shape(x);
    if (r.dtype(x) !== 'f32') {
      record(view, r, 'maximum', spatialAxes(spatial.length + 2), true);
      return;
    }
    r.kernel(
      {
        name: 'float-pool',
        operation: 'max',
        batch,
        channels,
        input: three(spatial, 1),
        output: [1, 1, 1],
        kernel: three(
          spatial.map((size) => Math.max(size, 1)),
          1,
        ),
        strides: [1, 1, 1],
        dilations: [1, 1, 1],
        padsBegin: [0, 0, 0],
        padsEnd: [0, 0, 0],
      },
      { source: r.use(x, 'channels-last'), destination: r.define(y, 'channels-last') },
    );
  },
};
