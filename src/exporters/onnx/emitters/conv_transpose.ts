/**
 * Transposed convolutions. ONNX has none of integers, so their sum is computed in f32 where no partial sum can leave
 * ±2^24, which makes it exact whatever the order of summation; weights are split into 16·high + low where that is needed
 * to stay below. Zero points are subtracted first, exactly as well.
 */
import { type ITensor, isFloat, sizeOf, tensor, type ValueId } from '../../../ir/index.ts';
import type { DeconvAttrs } from '../../../ir/ops/deconvolve.ts';
import { ints, type NodeEmitter, type Written } from '../node_emitter.ts';
import { convAttributes } from './conv_attributes.ts';
import { floatsPadded, sliced } from './pad.ts';
import { knownOf, rangeOf } from './range.ts';

const attrsOf = (e: NodeEmitter): DeconvAttrs => e.node.attrs as unknown as DeconvAttrs;

/**
 * The float sum. Runtimes want an output padding below the stride: along other axes what no tap reaches is added behind the whole
 * of the sum, the bias alone, and what pads cut off is sliced off. (Taps of 0 would reach it too, and make NaN of infinities.)
 */
function floatTransposed(e: NodeEmitter, x: string, w: string, bias: string): string {
  const { strides, pads, outputPadding } = attrsOf(e);
  const rank = strides.length;
  const isLarge = outputPadding.map((count, axis) => count >= strides[axis]);
  const attributes = {
    ...convAttributes({ ...attrsOf(e), pads: pads.map((pad, i) => (isLarge[i % rank] ? 0 : pad)) }, e.type(1).shape),
    output_padding: ints(outputPadding.map((count, axis) => (isLarge[axis] ? 0 : count))),
  };
  if (!isLarge.includes(true)) return e.add('ConvTranspose', [x, w, bias], attributes);
  const sum = e.add('ConvTranspose', [x, w, ''], attributes);
  const beyond = outputPadding.map((count, axis) => (isLarge[axis] ? Math.max(count - pads[axis + rank], 0) : 0));
  const isGrown = beyond.some((count) => count > 0);
  const grown = isGrown ? floatsPadded(e, sum, [...Array(rank + 4).fill(0), ...beyond]) : sum;
  const axes = [...isLarge.keys()].filter((axis) => isLarge[axis]);
  const starts = axes.map((axis) => pads[axis]);
  const ends = axes.map((axis) => Math.min(outputPadding[axis] - pads[axis + rank], 0) || 2 ** 31 - 1);
  const shown = sliced(e, grown, { starts, ends, axes: axes.map((axis) => axis + 2), steps: axes.map(() => 1) });
  return bias === '' ? shown : e.add('Add', [shown, e.alongAxis(e.node.operands[2] as ValueId, 1, rank + 2)]);
}

export function convTranspose(e: NodeEmitter): Written {
  if (isFloat(e.type(0).dtype)) {
    return e.finish('Identity', [floatTransposed(e, e.input(0), e.input(1), e.input(2))]);
  }
  return floatSum(e, undefined, undefined);
}

export function quantizedConvTranspose(e: NodeEmitter): Written {
  return floatSum(e, e.has(2) ? e.constantAt(2) : undefined, e.has(3) ? e.constantAt(3) : undefined);
}

/** The integer sum in f32: exact while Σ|x|·|w| ≤ 2^24 for each result. */
function floatSum(e: NodeEmitter, zx: ITensor | undefined, zw: ITensor | undefined): Written {
  const w = knownOf(e, e.node.operands[1] as ValueId);
  if (w === undefined)
    return e.refuse('ONNX has no integer ConvTranspose, and the float one is exact only for known weights');
  if ((e.has(2) && zx === undefined) || (e.has(3) && zw === undefined))
    return e.refuse('its zero points are computed at run time');
  const zero = Number(zx?.data[0] ?? 0);
  const [least, most] = rangeOf(e, e.node.operands[0] as ValueId);
  const reach = Math.max(most - zero, zero - least);
  const weights = centred(w, zw, attrsOf(e).group);
  const source = e.add('Sub', [e.cast(e.input(0), 'f32'), e.scalar('f32', zero)]);
  const sum = (values: Int32Array, name: string) => {
    if (reach * largestSum(values, w.shape, attrsOf(e).group) > 2 ** 24)
      return e.refuse(
        'ONNX has no integer ConvTranspose, and the float one would round: an accumulator may be beyond 2^24',
      );
    const filter = e.constant(tensor('f32', Float32Array.from(values), w.shape), `${e.node.id}.${name}`);
    return e.cast(floatTransposed(e, source, filter, ''), 's32');
  };
  if (reach * largestSum(weights, w.shape, attrsOf(e).group) <= 2 ** 24)
    return e.finish('Identity', [sum(weights, 'weights')]);
  const high = weights.map((v) => Math.floor(v / 16));
  const low = weights.map((v, i) => v - 16 * high[i]);
  return e.finish('Add', [e.add('Mul', [sum(high, 'high'), e.scalar('s32', 16)]), sum(low, 'low')]);
}

/** w − zw, zw by result channel: channel k of every group's O/group has that of channel group·(O/group) + k. */
function centred(w: ITensor, zw: ITensor | undefined, group: number): Int32Array {
  const [channels, perGroup, ...kernel] = w.shape;
  const taps = sizeOf(kernel);
  return Int32Array.from(w.data as Int8Array, (value, i) => {
    const k = Math.floor(i / taps) % perGroup;
    const c = Math.floor(i / taps / perGroup);
    const o = Math.floor(c / (channels / group)) * perGroup + k;
    return value - Number(zw?.data[zw.data.length === 1 ? 0 : o] ?? 0);
  });
}

/** The largest Σ|w| that one result can see: over the channels of a group and all taps. */
function largestSum(weights: Int32Array, [channels, perGroup, ...kernel]: readonly number[], group: number): number {
  const taps = sizeOf(kernel);
  const sums = new Float64Array(group * perGroup);
  weights.forEach((value, i) => {
    const c = Math.floor(i / taps / perGroup);
    sums[Math.floor(c / (channels / group)) * perGroup + (Math.floor(i / taps) % perGroup)] += Math.abs(value);
  });
  return sums.reduce((a, b) => Math.max(a, b), 0);
}
