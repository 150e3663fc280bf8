/** What runs in which order: the table of contents of the compiler. */
import { canonicalize } from './canonicalize.ts';
import { correctZeroPoints } from './correct_zero_points.ts';
import type { CostModel } from './cost/model.ts';
import { foldConstants } from './fold_constants.ts';
import { groupQdq } from './group_qdq.ts';
import type { Pass } from './pass.ts';
import type { Strategy, StrategyReport } from './strategies.ts';
import type { Target } from './target.ts';

/** From the graph as imported to quantized operators whose meaning is integer arithmetic. */
export const quantizePipeline = (target: Target): readonly Pass[] => [
  foldConstants,
  canonicalize,
  groupQdq(target.name === 'symmetric' ? 'products' : 'all'),
  foldConstants,
  canonicalize,
];

/** From quantized operators to symmetric ones plus corrections. */
export const correctPipeline = (
  strategy: Strategy,
  report: (entry: StrategyReport) => void,
  costs?: CostModel,
): readonly Pass[] => [correctZeroPoints(strategy, report, costs), canonicalize];
