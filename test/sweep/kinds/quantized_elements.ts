/** Operators of com.microsoft on quantized tensors, element by element, and pools. */
import type { ModelAttr } from '../../support/onnx.ts';
import { defineKind, type Kind } from '../kind.ts';
import type { Eight, Net, Quantization } from '../net.ts';
import { contents, eight, magnitudes, scaleOf, zeroPoints, zerosOf } from '../parameters.ts';
import { windowDimensions, windowOf } from '../windows.ts';

const microsoft = 'com.microsoft';
const sizes = [1, 3, 15, 16, 17, 31, 33, 65] as const;

/** Scales of results, relative to the scales of operands: a result that fits, ties, clamps, or collapses. */
const ratios = [1, 2, 0.5, 1 / 3, 0.013, 37, 2.56] as const;

const shared = {
  dtype: eight,
  zx: zeroPoints,
  zy: zeroPoints,
  scales: magnitudes,
  ratio: ratios,
  data: contents,
  open: ['fixed', 'batch'],
} as const;

const outer = (net: Net, open: 'fixed' | 'batch', size: number) =>
  open === 'batch' ? net.symbol('N', [size, size + 1]) : size;

const quantized = (dtype: Eight, scale: number, zero: (typeof zeroPoints)[number]): Quantization => ({
  dtype,
  scales: [scale],
  zeros: zerosOf(dtype, zero),
});

const binary = (op: string): Kind =>
  defineKind({
    name: op,
    dimensions: {
      ...shared,
      zb: zeroPoints,
      other: [1, 2, 0.7, 1 / 64, 30],
      second: ['same', 'scalar', 'channels', 'rows', 'constant scalar', 'constant channels', 'outer'],
      columns: sizes,
      channels: sizes,
    },
    build(net, c) {
      const a = quantized(c.dtype, scaleOf(net, c.scales), c.zx);
      const b = quantized(c.dtype, Math.fround(a.scales[0] * c.other), c.zb);
      const unit = op === 'QLinearMul' ? a.scales[0] * b.scales[0] * 100 : Math.max(a.scales[0], b.scales[0]);
      const y = quantized(c.dtype, Math.fround(unit * c.ratio), c.zy);
      const batch = outer(net, c.open, 2);
      const dims = [batch, c.channels, c.columns];
      const shapes = {
        same: dims,
        scalar: [],
        channels: [c.channels, 1],
        rows: [c.columns],
        outer: [batch, 1, 1],
        'constant scalar': [],
        'constant channels': [c.channels, 1],
      };
      const isConstant = c.second.startsWith('constant');
      const x = net.input(c.dtype, dims, c.data);
      const other = isConstant
        ? net.constant(net.filled(c.dtype, shapes[c.second] as number[], 'random'))
        : net.input(c.dtype, shapes[c.second], 'random');
      const inputs = [x, ...net.parameters(a), other, ...net.parameters(b), ...net.parameters(y)];
      net.output(net.op(op, inputs, {}, microsoft), c.dtype);
    },
  });

const unary = (op: string, attrsOf: (net: Net) => Record<string, ModelAttr>): Kind =>
  defineKind({
    name: op,
    dimensions: { ...shared, length: [1, 3, 16, 17, 31, 33, 65, 256, 300] },
    build(net, c) {
      const x = quantized(c.dtype, scaleOf(net, c.scales), c.zx);
      const step = op === 'QLinearSigmoid' ? c.ratio / 256 : x.scales[0] * c.ratio;
      const y = quantized(c.dtype, Math.fround(step), c.zy);
      const input = net.input(c.dtype, [outer(net, c.open, 2), c.length], c.data);
      const inputs = [input, ...net.parameters(x), ...net.parameters(y)];
      net.output(net.op(op, inputs, attrsOf(net), microsoft), c.dtype);
    },
  });

const softmax = defineKind({
  name: 'QLinearSoftmax',
  dimensions: {
    ...shared,
    length: [1, 2, 3, 16, 17, 64, 65, 300],
    axis: ['last', 'channels'],
    opset: [12, 13],
    steps: [1 / 256, 1 / 255, 1 / 128, 0.0041, 0.01, 0.3],
    width: ['narrow', 'wide'],
  },
  build(net, c) {
    const x = quantized(c.dtype, c.width === 'narrow' ? 0.004 : scaleOf(net, c.scales), c.zx);
    const y = quantized(c.dtype, Math.fround(c.steps), c.zy);
    const input = net.input(c.dtype, [outer(net, c.open, 2), c.length, 3], c.data);
    const inputs = [input, ...net.parameters(x), ...net.parameters(y)];
    const attrs = { axis: c.axis === 'last' ? -1 : 1, opset: c.opset };
    net.output(net.op('QLinearSoftmax', inputs, attrs, microsoft), c.dtype);
  },
});

const concat = defineKind({
  name: 'QLinearConcat',
  dimensions: {
    ...shared,
    parts: [1, 2, 3, 5],
    axis: [0, 1, -1],
    alike: [true, false],
    length: [1, 3, 16, 17, 33],
  },
  build(net, c) {
    const y = quantized(c.dtype, scaleOf(net, c.scales), c.zy === 'none' ? 'zero' : c.zy);
    const batch = c.axis === 0 ? 2 : outer(net, c.open, 2);
    const inputs = Array.from({ length: c.parts }, (_, i) => {
      const dims = [batch, 4, c.length].map((d, axis) => (axis === (c.axis + 3) % 3 ? (d as number) + i : d));
      const x = quantized(
        c.dtype,
        Math.fround(y.scales[0] * (c.alike ? 1 : c.ratio * (1 + i))),
        c.zx === 'none' ? 'odd' : c.zx,
      );
      return [net.input(c.dtype, dims, c.data), ...net.parameters(c.alike ? { ...x, zeros: y.zeros } : x)];
    });
    net.output(net.op('QLinearConcat', [...net.parameters(y), ...inputs.flat()], { axis: c.axis }, microsoft), c.dtype);
  },
});

const averagePool = defineKind({
  name: 'QLinearAveragePool',
  dimensions: { ...shared, ...windowDimensions, channels: sizes, ceil: [0, 1], counted: [0, 1], last: [0, 1] },
  build(net, c) {
    const window = windowOf(net, c, { dilates: false, most: 9 });
    const x = quantized(c.dtype, scaleOf(net, c.scales), c.zx);
    const y = quantized(c.dtype, Math.fround(x.scales[0] * c.ratio), c.zy);
    const dims = c.last ? [window.batch, ...window.space, c.channels] : [window.batch, c.channels, ...window.space];
    const attrs = { ...window.attrs, ceil_mode: c.ceil, count_include_pad: c.counted, channels_last: c.last };
    const inputs = [net.input(c.dtype, dims, c.data), ...net.parameters(x), ...net.parameters(y)];
    net.output(net.op('QLinearAveragePool', inputs, attrs, microsoft), c.dtype);
  },
});

const globalAveragePool = defineKind({
  name: 'QLinearGlobalAveragePool',
  dimensions: { ...shared, rank: [1, 2, 3], size: [1, 2, 3, 7, 9], channels: sizes, last: [0, 1] },
  build(net, c) {
    const x = quantized(c.dtype, scaleOf(net, c.scales), c.zx);
    const y = quantized(c.dtype, Math.fround(x.scales[0] * c.ratio), c.zy);
    const space = Array.from({ length: c.rank }, (_, i) => c.size + i);
    const batch = outer(net, c.open, 2);
    const dims = c.last ? [batch, ...space, c.channels] : [batch, c.channels, ...space];
    const inputs = [net.input(c.dtype, dims, c.data), ...net.parameters(x), ...net.parameters(y)];
    net.output(net.op('QLinearGlobalAveragePool', inputs, { channels_last: c.last }, microsoft), c.dtype);
  },
});

const where = defineKind({
  name: 'QLinearWhere',
  dimensions: {
    ...shared,
    zb: zeroPoints,
    second: ['same', 'scalar', 'rows'],
    condition: ['same', 'rows'],
    length: sizes,
  },
  build(net, c) {
    const given = (zero: (typeof zeroPoints)[number]) => (zero === 'none' ? 'zero' : zero);
    const z = quantized(c.dtype, scaleOf(net, c.scales), given(c.zy));
    const x = quantized(c.dtype, Math.fround(z.scales[0] * c.ratio), given(c.zx));
    const y = quantized(c.dtype, Math.fround(z.scales[0] / c.ratio), given(c.zb));
    const dims = [outer(net, c.open, 2), 3, c.length];
    const inputs = [
      net.input('bool', c.condition === 'same' ? dims : [c.length], 'random'),
      net.input(c.dtype, dims, c.data),
      ...net.parameters(x),
      net.input(c.dtype, { same: dims, scalar: [1], rows: [c.length] }[c.second], 'random'),
      ...net.parameters(y),
      ...net.parameters(z),
    ];
    net.output(net.op('QLinearWhere', inputs, {}, microsoft), c.dtype);
  },
});

export const quantizedElements: readonly Kind[] = [
  binary('QLinearAdd'),
  binary('QLinearMul'),
  unary('QLinearSigmoid', () => ({})),
  unary('QLinearLeakyRelu', (net) => ({ alpha: { f: net.pick([0.01, 0.1, 0.5, 1, 2]) } })),
  softmax,
  concat,
  averagePool,
  globalAveragePool,
  where,
];
