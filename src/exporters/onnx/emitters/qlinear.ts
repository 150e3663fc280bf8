/**
 * Operators from quantized tensors to quantized tensors. They mean what the QLinear operators of com.microsoft compute
 * and become these, bit-exact, in models that import that domain.
 *
 * Other models get standard operators between DequantizeLinear and QuantizeLinear. ONNX Runtime fuses these to the same
 * QLinear operators when it optimizes; elsewhere, and in ONNX Runtime without optimization, a result may differ by one
 * where the real value lies next to the middle of two integers, as the zero point is then added after rounding; softmax
 * may differ by as much as the scale 1/⌊1/sy⌋ that QLinearSoftmax takes for sy. Tables become Gather, bit-exact.
 */
import type {
  qnnAdd,
  qnnAveragePool,
  qnnGlobalAveragePool,
  qnnLut,
  qnnMul,
  qnnPairLut,
  qnnSoftmax,
  ValueId,
} from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { type Attributes, int, type NodeWriter, type Written } from '../node_writer.ts';
import { averagePoolAttributes } from './pool.ts';
import { lastAxisSoftmax } from './softmax.ts';
import * as tflite from './tflite.ts';
import * as tfliteBinary from './tflite_binary.ts';
import * as tfliteRows from './tflite_rows.ts';
import * as torch from './torch.ts';

const microsoft = 'com.microsoft';
const scalars = (e: NodeWriter, ...ids: readonly ValueId[]) => ids.map((id) => e.reshaped(id, []));
/** A value with its scale and its zero point. */
const quantized = (e: NodeWriter, x: ValueId, scale: ValueId, zero: ValueId): readonly string[] => [
  e.value(x),
  ...scalars(e, scale, zero),
];
const real = (e: NodeWriter, x: ValueId, scale: ValueId, zero: ValueId): string =>
  e.add('DequantizeLinear', quantized(e, x, scale, zero));

/** In the recipe of ONNX Runtime. */
function binary(e: NodeEmitter<typeof qnnAdd | typeof qnnMul>, qlinear: string, standard: string): Written {
  const { a, sa, za, b, sb, zb, sy, zy } = e.view;
  if (e.microsoft) {
    const sides = [...quantized(e, a, sa, za), ...quantized(e, b, sb, zb)];
    return e.finish(qlinear, [...sides, ...scalars(e, sy, zy)], {}, microsoft);
  }
  e.since(7, 'broadcasting');
  return e.finish('QuantizeLinear', [e.add(standard, [real(e, a, sa, za), real(e, b, sb, zb)]), ...scalars(e, sy, zy)]);
}

type Writer<D extends typeof qnnAdd | typeof qnnMul> = (e: NodeEmitter<D>) => Written;

const sums = {
  ort: (e) => binary(e, 'QLinearAdd', 'Add'),
  torch: torch.add,
  qnnpack: torch.add,
  tflite: tfliteBinary.add,
  xnnpack: tfliteBinary.add,
} as const satisfies Readonly<Record<string, Writer<typeof qnnAdd>>>;

const products = {
  ort: (e) => binary(e, 'QLinearMul', 'Mul'),
  torch: torch.multiply,
  tflite: tfliteBinary.multiply,
  xnnpack: tfliteBinary.multiply,
} as const satisfies Readonly<Record<string, Writer<typeof qnnMul>>>;

export const add: Writer<typeof qnnAdd> = (e) => sums[e.view.attrs.recipe](e);
export const multiply: Writer<typeof qnnMul> = (e) => products[e.view.attrs.recipe](e);

const unary = (
  e: NodeEmitter<typeof qnnAveragePool | typeof qnnGlobalAveragePool | typeof qnnSoftmax>,
  qlinear: string,
  attributes: Attributes,
  standard: (x: string) => string,
): Written => {
  const { x, sx, zx, sy, zy } = e.view;
  if (e.microsoft) return e.finish(qlinear, [e.value(x), ...scalars(e, sx, zx, sy, zy)], attributes, microsoft);
  return e.finish('QuantizeLinear', [standard(real(e, x, sx, zx)), ...scalars(e, sy, zy)]);
};

export function averagePool(e: NodeEmitter<typeof qnnAveragePool>): Written {
  if (e.view.attrs.recipe === 'tflite') return tflite.averagePool(e);
  const attributes = averagePoolAttributes(e);
  return unary(e, 'QLinearAveragePool', attributes, (x) => e.add('AveragePool', [x], attributes));
}

const means = {
  ort: (e) => unary(e, 'QLinearGlobalAveragePool', {}, (x) => e.add('GlobalAveragePool', [x])),
  qnnpack: torch.globalAverage,
  torch: torch.globalAverage,
  'torch-contiguous': torch.globalAverage,
  tflite: tflite.globalAverage,
  xnnpack: tflite.globalAverage,
} as const satisfies Readonly<Record<string, (e: NodeEmitter<typeof qnnGlobalAveragePool>) => Written>>;

export const globalAveragePool = (e: NodeEmitter<typeof qnnGlobalAveragePool>): Written =>
  means[e.view.attrs.recipe](e);

export function softmax(e: NodeEmitter<typeof qnnSoftmax>): Written {
  if (e.view.attrs.recipe !== 'ort') return tfliteRows.softmax(e);
  const { axis } = e.view.attrs;
  const rank = e.typeOf(e.view.x).shape.length;
  return unary(e, 'QLinearSoftmax', { axis: int(axis), opset: int(13) }, (x) => {
    const { opType, inputs, attributes, after } = lastAxisSoftmax(e, 'Softmax', x, rank, axis);
    return after(e.add(opType, inputs, attributes));
  });
}

/** The byte of x is the index: a negative s8 counts from the end, as the index of a Gather does since version 11. */
export function lut(e: NodeEmitter<typeof qnnLut>): Written {
  const { x, table } = e.view;
  const bytes = e.typeOf(x).dtype === 's8' && e.opset < 11 ? e.cast(e.value(x), 'u8') : e.value(x);
  return e.finish('Gather', [e.value(table), e.cast(bytes, 's32')], { axis: int(0) });
}

/** The index is a·256 + b, both as unsigned bytes: the rest of Mod has the sign of the divisor. */
export function pairLut(e: NodeEmitter<typeof qnnPairLut>): Written {
  const { a, b, table } = e.view;
  const s32 = (value: number) => e.scalar('s32', value);
  const unsigned = (x: ValueId): string => {
    const whole = e.cast(e.value(x), 's32');
    if (e.typeOf(x).dtype === 'u8') return whole;
    e.since(10, 'Mod');
    return e.add('Mod', [whole, s32(256)]);
  };
  const index = e.add('Add', [e.add('Mul', [unsigned(a), s32(256)]), unsigned(b)]);
  return e.finish('Gather', [e.value(table), index], { axis: int(0) });
}
