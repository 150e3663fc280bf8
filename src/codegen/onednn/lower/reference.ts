/** The slow, exact way for convolutions and matmuls that no primitive computes exactly on this machine. */

import {
  type ByteType,
  type ConvAttrs,
  isByteType,
  isOp,
  nnConvTranspose,
  type qnnConv,
  qnnConvTranspose,
  sizeOf,
  tensor,
  type ValueId,
} from '../../../ir/index.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import { castKernel } from './elementwise_casts.ts';
import type { Lowering } from './lowering.ts';

type Three = readonly [number, number, number];

/** Spatial lists of rank 1 to 3 as rank 3. */
export function three(list: readonly number[], filler: number): Three {
  const [depth, height, width] = [...Array<number>(3 - list.length).fill(filler), ...list];
  return [depth, height, width];
}

export interface ReferenceSum {
  readonly x: ValueId;
  readonly xShape: readonly number[];
  readonly w: Buffer;
  readonly wType: ByteType;
  readonly wShape: readonly number[];
  readonly yShape: readonly number[];
  readonly attrs: ConvAttrs;
  readonly transposed: boolean;
  readonly zx: Buffer | undefined;
  readonly zw: { readonly buffer: Buffer; readonly count: number } | undefined;
  readonly destination: Buffer;
}

/** Σ (x − zx)(w − zw) in s32, row major. */
export function recordReferenceSum(
  r: Recorder,
  { x, xShape, w, wType, wShape, yShape, attrs, transposed, zx, zw, destination }: ReferenceSum,
): void {
  const rank = attrs.strides.length;
  r.kernel(
    {
      name: 'reference-convolution',
      sourceType: r.byteType(x),
      weightsType: wType,
      batch: xShape[0],
      inputChannels: xShape[1],
      outputChannels: yShape[1],
      groups: attrs.group,
      weightsZeroPoints: zw?.count ?? 1,
      input: three(xShape.slice(2), 1),
      output: three(yShape.slice(2), 1),
      kernel: three(wShape.slice(2), 1),
      strides: three(attrs.strides, 1),
      dilations: three(attrs.dilations, 1),
      padsBegin: three(attrs.pads.slice(0, rank), 0),
      transposed,
    },
    { source: r.use(x, 'row-major'), weights: w, sourceZeroPoint: zx, weightsZeroPoint: zw?.buffer, destination },
  );
}

/** Convolutions that no other kernel computes: over three axes with zero points of the run, weights known at run time. */
export const referenceConv: Lowering<typeof qnnConv> = {
  refuses({ x, w }, graph) {
    const isOfBytes = [x, w].every((id) => isByteType(graph.dtype(id)));
    const isServed = isOfBytes && graph.shape(x).length <= 5;
    return isServed ? undefined : `a convolution of ${graph.dtype(x)} and ${graph.dtype(w)}`;
  },
  lower({ x, w, zx, zw, y, attrs, node }, r) {
    recordReferenceSum(r, {
      x,
      xShape: r.shape(x),
      w: r.use(w, 'row-major'),
      wType: r.byteType(w),
      wShape: r.shape(w),
      yShape: r.shape(y),
      attrs,
      transposed: isOp(node, nnConvTranspose, qnnConvTranspose),
      zx: zx && inWords(r, zx),
      zw: zw && { buffer: inWords(r, zw), count: sizeOf(r.shape(zw)) },
      destination: r.define(y, 'row-major'),
    });
  },
};

/** Zero points as s32, also those of the run. */
function inWords(r: Recorder, id: ValueId): Buffer {
  const known = r.constant(id);
  if (known) return r.data(tensor('s32', Int32Array.from(known.data, Number)));
  const count = sizeOf(r.shape(id));
  const destination = r.scratch(4 * count);
  r.kernel(castKernel(r.byteType(id), 's32', count), {
    source0: r.use(id, 'row-major'),
    destination0: destination,
  });
  return destination;
}

/** The sum of a fused operator into scratch memory; `outer` rows of `channels` times `inner`. */
export function referenceScratch(r: Recorder, sum: Omit<ReferenceSum, 'destination'>): Buffer {
  const destination = r.scratch(4 * sizeOf(sum.yShape));
  recordReferenceSum(r, { ...sum, destination });
  return destination;
}
