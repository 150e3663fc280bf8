/**
 * The rules of transposed convolutions: those of convolutions over another root. Their corrections are periodic in the
 * stride phase instead of constant inside; see corrections/ones_deconvolution.ts. `pad` is not among them: padding
 * crops the output of a transposed convolution, and no tap ever reads it.
 */
import { transposedConvolution } from '../corrections/conv_family.ts';
import { borderTableOf } from './border_table.rule.ts';
import { dropZeroPointOf } from './drop_zero_point.rule.ts';
import { f32ShiftOf } from './f32_shift.rule.ts';
import { foldOf, uniformFolding } from './fold.rule.ts';
import { fourTermOf } from './four_term.rule.ts';
import { recentreSourceOf } from './recentre_source.rule.ts';
import { recentreWeightsOf } from './recentre_weights.rule.ts';
import { s32ShiftOf } from './s32_shift.rule.ts';
import { splitWeightsOf } from './split_weights.rule.ts';
import { twoConvOf } from './two_conv.rule.ts';
import { windowSumOf } from './window_sum.rule.ts';
import { zeroPointFreeOf } from './zero_point_free.rule.ts';

const of = transposedConvolution;

export const convTransposeRules = {
  weights: [dropZeroPointOf(of), recentreWeightsOf(of), windowSumOf(of)],
  split: [splitWeightsOf(of)],
  source: [recentreSourceOf(of)],
  free: [zeroPointFreeOf(of)],
} as const;

/** The ways to correct the source zero point, by their names. */
export const convTransposeWays = {
  fold: foldOf(of, uniformFolding(of)),
  'border-table': borderTableOf(of),
  'two-conv': twoConvOf(of),
  'four-term': fourTermOf(of),
  'f32-shift': f32ShiftOf(of),
  's32-shift': s32ShiftOf(of),
} as const;
