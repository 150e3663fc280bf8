/** `legalize`: the graph rewritten for a target, with the account of what was done. */

import type { Diagnostic } from '../diagnostics/index.ts';
import { fail } from '../diagnostics/index.ts';
import type { Graph } from '../ir/index.ts';
import { type Certificate, certificateOf } from './certificate.ts';
import type { CostModel } from './cost/model.ts';
import { type PipelineOptions, runPipeline } from './manager.ts';
import type { PassTrace } from './pass.ts';
import { correctPipeline, quantizePipeline } from './pipelines.ts';
import type { Miss } from './rewrite/rule.ts';
import type { Strategy, StrategyReport } from './strategies.ts';
import { defaultTarget, type Target, targetNames } from './target.ts';

export interface LegalizeOptions extends Partial<Pick<PipelineOptions, 'onMiss' | 'afterPass' | 'reproducers'>> {
  /** `symmetric` (no zero point on any convolution or matmul; the default) or `onednn`, or a whole target. */
  readonly target?: Target['name'] | Target;
  /** How source zero points are corrected: `auto` (default), one way for all layers, or ways by layer. */
  readonly strategy?: Strategy;
  /** What `auto` goes by; the shipped measurements for the target unless given. */
  readonly costs?: CostModel;
}

export interface LegalizeResult {
  readonly graph: Graph;
  /** The graph before any zero point was corrected: what `graph` must equal, bit for bit. */
  readonly quantized: Graph;
  readonly trace: readonly PassTrace[];
  readonly certificate: Certificate;
  readonly strategies: readonly StrategyReport[];
  readonly misses: readonly Miss[];
  readonly notes: readonly Diagnostic[];
}

/**
 * Rewrites quantized convolutions and matmuls with zero points into symmetric ones plus corrections.
 *
 * @throws UnskewError U4002 for an unknown target or strategy, U6003 for a strategy that is not legal for a named layer
 */
export function legalize(graph: Graph, options: LegalizeOptions = {}): LegalizeResult {
  const target = resolveTarget(options.target ?? 'symmetric');
  const strategies: StrategyReport[] = [];
  const misses: Miss[] = [];
  const pipeline: PipelineOptions = {
    ...options,
    target,
    onMiss: (miss) => {
      misses.push(miss);
      options.onMiss?.(miss);
    },
  };
  const quantized = runPipeline(graph, quantizePipeline(target), pipeline);
  const corrected = runPipeline(
    quantized.graph,
    correctPipeline(options.strategy ?? 'auto', (entry) => strategies.push(entry), options.costs),
    pipeline,
  );
  return {
    graph: corrected.graph,
    quantized: quantized.graph,
    trace: [...quantized.trace, ...corrected.trace],
    certificate: certificateOf(corrected.graph, quantized.trace, corrected.trace),
    strategies,
    misses,
    notes: [...quantized.notes, ...corrected.notes],
  };
}

export function resolveTarget(target: Target['name'] | Target): Target {
  if (typeof target !== 'string') return target;
  if (!targetNames.includes(target))
    fail('U4002', `there is no target '${target}'`, {}, `one of: ${targetNames.join(', ')}`);
  return defaultTarget(target);
}
