/** What runs in which order: the table of contents of the compiler. */
import { canonicalize } from './canonicalize.ts';
import { correctZeroPoints } from './correct_zero_points.ts';
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
export const correctPipeline = (strategy: Strategy, report: (entry: StrategyReport) => void): readonly Pass[] => [
  correctZeroPoints(strategy, report),
  canonicalize,
];

/** Every pass that can be named on a command line, with its default options. */
export const namedPasses = (target: Target, strategy: Strategy): ReadonlyMap<string, Pass> => {
  const passes = [...quantizePipeline(target), ...correctPipeline(strategy, () => {})];
  return new Map(passes.map((pass) => [pass.name, pass]));
};
