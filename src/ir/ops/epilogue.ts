/**
 * The epilogue: the steps after the sum in a fused operator.
 *
 *   v = acc + bias[c] + map[c, p]                                                  (int32, wrapping)
 *   y = v                                                                  without a multiplier
 *   y = clamp(rne(fl(t·multiplier[c])) + zeroPoint, low, high)             else, or with zeroPointAt 'before'
 *   y = clamp(rne(fl(fl(t·multiplier[c]) + zeroPoint)), low, high)
 *
 * t = fl(fl(fl(v)·scale[c]) + offset[c]), either step left out where it is absent.
 */

import { clampTo, modeOf, type RequantizationFactors, type Rounding, stepOf } from '../../numerics/index.ts';
import { atChannel, byteTypes, type DType, dtypes, type ITensor, newArray } from '../../tensors/index.ts';
import { type AttrValues, attr, type OperandTypes, optional, type Refuse, tensorOf } from '../define_op.ts';
import { elementsOf } from '../dims.ts';
import type { Dim, TensorType } from '../types.ts';

export const epilogueTypes = [...byteTypes, 's32'] as const;

/** `to` is the element type of the result: s32 without a multiplier. */
export const epilogueAttrs = {
  to: attr.oneOf(...epilogueTypes),
  zeroPoint: attr.int(0),
  zeroPointAt: attr.oneOfOr('after', 'before', 'after'),
  low: attr.int(-(2 ** 31)),
  high: attr.int(2 ** 31 - 1),
} as const;

/** The float steps of an epilogue: absent, or of one element, or of one for each channel. */
export const floatSteps = { scale: optional(tensorOf('f32')), offset: optional(tensorOf('f32')) } as const;

export interface EpilogueTensors extends Partial<RequantizationFactors> {
  readonly bias?: ITensor<'s32'>;
  readonly map?: ITensor<'s32'>;
}

/** One value per output channel, or a single one. */
export function checkPerChannel(type: TensorType | undefined, channels: Dim, name: string, refuse: Refuse): void {
  const count = type && elementsOf(type.shape);
  if (count !== undefined && count !== 1 && count !== channels)
    refuse(`'${name}' should have ${channels} elements, but has ${count}`, name);
}

/** Refuses parameters that do not fit this number of channels, or a result of type `to`. */
export function checkEpilogue(
  types: Partial<Record<'bias' | 'multiplier' | 'shift', TensorType>> & OperandTypes<typeof floatSteps>,
  channels: Dim,
  attrs: AttrValues<typeof epilogueAttrs>,
  refuse: Refuse,
): void {
  const { to } = attrs;
  for (const name of ['bias', 'multiplier', 'shift', 'scale', 'offset'] as const)
    checkPerChannel(types[name], channels, name, refuse);
  if ((types.multiplier === undefined) !== (to === 's32'))
    refuse(`a result of type ${to} ${types.multiplier ? 'takes no' : 'needs a'} multiplier`, 'multiplier');
  for (const name of ['scale', 'offset'] as const)
    if (types[name] && to === 's32') refuse(`a result of type s32 takes no ${name}`, name);
  const { min, max } = dtypes[to];
  const { low, high, zeroPoint } = attrs;
  if (to === 's32') {
    if (low > min || high < max || zeroPoint !== 0)
      refuse(`a result of type s32 takes no zero point and no bounds, but has ${zeroPoint} and [${low}, ${high}]`);
  } else if (Math.max(low, min) > Math.min(high, max)) refuse(`no ${to} is from ${low} to ${high}`);
  else if (zeroPoint < min || zeroPoint > max) refuse(`the zero point ${zeroPoint} is outside of ${to}`);
}

/** The zero point of a source is one of its values. */
export function checkSourceZeroPoint({ dtype }: TensorType, sourceZeroPoint: number, refuse: Refuse): void {
  const { min, max } = dtypes[dtype as DType];
  if (sourceZeroPoint < min || sourceZeroPoint > max)
    refuse(`sourceZeroPoint ${sourceZeroPoint} is outside of ${dtype}`);
}

/** `sums` is [outer, channels, inner] row major; `map` is [channels, inner]. */
export function epilogue(
  sums: Float64Array,
  channels: number,
  inner: number,
  tensors: EpilogueTensors,
  attrs: AttrValues<typeof epilogueAttrs>,
  rounding: Rounding = 'half-even',
): ITensor['data'] {
  const { bias, map, multiplier } = tensors;
  const y = newArray(attrs.to as DType, sums.length) as Int32Array;
  const { min, max } = dtypes[attrs.to];
  const [low, high] = [Math.max(attrs.low, min), Math.min(attrs.high, max)];
  const factors = multiplier && { ...tensors, multiplier };
  const record = factors && { ...factors, mode: modeOf(factors, { ...attrs, rounding }), ...attrs, low, high };
  for (let base = 0; base < sums.length; base += inner) {
    const c = (base / inner) % channels;
    const step = record && stepOf(record, c);
    const added = bias ? atChannel(bias.data, c) : 0;
    for (let i = 0; i < inner; i++) {
      const v = (sums[base + i] + added + (map ? atChannel(map.data, c * inner + i) : 0)) | 0;
      y[base + i] = step ? step(v) : clampTo(low, high, v);
    }
  }
  return y;
}
