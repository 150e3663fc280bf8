/** Convolutions in every form in which quantizers write them. */
import { sizeOf, tensor } from '../../../src/ir/index.ts';
import type { Choice } from '../covering.ts';
import { defineKind, type Kind } from '../kind.ts';
import type { Net, Quantization } from '../net.ts';
import {
  channels,
  contents,
  eight,
  magnitudes,
  ranges,
  resultScale,
  scaleOf,
  scalesOf,
  strategies,
  weightContents,
  weightsOf,
  zeroPointOf,
  zeroPoints,
  zerosOf,
} from '../parameters.ts';
import { type Window, windowDimensions, windowOf } from '../windows.ts';

const dimensions = {
  ...windowDimensions,
  group: ['one', 'two', 'three', 'depthwise', 'multiplied depthwise'],
  channels,
  filters: channels,
  x: eight,
  w: eight,
  zx: zeroPoints,
  zw: [...zeroPoints, 'by channel', 'different by channel'],
  weights: weightContents,
  data: contents,
  bias: ['none', 'small', 'large', 'very large', 'mixed'],
  scales: magnitudes,
  perChannel: [false, true],
  range: ranges,
  zy: zeroPoints,
  relu: [false, true],
  strategy: strategies,
  threads: [1, 2],
} as const;
type Drawn = Choice<typeof dimensions>;

/** Everything that a layer of a choice is made of. */
interface Parts {
  readonly window: Window;
  readonly group: number;
  readonly filters: number;
  /** Terms of one sum. */
  readonly terms: number;
  readonly xDims: readonly (number | string)[];
  readonly wDims: readonly number[];
  readonly x: Quantization;
  readonly w: Quantization;
  readonly y: Quantization;
  /** The integers of the bias. */
  readonly bias: readonly number[] | undefined;
}

/** Multiplications that a layer may have: the interpreter has to do them as well. */
const MOST = 60_000;
const MOST_RESULTS = 6_000;

function partsOf(net: Net, c: Drawn, { transposed = false } = {}): Parts {
  net.strategy = c.strategy;
  net.threads = c.threads;
  const isDepthwise = c.group.endsWith('depthwise');
  const window = windowOf(net, c, { most: isDepthwise && !transposed ? 9 : 4, transposed });
  const depth = Math.min(c.channels, Math.max(1, Math.floor(MOST_RESULTS / window.positions)));
  const group = { one: 1, two: 2, three: 3 }[c.group as 'one'] ?? depth;
  const affordable = (n: number) => Math.max(1, Math.floor(MOST / (n * sizeOf(window.kernel) * window.positions)));
  const perGroup = isDepthwise ? 1 : Math.min(Math.ceil(c.channels / group), affordable(1));
  const multiplied = c.group === 'multiplied depthwise' ? 3 : 1;
  const filtersOfGroup = isDepthwise
    ? multiplied
    : Math.max(1, Math.min(Math.ceil(Math.min(c.filters, depth * 4) / group), affordable(perGroup * group)));
  const filters = filtersOfGroup * group;
  const terms = perGroup * sizeOf(window.kernel);
  const sx = scaleOf(net, c.scales);
  const sw = scalesOf(net, c.scales, c.perChannel ? filters : 1);
  const zero = c.zw === 'by channel' ? zeroPointOf(c.w, 'odd') : 0;
  const zw =
    c.zw === 'by channel'
      ? Array<number>(filters).fill(zero)
      : c.zw === 'different by channel'
        ? Array.from({ length: filters }, (_, o) => zeroPointOf(c.w, 'low') + ((o * 83 + 5) % 256))
        : zerosOf(c.w, c.zw, c.perChannel ? filters : 1);
  const unit = sx * Math.max(...sw);
  const spread = 90 * 60 * Math.sqrt(terms);
  const sy = resultScale(net, c.range, unit, spread);
  return {
    window,
    group,
    filters,
    terms,
    xDims: [window.batch, perGroup * group, ...window.space],
    wDims: transposed ? [perGroup * group, filtersOfGroup, ...window.kernel] : [filters, perGroup, ...window.kernel],
    x: { dtype: c.x, scales: [sx], zeros: zerosOf(c.x, c.zx) },
    w: { dtype: c.w, scales: sw, zeros: zw },
    y: { dtype: c.x, scales: [sy], zeros: zerosOf(c.x, c.zy) },
    bias: biasOf(net, c.bias, filters, spread),
  };
}

function biasOf(net: Net, which: Drawn['bias'], filters: number, spread: number): readonly number[] | undefined {
  if (which === 'none') return undefined;
  const sized = { small: spread / 4, large: 2 ** 24 + 3, 'very large': 2 ** 30, mixed: spread };
  return Array.from({ length: filters }, (_, o) => {
    const sign = which === 'mixed' ? (o % 3) - 1 : net.random() < 0.5 ? -1 : 1;
    return Math.round(sign * sized[which] * (which === 'very large' ? 1 : 0.5 + net.random() / 2));
  });
}

const integersOf = (net: Net, c: Drawn, p: Parts) => ({
  x: net.input(c.x, p.xDims, c.data),
  w: net.constant(net.filled(c.w, p.wDims, weightsOf(c.w, c.weights, net))),
});

const attrsOf = (p: Parts) => ({ ...p.window.attrs, group: p.group });

function qlinear(net: Net, c: Drawn, domain: '' | 'com.microsoft'): void {
  const p = partsOf(net, c);
  const channelsLast = domain !== '' && c.group === 'one';
  const { x, w } = integersOf(net, c, p);
  const given = channelsLast ? transpose(net, x, p.xDims.length, 'last') : x;
  // The operator of the standard has no optional zero points
  const [px, pw, py] = [p.x, p.w, p.y].map((q) =>
    net.parameters({ ...q, zeros: q.zeros ?? (domain === '' ? Array<number>(1).fill(0) : undefined) }),
  );
  const bias = p.bias ? [net.constant(tensor('s32', p.bias, [p.filters]))] : [];
  const inputs = [given, ...px, w, ...pw, ...py, ...bias];
  const attrs = { ...attrsOf(p), ...(channelsLast && { channels_last: 1 }) };
  const y = net.op('QLinearConv', inputs, attrs, domain);
  net.output(channelsLast ? transpose(net, y, p.xDims.length, 'first') : y, c.x);
}

function transpose(net: Net, x: string, rank: number, channelsAre: 'first' | 'last'): string {
  const space = Array.from({ length: rank - 2 }, (_, i) => i);
  const perm = channelsAre === 'last' ? [0, ...space.map((i) => i + 2), 1] : [0, rank - 1, ...space.map((i) => i + 1)];
  return net.op('Transpose', [x], { perm });
}

/** Float Conv between dequantize and quantize, the bias a dequantized integer or a float. */
function qdq(net: Net, c: Drawn, op: 'Conv' | 'ConvTranspose', end: 'quantized' | 'float'): void {
  const p = partsOf(net, c, { transposed: op === 'ConvTranspose' });
  const { x, w } = integersOf(net, c, p);
  // The channels of a transposed convolution of groups repeat, so that there is one scale
  const oneForAll = op === 'ConvTranspose' && p.group > 1;
  const first = <T>(list: readonly T[]): readonly T[] => (oneForAll ? list.slice(0, 1) : list);
  const parameters = { ...p.w, scales: first(p.w.scales), zeros: p.w.zeros && first(p.w.zeros) };
  const count = Math.max(parameters.scales.length, parameters.zeros?.length ?? 1);
  const same = <T>(list: readonly T[]): readonly T[] => (list.length === count ? list : Array<T>(count).fill(list[0]));
  const axis = op === 'Conv' ? 0 : 1;
  const weights = net.dequantize(
    w,
    { ...parameters, scales: same(parameters.scales), zeros: parameters.zeros && same(parameters.zeros) },
    axis,
  );
  const source = net.dequantize(x, p.x);
  const units = Array.from({ length: p.filters }, (_, o) => p.x.scales[0] * (same(parameters.scales)[o % count] ?? 0));
  const biasScales = count === 1 ? [units[0]] : units;
  const bias = p.bias && {
    small: () => net.dequantize(net.constant(tensor('s32', p.bias as number[], [p.filters])), integers(biasScales), 0),
    large: () =>
      net.floats(
        (p.bias as number[]).map((b, o) => b * units[o]),
        [p.filters],
      ),
  };
  const inputs = bias
    ? [source, weights, bias[c.bias === 'small' || c.bias === 'mixed' ? 'small' : 'large']()]
    : [source, weights];
  let y = net.op(op, inputs, attrsOf(p));
  if (c.relu) y = net.op('Relu', [y]);
  net.output(end === 'float' ? y : net.quantize(y, p.y), end === 'float' ? 'f32' : p.y.zeros ? c.x : 'u8');
}

const integers = (scales: readonly number[]): Quantization => ({
  dtype: 's32',
  scales: scales.map(Math.fround),
  zeros: undefined,
});

function convInteger(net: Net, c: Drawn, isDynamic: boolean): void {
  const p = partsOf(net, c);
  const w = net.constant(net.filled(c.w, p.wDims, weightsOf(c.w, c.weights, net)));
  const [, zw] = net.parameters(p.w);
  if (!isDynamic) {
    const [, zx] = net.parameters(p.x);
    const x = net.input(c.x, p.xDims, c.data);
    net.output(net.op('ConvInteger', [x, w, zx, zw], attrsOf(p)), 's32');
    return;
  }
  const x = net.input('f32', p.xDims, c.data === 'random' ? { low: -3, high: 5 } : { low: 0, high: 2 });
  const [q, scale, zx] = net.several('DynamicQuantizeLinear', [x], 3);
  const sum = net.op('Cast', [net.op('ConvInteger', [q, w, zx, zw], attrsOf(p))], { to: 1 });
  const factor = net.op('Mul', [
    scale,
    net.floats(p.w.scales, p.w.scales.length === 1 ? [] : [p.filters, ...p.window.kernel.map(() => 1)]),
  ]);
  let y = net.op('Mul', [sum, factor]);
  if (p.bias) {
    const b = net.floats(
      p.bias.map((v, o) => (v % 2000) * 0.01 + o),
      [1, p.filters, ...p.window.kernel.map(() => 1)],
    );
    y = net.op('Add', [y, b]);
  }
  net.output(y, 'f32');
}

const kind = (name: string, build: (net: Net, c: Drawn) => void): Kind => defineKind({ name, dimensions, build });

export const convolutions: readonly Kind[] = [
  kind('QLinearConv', (net, c) => qlinear(net, c, '')),
  kind('com.microsoft.QLinearConv', (net, c) => qlinear(net, c, 'com.microsoft')),
  kind('ConvInteger', (net, c) => convInteger(net, c, false)),
  kind('dynamic ConvInteger', (net, c) => convInteger(net, c, true)),
  kind('QDQ Conv', (net, c) => qdq(net, c, 'Conv', 'quantized')),
  kind('QDQ Conv, float result', (net, c) => qdq(net, c, 'Conv', 'float')),
  kind('QDQ ConvTranspose', (net, c) => qdq(net, c, 'ConvTranspose', 'quantized')),
  kind('QDQ ConvTranspose, float result', (net, c) => qdq(net, c, 'ConvTranspose', 'float')),
];
