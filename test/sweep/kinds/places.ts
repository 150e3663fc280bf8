/** Reductions, pools, movements and Resize between dequantize and quantize. */
import { defineKind, type Kind } from '../kind.ts';
import { contents, eight, scaleOf } from '../parameters.ts';
import { windowDimensions, windowOf } from '../windows.ts';
import { batchOf, finish, lengths, shared, source } from './ends.ts';

const reduce = defineKind({
  name: 'QDQ reduction',
  dimensions: {
    ...shared,
    op: [
      'ReduceMean',
      'ReduceSum',
      'ReduceMax',
      'ReduceMin',
      'ReduceL1',
      'ReduceL2',
      'GlobalAveragePool',
      'GlobalMaxPool',
    ],
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
  dimensions: {
    ...shared,
    ...windowDimensions,
    op: ['MaxPool', 'AveragePool'],
    channels: lengths,
    ceil: [0, 1],
    counted: [0, 1],
  },
  build(net, c) {
    const window = windowOf(net, c, { dilates: c.op === 'MaxPool', most: 9 });
    const scale = scaleOf(net, c.scales);
    const x = source(net, c, [window.batch, c.channels, ...window.space], scale);
    const attrs = {
      ...window.attrs,
      ceil_mode: c.ceil,
      ...(c.op === 'AveragePool' && { count_include_pad: c.counted }),
    };
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

const movements = [
  'Transpose',
  'Reshape',
  'Slice',
  'Pad',
  'Split',
  'Gather',
  'DepthToSpace',
  'Expand',
  'Tile',
  'Flatten',
  'Unsqueeze',
] as const;

const movement = defineKind({
  name: 'QDQ movement',
  dimensions: {
    ...shared,
    op: movements,
    channels: [4, 8, 16, 32],
    size: [1, 2, 5, 8],
    pad: ['zero point', 'another'],
  },
  build(net, c) {
    const scale = scaleOf(net, c.scales);
    const x = source(net, c, [batchOf(net, c.open), c.channels, c.size, c.size + 1], scale);
    const made: Record<(typeof movements)[number], () => string> = {
      Transpose: () =>
        net.op('Transpose', [x], {
          perm: net.pick([
            [0, 2, 3, 1],
            [0, 1, 3, 2],
            [3, 2, 1, 0],
          ]),
        }),
      Reshape: () =>
        net.op('Reshape', [
          x,
          net.integers(
            net.pick([
              [0, -1],
              [0, 0, -1],
              [-1, c.size + 1],
            ]),
          ),
        ]),
      Slice: () =>
        net.op('Slice', [
          x,
          ...[
            [-1, 0],
            [-99, 99],
            [1, 3],
            [-1, 2],
          ].map((v) => net.integers(v)),
        ]),
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

export const places: readonly Kind[] = [reduce, pool, integerMaxPool, movement, resize];
