/** Requantization and limits of s32 that stay s32 or become narrower integers, by a kernel of ours. */

import { dtypes, isByteType, type qnnRescale, sizeOf, type View } from '../../../ir/index.ts';
import { castKernel } from './elementwise_casts.ts';
import type { GraphView, Lowering } from './lowering.ts';
import { channelView, zeroPoints } from './quantized.ts';

const LEAST = -(2 ** 31);
const MOST = 2 ** 31 - 1;

/** The integers that a rescaling gives. */
function limitsOf({ zy, attrs }: View<typeof qnnRescale>, graph: Pick<GraphView, 'dtype'>) {
  const dtype = graph.dtype(zy);
  const { min, max } = dtypes[isByteType(dtype) || dtype === 's16' ? dtype : 's32'];
  return { low: Math.max(attrs.low, min), high: Math.min(attrs.high, max) };
}

export const rescale: Lowering<typeof qnnRescale> = {
  refuses(view, graph) {
    const { x, multiplier, zy, second, attrs } = view;
    if (graph.dtype(x) !== 's32') return `it rounds ${graph.dtype(x)}`;
    if (attrs.arithmetic === 'fixed-wide') return 'the arithmetic fixed-wide';
    if (graph.shape(multiplier).length > 1) return 'its parameters are neither per tensor nor per axis';
    const computed = graph.needsConstants(multiplier, zy, second);
    if (computed !== undefined) return computed;
    const zero = Number(graph.constant(zy)?.data[0]);
    const { low, high } = limitsOf(view, graph);
    return low - zero >= LEAST && high - zero <= MOST ? undefined : 'its zero point leads beyond 32 bits';
  },
  lower(view, r) {
    const { x, multiplier, zy, second, y, attrs } = view;
    const { layout, ...channels } = channelView(r, x, multiplier, attrs.axis);
    const to = r.dtypeOf(y, 'u8', 's8', 's16', 's32');
    const count = sizeOf(r.shape(y));
    const wide = to === 's32' ? r.define(y, layout) : r.scratch(Math.max(4 * count, 1));
    r.kernel(
      {
        name: 'rescale',
        ...channels,
        zeroPoint: r.scalar(zy),
        ...limitsOf(view, r),
        arithmetic: attrs.arithmetic === 'f64' ? 'f64' : 'fixed',
        rounding: attrs.rounding,
      },
      {
        source: r.use(x, layout),
        multiplier: r.use(multiplier, 'row-major'),
        shift: zeroPoints(r, second, channels.channels),
        destination: wide,
      },
    );
    if (to !== 's32') r.kernel(castKernel('s32', to, count), { source0: wide, destination0: r.define(y, layout) });
  },
};
