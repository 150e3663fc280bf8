/** Float operators that stand between quantized layers and stay float: their inputs are dequantized, their results are not quantized. */
import type { Choice } from '../covering.ts';
import { defineKind, type Kind } from '../kind.ts';
import type { Net } from '../net.ts';
import { contents, eight, zeroPoints } from '../parameters.ts';
import { batchOf, finish, lengths, source } from './ends.ts';

const operators = [
  'LayerNormalization',
  'LayerNormalization without bias',
  'Softmax',
  'Softmax over channels',
  'LogSoftmax',
  'BatchNormalization',
  'InstanceNormalization',
  'LpNormalization',
  'LRN',
  'Gemm',
  'MatMul',
  'Conv',
  'ConvTranspose',
  'Where',
  'PRelu',
  'Pow',
  'CumSum',
  'ArgMax',
  'Cast',
  'Equal',
] as const;

const dimensions = {
  op: operators,
  x: eight,
  zx: zeroPoints,
  scale: [0.02, 2 ** -5, 0.3],
  data: contents,
  channels: lengths,
  size: [1, 2, 5],
  open: ['fixed', 'batch'],
  behind: ['float', 'relu', 'added', 'quantized'],
} as const;
type Drawn = Choice<typeof dimensions>;

const floats = (net: Net, length: number, low = -2, high = 2) =>
  net.floats(
    Array.from({ length }, () => low + net.random() * (high - low)),
    [length],
  );
const weights = (net: Net, shape: readonly number[]) => net.constant(net.filled('f32', shape, { low: -1, high: 1 }));

/** The result, and whether it is a float. */
function made(net: Net, c: Drawn, x: string): string {
  const { channels, size } = c;
  switch (c.op) {
    case 'LayerNormalization':
      return net.op('LayerNormalization', [x, floats(net, size + 1), floats(net, size + 1)]);
    case 'LayerNormalization without bias':
      return net.op('LayerNormalization', [x, floats(net, size + 1)], { axis: -1, epsilon: { f: 1e-3 } });
    case 'Softmax':
    case 'LogSoftmax':
      return net.op(c.op, [x], { axis: -1 });
    case 'Softmax over channels':
      return net.op('Softmax', [x], { axis: 1 });
    case 'BatchNormalization': {
      const [scale, bias, mean] = [0, 1, 2].map(() => floats(net, channels));
      return net.op('BatchNormalization', [x, scale, bias, mean, floats(net, channels, 0.1, 3)]);
    }
    case 'InstanceNormalization':
      return net.op('InstanceNormalization', [x, floats(net, channels), floats(net, channels)]);
    case 'LpNormalization':
      return net.op('LpNormalization', [x], { axis: 1, p: net.pick([1, 2]) });
    case 'LRN':
      return net.op('LRN', [x], { size: 3 });
    case 'Gemm': {
      const flat = net.op('Reshape', [x, net.integers([-1, size + 1])]);
      return net.op('Gemm', [flat, weights(net, [7, size + 1]), floats(net, 7)], { transB: 1, alpha: { f: 0.5 } });
    }
    case 'MatMul':
      return net.op('MatMul', [x, weights(net, [size + 1, 9])]);
    case 'Conv':
      return net.op('Conv', [x, weights(net, [5, channels, 1, 2]), floats(net, 5)], { pads: [0, 1, 0, 0] });
    case 'ConvTranspose':
      return net.op('ConvTranspose', [x, weights(net, [channels, 3, 2, 2])], { strides: [2, 1] });
    case 'Where':
      return net.op('Where', [net.op('Greater', [x, net.floats([0.1])]), x, net.floats([-1])]);
    case 'PRelu':
      return net.op('PRelu', [x, net.constant(net.filled('f32', [channels, 1, 1], { low: -1, high: 1 }))]);
    case 'Pow':
      return net.op('Pow', [x, net.floats([2])]);
    case 'CumSum':
      return net.op('CumSum', [x, net.integers([-1], [])]);
    case 'ArgMax':
      return net.op('Cast', [net.op('ArgMax', [x], { axis: 1 })], { to: 1 });
    case 'Cast':
      return net.op('Cast', [net.op('Cast', [x], { to: net.pick([6, 7, 3, 2]) })], { to: 1 });
    case 'Equal':
      return net.op('Cast', [net.op('Equal', [x, net.floats([0])])], { to: 1 });
  }
}

const glue = defineKind({
  name: 'float operators',
  dimensions,
  build(net, c) {
    const given = { ...c, y: 'u8', zy: 'middle', end: c.behind === 'quantized' ? 'quantized' : 'float' } as const;
    const x = source(net, given, [batchOf(net, c.open), c.channels, c.size, c.size + 1], c.scale);
    let y = made(net, c, x);
    if (c.behind === 'relu') y = net.op('Relu', [y]);
    if (c.behind === 'added') y = net.op('Add', [y, net.floats([0.25])]);
    finish(net, given, y, 0.03);
  },
});

/** Floats in and out, with quantized layers between: an input that is quantized, and a Gemm or a Conv. */
const block = defineKind({
  name: 'block of layers',
  dimensions: {
    ends: ['Gemm', 'Conv', 'Conv, residual', 'MatMul, residual'],
    x: eight,
    w: eight,
    zx: zeroPoints,
    middle: ['Relu', 'none', 'Softmax', 'LayerNormalization', 'HardSwish', 'MaxPool'],
    channels: [3, 8, 16, 17, 32],
    perChannel: [false, true],
    open: ['fixed', 'batch'],
  },
  build(net, c) {
    const isConv = c.ends.startsWith('Conv');
    const batch = batchOf(net, c.open);
    const dims = isConv ? [batch, c.channels, 5, 5] : [batch, c.channels];
    const zero = { none: 0, zero: 0, low: 0, middle: 128, odd: 165, high: 255 }[c.zx];
    const activation = (scale: number) => ({
      dtype: c.x,
      scales: [Math.fround(scale)],
      zeros: [c.x === 'u8' ? zero : zero - 128],
    });
    const both = (y: string, scale: number) => net.dequantize(net.quantize(y, activation(scale)), activation(scale));
    const layer = (x: string) => {
      const count = c.perChannel ? c.channels : 1;
      const from = {
        dtype: c.w,
        scales: Array.from({ length: count }, (_, i) => Math.fround(0.004 * (1 + (i % 5)))),
        zeros: Array<number>(count).fill(c.w === 'u8' ? 131 : 2),
      };
      const shape = isConv ? [c.channels, c.channels, 3, 3] : [c.channels, c.channels];
      const middle = c.w === 'u8' ? 128 : 0;
      const w = net.constant(net.filled(c.w, shape, { of: [-64, -3, 0, 1, 17, 40, 64].map((v) => v + middle) }));
      if (isConv)
        return net.op('Conv', [x, net.dequantize(w, from, 0), floats(net, c.channels)], { pads: [1, 1, 1, 1] });
      if (c.ends === 'Gemm')
        return net.op('Gemm', [x, net.dequantize(w, from, 0), floats(net, c.channels)], { transB: 1 });
      return net.op('Add', [net.op('MatMul', [x, net.dequantize(w, from, 1)]), floats(net, c.channels)]);
    };
    const x = both(net.input('f32', dims, { low: -2, high: 2 }), 0.02);
    let y = both(layer(x), 0.05);
    if (c.middle === 'MaxPool') y = isConv ? net.op('MaxPool', [y], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }) : y;
    else if (c.middle === 'Softmax') y = both(net.op('Softmax', [y], { axis: 1 }), 1 / 128);
    else if (c.middle === 'LayerNormalization')
      y = both(net.op('LayerNormalization', [y, floats(net, isConv ? 5 : c.channels)]), 0.03);
    else if (c.middle !== 'none') y = both(net.op(c.middle, [y]), 0.05);
    y = both(layer(y), 0.07);
    if (c.ends.endsWith('residual')) y = both(net.op('Add', [y, x]), 0.09);
    net.output(y, 'f32');
  },
});

export const floatKinds: readonly Kind[] = [glue, block];
