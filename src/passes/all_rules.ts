/** Every rewrite rule: the tests quantify over this table, certificates and `explain` look rules up in it. */
import { canonicalRules } from './canonicalize.ts';
import { qdqRules } from './group_qdq.ts';
import type { AnyRule } from './rewrite/rule.ts';
import { borderTable } from './rules/border_table.rule.ts';
import { convTransposeRules, convTransposeWays } from './rules/conv_transpose.rules.ts';
import { dropZeroPoint } from './rules/drop_zero_point.rule.ts';
import { f32Shift } from './rules/f32_shift.rule.ts';
import { fold } from './rules/fold.rule.ts';
import { fourTerm } from './rules/four_term.rule.ts';
import { foldMatmul, matmulRules } from './rules/matmul.rules.ts';
import { pad } from './rules/pad.rule.ts';
import { recentreSource } from './rules/recentre_source.rule.ts';
import { recentreWeights } from './rules/recentre_weights.rule.ts';
import { repeatSource } from './rules/repeat_source.rule.ts';
import { s32Shift } from './rules/s32_shift.rule.ts';
import { splitWeights } from './rules/split_weights.rule.ts';
import { twoConv } from './rules/two_conv.rule.ts';
import { windowSum } from './rules/window_sum.rule.ts';
import { zeroPointFree } from './rules/zero_point_free.rule.ts';

export const correctionRules: readonly AnyRule[] = [
  dropZeroPoint,
  recentreWeights,
  windowSum,
  splitWeights,
  repeatSource,
  recentreSource,
  fold,
  borderTable,
  pad,
  twoConv,
  fourTerm,
  f32Shift,
  s32Shift,
  zeroPointFree,
  ...Object.values(convTransposeRules).flat(),
  ...Object.values(convTransposeWays),
  ...matmulRules.weights,
  foldMatmul,
  ...matmulRules.free,
];

export const allRules: readonly AnyRule[] = [...canonicalRules, ...qdqRules, ...correctionRules];

const byName = new Map(allRules.map((rule) => [rule.name, rule]));
export const findRule = (name: string): AnyRule | undefined => byName.get(name);
