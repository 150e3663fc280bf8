/** Functions and arithmetic of elements between dequantize and quantize. */
import type { ModelAttr } from '../../support/onnx.ts';
import { defineKind, type Kind } from '../kind.ts';
import { scaleOf, zerosOf } from '../parameters.ts';
import { batchOf, finish, lengths, shared, source } from './ends.ts';

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

export const elements: readonly Kind[] = [activation, gelu, binary, concat];
