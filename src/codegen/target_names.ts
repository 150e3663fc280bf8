/** Names of targets, and the zero points that may remain for each: what help tells, without the targets themselves. */
import { keysOf } from '../tensors/index.ts';

export const targetDocs = {
  symmetric: 'no zero point on any convolution or matmul',
  onednn: 'one of the source',
} as const;

export type TargetName = keyof typeof targetDocs;
export const targetNames = keysOf(targetDocs);

/** The one that models are compiled for. */
export const usualTarget = 'onednn';
