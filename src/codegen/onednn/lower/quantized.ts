/** Quantized operators that are kernels of ours. */
import {
  evaluateNode,
  type ITensor,
  isStatic,
  type Node,
  type Shape,
  sizeOf,
  stridesOf,
  tensor,
  type ValueId,
} from '../../../ir/index.ts';
import {
  globalAverageMultiplier,
  isGlobalWindow,
  qlinearAddSwaps,
  type RequantizeMode,
  softmaxSteps,
  softmaxTable,
  torchAverageMultiplier,
} from '../../../numerics/index.ts';
import { inMemoryOrder, type PlainLayout, plainStrides } from '../layout.ts';
import type { Recorder } from '../recorder.ts';
import { type GraphView, type Lowering, operandsOf, scalarOf } from './lowering.ts';
import { kernelRecipe } from './products.ts';

const isByte = (dtype: string | undefined): dtype is 'u8' | 's8' => dtype === 'u8' || dtype === 's8';

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
function zeroPoints(r: Recorder, id: ValueId | undefined, channels: number): ITensor<'s32'> | undefined {
  const t = id && r.constant(id);
  return t
    ? tensor(
        's32',
        Int32Array.from({ length: channels }, (_, c) => Number(t.data[t.data.length === 1 ? 0 : c])),
      )
    : undefined;
}

const perTensorOrAxis = (node: Node, view: GraphView): string | undefined => {
  const rank = view.shape(node.operands[1] as ValueId).length;
  if (rank > 1) return 'its parameters are neither per tensor nor per axis';
  return view.needsConstants(node, [1, 2]);
};

export const quantize: Lowering = {
  refuses(node, view) {
    if (!isByte(view.dtype(node.results[0]))) return `it writes ${view.dtype(node.results[0])}`;
    if (node.attrs.arithmetic !== 'divide') return 'the kernel divides by a scale that is a constant';
    return perTensorOrAxis(node, view);
  },
  lower(node, r) {
    const [x, scale, zp] = operandsOf(node) as [ValueId, ValueId, ValueId | undefined];
    const { layout, ...view } = channelView(r, x, scale, node.attrs.axis as number);
    const zero = zeroPoints(r, zp, view.channels);
    r.kernel(
      { name: 'quantize', type: r.dtype(node.results[0]) as 'u8' | 's8', ...view },
      {
        source: r.use(x, layout),
        scale: r.use(scale, 'row-major'),
        zeroPoint: zero && r.data(zero),
        destination: r.define(node.results[0], layout),
      },
    );
  },
};

export const dequantize: Lowering = {
  refuses(node, view) {
    const dtype = view.dtype(node.operands[0]);
    if (!isByte(dtype) && dtype !== 's32') return `it reads ${dtype}`;
    return perTensorOrAxis(node, view);
  },
  lower(node, r) {
    const [x, scale, zp] = operandsOf(node) as [ValueId, ValueId, ValueId | undefined];
    const { layout, ...view } = channelView(r, x, scale, node.attrs.axis as number);
    const zero = zeroPoints(r, zp, view.channels);
    r.kernel(
      { name: 'dequantize', type: r.dtype(x) as 'u8' | 's8' | 's32', ...view },
      {
        source: r.use(x, layout),
        scale: r.use(scale, 'row-major'),
        zeroPoint: zero && r.data(zero),
        destination: r.define(node.results[0], layout),
      },
    );
  },
};

export const lut: Lowering = {
  refuses: (node, view) =>
    isByte(view.dtype(node.results[0])) ? view.needsConstants(node, [1]) : `it writes ${view.dtype(node.results[0])}`,
  lower(node, r) {
    const [x, table] = node.operands as [ValueId, ValueId];
    const layout = r.preferredLayout(x);
    r.kernel(
      { name: 'lut', count: sizeOf(r.shape(x)) },
      { source: r.use(x, layout), table: r.use(table, 'row-major'), destination: r.define(node.results[0], layout) },
    );
  },
};

/** x ∓ 128 is the XOR of the highest bit: a table. */
export const recentre: Lowering = {
  lower(node, r) {
    const [x] = node.operands as [ValueId];
    const layout = r.preferredLayout(x);
    const table = tensor(
      'u8',
      Uint8Array.from({ length: 256 }, (_, i) => i ^ 0x80),
    );
    r.kernel(
      { name: 'lut', count: sizeOf(r.shape(x)) },
      { source: r.use(x, layout), table: r.data(table), destination: r.define(node.results[0], layout) },
    );
  },
};

const binary = (name: 'qlinear-add' | 'qlinear-mul'): Lowering => ({
  refuses: (node, view) => view.needsConstants(node, [1, 2, 4, 5, 6, 7]),
  lower(node, r) {
    const [a, sa, za, b, sb, zb, sy, zy] = node.operands as ValueId[];
    const [y] = node.results;
    const number = (id: ValueId) => scalarOf(r.constant(id));
    const left = { id: a, scale: number(sa), zero: number(za) };
    const right = { id: b, scale: number(sb), zero: number(zb) };
    const byTable = node.attrs.recipe !== 'ort';
    const swapped = !byTable && name === 'qlinear-add' && qlinearAddSwaps(r.shape(a), r.shape(b));
    const [p, q] = swapped ? [right, left] : [left, right];
    const shape = r.shape(y);
    const whole = [p, q].find((o) => sizeOf(r.shape(o.id)) === sizeOf(shape) && r.shape(o.id).length === shape.length);
    const layout = whole ? r.preferredLayout(whole.id) : 'row-major';
    const type = r.dtype(y) as 'u8' | 's8';
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
      const table = r.data(tableOfPairs(node, type, [left, right, { scale: number(sy), zero: number(zy) }]));
      r.kernel({ name: 'binary-table', ...strided }, { ...operands, table, destination: r.define(y, layout) });
      return;
    }
    r.kernel(
      {
        name,
        sourceType: r.dtype(p.id) as 'u8' | 's8',
        source1Type: r.dtype(q.id) as 'u8' | 's8',
        type,
        ...strided,
        scales: [p.scale, q.scale, number(sy)],
        zeroPoints: [p.zero, q.zero, number(zy)],
      },
      { ...operands, destination: r.define(y, layout) },
    );
  },
});

type Quantization = { readonly scale: number; readonly zero: number };

/** The operator's own meaning on all pairs of bytes: element a·256 + b, both as unsigned bytes. */
function tableOfPairs(node: Node, dtype: 'u8' | 's8', [a, b, y]: readonly Quantization[]): ITensor {
  const pairs = 65536;
  const bytes = (of: (i: number) => number) => {
    const data = Uint8Array.from({ length: pairs }, (_, i) => of(i));
    return tensor(dtype, dtype === 'u8' ? data : new Int8Array(data.buffer));
  };
  const parameters = ({ scale, zero }: Quantization) => [tensor('f32', [scale], []), tensor(dtype, [zero], [])];
  const operands = [bytes((i) => i >> 8), ...parameters(a), bytes((i) => i & 255), ...parameters(b), ...parameters(y)];
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

/** Both pools whose window is the whole image are the integer formula. */
function globalPool(node: Node, r: Recorder): void {
  const [x, sx, zx, sy, zy] = node.operands as ValueId[];
  const [batch, channels, ...spatial] = r.shape(x);
  const size = sizeOf(spatial);
  const multiplierOf = node.attrs.recipe === 'torch' ? torchAverageMultiplier : globalAverageMultiplier;
  const multiplier = multiplierOf(scalarOf(r.constant(sx)), scalarOf(r.constant(sy)), size);
  r.kernel(
    {
      name: 'global-average-pool',
      sourceType: r.dtype(x) as 'u8' | 's8',
      type: r.dtype(node.results[0]) as 'u8' | 's8',
      batch,
      spatial: size,
      channels,
      sourceZeroPoint: scalarOf(r.constant(zx)),
      multiplier: multiplier.arithmetic === 'f32' ? multiplier.factor : Number.NaN,
      zeroPoint: scalarOf(r.constant(zy)),
    },
    { source: r.use(x, 'channels-last'), destination: r.define(node.results[0], 'channels-last') },
  );
}

export const globalAveragePool: Lowering = {
  refuses: (node, view) =>
    node.attrs.recipe === 'torch-contiguous'
      ? 'the zero point is added before rounding'
      : view.needsConstants(node, [1, 2, 3, 4]),
  lower: globalPool,
};

export const averagePool: Lowering = {
  refuses(node, view) {
    const { kernel, pads } = node.attrs as { kernel: readonly number[]; pads: readonly number[] };
    const spatial: Shape = view.shape(node.operands[0] as ValueId).slice(2);
    if (!isStatic(spatial) || !isGlobalWindow(spatial, kernel, pads))
      return 'a quantized average pool over part of the image';
    return view.needsConstants(node, [1, 2, 3, 4]);
  },
  lower: globalPool,
};

export const softmax: Lowering = {
  refuses: (node, view) => view.needsConstants(node, [1, 2, 3, 4]),
  lower(node, r) {
    const [x, sx, , sy, zy] = node.operands as ValueId[];
    const shape = r.shape(x);
    const axis = node.attrs.axis as number;
    const length = shape[axis];
    r.kernel(
      {
        name: 'qlinear-softmax',
        type: r.dtype(x) as 'u8' | 's8',
        outer: sizeOf(shape.slice(0, axis)),
        length,
        inner: sizeOf(shape.slice(axis + 1)),
        steps: softmaxSteps(scalarOf(r.constant(sy))),
        zeroPoint: scalarOf(r.constant(zy)),
      },
      {
        source: r.use(x, 'row-major'),
        table: r.data(tensor('f32', softmaxTable(scalarOf(r.constant(sx)), length))),
        destination: r.define(node.results[0], 'row-major'),
      },
    );
  },
};

export const dynamicQuantize: Lowering = {
  refuses: (node) => (node.attrs.recipe === 'onnx' ? undefined : `the recipe ${node.attrs.recipe}`),
  lower(node, r) {
    const [x] = node.operands as [ValueId];
    const [y, scale, zeroPoint] = node.results;
    const layout = r.preferredLayout(x);
    r.kernel(
      { name: 'dynamic-quantize', count: sizeOf(r.shape(x)) },
      {
        source: r.use(x, layout),
        destination: r.define(y, layout),
        scale: r.define(scale, 'row-major'),
        zeroPoint: r.define(zeroPoint, 'row-major'),
      },
    );
  },
};

/** Requantize that no product absorbed. */
export const requantize: Lowering = {
  refuses(node, view) {
    const [x, multiplier, , second] = node.operands;
    if (view.dtype(x) !== 's32') return `it rounds ${view.dtype(x)}`;
    if (view.shape(multiplier as ValueId).length > 1) return 'its parameters are neither per tensor nor per axis';
    return view.needsConstants(node, second ? [1, 2, 3] : node.attrs.arithmetic === 'f32' ? [2] : [1, 2]);
  },
  lower(node, r) {
    const [x, first, zy, second] = operandsOf(node) as [ValueId, ValueId, ValueId, ValueId | undefined];
    const { axis, low, high, arithmetic, ...mode } = node.attrs as unknown as RequantizeMode & Record<string, number>;
    const { layout, ...view } = channelView(r, x, first, axis);
    const type = r.dtype(node.results[0]) as 'u8' | 's8';
    const [min, max] = type === 'u8' ? [0, 255] : [-128, 127];
    const [a, b] = [r.constant(first), second && r.constant(second)];
    const factors =
      arithmetic === 'f32-two-step'
        ? { scale: a, multiplier: b }
        : { multiplier: a, ...(arithmetic === 'fixed' && { shift: b }) };
    const recipe = kernelRecipe(r, factors, { rounding: mode.rounding, zeroPointAt: mode.zeroPoint }, view.channels);
    r.kernel(
      {
        name: 'requantize',
        type,
        ...view,
        groups: 1,
        mapRows: 0,
        zeroPoint: scalarOf(r.constant(zy)),
        low: Math.max(low, min),
        high: Math.min(high, max),
        ...recipe.fields,
      },
      {
        source: r.use(x, layout),
        ...recipe.buffers,
        ...(a === undefined && { multiplier: r.use(first, 'row-major') }),
        destination: r.define(node.results[0], layout),
      },
    );
  },
};
