/** Scales, biases and inputs that are NaN, infinite, zero, negative, subnormal, or make something overflow. */
import { tensor } from '../../../src/ir/index.ts';
import type { Choice } from '../covering.ts';
import { defineKind, type Kind } from '../kind.ts';
import type { Net } from '../net.ts';
import { eight, zeroPoints, zerosOf } from '../parameters.ts';

const scales = [0.02, 2 ** -4, 0, -0.5, Number.NaN, Infinity, 2 ** -149, 2 ** -126, 1e-30, 1e30, 3e38] as const;
const special = [
  Number.NaN,
  Infinity,
  -Infinity,
  0,
  -0,
  1,
  -1.5,
  2.5,
  1e-40,
  -(2 ** -149),
  3.4e38,
  -3e38,
  2 ** 31,
  -(2 ** 31),
  1e10,
];

const operators = ['Conv', 'Conv with bias', 'depthwise Conv', 'ConvTranspose', 'MatMul', 'Gemm'] as const;
const functions = [
  'Relu',
  'LeakyRelu',
  'Clip',
  'Sigmoid',
  'Tanh',
  'HardSigmoid',
  'HardSwish',
  'Elu',
  'Abs',
  'Neg',
  'Floor',
  'Round',
  'Sqrt',
  'Reciprocal',
  'Exp',
  'Log',
  'Erf',
  'Softplus',
  'Sign',
] as const;
const arithmetic = ['Add', 'Sub', 'Mul', 'Div', 'Min', 'Max', 'Pow', 'Greater', 'Equal'] as const;
const elsewhere = [
  'MaxPool',
  'AveragePool',
  'GlobalAveragePool',
  'Softmax',
  'ReduceMax',
  'ReduceMean',
  'ReduceSum',
  'Transpose',
  'Concat',
  'Where',
  'Resize',
  'Pad',
] as const;

const quantized = (dtype: 'u8' | 's8', scale: number, zeros: readonly number[] | undefined) => ({
  dtype,
  scales: [scale],
  zeros,
});

/** Products of bytes whose scales are odd. */
const products = defineKind({
  name: 'non-finite scales of products',
  dimensions: {
    op: operators,
    x: eight,
    w: eight,
    zx: zeroPoints,
    sx: scales,
    sw: scales,
    sy: scales,
    bias: ['finite', 'infinite', 'NaN', 'huge'],
    end: ['quantized', 'float', 'QLinear'],
  },
  build(net, c) {
    const isConv = c.op.includes('Conv');
    const group = c.op === 'depthwise Conv' ? 4 : 1;
    const x = net.input(c.x, isConv ? [1, 4, 4, 4] : [3, 8], 'random');
    const middle = c.w === 'u8' ? 128 : 0;
    const shape = !isConv ? [8, 5] : group === 4 ? [4, 1, 2, 2] : [4, 4, 2, 2];
    const w = net.constant(net.filled(c.w, shape, { of: [-64, -5, 0, 3, 60].map((v) => v + middle) }));
    const columns = isConv ? 4 : 5;
    const [from, weights, to] = [
      quantized(c.x, c.sx, zerosOf(c.x, c.zx)),
      quantized(c.w, c.sw, [middle]),
      quantized(c.x, c.sy, zerosOf(c.x, 'odd')),
    ];
    if (c.end === 'QLinear') {
      const parameters = [
        x,
        ...net.parameters({ ...from, zeros: from.zeros ?? [0] }),
        w,
        ...net.parameters(weights),
        ...net.parameters(to),
      ];
      const isOwn = c.op === 'ConvTranspose';
      net.output(
        net.op(
          isConv && !isOwn ? 'QLinearConv' : 'QLinearMatMul',
          isOwn ? matrix(net, c, parameters) : parameters,
          isConv && !isOwn ? { group } : {},
        ),
        c.x,
      );
      return;
    }
    const value = { finite: 0.5, infinite: -Infinity, NaN: Number.NaN, huge: 3e38 }[c.bias];
    const bias = net.constant(
      tensor(
        'f32',
        Array.from({ length: columns }, (_, i) => (i === 1 ? value : i * 0.25)),
        [columns],
      ),
    );
    const operands = [net.dequantize(x, from), net.dequantize(w, weights)];
    const y = {
      Conv: () => net.op('Conv', operands),
      'Conv with bias': () => net.op('Conv', [...operands, bias], { pads: [1, 0, 0, 1] }),
      'depthwise Conv': () => net.op('Conv', [...operands, bias], { group }),
      ConvTranspose: () => net.op('ConvTranspose', operands, { strides: [2, 2] }),
      MatMul: () => net.op('MatMul', operands),
      Gemm: () => net.op('Gemm', [...operands, bias]),
    }[c.op]();
    net.output(c.end === 'float' ? y : net.quantize(y, to), c.end === 'float' ? 'f32' : c.x);
  },
});

/** The operands of a QLinearMatMul, made of the operands of a convolution. */
function matrix(net: Net, c: { readonly x: 'u8' | 's8'; readonly w: 'u8' | 's8' }, given: readonly string[]): string[] {
  const middle = c.w === 'u8' ? 128 : 0;
  const [a, b] = [
    net.input(c.x, [3, 4], 'random'),
    net.constant(net.filled(c.w, [4, 2], { of: [-60, 3, 60].map((v) => v + middle) })),
  ];
  const keep = net.op('Reshape', [given[0], net.integers([-1])]);
  net.output(keep, c.x);
  return given.map((name, i) => (i === 0 ? a : i === 3 ? b : name));
}

type Special = Choice<typeof shared>;
const shared = {
  values: ['all', 'few', 'one NaN', 'infinities', 'beyond integers', 'subnormal'],
  length: [1, 3, 16, 17, 33, 65],
  scale: scales,
  y: ['u8', 's8', 'u16', 's16', 'float'],
} as const;

function values(net: Net, which: Special['values']): { readonly of: readonly number[] } {
  switch (which) {
    case 'all':
      return { of: special };
    case 'few':
      return { of: [...Array.from({ length: 40 }, () => net.random() * 4 - 2), Number.NaN, -Infinity] };
    case 'one NaN':
      return { of: [...Array.from({ length: 30 }, (_, i) => (i - 15) / 4), Number.NaN] };
    case 'infinities':
      return { of: [1, -1, 0.5, Infinity, -Infinity] };
    case 'beyond integers':
      return { of: [2 ** 31, -(2 ** 31), 2 ** 40, -1e20, 3e38, 2147483520, 1, -1] };
    case 'subnormal':
      return { of: [2 ** -149, -(2 ** -149), 1e-40, -1e-39, 2 ** -126, 0, -0] };
  }
}

/** The result as it is, or quantized by a scale that may be odd too. */
function finish(net: Net, c: Special, y: string): void {
  net.opset = 21;
  if (c.y === 'float') net.output(y, 'f32');
  else
    net.output(
      net.quantize(y, { dtype: c.y, scales: [c.scale], zeros: [{ u8: 100, s8: -3, u16: 30_000, s16: 12 }[c.y]] }),
      c.y,
    );
}

const inputs = (net: Net, c: Special, dims: readonly number[]) => net.input('f32', dims, values(net, c.values));

const elements = defineKind({
  name: 'non-finite elements',
  dimensions: { ...shared, op: functions },
  build(net, c) {
    const x = inputs(net, c, [2, c.length]);
    const y = c.op === 'Clip' ? net.op('Clip', [x, net.floats([-1]), net.floats([6])]) : net.op(c.op, [x]);
    finish(net, c, y);
  },
});

const pairs = defineKind({
  name: 'non-finite arithmetic',
  dimensions: { ...shared, op: arithmetic, second: ['input', 'scalar'], operand: special },
  build(net, c) {
    const x = inputs(net, c, [3, c.length]);
    const other = c.second === 'input' ? inputs(net, c, [3, c.length]) : net.constant(tensor('f32', [c.operand], []));
    const y = net.op(c.op, [x, other]);
    finish(net, c, /Greater|Equal/.test(c.op) ? net.op('Cast', [y], { to: 1 }) : y);
  },
});

const places = defineKind({
  name: 'non-finite places',
  dimensions: { ...shared, op: elsewhere },
  build(net, c) {
    const x = inputs(net, c, [1, 3, 4, c.length]);
    const window = { kernel_shape: [2, 1], strides: [2, 1] };
    const made: Record<(typeof elsewhere)[number], () => string> = {
      MaxPool: () => net.op('MaxPool', [x], window),
      AveragePool: () => net.op('AveragePool', [x], window),
      GlobalAveragePool: () => net.op('GlobalAveragePool', [x]),
      Softmax: () => net.op('Softmax', [x], { axis: 1 }),
      ReduceMax: () => net.op('ReduceMax', [x, net.integers([1])]),
      ReduceMean: () => net.op('ReduceMean', [x, net.integers([1])]),
      ReduceSum: () => net.op('ReduceSum', [x, net.integers([-1])]),
      Transpose: () => net.op('Transpose', [x], { perm: [0, 2, 3, 1] }),
      Concat: () => net.op('Concat', [x, x], { axis: 1 }),
      Where: () => net.op('Where', [net.op('Greater', [x, net.floats([0])]), x, net.floats([1])]),
      Resize: () => net.op('Resize', [x, '', net.floats([1, 1, 2, 1])], { mode: 'nearest' }),
      Pad: () => net.op('Pad', [x, net.integers([0, 0, 1, 0, 0, 0, 0, 1])]),
    };
    finish(net, c, made[c.op]());
  },
});

const ends = defineKind({
  name: 'non-finite quantize',
  dimensions: { ...shared, zero: ['low', 'middle', 'high'], way: ['quantize', 'and back', 'dynamic', 'cast'] },
  build(net, c) {
    net.opset = 21;
    const x = inputs(net, c, [2, c.length]);
    const dtype = c.y === 'float' ? 'u8' : c.y;
    if (c.way === 'dynamic') {
      const [y, scale, zero] = net.several('DynamicQuantizeLinear', [x], 3);
      net.output(y, 'u8');
      net.output(scale, 'f32');
      net.output(zero, 'u8');
    } else if (c.way === 'cast') {
      const [code, to] = { u8: [2, 'u8'], s8: [3, 's8'], u16: [4, 'u16'], s16: [5, 's16'], float: [6, 's32'] }[c.y] as [
        number,
        'u8',
      ];
      net.output(net.op('Cast', [x], { to: code }), to);
    } else {
      const to = { dtype, scales: [c.scale], zeros: zerosOf(dtype, c.zero) };
      const y = net.quantize(x, to);
      net.output(c.way === 'quantize' ? y : net.dequantize(y, to), c.way === 'quantize' ? dtype : 'f32');
    }
  },
});

export const nonFinite: readonly Kind[] = [products, elements, pairs, places, ends];
