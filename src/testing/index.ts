/**
 * `unskew/testing`: property tests for rewrites of quantized graphs. Needs fast-check, a peer dependency.
 *
 * Rules and graphs of your own are checked with `checkRule` and `checkRewrite`; see docs/testing.md.
 */
import '../runtime/node_platform.ts';

export {
  type DType,
  GraphBuilder,
  type ITensor,
  interpret,
  scalar,
  tensor,
  type Value,
  type View,
  view,
} from '../ir/index.ts';
export {
  type AnyRule,
  applyRules,
  defineRule,
  type Exactness,
  type Match,
  type Miss,
  type Rule,
} from '../passes/index.ts';
export { applyOnce } from './apply_once.ts';
export * from './arbitraries/index.ts';
export {
  type CheckOptions,
  type CheckReport,
  checkRewrite,
  checkRule,
  checkTransform,
  checkWrong,
  LEAST_SHARE,
  type Transform,
} from './check.ts';
export { compareGraphs, compareTensors, type Difference, type Tolerance } from './compare.ts';
export { type Contents, filled, nonFinitePattern, type Pattern, patterns } from './contents.ts';
export { CounterexampleError, formatDifference, type Refutation } from './counterexample.ts';
export { defaultRuns } from './draws.ts';
export { arbitraryFeeds, feedsOf } from './feeds.ts';
export {
  checkMetamorphic,
  type Experiment,
  laws,
  type MetamorphicCase,
  type MetamorphicLaw,
  type MetamorphicOptions,
} from './metamorphic.ts';
export * as ops from './ops.ts';
