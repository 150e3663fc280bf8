/** Quantize and dequantize by themselves and in rows. */
import type { DType } from '../../../src/ir/index.ts';
import { defineKind, type Kind } from '../kind.ts';
import { contents, eight, magnitudes, scaleOf, scalesOf, zeroPointOf, zeroPoints, zerosOf } from '../parameters.ts';
import { batchOf, finish, lengths, ratios, shared, source } from './ends.ts';

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
    const x = net.input(
      'f32',
      [batchOf(net, c.open), c.length],
      {
        'both signs': { low: -3, high: 5 },
        positive: { low: 1, high: 7 },
        negative: { low: -9, high: -2 },
        zero: { constant: 0 },
        ties: { halves: 0.25 },
        tiny: { low: -1e-38, high: 1e-38 },
        huge: { low: -1e38, high: 1e38 },
      }[c.data],
    );
    const [y, scale, zero] = net.several('DynamicQuantizeLinear', [x], 3);
    if (c.back) return net.output(net.op('DequantizeLinear', [y, scale, zero]), 'f32');
    net.output(y, 'u8');
    net.output(scale, 'f32');
    net.output(zero, 'u8');
  },
});

export const quantizations: readonly Kind[] = [quantizeAlone, dequantizeAlone, requantizeChain, dynamicQuantize];
