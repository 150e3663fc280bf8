/** Quantized operators with kernels of ours. */
import {
  type ByteType,
  byteTypes,
  dtypes,
  evaluateNode,
  type ITensor,
  isByteType,
  type Node,
  type nnRecentre,
  type qnnAdd,
  type qnnDequantize,
  type qnnDynamicQuantize,
  type qnnLut,
  type qnnMul,
  type qnnQuantize,
  type qnnRequantize,
  type qnnSoftmax,
  sizeOf,
  stridesOf,
  tensor,
  tensorOfBytes,
  type ValueId,
  type View,
} from '../../../ir/index.ts';
import { factorsFor, qlinearAddSwaps, softmaxSteps, softmaxTable } from '../../../numerics/index.ts';
import { inMemoryOrder, type PlainLayout, plainStrides } from '../layout.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import type { GraphView, Lowering } from './lowering.ts';
import { kernelRecipe } from './products.ts';

/** The row-major view of a tensor around the axis that has parameters; one row for per-tensor ones. */
interface ChannelView {
  readonly outer: number;
  readonly channels: number;
  readonly inner: number;
  readonly layout: PlainLayout;
}

function channelView(r: Recorder, x: ValueId, parameter: ValueId, axis: number): ChannelView {
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

/** Zero points as s32, one for each scale. */
function zeroPoints(r: Recorder, id: ValueId | undefined, channels: number): Buffer | undefined {
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

type Scaled = View<typeof qnnQuantize | typeof qnnDequantize>;

const perTensorOrAxis = ({ scale, zp }: Scaled, graph: GraphView): string | undefined =>
  graph.shape(scale).length > 1
    ? 'its parameters are neither per tensor nor per axis'
    : graph.needsConstants(scale, zp);

export const quantize: Lowering<typeof qnnQuantize> = {
  refuses(view, graph) {
    const dtype = graph.dtype(view.y);
    if (!isByteType(dtype)) return `it writes ${dtype}`;
    if (view.attrs.arithmetic !== 'divide') return 'the kernel divides by a scale that is a constant';
    return perTensorOrAxis(view, graph);
  },
  lower({ x, scale, zp, y, attrs }, r) {
    const { layout, ...channels } = channelView(r, x, scale, attrs.axis);
    r.kernel(
      { name: 'quantize', type: r.byteType(y), ...channels },
      {
        source: r.use(x, layout),
        scale: r.use(scale, 'row-major'),
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

export const lut: Lowering<typeof qnnLut> = {
  refuses({ table, y }, graph) {
    const dtype = graph.dtype(y);
    return isByteType(dtype) ? graph.needsConstants(table) : `it writes ${dtype}`;
  },
  lower({ x, table, y }, r) {
    const layout = r.preferredLayout(x);
    r.kernel(
      { name: 'lut', count: sizeOf(r.shape(x)) },
      { source: r.use(x, layout), table: r.use(table, 'row-major'), destination: r.define(y, layout) },
    );
  },
};

/** x ∓ 128 is the XOR of the highest bit: a table. */
export const recentre: Lowering<typeof nnRecentre> = {
  lower({ x, y }, r) {
    const layout = r.preferredLayout(x);
    const table = tensor(
      'u8',
      Uint8Array.from({ length: 256 }, (_, i) => i ^ 0x80),
    );
    r.kernel(
      { name: 'lut', count: sizeOf(r.shape(x)) },
      { source: r.use(x, layout), table: r.data(table), destination: r.define(y, layout) },
    );
  },
};

const binary = (name: 'qlinear-add' | 'qlinear-mul'): Lowering<typeof qnnAdd | typeof qnnMul> => ({
  refuses: ({ sa, za, sb, zb, sy, zy }, graph) => graph.needsConstants(sa, za, sb, zb, sy, zy),
  lower({ a, sa, za, b, sb, zb, sy, zy, y, attrs, node }, r) {
    const left = { id: a, scale: r.scalar(sa), zero: r.scalar(za) };
    const right = { id: b, scale: r.scalar(sb), zero: r.scalar(zb) };
    const result = { scale: r.scalar(sy), zero: r.scalar(zy) };
    const byTable = attrs.recipe !== 'ort';
    const swapped = !byTable && name === 'qlinear-add' && qlinearAddSwaps(r.shape(a), r.shape(b));
    const [p, q] = swapped ? [right, left] : [left, right];
    const shape = r.shape(y);
    const whole = [p, q].find((o) => sizeOf(r.shape(o.id)) === sizeOf(shape) && r.shape(o.id).length === shape.length);
    const layout = whole ? r.preferredLayout(whole.id) : 'row-major';
    const type = r.byteType(y);
    const strided = {
      shape: inMemoryOrder(layout, shape),
      sourceStrides: broadcastStrides(r.shape(p.id), shape, layout),
      source1Strides: broadcastStrides(r.shape(q.id), shape, layout),
    };
    const operands = {
      source: r.use(p.id, operandLayout(r, p.id, shape, layout)),
      source1: r.use(q.id, operandLayout(r, q.id, shape, layout)),
    };
    if (byTable) {
      const table = r.data(tableOfPairs(node, type, [left, right, result]));
      r.kernel({ name: 'binary-table', ...strided }, { ...operands, table, destination: r.define(y, layout) });
      return;
    }
    r.kernel(
      {
        name,
        sourceType: r.byteType(p.id),
        source1Type: r.byteType(q.id),
        type,
        ...strided,
        scales: [p.scale, q.scale, result.scale],
        zeroPoints: [p.zero, q.zero, result.zero],
      },
      { ...operands, destination: r.define(y, layout) },
    );
  },
});

type Quantization = { readonly scale: number; readonly zero: number };

/** The operator's own meaning on all pairs of bytes: element a·256 + b, both as unsigned bytes. */
function tableOfPairs(node: Node, dtype: ByteType, [a, b, y]: readonly Quantization[]): ITensor {
  const pairs = 65536;
  const operand = (of: (i: number) => number) => {
    const data = Uint8Array.from({ length: pairs }, (_, i) => of(i));
    return tensorOfBytes(dtype, [pairs], data);
  };
  const parameters = ({ scale, zero }: Quantization) => [tensor('f32', [scale], []), tensor(dtype, [zero], [])];
  const operands = [
    operand((i) => i >> 8),
    ...parameters(a),
    operand((i) => i & 255),
    ...parameters(b),
    ...parameters(y),
  ];
  return evaluateNode(node, operands)[0];
}

export const add = binary('qlinear-add');
export const multiply = binary('qlinear-mul');

/** Operands of lower rank are small and lie row major. */
const operandLayout = (r: Recorder, id: ValueId, shape: readonly number[], layout: PlainLayout): PlainLayout =>
  r.shape(id).length === shape.length ? layout : 'row-major';

/** Strides of an operand over the result's axes in memory order; 0 where it is broadcast. */
export function broadcastStrides(operand: readonly number[], shape: readonly number[], layout: PlainLayout): number[] {
  const padded = [...Array(shape.length - operand.length).fill(1), ...operand];
  const strides = operand.length === shape.length ? plainStrides(layout, operand) : stridesOf(padded);
  return inMemoryOrder(
    layout,
    strides.map((s, axis) => (padded[axis] === 1 ? 0 : s)),
  );
}

export const softmax: Lowering<typeof qnnSoftmax> = {
  refuses: ({ sx, zx, sy, zy }, graph) => graph.needsConstants(sx, zx, sy, zy),
  lower({ x, sx, sy, zy, y, attrs: { axis } }, r) {
    const shape = r.shape(x);
    const length = shape[axis];
    r.kernel(
      {
        name: 'qlinear-softmax',
        type: r.byteType(x),
        outer: sizeOf(shape.slice(0, axis)),
        length,
        inner: sizeOf(shape.slice(axis + 1)),
        steps: softmaxSteps(r.scalar(sy)),
        zeroPoint: r.scalar(zy),
      },
      {
        source: r.use(x, 'row-major'),
        table: r.data(tensor('f32', softmaxTable(r.scalar(sx), length))),
        destination: r.define(y, 'row-major'),
      },
    );
  },
};

export const dynamicQuantize: Lowering<typeof qnnDynamicQuantize> = {
  refuses: ({ attrs: { recipe } }) => (recipe === 'onnx' ? undefined : `the recipe ${recipe}`),
  lower({ x, y, scale, zp }, r) {
    const layout = r.preferredLayout(x);
    r.kernel(
      { name: 'dynamic-quantize', count: sizeOf(r.shape(x)) },
      {
        source: r.use(x, layout),
        destination: r.define(y, layout),
        scale: r.define(scale, 'row-major'),
        zeroPoint: r.define(zp, 'row-major'),
      },
    );
  },
};

/** Requantize that no product absorbed. */
export const requantize: Lowering<typeof qnnRequantize> = {
  refuses({ x, multiplier, zy, second, attrs }, graph) {
    if (graph.dtype(x) !== 's32') return `it rounds ${graph.dtype(x)}`;
    if (graph.shape(multiplier).length > 1) return 'its parameters are neither per tensor nor per axis';
    const mayBeComputed = second === undefined && attrs.arithmetic === 'f32';
    return graph.needsConstants(mayBeComputed ? undefined : multiplier, zy, second);
  },
  lower({ x, multiplier, zy, second, y, attrs }, r) {
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
