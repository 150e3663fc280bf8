/** Softmax, its logarithm and its denominator, and sums up to each element. */
import type { nnCumsum, nnLogSoftmax, nnReduceLogSumExp, nnSoftmax, ValueId, View } from '../../../ir/index.ts';
import { lanesOf } from '../layout.ts';
import type { Recorder } from '../recorder.ts';
import type { GraphView, Lowering } from './lowering.ts';
import { axesOf, refusesManyIntegers } from './reduce.ts';
import { runsOf } from './runs.ts';

const refusesType = ({ x }: { readonly x: ValueId }, graph: GraphView): string | undefined =>
  graph.dtype(x) === 'f32' ? undefined : 'its kernel computes f32 only';

const along = (operation: 'softmax' | 'log-softmax'): Lowering<typeof nnSoftmax | typeof nnLogSoftmax> => ({
  refuses: refusesType,
  lower({ x, y, attrs }: View<typeof nnSoftmax | typeof nnLogSoftmax>, r: Recorder): void {
    const layout = r.preferredLayout(x);
    const rank = r.shape(x).length;
    r.kernel(
      { name: 'softmax', operation, ...lanesOf(layout, r.shape(x), (attrs.axis + rank) % rank) },
      { source: r.use(x, layout), destination: r.define(y, layout) },
    );
  },
});
export const softmax: Lowering<typeof nnSoftmax> = along('softmax');
export const logSoftmax: Lowering<typeof nnLogSoftmax> = along('log-softmax');

export const logSumExp: Lowering<typeof nnReduceLogSumExp> = {
  refuses: refusesType,
  lower({ x, y, attrs: { axes, keepdims } }, r) {
    const { source, layout, ...lanes } = runsOf(r, x, axesOf(axes, r.shape(x).length), keepdims);
    r.kernel(
      { name: 'softmax', operation: 'log-sum-exp', ...lanes },
      { source, destination: r.define(y, keepdims ? layout : 'row-major') },
    );
  },
};

const summedTypes = ['f32', 'f64', 's32', 'u32', 's64', 'u64'] as const;

export const cumulativeSum: Lowering<typeof nnCumsum> = {
  refuses({ x, attrs: { axis } }, graph) {
    const shape = graph.shape(x);
    return refusesManyIntegers(graph.dtype(x), Number(shape[(axis + shape.length) % shape.length]));
  },
  lower({ x, y, attrs: { axis, exclusive, reverse } }, r) {
    const layout = r.preferredLayout(x);
    const shape = r.shape(x);
    const { outer, length, inner } = lanesOf(layout, shape, (axis + shape.length) % shape.length);
    r.kernel(
      { name: 'cumulative-sum', type: r.dtypeOf(x, ...summedTypes), outer, length, inner, exclusive, reverse },
      { source: r.use(x, layout), destination: r.define(y, layout) },
    );
  },
};
