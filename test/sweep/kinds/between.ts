/** Float operators between dequantize and quantize, and quantize and dequantize alone. */
import { type DType, sizeOf, tensor } from '../../../src/ir/index.ts';
import type { ModelAttr } from '../../support/onnx.ts';
import { defineKind, type Kind } from '../kind.ts';
import type { Net } from '../net.ts';
import { contents, eight, magnitudes, scaleOf, scalesOf, zeroPointOf, zeroPoints, zerosOf } from '../parameters.ts';
import { windowDimensions, windowOf } from '../windows.ts';

const lengths = [1, 3, 15, 16, 17, 31, 33, 65] as const;
const ratios = [1, 2, 0.5, 1 / 3, 0.02, 20] as const;

const shared = {
  x: eight,
  y: eight,
  zx: zeroPoints,
  zy: zeroPoints,
  scales: magnitudes,
  ratio: ratios,
  data: contents,
  end: ['quantized', 'float'],
  open: ['fixed', 'batch'],
} as const;

interface Ends {
  readonly x: 'u8' | 's8';
  readonly y: 'u8' | 's8';
  readonly zx: (typeof zeroPoints)[number];
  readonly zy: (typeof zeroPoints)[number];
  readonly end: 'quantized' | 'float';
}

const source = (net: Net, c: Ends & { readonly data: (typeof contents)[number] }, dims: readonly (number | string)[], scale: number) =>
  net.dequantize(net.input(c.x, dims, c.data), { dtype: c.x, scales: [scale], zeros: zerosOf(c.x, c.zx) });

function finish(net: Net, c: Ends, y: string, scale: number): void {
  if (c.end === 'float') return net.output(y, 'f32');
  const zeros = zerosOf(c.y, c.zy);
  net.output(net.quantize(y, { dtype: c.y, scales: [Math.fround(scale)], zeros }), zeros ? c.y : 'u8');
}

const batchOf = (net: Net, open: 'fixed' | 'batch', size = 2) =>
  open === 'batch' ? net.symbol('N', [size, size + 1]) : size;

const activations: readonly (readonly [string, Record<string, ModelAttr>, bounded?: boolean])[] = [
  ['Relu', {}],
  ['LeakyRelu', { alpha: { f: 0.1 } }],
  ['LeakyRelu', { alpha: { f: -1.5 } }],
  ['Clip 6', {}],
  ['Clip low', {}],
  ['Sigmoid', {}, true],
  ['Tanh', {}, true],
  ['HardSigmoid', {}, true],
  ['HardSwish', {}],
  ['Elu', {}],
  ['Selu', {}],
  ['Softplus', {}],
  ['Softsign', {}, true],
  ['Abs', {}],
  ['Neg', {}],
  ['Floor', {}],
  ['Ceil', {}],
  ['Round', {}],
  ['Erf', {}, true],
  ['Identity', {}],
  ['Exp', {}],
  ['Sqrt', {}],
  ['Reciprocal', {}],
];

const activation = defineKind({
  name: 'QDQ activation',
  dimensions: { ...shared, op: activations, length: lengths, twice: [false, true] },
  build(net, c) {
    const [op, attrs, bounded] = c.op;
    const scale = scaleOf(net, op === 'Exp' ? 'plain' : c.scales);
    let x = source(net, c, [batchOf(net, c.open), c.length], scale);
    if (c.twice) x = net.op('Relu', [x]);
    const y =
      op === 'Clip 6'
        ? net.op('Clip', [x, net.floats([0]), net.floats([6])])
        : op === 'Clip low'
          ? net.op('Clip', [x, net.floats([-scale * 20.5])])
          : net.op(op, [x], attrs);
    finish(net, c, y, bounded ? c.ratio / 128 : scale * c.ratio);
  },
});

const gelu = defineKind({
  name: 'QDQ Gelu',
  dimensions: { ...shared, approximate: ['none', 'tanh'], length: lengths },
  build(net, c) {
    net.opset = 20;
    const scale = scaleOf(net, c.scales);
    const x = source(net, c, [batchOf(net, c.open), c.length], scale);
    finish(net, c, net.op('Gelu', [x], { approximate: c.approximate }), scale * c.ratio);
  },
});

const binary = defineKind({
  name: 'QDQ arithmetic',
  dimensions: {
    ...shared,
    op: ['Add', 'Sub', 'Mul', 'Div', 'Min', 'Max'],
    other: [1, 0.5, 0.7, 30],
    second: ['same', 'channels', 'scalar', 'constant', 'float constant', 'itself'],
    relu: [false, true],
    channels: lengths,
    columns: lengths,
  },
  build(net, c) {
    const scale = scaleOf(net, c.scales);
    const dims = [batchOf(net, c.open), c.channels, c.columns];
    const a = source(net, c, dims, scale);
    const own = Math.fround(scale * c.other);
    const zeros = zerosOf(c.x, c.zx === 'odd' ? 'middle' : c.zx);
    const second = {
      same: () => net.dequantize(net.input(c.x, dims, 'random'), { dtype: c.x, scales: [own], zeros }),
      channels: () => net.dequantize(net.input(c.x, [c.channels, 1], 'random'), { dtype: c.x, scales: [own], zeros }),
      scalar: () => net.dequantize(net.input(c.x, [], 'random'), { dtype: c.x, scales: [own], zeros }),
      constant: () =>
        net.dequantize(net.constant(net.filled(c.x, [c.channels, 1], 'random')), { dtype: c.x, scales: [own], zeros }),
      'float constant': () => net.floats([own * 17.3]),
      itself: () => a,
    }[c.second]();
    let y = net.op(c.op, [a, second]);
    if (c.relu) y = net.op('Relu', [y]);
    const unit = c.op === 'Mul' ? scale * own * 100 : c.op === 'Div' ? 1 / Math.max(1, c.other) : Math.max(scale, own);
    finish(net, c, y, unit * c.ratio);
  },
});

const concat = defineKind({
  name: 'QDQ Concat',
  dimensions: { ...shared, parts: [1, 2, 3], axis: [1, 2, -1], alike: [true, false], length: lengths },
  build(net, c) {
    const scale = scaleOf(net, c.scales);
    const batch = batchOf(net, c.open);
    const parts = Array.from({ length: c.parts }, (_, i) => {
      const dims = [batch, 4, c.length].map((d, axis) => (axis === (c.axis + 3) % 3 ? (d as number) + i : d));
      return source(net, c, dims, c.alike ? scale : Math.fround(scale * (1 + i * 0.37)));
    });
    finish(net, c, net.op('Concat', parts, { axis: c.axis }), scale * c.ratio);
  },
});

const reduce = defineKind({
  name: 'QDQ reduction',
  dimensions: {
    ...shared,
    op: ['ReduceMean', 'ReduceSum', 'ReduceMax', 'ReduceMin', 'ReduceL1', 'ReduceL2', 'GlobalAveragePool', 'GlobalMaxPool'],
    axes: [[1], [2, 3], [-1], [1, 2, 3], [0]],
    keep: [0, 1],
    channels: lengths,
    size: [1, 2, 7],
  },
  build(net, c) {
    const scale = scaleOf(net, c.scales);
    const x = source(net, c, [batchOf(net, c.open), c.channels, c.size, c.size + 1], scale);
    const y = c.op.startsWith('Global')
      ? net.op(c.op, [x])
      : c.op === 'ReduceSum'
        ? net.op(c.op, [x, net.integers(c.axes)], { keepdims: c.keep })
        : net.op(c.op, [x], { axes: c.axes, keepdims: c.keep });
    const terms = /Sum|L1/.test(c.op) ? 30 : 1;
    finish(net, c, y, scale * c.ratio * terms);
  },
});

const pool = defineKind({
  name: 'QDQ pool',
  dimensions: { ...shared, ...windowDimensions, op: ['MaxPool', 'AveragePool'], channels: lengths, ceil: [0, 1], counted: [0, 1] },
  build(net, c) {
    const window = windowOf(net, c, { dilates: c.op === 'MaxPool', most: 9 });
    const scale = scaleOf(net, c.scales);
    const x = source(net, c, [window.batch, c.channels, ...window.space], scale);
    const attrs = { ...window.attrs, ceil_mode: c.ceil, ...(c.op === 'AveragePool' && { count_include_pad: c.counted }) };
    finish(net, c, net.op(c.op, [x], attrs), scale * c.ratio);
  },
});

const integerMaxPool = defineKind({
  name: 'MaxPool of integers',
  dimensions: { ...windowDimensions, x: eight, data: contents, channels: lengths, ceil: [0, 1] },
  build(net, c) {
    const window = windowOf(net, c, { most: 9 });
    const x = net.input(c.x, [window.batch, c.channels, ...window.space], c.data);
    net.output(net.op('MaxPool', [x], { ...window.attrs, ceil_mode: c.ceil }), c.x);
  },
});

const movements = ['Transpose', 'Reshape', 'Slice', 'Pad', 'Split', 'Gather', 'DepthToSpace', 'Expand', 'Tile', 'Flatten', 'Unsqueeze'] as const;

const movement = defineKind({
  name: 'QDQ movement',
  dimensions: { ...shared, op: movements, channels: [4, 8, 16, 32], size: [1, 2, 5, 8], pad: ['zero point', 'another'] },
  build(net, c) {
    const scale = scaleOf(net, c.scales);
    const x = source(net, c, [batchOf(net, c.open), c.channels, c.size, c.size + 1], scale);
    const made: Record<(typeof movements)[number], () => string> = {
      Transpose: () => net.op('Transpose', [x], { perm: net.pick([[0, 2, 3, 1], [0, 1, 3, 2], [3, 2, 1, 0]]) }),
      Reshape: () => net.op('Reshape', [x, net.integers(net.pick([[0, -1], [0, 0, -1], [-1, c.size + 1]]))]),
      Slice: () =>
        net.op('Slice', [x, ...[[-1, 0], [-99, 99], [1, 3], [-1, 2]].map((v) => net.integers(v))]),
      Pad: () =>
        net.op('Pad', [
          x,
          net.integers([0, 0, 1, 2, 0, 1, 0, 1]),
          net.floats([c.pad === 'zero point' ? 0 : scale * 3.4]),
        ]),
      Split: () => net.several('Split', [x, net.integers([1, c.channels - 1])], 2, { axis: 1 })[1],
      Gather: () => net.op('Gather', [x, net.integers([0, c.channels - 1, -1])], { axis: 1 }),
      DepthToSpace: () => net.op('DepthToSpace', [x], { blocksize: 2, mode: net.pick(['DCR', 'CRD']) }),
      Expand: () => net.op('Expand', [x, net.integers([1, 1, c.size, c.size + 1])]),
      Tile: () => net.op('Tile', [x, net.integers([1, 2, 1, 3])]),
      Flatten: () => net.op('Flatten', [x], { axis: net.pick([0, 1, 2]) }),
      Unsqueeze: () => net.op('Unsqueeze', [x, net.integers([0, -1])]),
    };
    finish(net, c, made[c.op](), scale * c.ratio);
  },
});

const resize = defineKind({
  name: 'QDQ Resize',
  dimensions: {
    ...shared,
    mode: ['nearest', 'linear'],
    nearest: ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'],
    coordinates: ['half_pixel', 'pytorch_half_pixel', 'asymmetric', 'align_corners'],
    height: [1, 2, 0.5, 1.7, 3],
    width: [1, 2, 0.5, 1.7, 3],
    size: [1, 2, 5, 8],
    channels: [1, 3, 16, 17],
    float: ['dequantized', 'integers'],
  },
  build(net, c) {
    const scale = scaleOf(net, c.scales);
    const dims = [batchOf(net, c.open), c.channels, c.size + 1, c.size + 2];
    const attrs = {
      mode: c.mode,
      coordinate_transformation_mode: c.coordinates,
      ...(c.mode === 'nearest' && { nearest_mode: c.nearest }),
    };
    const scales = net.floats([1, 1, c.height, c.width]);
    if (c.float === 'integers')
      return net.output(net.op('Resize', [net.input(c.x, dims, c.data), '', scales], attrs), c.x);
    finish(net, c, net.op('Resize', [source(net, c, dims, scale), '', scales], attrs), scale * c.ratio);
  },
});

const integerTypes = ['u8', 's8', 'u16', 's16'] as const satisfies DType[];

const quantizeAlone = defineKind({
  name: 'QuantizeLinear',
  dimensions: {
    dtype: integerTypes,
    axis: [0, 1, 2, -1, 'none'],
    zero: [...zeroPoints, 'by channel'],
    scales: magnitudes,
    data: ['fit', 'ties', 'beyond', 'integers'],
    length: lengths,
    open: ['fixed', 'batch'],
    back: [false, true],
  },
  build(net, c) {
    net.opset = 21;
    const shape = [c.axis === 0 ? 2 : batchOf(net, c.open), 5, c.length];
    const count = c.axis === 'none' ? 1 : (shape.at(c.axis) as number);
    const scales = scalesOf(net, c.scales, count);
    const zeros =
      c.zero === 'by channel'
        ? Array.from({ length: count }, (_, i) => zeroPointOf(c.dtype, 'middle') + i)
        : zerosOf(c.dtype, c.zero, count);
    const reach = scales[0] * (c.dtype.endsWith('16') ? 40_000 : 150);
    const x = net.input(
      c.data === 'integers' ? 's32' : 'f32',
      shape,
      {
        fit: { low: -reach, high: reach },
        ties: { halves: scales[0] },
        beyond: { low: -reach * 1e4, high: reach * 1e4 },
        integers: { of: [0, 1, -1, 100, -5000, 2 ** 24 + 1, 2 ** 31 - 1, -(2 ** 31)] },
      }[c.data],
    );
    const to = { dtype: c.dtype, scales, zeros };
    const axis = c.axis === 'none' ? undefined : c.axis;
    const dtype = zeros ? c.dtype : 'u8';
    const y = net.quantize(x, to, axis);
    if (c.back) net.output(net.dequantize(y, { ...to, dtype }, axis), 'f32');
    else net.output(y, dtype);
  },
});

const dequantizeAlone = defineKind({
  name: 'DequantizeLinear',
  dimensions: {
    dtype: [...integerTypes, 's32'],
    axis: [0, 1, 2, -1, 'none'],
    zero: [...zeroPoints, 'by channel'],
    scales: magnitudes,
    data: contents,
    length: lengths,
    open: ['fixed', 'batch'],
  },
  build(net, c) {
    net.opset = 21;
    const shape = [c.axis === 0 ? 2 : batchOf(net, c.open), 5, c.length];
    const count = c.axis === 'none' ? 1 : (shape.at(c.axis) as number);
    const zeros =
      c.dtype === 's32'
        ? undefined
        : c.zero === 'by channel'
          ? Array.from({ length: count }, (_, i) => zeroPointOf(c.dtype, 'middle') + i)
          : zerosOf(c.dtype, c.zero, count);
    const from = { dtype: c.dtype, scales: scalesOf(net, c.scales, count), zeros };
    const x = net.input(c.dtype, shape, c.data);
    net.output(net.dequantize(x, from, c.axis === 'none' ? undefined : c.axis), 'f32');
  },
});

const requantizeChain = defineKind({
  name: 'requantize chain',
  dimensions: { ...shared, between: eight, other: ratios, length: lengths, third: [false, true], relu: [false, true] },
  build(net, c) {
    const scale = scaleOf(net, c.scales);
    const first = source(net, c, [batchOf(net, c.open), c.length], scale);
    const middle = { dtype: c.between, scales: [Math.fround(scale * c.other)], zeros: zerosOf(c.between, 'odd') };
    let y = net.dequantize(net.quantize(first, middle), middle);
    if (c.relu) y = net.op('Relu', [y]);
    if (c.third) {
      const last = { dtype: c.x, scales: [Math.fround(scale * 1.7)], zeros: zerosOf(c.x, 'middle') };
      y = net.dequantize(net.quantize(y, last), last);
    }
    finish(net, c, y, scale * c.ratio);
  },
});

const dynamicQuantize = defineKind({
  name: 'DynamicQuantizeLinear',
  dimensions: {
    data: ['both signs', 'positive', 'negative', 'zero', 'ties', 'tiny', 'huge'],
    length: lengths,
    open: ['fixed', 'batch'],
    back: [false, true],
  },
  build(net, c) {
    const x = net.input('f32', [batchOf(net, c.open), c.length], {
      'both signs': { low: -3, high: 5 },
      positive: { low: 1, high: 7 },
      negative: { low: -9, high: -2 },
      zero: { constant: 0 },
      ties: { halves: 0.25 },
      tiny: { low: -1e-38, high: 1e-38 },
      huge: { low: -1e38, high: 1e38 },
    }[c.data]);
    const [y, scale, zero] = net.several('DynamicQuantizeLinear', [x], 3);
    if (c.back) return net.output(net.op('DequantizeLinear', [y, scale, zero]), 'f32');
    net.output(y, 'u8');
    net.output(scale, 'f32');
    net.output(zero, 'u8');
  },
});

export const between: readonly Kind[] = [
  activation,
  gelu,
  binary,
  concat,
  reduce,
  pool,
  integerMaxPool,
  movement,
  resize,
  quantizeAlone,
  dequantizeAlone,
  requantizeChain,
  dynamicQuantize,
];
