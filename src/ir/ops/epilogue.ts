/**
 * What follows the sum in a fused operator:
 *
 *   v = acc + bias[c] + map[c, p]                                                  (int32, wrapping)
 *   y = v                                                       without a multiplier
 *   y = clamp(rne(fl(fl(v)·multiplier[c])) + zeroPoint, low, high)             else
 */
import { clampTo, requantizeModes, requantizer } from '../../numerics/index.ts';
import { type AttrValues, attr } from '../define_op.ts';
import { type DType, newArray } from '../dtype.ts';
import type { ITensor } from '../tensor.ts';

/** `to` is the element type of the result: s32 without a multiplier. */
export const epilogueAttrs = {
  to: attr.oneOf('u8', 's8', 's32'),
  zeroPoint: attr.int(0),
  low: attr.int(-(2 ** 31)),
  high: attr.int(2 ** 31 - 1),
} as const;

export interface EpilogueTensors {
  readonly bias?: ITensor<'s32'>;
  readonly map?: ITensor<'s32'>;
  readonly multiplier?: ITensor<'f32'>;
}

/** `sums` is [outer, channels, inner] row major; `map` is [channels, inner]. */
export function epilogue(
  sums: Float64Array,
  channels: number,
  inner: number,
  { bias, map, multiplier }: EpilogueTensors,
  attrs: AttrValues<typeof epilogueAttrs>,
): ITensor['data'] {
  const y = newArray(attrs.to as DType, sums.length) as Int32Array;
  const limit = { u8: [0, 255], s8: [-128, 127], s32: [-(2 ** 31), 2 ** 31 - 1] }[attrs.to];
  const [low, high] = [Math.max(attrs.low, limit[0]), Math.min(attrs.high, limit[1])];
  const at = (t: ITensor | undefined, c: number): number =>
    t === undefined ? 0 : Number(t.data[t.data.length === 1 ? 0 : c]);
  for (let base = 0; base < sums.length; base += inner) {
    const c = (base / inner) % channels;
    const factor = multiplier && at(multiplier, c);
    const step =
      factor === undefined
        ? undefined
        : requantizer(requantizeModes.ort, { arithmetic: 'f32', factor }, attrs.zeroPoint, low, high);
    for (let i = 0; i < inner; i++) {
      const v = (sums[base + i] + at(bias, c) + (map ? map.data[map.data.length === 1 ? 0 : c * inner + i] : 0)) | 0;
      y[base + i] = step ? step(v) : clampTo(low, high, v);
    }
  }
  return y;
}
