/** Matrix products in every form in which quantizers write them. */
import { tensor } from '../../../src/ir/index.ts';
import type { Choice } from '../covering.ts';
import { defineKind, type Kind } from '../kind.ts';
import type { Net, Quantization } from '../net.ts';
import {
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

const dimensions = {
  stack: ['none', 'one', 'two', 'left alone', 'broadcast'],
  rows: [1, 2, 15, 16, 17, 33],
  terms: [1, 2, 3, 15, 16, 17, 31, 33, 63, 64, 65, 127, 256],
  columns: [1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 65],
  x: eight,
  w: eight,
  zx: [...zeroPoints, 'by row'],
  zw: [...zeroPoints, 'by column', 'different by column'],
  weights: weightContents,
  second: ['weights', 'computed'],
  data: contents,
  bias: ['none', 'small', 'large', 'very large'],
  scales: magnitudes,
  perColumn: [false, true],
  perRow: [false, true],
  range: ranges,
  y: eight,
  zy: zeroPoints,
  transposed: ['neither', 'first', 'second', 'both'],
  alpha: [1, 2, 0.5, 0.3],
  open: ['fixed', 'rows', 'stack'],
  strategy: strategies,
  threads: [1, 2],
} as const;
type Drawn = Choice<typeof dimensions>;

type Dims = readonly (number | string)[];
interface Parts {
  readonly aDims: Dims;
  readonly bDims: Dims;
  readonly rows: number;
  readonly columns: number;
  readonly a: Quantization;
  readonly b: Quantization;
  readonly y: Quantization;
  readonly bias: readonly number[] | undefined;
  readonly spread: number;
}

function partsOf(net: Net, c: Drawn, { flat = false, byRow = false } = {}): Parts {
  net.strategy = c.strategy;
  net.threads = c.threads;
  const rows = c.open === 'rows' ? net.symbol('M', [c.rows, c.rows + 1]) : c.rows;
  const outer = c.open === 'stack' ? net.symbol('N', [2, 3]) : 2;
  const stacks = {
    none: [[], []],
    one: [[outer], [outer]],
    two: [
      [outer, 3],
      [outer, 3],
    ],
    'left alone': [[outer], []],
    broadcast: [
      [outer, 1],
      [1, 3],
    ],
  } as const;
  const [left, right] = flat ? [[], []] : stacks[c.stack];
  const sx = byRow && c.perRow && isByRow(c) ? scalesOf(net, c.scales, c.rows) : [scaleOf(net, c.scales)];
  const sw = scalesOf(net, c.scales, c.perColumn ? c.columns : 1);
  const unit = Math.max(...sx) * Math.max(...sw);
  const spread = 90 * 60 * Math.sqrt(c.terms);
  const zx = c.zx === 'by row' ? 'odd' : c.zx;
  const zeroByRow = byRow && c.zx === 'by row' && isByRow(c);
  return {
    aDims: [...left, rows, c.terms],
    bDims: [
      ...(c.second === 'computed' ? right : right.map((d) => (typeof d === 'string' ? 1 : d))),
      c.terms,
      c.columns,
    ],
    rows: c.rows,
    columns: c.columns,
    a: {
      dtype: c.x,
      scales: sx,
      zeros: zeroByRow ? spreadOver(c.x, c.rows) : zerosOf(c.x, zx, sx.length),
    },
    b: { dtype: c.w, scales: sw, zeros: zerosOfColumns(c) },
    y: { dtype: c.y, scales: [resultScale(net, c.range, unit, spread)], zeros: zerosOf(c.y, c.zy) },
    bias: c.bias === 'none' ? undefined : biasOf(net, c.bias, c.columns, spread),
    spread,
  };
}

/** One parameter for each row is a list for a matrix alone. */
const isByRow = ({ open, stack }: Drawn): boolean => open !== 'rows' && stack === 'none';

const spreadOver = (dtype: 'u8' | 's8', count: number): readonly number[] =>
  Array.from({ length: count }, (_, i) => zeroPointOf(dtype, 'low') + ((i * 83 + 5) % 256));

const zerosOfColumns = ({ zw, w, perColumn, columns }: Drawn): readonly number[] | undefined => {
  if (zw === 'different by column') return spreadOver(w, columns);
  return zw === 'by column'
    ? Array<number>(columns).fill(zeroPointOf(w, 'odd'))
    : zerosOf(w, zw, perColumn ? columns : 1);
};

const biasOf = (net: Net, which: 'small' | 'large' | 'very large', columns: number, spread: number) =>
  Array.from({ length: columns }, () =>
    Math.round((net.random() - 0.5) * { small: spread / 2, large: 2 ** 25, 'very large': 2 ** 31 }[which]),
  );

/** Both operands; the second a constant, or an input too. */
function operandsOf(net: Net, c: Drawn, p: Parts, transposed = 'neither'): readonly [string, string] {
  const flipped = (dims: Dims, which: string): Dims =>
    transposed === which || transposed === 'both' ? [...dims].reverse() : dims;
  const b = flipped(p.bDims, 'second');
  return [
    net.input(c.x, flipped(p.aDims, 'first'), c.data),
    c.second === 'weights'
      ? net.constant(net.filled(c.w, b as number[], weightsOf(c.w, c.weights, net)))
      : net.input(c.w, b, weightsOf(c.w, c.weights, net)),
  ];
}

/** The operator has no optional zero points. */
const withZeros = (q: Quantization): Quantization => ({ ...q, zeros: q.zeros ?? [0] });

function qlinearMatMul(net: Net, c: Drawn): void {
  const p = partsOf(net, c, { byRow: true });
  const [a, b] = operandsOf(net, c, p);
  const [pa, pb, py] = [p.a, p.b, p.y].map((q) => net.parameters(withZeros(q)));
  net.output(net.op('QLinearMatMul', [a, ...pa, b, ...pb, ...py]), c.y);
}

function matMulInteger(net: Net, c: Drawn): void {
  const p = partsOf(net, c, { byRow: true });
  const [a, b] = operandsOf(net, c, p);
  net.output(net.op('MatMulInteger', [a, b, net.parameters(p.a)[1], net.parameters(p.b)[1]]), 's32');
}

/** The nodes that dynamic quantization writes: DynamicQuantizeLinear, MatMulInteger, Cast, Mul. */
function dynamicMatMul(net: Net, c: Drawn): void {
  const p = partsOf(net, c);
  const x = net.input('f32', p.aDims, c.data === 'highest' ? { low: 1, high: 2 } : { low: -3, high: 5 });
  const b = net.constant(net.filled(c.w, p.bDims as number[], weightsOf(c.w, c.weights, net)));
  const [q, scale, zx] = net.several('DynamicQuantizeLinear', [x], 3);
  const sum = net.op('Cast', [net.op('MatMulInteger', [q, b, zx, net.parameters(p.b)[1]])], { to: 1 });
  const y = net.op('Mul', [sum, net.op('Mul', [scale, net.floats(p.b.scales)])]);
  net.output(
    p.bias
      ? net.op('Add', [
          y,
          net.floats(
            p.bias.map((v) => (v % 3000) / 100),
            [p.columns],
          ),
        ])
      : y,
    'f32',
  );
}

function qdqMatMul(net: Net, c: Drawn, end: 'quantized' | 'float'): void {
  const p = partsOf(net, c);
  const [a, b] = operandsOf(net, c, p);
  const [x, w] = [net.dequantize(a, p.a), net.dequantize(b, evened(p.b), p.bDims.length - 1)];
  let y = net.op('MatMul', [x, w]);
  if (p.bias)
    y = net.op('Add', [
      y,
      net.floats(
        p.bias.map((v, o) => v * unitOf(p, o)),
        [p.columns],
      ),
    ]);
  net.output(end === 'float' ? y : net.quantize(y, p.y), end === 'float' ? 'f32' : p.y.zeros ? c.y : 'u8');
}

function qdqGemm(net: Net, c: Drawn): void {
  const p = partsOf(net, c, { flat: true });
  const [a, b] = operandsOf(net, c, p, c.transposed);
  const isSecond = c.transposed === 'second' || c.transposed === 'both';
  const [x, w] = [net.dequantize(a, p.a), net.dequantize(b, evened(p.b), isSecond ? 0 : 1)];
  const units = Array.from({ length: p.b.scales.length }, (_, o) => unitOf(p, o));
  const bias =
    p.bias &&
    net.dequantize(
      net.constant(tensor('s32', p.bias, [p.columns])),
      { dtype: 's32', scales: units, zeros: undefined },
      0,
    );
  const attrs = {
    ...(c.alpha !== 1 && { alpha: { f: c.alpha } }),
    ...((c.transposed === 'first' || c.transposed === 'both') && { transA: 1 }),
    ...(isSecond && { transB: 1 }),
  };
  const y = net.op('Gemm', bias ? [x, w, bias] : [x, w], attrs);
  net.output(net.quantize(y, p.y), p.y.zeros ? c.y : 'u8');
}

const unitOf = (p: Parts, column: number): number => p.a.scales[0] * p.b.scales[p.b.scales.length === 1 ? 0 : column];

/** Scales and zero points in the same number, as one DequantizeLinear has them. */
function evened({ dtype, scales, zeros }: Quantization): Quantization {
  const count = Math.max(scales.length, zeros?.length ?? 1);
  const same = (list: readonly number[]) => (list.length === count ? list : Array<number>(count).fill(list[0]));
  return { dtype, scales: same(scales), zeros: zeros && same(zeros) };
}

function qgemm(net: Net, c: Drawn, end: 'quantized' | 'float'): void {
  const p = partsOf(net, c, { flat: true });
  const [a, b] = operandsOf(net, c, p, c.transposed);
  const bias = p.bias ? net.constant(tensor('s32', p.bias, [p.columns])) : '';
  const y = end === 'float' ? [] : net.parameters(p.y);
  const attrs = {
    alpha: { f: c.alpha },
    transA: c.transposed === 'first' || c.transposed === 'both' ? 1 : 0,
    transB: c.transposed === 'second' || c.transposed === 'both' ? 1 : 0,
  };
  const inputs = [a, ...net.parameters(p.a), b, ...net.parameters(evened(p.b)), bias, ...y];
  net.output(net.op('QGemm', inputs, attrs, 'com.microsoft'), end === 'float' ? 'f32' : p.y.zeros ? c.y : c.x);
}

function matMulIntegerToFloat(net: Net, c: Drawn): void {
  const p = partsOf(net, c);
  const [a, b] = operandsOf(net, c, p);
  const [pa, pb] = [net.parameters(p.a), net.parameters(evened(p.b))];
  const bias = p.bias
    ? [
        net.floats(
          p.bias.map((v) => v / 100),
          [p.columns],
        ),
      ]
    : [];
  const inputs = [a, b, pa[0], pb[0], pa[1], pb[1], ...bias];
  net.output(net.op('MatMulIntegerToFloat', inputs, {}, 'com.microsoft'), 'f32');
}

function dynamicQuantizeMatMul(net: Net, c: Drawn): void {
  const p = partsOf(net, c);
  const a = net.input('f32', p.aDims, c.data === 'highest' ? { low: 1, high: 2 } : { low: -3, high: 5 });
  const b = net.constant(net.filled(c.w, p.bDims as number[], weightsOf(c.w, c.weights, net)));
  const bias = p.bias
    ? [
        net.floats(
          p.bias.map((v) => v / 100),
          [p.columns],
        ),
      ]
    : [];
  net.output(
    net.op('DynamicQuantizeMatMul', [a, b, ...net.parameters(evened(p.b)), ...bias], {}, 'com.microsoft'),
    'f32',
  );
}

const kind = (name: string, build: (net: Net, c: Drawn) => void): Kind => defineKind({ name, dimensions, build });

export const matmuls: readonly Kind[] = [
  kind('QLinearMatMul', qlinearMatMul),
  kind('MatMulInteger', matMulInteger),
  kind('dynamic MatMulInteger', dynamicMatMul),
  kind('QDQ MatMul', (net, c) => qdqMatMul(net, c, 'quantized')),
  kind('QDQ MatMul, float result', (net, c) => qdqMatMul(net, c, 'float')),
  kind('QDQ Gemm', qdqGemm),
  kind('QGemm', (net, c) => qgemm(net, c, 'quantized')),
  kind('QGemm, float result', (net, c) => qgemm(net, c, 'float')),
  kind('MatMulIntegerToFloat', matMulIntegerToFloat),
  kind('DynamicQuantizeMatMul', dynamicQuantizeMatMul),
];
