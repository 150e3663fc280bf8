/** Requantization of s32 and s64 that become s32 or narrower integers, by a kernel of ours. */

import { assert } from '../../../diagnostics/index.ts';
import { dtypes, isByteType, type qnnRescale, sizeOf, tensor, type ValueId, type View } from '../../../ir/index.ts';
import { wideFactors } from '../../../numerics/index.ts';
import type { Recorder } from '../recorder.ts';
import { castKernel } from './elementwise_casts.ts';
import type { GraphView, Lowering } from './lowering.ts';
import { channelView, zeroPoints } from './quantized.ts';

const LEAST = -(2 ** 31);
const MOST = 2 ** 31 - 1;
/** Within it all powers of two and products are numbers of binary64; no multiplier of a file has a larger one. */
const MOST_SHIFT = 100;

/** The integers that a rescaling gives. */
function limitsOf({ zy, attrs }: View<typeof qnnRescale>, graph: Pick<GraphView, 'dtype'>) {
  const dtype = graph.dtype(zy);
  const { min, max } = dtypes[isByteType(dtype) || dtype === 's16' ? dtype : 's32'];
  return { low: Math.max(attrs.low, min), high: Math.min(attrs.high, max) };
}

/** The factors of fixed-wide as binary64. */
function wideFactorsOf(r: Recorder, mantissa: ValueId, shift: ValueId | undefined) {
  assert(shift !== undefined, 'a fixed multiplier has a shift');
  const shifts = r.constantOf(shift, 's32').data;
  const factors = Array.from(r.constantOf(mantissa, 's32').data, (m, i) => wideFactors(m, shifts[i]));
  const numbers = (of: (factor: (typeof factors)[number]) => number) => r.data(tensor('f64', factors.map(of)));
  return { multiplier: numbers(({ multiplier }) => multiplier), divisor: numbers(({ divisor }) => divisor) };
}

export const rescale: Lowering<typeof qnnRescale> = {
  refuses(view, graph) {
    const { x, multiplier, zy, second, attrs } = view;
    if (graph.dtype(x) !== 's32' && attrs.arithmetic === 'fixed') return `fixed multipliers of ${graph.dtype(x)}`;
    if (graph.shape(multiplier).length > 1) return 'its parameters are neither per tensor nor per axis';
    const computed = graph.needsConstants(multiplier, zy, second);
    if (computed !== undefined) return computed;
    const zero = Number(graph.constant(zy)?.data[0]);
    const { low, high } = limitsOf(view, graph);
    if (low - zero < LEAST || high - zero > MOST) return 'its zero point leads beyond 32 bits';
    if (attrs.arithmetic !== 'fixed-wide') return undefined;
    const shifts = Array.from(graph.constant(second)?.data ?? [], Number);
    return shifts.some((shift) => Math.abs(shift) > MOST_SHIFT) ? 'its shifts' : undefined;
  },
  lower(view, r) {
    const { x, multiplier, zy, second, y, attrs } = view;
    const { layout, ...channels } = channelView(r, x, multiplier, attrs.axis);
    const to = r.dtypeOf(y, 'u8', 's8', 's16', 's32');
    const count = sizeOf(r.shape(y));
    const wide = attrs.arithmetic === 'fixed-wide' ? wideFactorsOf(r, multiplier, second) : undefined;
    const result = to === 's32' ? r.define(y, layout) : r.scratch(Math.max(4 * count, 1));
    r.kernel(
      {
        name: 'rescale',
        sourceType: r.dtypeOf(x, 's32', 's64'),
        ...channels,
        zeroPoint: r.scalar(zy),
        ...limitsOf(view, r),
        arithmetic: attrs.arithmetic,
        rounding: attrs.rounding,
      },
      {
        source: r.use(x, layout),
        multiplier: wide ? wide.multiplier : r.use(multiplier, 'row-major'),
        shift: wide ? undefined : zeroPoints(r, second, channels.channels),
        divisor: wide?.divisor,
        destination: result,
      },
    );
    if (to !== 's32') r.kernel(castKernel('s32', to, count), { source0: result, destination0: r.define(y, layout) });
  },
};
