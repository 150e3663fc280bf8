/** The pipelines: the passes in their order, and so the table of contents of the compiler. */
import { canonicalize } from './canonicalize.ts';
import { correctZeroPoints } from './correct_zero_points.ts';
import type { CostModel } from './cost/model.ts';
import { foldConstants } from './fold_constants.ts';
import { groupQdq, type QdqFamilies } from './group_qdq.ts';
import type { Pass } from './pass.ts';
import type { StrategyReport } from './strategies.ts';
import type { Strategy } from './strategy_names.ts';
import type { Capabilities, Target } from './target.ts';

/** The operators between dequantize and quantize that are read as integer ones. */
export const familiesFor = ({ executes }: Capabilities): QdqFamilies => (executes ? 'all' : 'products');

/** From the graph as imported to quantized operators whose meaning is integer arithmetic. */
export const quantizePipeline = ({ capabilities }: Target): readonly Pass[] => [
  foldConstants,
  canonicalize,
  groupQdq(familiesFor(capabilities)),
  foldConstants,
  canonicalize,
];

/** From quantized operators to symmetric ones plus corrections. */
export const correctPipeline = (
  strategy: Strategy,
  report: (entry: StrategyReport) => void,
  costs?: CostModel,
): readonly Pass[] => [correctZeroPoints(strategy, report, costs), canonicalize];
