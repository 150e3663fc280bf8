/** Rules, passes and pipelines, and the account of what they did. */
export { findRule } from './all_rules.ts';
export { canonicalize } from './canonicalize.ts';
export {
  type Certificate,
  type CertificateEntry,
  type Claims,
  certificateOf,
  claimsOf,
  Prover,
  withSelection,
} from './certificate.ts';
export { correctZeroPoints, weightRules } from './correct_zero_points.ts';
export type { LayerClass } from './cost/layer_class.ts';
export { keyOf, type Layer, layersOf, symmetricOf } from './cost/layers.ts';
export type { CostModel } from './cost/model.ts';
export { type CostRow, costIn, distanceOf } from './cost/table.ts';
export { foldConstants, foldWeights } from './fold_constants.ts';
export { groupQdq, qdqRules } from './group_qdq.ts';
export { lazily } from './lazily.ts';
export { leadsToStep } from './leads_to_step.ts';
export { type CorrectionOptions, correctionOptions, legalizeFor } from './legalize.ts';
export { certificateBy } from './legalize_bodies.ts';
export type { Account, BodyAccount, Legalized, LegalizeResult } from './legalize_result.ts';
export { guarded, runPipeline } from './manager.ts';
export type { Pass, PassResult, PassTrace } from './pass.ts';
export { familiesFor } from './pipelines.ts';
export { dataOf, isMover } from './qdq/moved.ts';
export type { RemainingZeroPoint } from './remaining.ts';
export { Algebra } from './rewrite/algebra.ts';
export { frozen } from './rewrite/drafts.ts';
export { applyRules, tryRule } from './rewrite/driver.ts';
export { GraphEditor } from './rewrite/editor.ts';
export { type Nearness, nearness } from './rewrite/nearness.ts';
export { type AnyRule, defineRule, type Exactness, type Match, type Miss, matchOf, type Rule } from './rewrite/rule.ts';
export { type StrategyReport, type Way, type WayReport, ways } from './strategies.ts';
export { isStrategyName, type Strategy, type StrategyName, strategyNames } from './strategy_names.ts';
export { type FloatClaim, symmetric, type Target } from './target.ts';
