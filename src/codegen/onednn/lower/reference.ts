/** The slow, exact way for convolutions and matmuls that no primitive computes exactly on this machine. */
import {
  type ITensor,
  isOp,
  type Node,
  nnConvTranspose,
  qnnConvTranspose,
  sizeOf,
  tensor,
  type ValueId,
} from '../../../ir/index.ts';
import type { ConvAttrs } from '../../../ir/ops/conv_geometry.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import { type Lowering, operandsOf } from './lowering.ts';

type Three = readonly [number, number, number];

/** Spatial lists of rank 1 to 3 as rank 3. */
export const three = (list: readonly number[], filler: number): Three =>
  [...Array(3 - list.length).fill(filler), ...list] as unknown as Three;

export interface ReferenceSum {
  readonly x: ValueId;
  readonly xShape: readonly number[];
  readonly w: Buffer;
  readonly wType: 'u8' | 's8';
  readonly wShape: readonly number[];
  readonly yShape: readonly number[];
  readonly attrs: ConvAttrs;
  readonly transposed: boolean;
  readonly zx: Buffer | undefined;
  readonly zw: ITensor | undefined;
  readonly destination: Buffer;
}

/** Σ (x − zx)(w − zw) in s32, row major. */
export function recordReferenceSum(
  r: Recorder,
  { x, xShape, w, wType, wShape, yShape, attrs, transposed, zx, zw, destination }: ReferenceSum,
): void {
  const rank = attrs.strides.length;
  const zeros = zw && r.data(tensor('s32', Int32Array.from(zw.data as ArrayLike<number>)));
  r.kernel(
    {
      name: 'reference-convolution',
      sourceType: r.dtype(x) as 'u8' | 's8',
      weightsType: wType,
      batch: xShape[0],
      inputChannels: xShape[1],
      outputChannels: yShape[1],
      groups: attrs.group,
      weightsZeroPoints: zw ? zw.data.length : 1,
      input: three(xShape.slice(2), 1),
      output: three(yShape.slice(2), 1),
      kernel: three(wShape.slice(2), 1),
      strides: three(attrs.strides, 1),
      dilations: three(attrs.dilations, 1),
      padsBegin: three(attrs.pads.slice(0, rank), 0),
      transposed,
    },
    { source: r.use(x, 'row-major'), weights: w, sourceZeroPoint: zx, weightsZeroPoint: zeros, destination },
  );
}

/** Convolutions that selection left alone: u8 weights, weights zero points, weights or zero points known at run time. */
export const referenceConv: Lowering = {
  refuses(node, view) {
    const [x, w, zx, zw] = operandsOf(node);
    if (view.dtype(x) === 'f32') return 'a float convolution';
    const eight = [x, w].every((id) => view.dtype(id) === 'u8' || view.dtype(id) === 's8');
    if (!eight || (x && view.shape(x).length > 5)) return `a convolution of ${view.dtype(x)} and ${view.dtype(w)}`;
    if (zx && view.constant(zx) === undefined) return 'its source zero point is computed at run time';
    return zw && view.constant(zw) === undefined ? 'its weights zero point is computed at run time' : undefined;
  },
  lower(node: Node, r: Recorder): void {
    const [x, w, zx, zw] = operandsOf(node) as [ValueId, ValueId, ...(ValueId | undefined)[]];
    const [y] = node.results;
    const zero = zx && r.constant(zx);
    recordReferenceSum(r, {
      x,
      xShape: r.shape(x),
      w: r.use(w, 'row-major'),
      wType: r.dtype(w) as 'u8' | 's8',
      wShape: r.shape(w),
      yShape: r.shape(y),
      attrs: node.attrs as unknown as ConvAttrs,
      transposed: isOp(node, nnConvTranspose, qnnConvTranspose),
      zx: zero && r.data(tensor('s32', Int32Array.of(Number(zero.data[0])))),
      zw: zw && r.constant(zw),
      destination: r.define(y, 'row-major'),
    });
  },
};

/** The sum of a fused operator into scratch memory; `outer` rows of `channels` times `inner`. */
export function referenceScratch(r: Recorder, sum: Omit<ReferenceSum, 'destination'>): Buffer {
  const destination = r.scratch(4 * sizeOf(sum.yShape));
  recordReferenceSum(r, { ...sum, destination });
  return destination;
}
