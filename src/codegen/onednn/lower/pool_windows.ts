/** The windows of a pool, as our kernels take them. */
import type { nnAveragePool, nnMaxPool, qnnAveragePool, View } from '../../../ir/index.ts';
import type { PoolWindows } from '../kernels/native_types.ts';
import type { Recorder } from '../recorder.ts';
import { three } from './reference.ts';

export type WindowPool = View<typeof nnMaxPool | typeof nnAveragePool | typeof qnnAveragePool>;

/** Batch, channels and windows over up to three axes. */
export function poolWindows({ x, y, attrs }: WindowPool, r: Recorder): PoolWindows {
  const { kernel, strides, pads, dilations } = attrs;
  const [batch, channels, ...input] = r.shape(x);
  return {
    batch,
    channels,
    input: three(input, 1),
    output: three(r.shape(y).slice(2), 1),
    kernel: three(kernel, 1),
    strides: three(strides, 1),
    dilations: three(dilations, 1),
    padsBegin: three(pads.slice(0, kernel.length), 0),
  };
}
