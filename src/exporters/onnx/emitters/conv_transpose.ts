/**
 * Transposed convolutions. ONNX lacks them for integers, so their sum is computed in f32 when no partial sum can leave
 * ±2^24, which makes it exact in any order of summation; weights are split into 16·high + low when this is needed to
 * stay below. Zero points are subtracted first, exactly as well.
 */
import {
  elementAt,
  forEachFilterRun,
  type ITensor,
  isFloat,
  layoutOf,
  type nnConvTranspose,
  numbersOf,
  type ProductLayout,
  type qnnConvTranspose,
  sumByFilter,
  tensor,
  type ValueId,
  weightsLayout,
} from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { ints, type Written } from '../node_writer.ts';
import { convAttributes } from './conv_attributes.ts';
import { floatsPadded, sliced } from './pad.ts';
import { knownOf, rangeOf } from './range.ts';
import { sizeList } from './sizes.ts';

type ConvTranspose = NodeEmitter<typeof nnConvTranspose | typeof qnnConvTranspose>;

/**
 * The float sum. Runtimes want an output padding below the stride. Along other axes, positions that no tap reaches are
 * added behind the whole sum (they hold the bias alone), and pads are sliced off. (Taps of 0 would reach these
 * positions too, but 0 times infinity is NaN.)
 */
function floatTransposed(e: ConvTranspose, x: string, w: string, bias?: ValueId): string {
  const { attrs } = e.view;
  const { strides, pads, outputPadding } = attrs;
  const rank = strides.length;
  if (e.typeOf(e.view.x).shape.slice(2).includes(0)) return ofNothing(e, bias);
  const isLarge = outputPadding.map((count, axis) => count >= strides[axis]);
  const inner = { ...attrs, pads: pads.map((pad, i) => (isLarge[i % rank] ? 0 : pad)) };
  const attributes = {
    ...convAttributes(inner, e.known(e.typeOf(e.view.w).shape)),
    output_padding: ints(outputPadding.map((count, axis) => (isLarge[axis] ? 0 : count))),
  };
  if (!isLarge.includes(true)) return e.add('ConvTranspose', [x, w, e.value(bias)], attributes);
  const sum = e.add('ConvTranspose', [x, w, ''], attributes);
  const beyond = outputPadding.map((count, axis) => (isLarge[axis] ? Math.max(count - pads[axis + rank], 0) : 0));
  const isGrown = beyond.some((count) => count > 0);
  const grown = isGrown ? floatsPadded(e, sum, [...Array(rank + 4).fill(0), ...beyond]) : sum;
  const axes = [...isLarge.keys()].filter((axis) => isLarge[axis]);
  const starts = axes.map((axis) => pads[axis]);
  const ends = axes.map((axis) => Math.min(outputPadding[axis] - pads[axis + rank], 0) || 2 ** 31 - 1);
  const shown = sliced(e, grown, { starts, ends, axes: axes.map((axis) => axis + 2), steps: axes.map(() => 1) });
  return bias === undefined ? shown : e.add('Add', [shown, e.alongAxis(bias, 1, rank + 2)]);
}

/** No tap reaches a result of a source without elements: the bias alone. */
function ofNothing(e: ConvTranspose, bias?: ValueId): string {
  e.since(8, 'Expand');
  const { dtype, shape } = e.resultType;
  const value = bias === undefined ? e.scalar(isFloat(dtype) ? dtype : 'f32', 0) : e.alongAxis(bias, 1, shape.length);
  return e.add('Expand', [value, sizeList(e, shape, 'shape')]);
}

export function convTranspose(e: NodeEmitter<typeof nnConvTranspose>): Written {
  const { x, w, bias } = e.view;
  if (isFloat(e.typeOf(x).dtype)) return e.finish('Identity', [floatTransposed(e, e.value(x), e.value(w), bias)]);
  return floatSum(e);
}

export const quantizedConvTranspose = (e: NodeEmitter<typeof qnnConvTranspose>): Written =>
  floatSum(e, e.view.zx, e.view.zw);

/** The integer sum in f32: exact while Σ|x|·|w| ≤ 2^24 for each result. */
function floatSum(e: ConvTranspose, zx?: ValueId, zw?: ValueId): Written {
  const { x } = e.view;
  const w = knownOf(e, e.view.w);
  if (w === undefined)
    return e.refuse('ONNX has no integer ConvTranspose, and the float one is exact only for known weights');
  const [source, filters] = [zx, zw].map((id) => e.constantOf(id));
  if (zw && !filters) return e.refuse('zero points of its filters are computed at run time');
  const isComputed = zx !== undefined && source === undefined;
  const zero = Number(source?.data[0] ?? 0);
  const [lowest, highest] = isComputed ? rangeOf(e, zx) : [zero, zero];
  const [least, most] = rangeOf(e, x);
  const reach = Math.max(most - lowest, highest - least);
  const layout = layoutOf(e.node);
  /** The largest Σ|w| that one result can see: over the channels of a group and all taps. */
  const largestSum = (values: Int32Array): number =>
    sumByFilter(values, layout, w.shape, Math.abs).reduce((a, b) => Math.max(a, b), 0);
  const weights = centred(w, filters, layout);
  const offset = isComputed ? e.cast(e.value(zx), 'f32') : e.scalar('f32', zero);
  const shifted = e.add('Sub', [e.cast(e.value(x), 'f32'), offset]);
  const sum = (values: Int32Array, name: string) => {
    if (reach * largestSum(values) > 2 ** 24)
      return e.refuse(
        'ONNX has no integer ConvTranspose, and the float one would round: an accumulator may be beyond 2^24',
      );
    const filter = e.constant(tensor('f32', Float32Array.from(values), w.shape), `${e.node.id}.${name}`);
    return e.cast(floatTransposed(e, shifted, filter), 's32');
  };
  if (reach * largestSum(weights) <= 2 ** 24) return e.finish('Identity', [sum(weights, 'weights')]);
  const high = weights.map((v) => Math.floor(v / 16));
  const low = weights.map((v, i) => v - 16 * high[i]);
  return e.finish('Add', [e.add('Mul', [sum(high, 'high'), e.scalar('s32', 16)]), sum(low, 'low')]);
}

/** w − zw, zw by result channel. */
function centred(w: ITensor, zw: ITensor | undefined, of: ProductLayout): Int32Array {
  const values = Int32Array.from(numbersOf(w));
  forEachFilterRun(weightsLayout(of, w.shape), (start, end, filter) => {
    const zero = elementAt(zw, filter);
    for (let i = start; i < end; i++) values[i] -= zero;
  });
  return values;
}
