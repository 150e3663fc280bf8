/** Small networks of several layers: convolutions, residual additions, concatenations, pools and a matmul at the end. */
import * as fc from 'fast-check';
import {
  byteTypes,
  type Dim,
  type Graph,
  GraphBuilder,
  nnAdd,
  nnConcat,
  nnConv,
  nnMaxPool,
  nnReshape,
  qnnAdd,
  sameShape,
  sizeOf,
  tensor,
  type Value,
} from '../../ir/index.ts';
import { filled, randomSource } from '../contents.ts';
import {
  absent,
  batch,
  contents,
  type Eight,
  emitPresentZeroPoint,
  knownSizes,
  present,
  randomContents,
  scalarOrChannels,
  scale,
  type ZeroPoint,
  zeroPoint,
} from './basic.ts';
import { type ConvSpec, convAxis, convSpec, emitConv, geometry, weightsTensor } from './conv.ts';
import { emitMatmul, type MatmulSpec, matmulSpec } from './matmul.ts';
import { poolOf } from './movements.ts';
import { emitActivation, emitDequantize, emitQuantize, type Quantization, quantization } from './quantization.ts';
import { type Addition, addition, emitAddition, emitRequantize, ortRequantize, type RequantizeSpec } from './sums.ts';

interface LayerSpec {
  readonly kind: 'conv' | 'add' | 'concat' | 'pool';
  readonly conv: ConvSpec;
  readonly bias: readonly Addition[];
  readonly requantize: RequantizeSpec;
  /** Parameters of the second operand and of the result, in groups and additions. */
  readonly weights: Quantization;
  readonly y: Quantization;
  readonly zero: ZeroPoint;
  readonly scale: number;
  readonly choice: number;
}

export interface NetSpec {
  /** Integer operators, or float operators between dequantize and quantize. */
  readonly style: 'integer' | 'qdq';
  readonly x: Quantization;
  readonly batch: Dim;
  readonly channels: number;
  readonly size: number;
  readonly layers: readonly LayerSpec[];
  readonly head: 'none' | 'matmul';
  readonly matmul: MatmulSpec;
}

const constantZeroPoint = fc.oneof({ weight: 4, arbitrary: present }, { weight: 1, arbitrary: absent });
/** Extreme weights saturate every result, so they are rare here. */
const mostlyRandom = fc.oneof({ weight: 5, arbitrary: randomContents }, { weight: 1, arbitrary: contents });
const layer: fc.Arbitrary<LayerSpec> = fc.record({
  kind: fc.constantFrom('conv', 'conv', 'conv', 'add', 'concat', 'pool'),
  conv: convSpec({
    axes: fc.array(
      convAxis({
        dilation: fc.constantFrom(1, 1, 2),
        pads: fc.oneof(fc.constant<[number, number]>([0, 0]), fc.tuple(fc.nat(2), fc.nat(2))),
      }),
      { minLength: 2, maxLength: 2 },
    ),
    symbolic: fc.constant(false),
    computed: fc.constant(false),
    weights: mostlyRandom,
    zx: constantZeroPoint,
    zw: fc.oneof(
      { weight: 2, arbitrary: absent },
      { weight: 1, arbitrary: zeroPoint({ presence: fc.constant('constant'), form: scalarOrChannels }) },
    ),
  }),
  bias: fc.array(
    addition(['channels']).map((a) => ({ ...a, large: false })),
    { maxLength: 1 },
  ),
  requantize: ortRequantize,
  weights: quantization(fc.boolean()),
  y: quantization(),
  zero: present,
  scale,
  choice: fc.nat(0xffff),
});

const netSpec = (style: NetSpec['style']): fc.Arbitrary<NetSpec> =>
  fc.record({
    style: fc.constant(style),
    x: quantization(),
    batch: batch(2),
    channels: fc.integer({ min: 1, max: 4 }),
    size: fc.integer({ min: 2, max: 6 }),
    layers: fc.array(layer, { minLength: 1, maxLength: 4 }),
    head: fc.constantFrom('none', 'matmul'),
    matmul: matmulSpec({
      columns: fc.integer({ min: 1, max: 3 }),
      za: constantZeroPoint,
      zb: constantZeroPoint,
      weights: mostlyRandom,
      computed: fc.constant(false),
    }),
  });

/** A network of up to four layers. A sum or an early layer is an output too, so that saturation hides less. */
export const arbitraryNet = (style: NetSpec['style'] = 'integer'): fc.Arbitrary<Graph> => netSpec(style).map(buildNet);

export function buildNet(spec: NetSpec): Graph {
  const b = new GraphBuilder();
  let last: Value<Eight> = b.input('x', spec.x.dtype, [spec.batch, spec.channels, spec.size, spec.size]);
  const values = [last];
  for (const layerSpec of spec.layers) {
    last = emitLayer(b, spec.style, layerSpec, last, values);
    values.push(last);
  }
  if (spec.head === 'none') return b.finish([last, values[1]]);
  const inner = sizeOf(knownSizes(last.type.shape.slice(1)));
  const flat = b.emit(nnReshape, { x: last }, { shape: [last.type.shape[0], inner] });
  const sum = emitMatmul(b, { ...spec.matmul, rows: 1, inner, batchA: [], batchB: [] }, flat);
  return b.finish([sum, emitRequantize(b, sum, scaledDown(spec.layers[0].requantize, inner), 1)]);
}

function emitLayer(
  b: GraphBuilder,
  style: NetSpec['style'],
  spec: LayerSpec,
  x: Value<Eight>,
  values: readonly Value<Eight>[],
): Value<Eight> {
  const { shape, dtype } = x.type;
  const random = randomSource(spec.choice);
  const pick = (n: number): number => Math.floor(random() * n);
  switch (spec.kind) {
    case 'pool':
      return b.emit(nnMaxPool, { x }, poolOf(knownSizes(shape.slice(2)), pick));
    case 'concat': {
      const fitting = values.filter(
        (v) => v.type.dtype === dtype && sameShape(v.type.shape.with(1, 0), shape.with(1, 0)),
      );
      return b.emit(nnConcat, { xs: [x, fitting[pick(fitting.length)]] }, { axis: 1 });
    }
    case 'add': {
      const fitting = values.filter((v) => v.type.dtype === dtype && sameShape(v.type.shape, shape));
      return emitResidual(b, style, spec, x, fitting[pick(fitting.length)]);
    }
    case 'conv':
      return style === 'integer' ? emitIntegerConv(b, spec, x, pick) : emitQdqConv(b, spec, x, pick);
  }
}

function emitResidual(
  b: GraphBuilder,
  style: NetSpec['style'],
  { y, zero, scale: s }: LayerSpec,
  x: Value<Eight>,
  other: Value<Eight>,
): Value<Eight> {
  const { dtype } = x.type;
  if (style === 'qdq') {
    const q: Quantization = { ...y, dtype };
    const sum = b.emit(nnAdd, { a: emitDequantize(b, x, q), b: emitDequantize(b, other, { ...q, scale: s }) });
    return emitQuantize(b, emitActivation(b, sum, { kind: 'relu' }), { ...q, scale: s * 2 });
  }
  const zp = (): Value<Eight> => emitPresentZeroPoint(b, dtype, { ...zero, form: 'scalar' }, 'zp');
  const f32 = (value: number): Value<'f32'> => b.scalar('f32', value, b.fresh('s'));
  return b.emit(qnnAdd, {
    a: x,
    sa: f32(s),
    za: zp(),
    b: other,
    sb: f32(y.scale),
    zb: zp(),
    sy: f32(s + y.scale),
    zy: zp(),
  });
}

/** The convolution with groups that divide the channels of x and windows that fit. */
function fitted({ conv }: LayerSpec, x: Value<Eight>, pick: (n: number) => number): ConvSpec {
  const [channels, ...sizes] = knownSizes(x.type.shape.slice(1));
  const groups = [1, 2, 3, 4].filter((g) => channels % g === 0);
  const group = groups[pick(groups.length)];
  const axes = conv.axes.map((axis, i) => {
    const input = sizes[i];
    const fits = axis.dilation * (axis.kernel - 1) + 1 <= input + axis.pads[0] + axis.pads[1];
    return { ...axis, input, kernel: fits ? axis.kernel : 1 };
  });
  return {
    ...conv,
    x: x.type.dtype,
    group,
    channelsPerGroup: channels / group,
    filtersPerGroup: Math.min(conv.filtersPerGroup, 4),
    axes,
  };
}

/** A multiplier that spreads sums of so many random products over the result: a power of two where `scale` is one. */
function spread(value: number, terms: number): number {
  const middle = 2 ** -Math.round(7 + Math.log2(terms) / 2);
  return Number.isInteger(Math.log2(value)) ? middle : middle * (0.5 + (value % 1));
}
const scaledDown = (spec: RequantizeSpec, terms: number): RequantizeSpec => ({
  ...spec,
  scale: spread(spec.scale, terms),
});
const termsOf = ({ channelsPerGroup, axes }: ConvSpec): number =>
  axes.reduce((product, { kernel }) => product * kernel, channelsPerGroup);

function emitIntegerConv(b: GraphBuilder, spec: LayerSpec, x: Value<Eight>, pick: (n: number) => number): Value<Eight> {
  const conv = fitted(spec, x, pick);
  const sum = spec.bias.reduce((s, one) => emitAddition(b, s, one, 1), emitConv(b, conv, x));
  return emitRequantize(b, sum, scaledDown(spec.requantize, termsOf(conv)), 1);
}

function emitQdqConv(b: GraphBuilder, spec: LayerSpec, x: Value<Eight>, pick: (n: number) => number): Value<Eight> {
  const conv = fitted(spec, x, pick);
  const { attrs, kernel } = geometry(conv);
  const filters = conv.group * conv.filtersPerGroup;
  const wShape = [filters, conv.channelsPerGroup, ...kernel];
  const w = b.constant(weightsTensor(spec.weights.dtype, wShape, conv.weights, conv.narrow), b.fresh('w'));
  const bias = spec.bias.map(({ contents }) =>
    b.constant(tensor('f32', Float32Array.from(filled('s8', [filters], contents).data)), b.fresh('bias')),
  );
  const sum = b.emit(
    nnConv,
    {
      x: emitDequantize(b, x, { ...spec.y, zp: spec.zero }),
      w: emitDequantize(b, w, spec.weights, 0),
      ...(bias[0] && { bias: bias[0] }),
    },
    attrs,
  );
  return emitQuantize(
    b,
    sum,
    { ...spec.y, dtype: byteTypes[pick(2)] },
    (spec.y.scale * spec.weights.scale) / spread(spec.scale, termsOf(conv)),
  );
}
