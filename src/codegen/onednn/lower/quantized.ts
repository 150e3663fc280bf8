/** Quantized operators with kernels of ours. */
import {
  byteTypes,
  dtypes,
  isByteType,
  type nnRecentre,
  type qnnDequantize,
  type qnnDynamicQuantize,
  type qnnDynamicQuantizeRows,
  type qnnLut,
  type qnnQuantize,
  type qnnRequantize,
  sizeOf,
  tensor,
  type ValueId,
  type View,
} from '../../../ir/index.ts';
import { factorsFor } from '../../../numerics/index.ts';
import { normalized, type PlainLayout } from '../layout.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import type { GraphView, Lowering } from './lowering.ts';
import { kernelRecipe } from './products.ts';

/** The row-major view of a tensor around the axis that has parameters; one row for per-tensor ones. */
export interface ChannelView {
  readonly outer: number;
  readonly channels: number;
  readonly inner: number;
  readonly layout: PlainLayout;
}

export function channelView(r: Recorder, x: ValueId, parameter: ValueId, axis: number): ChannelView {
  const shape = r.shape(x);
  const layout = r.preferredLayout(x);
  if (sizeOf(r.shape(parameter)) === 1) return { outer: 1, channels: 1, inner: sizeOf(shape), layout };
  const at = axis < 0 ? axis + shape.length : axis;
  if (layout === 'channels-last' && at === 1)
    return { outer: sizeOf(shape) / shape[1], channels: shape[1], inner: 1, layout };
  return {
    outer: sizeOf(shape.slice(0, at)),
    channels: shape[at],
    inner: sizeOf(shape.slice(at + 1)),
    layout: 'row-major',
  };
}

/** Integers as s32, one for each scale: zero points, or shifts. */
export function zeroPoints(r: Recorder, id: ValueId | undefined, channels: number): Buffer | undefined {
  const t = r.constant(id);
  const zero = (c: number): number => Number(t?.data[t.data.length === 1 ? 0 : c]);
  return (
    t &&
    r.data(
      tensor(
        's32',
        Int32Array.from({ length: channels }, (_, c) => zero(c)),
      ),
    )
  );
}

/** fl(1/scale) of constant scales. */
const reciprocals = (r: Recorder, scale: ValueId): Buffer =>
  r.data(
    tensor(
      'f32',
      Float32Array.from(r.constantOf(scale, 'f32').data, (value) => 1 / value),
    ),
  );

type Scaled = View<typeof qnnQuantize | typeof qnnDequantize>;

const perTensorOrAxis = ({ scale, zp }: Scaled, graph: GraphView): string | undefined =>
  graph.shape(scale).length > 1
    ? 'its parameters are neither per tensor nor per axis'
    : graph.needsConstants(scale, zp);

export const quantize: Lowering<typeof qnnQuantize> = {
  refuses(view, graph) {
    const dtype = graph.dtype(view.y);
    if (!isByteType(dtype)) return `it writes ${dtype}`;
    return perTensorOrAxis(view, graph);
  },
  lower({ x, scale, zp, y, attrs }, r) {
    const { layout, ...channels } = channelView(r, x, scale, attrs.axis);
    const isFactor = attrs.arithmetic === 'reciprocal';
    r.kernel(
      { name: 'quantize', type: r.byteType(y), ...channels, arithmetic: isFactor ? 'multiply' : 'divide' },
      {
        source: r.use(x, layout),
        scale: isFactor ? reciprocals(r, scale) : r.use(scale, 'row-major'),
        zeroPoint: zeroPoints(r, zp, channels.channels),
        destination: r.define(y, layout),
      },
    );
  },
};

export const dequantize: Lowering<typeof qnnDequantize> = {
  refuses(view, graph) {
    const dtype = graph.dtype(view.x);
    if (!isByteType(dtype) && dtype !== 's32') return `it reads ${dtype}`;
    return perTensorOrAxis(view, graph);
  },
  lower({ x, scale, zp, y, attrs }, r) {
    const { layout, ...channels } = channelView(r, x, scale, attrs.axis);
    r.kernel(
      { name: 'dequantize', type: r.dtypeOf(x, ...byteTypes, 's32'), ...channels },
      {
        source: r.use(x, layout),
        scale: r.use(scale, 'row-major'),
        zeroPoint: zeroPoints(r, zp, channels.channels),
        destination: r.define(y, layout),
      },
    );
  },
};

function recordTable(r: Recorder, x: ValueId, table: Buffer, y: ValueId): void {
  const layout = r.preferredLayout(x);
  const shape = r.shape(x);
  const { destination, slice } =
    layout === normalized('channels-last', shape) ? r.defineSlice(y) : { destination: r.define(y, layout) };
  r.kernel(
    { name: 'lut', count: sizeOf(shape), ...(slice && { slice, channels: shape[1] }) },
    { source: r.use(x, layout), table, destination },
  );
}

export const lut: Lowering<typeof qnnLut> = {
  refuses({ table, y }, graph) {
    const dtype = graph.dtype(y);
    return isByteType(dtype) ? graph.needsConstants(table) : `it writes ${dtype}`;
  },
  lower({ x, table, y }, r) {
    recordTable(r, x, r.use(table, 'row-major'), y);
  },
};

/** x ∓ 128 is the XOR of the highest bit: a table. */
export const recentre: Lowering<typeof nnRecentre> = {
  lower({ x, y }, r) {
    const table = tensor(
      'u8',
      Uint8Array.from({ length: 256 }, (_, i) => i ^ 0x80),
    );
    recordTable(r, x, r.data(table), y);
  },
};

export const dynamicQuantize: Lowering<typeof qnnDynamicQuantize> = {
  lower({ x, y, scale, zp, attrs }, r) {
    const layout = r.preferredLayout(x);
    r.kernel(
      { name: 'dynamic-quantize', ...attrs, rows: 1, length: sizeOf(r.shape(x)) },
      {
        source: r.use(x, layout),
        destination: r.define(y, layout),
        scale: r.define(scale, 'row-major'),
        zeroPoint: r.define(zp, 'row-major'),
      },
    );
  },
};

export const dynamicQuantizeRows: Lowering<typeof qnnDynamicQuantizeRows> = {
  lower({ x, y, scale, zp, attrs }, r) {
    const [rows, length] = r.shape(x);
    r.kernel(
      { name: 'dynamic-quantize', ...attrs, rows, length },
      {
        source: r.use(x, 'row-major'),
        destination: r.define(y, 'row-major'),
        scale: r.define(scale, 'row-major'),
        zeroPoint: r.define(zp, 'row-major'),
      },
    );
  },
};

/** The one recipe for floats that the kernel has, sat(round(fl(x·multiplier)) + zy): a quantization by a factor. */
function refusesFloats({ multiplier, zy, y, attrs }: View<typeof qnnRequantize>, graph: GraphView): string | undefined {
  const { arithmetic, rounding, zeroPointAt, low, high } = attrs;
  const { min, max } = dtypes[graph.dtype(y) === 'u8' ? 'u8' : 's8'];
  if (arithmetic !== 'f32' || zeroPointAt !== 'after' || rounding === 'half-up')
    return 'it rounds floats in another way';
  if (low > min || high < max) return 'it limits floats that it rounds';
  if (graph.shape(multiplier).length > 1) return 'its parameters are neither per tensor nor per axis';
  return graph.needsConstants(multiplier, zy);
}

function quantizeByFactor({ x, multiplier, zy, y, attrs }: View<typeof qnnRequantize>, r: Recorder): void {
  const { layout, ...channels } = channelView(r, x, multiplier, attrs.axis);
  const rounding = attrs.rounding === 'half-away' ? 'half-away' : 'half-even';
  r.kernel(
    { name: 'quantize', type: r.byteType(y), ...channels, arithmetic: 'multiply', rounding },
    {
      source: r.use(x, layout),
      scale: r.use(multiplier, 'row-major'),
      zeroPoint: zeroPoints(r, zy, channels.channels),
      destination: r.define(y, layout),
    },
  );
}

/** Requantize that no product absorbed. */
export const requantize: Lowering<typeof qnnRequantize> = {
  refuses(view, graph) {
    const { x, multiplier, zy, second, attrs } = view;
    if (graph.dtype(x) === 'f32') return refusesFloats(view, graph);
    if (graph.dtype(x) !== 's32') return `it rounds ${graph.dtype(x)}`;
    if (graph.shape(multiplier).length > 1) return 'its parameters are neither per tensor nor per axis';
    const mayBeComputed = second === undefined && attrs.arithmetic === 'f32';
    return graph.needsConstants(mayBeComputed ? undefined : multiplier, zy, second);
  },
  lower(view, r) {
    if (r.dtype(view.x) === 'f32') {
      quantizeByFactor(view, r);
      return;
    }
    const { x, multiplier, zy, second, y, attrs } = view;
    const { axis, low, high, arithmetic, rounding, zeroPointAt } = attrs;
    const { layout, ...channels } = channelView(r, x, multiplier, axis);
    const type = r.byteType(y);
    const { min, max } = dtypes[type];
    const a = r.isConstant(multiplier) ? r.constantOf(multiplier, 'f32', 'f64', 's32') : undefined;
    const b = second && r.constantOf(second, 'f32', 's32');
    const factors = a ? factorsFor(arithmetic, a, b) : {};
    const recipe = kernelRecipe(r, factors, { rounding, zeroPointAt }, channels.channels);
    r.kernel(
      {
        name: 'requantize',
        type,
        ...channels,
        groups: 1,
        mapRows: 0,
        zeroPoint: r.scalar(zy),
        low: Math.max(low, min),
        high: Math.min(high, max),
        ...recipe.fields,
      },
      {
        source: r.use(x, layout),
        ...recipe.buffers,
        ...(a === undefined && { multiplier: r.use(multiplier, 'row-major') }),
        destination: r.define(y, layout),
      },
    );
  },
};
