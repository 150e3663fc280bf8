/** `legalizeFor`: the graph rewritten for a target, with the account of what was done. */

import { InternalError, type OptionNames } from '../diagnostics/index.ts';
import type { Graph } from '../ir/index.ts';
import type { ByteSums, OnProof } from '../proofs/index.ts';
import { certificateOf, claimsOf, Prover, withSelection } from './certificate.ts';
import { productRules } from './correct_zero_points.ts';
import type { CostModel } from './cost/model.ts';
import { lazily } from './lazily.ts';
import { leaveUntouched } from './leave_untouched.ts';
import { bodiesOf, strategiesOf, withBodies } from './legalize_bodies.ts';
import type { Legalized } from './legalize_result.ts';
import { guarded, type PipelineOptions, runPipeline } from './manager.ts';
import { otherWays, refutationsOf, type Tried } from './other_ways.ts';
import type { PassTrace } from './pass.ts';
import { correctPipeline, quantizePipeline } from './pipelines.ts';
import { leftInFloat } from './qdq/left_in_float.ts';
import { remainingZeroPoints } from './remaining.ts';
import type { Miss } from './rewrite/rule.ts';
import type { StrategyReport } from './strategies.ts';
import type { Strategy } from './strategy_names.ts';
import type { Target } from './target.ts';

export interface CorrectionOptions extends Partial<Pick<PipelineOptions, 'onMiss' | 'afterPass' | 'reproducers'>> {
  /** The correction of source zero points: `auto` (default), one way for all layers, or ways by layer. */
  readonly strategy?: Strategy;
  /** The costs for `auto`; the shipped measurements for the target by default. */
  readonly costs?: CostModel;
  /**
   * Proves the result at once, and takes another way for a layer that is not proved: the default of `auto`. Without it
   * the proof is made when the certificate is first read.
   */
  readonly verify?: boolean;
  /** Adds up 8-bit weights for proofs; in TypeScript by default. */
  readonly byteSums?: ByteSums;
  /** Told before each proof how many are done, of how many: large models have hundreds. */
  readonly onProof?: OnProof;
}

export const correctionOptions: OptionNames<CorrectionOptions> = {
  strategy: true,
  costs: true,
  verify: true,
  byteSums: true,
  onProof: true,
  onMiss: true,
  afterPass: true,
  reproducers: true,
};

/**
 * Rewrites quantized convolutions and matmuls with zero points into symmetric ones plus corrections.
 *
 * @throws UnskewError U4002 for an unknown strategy, U6003 for a strategy that is not legal for a named layer;
 * with `verify` InternalError when a rewrite is refuted and no other way is left
 */
export function legalizeFor(graph: Graph, target: Target, options: CorrectionOptions = {}): Legalized {
  const bodies = bodiesOf(graph);
  if (bodies.length === 0) return legalizeGraph(graph, target, options);
  const [own, ...others] = strategiesOf([graph, ...bodies.map(({ body }) => body.graph)], options);
  return withBodies(
    legalizeGraph(graph, target, own),
    bodies.map((entry, i) => ({ ...entry, result: legalizeFor(entry.body.graph, target, others[i]) })),
  );
}

function legalizeGraph(graph: Graph, target: Target, options: CorrectionOptions): Legalized {
  const misses: Miss[] = [];
  const pipeline: PipelineOptions = {
    ...options,
    target,
    onMiss: (miss) => {
      misses.push(miss);
      options.onMiss?.(miss);
    },
  };
  const untouched = (before: Graph) => (isForFile(before, target) ? [leaveUntouched(before)] : []);
  const quantized = runPipeline(graph, [...quantizePipeline(target), ...untouched(graph)], pipeline);
  const left = (graph.profile ?? 'ort') === 'ort' ? leftInFloat(graph) : undefined;
  const prover = new Prover(options.byteSums, options.onProof);
  const correct = (strategy: Strategy) => {
    const strategies: StrategyReport[] = [];
    const passes = [
      ...correctPipeline(strategy, (entry) => strategies.push(entry), options.costs),
      ...untouched(quantized.graph),
    ];
    const corrected = runPipeline(quantized.graph, passes, pipeline);
    const claims = claimsOf(
      corrected.graph,
      stillThere(quantized.trace, graph, corrected.graph),
      stillThere(corrected.trace, quantized.graph, corrected.graph),
      left,
    );
    const certificate = certificateOf(corrected.graph, claims, () =>
      prover.corrections(quantized.graph, corrected.graph),
    );
    return { corrected, strategies, claims, certificate };
  };
  const { strategy = 'auto', verify = strategy === 'auto' } = options;
  let attempt = correct(strategy);
  if (verify) {
    const tried: Tried = new Map();
    for (;;) {
      const other = otherWays(attempt.certificate, attempt.strategies, tried);
      if (other === undefined) break;
      attempt = correct(other);
    }
    const { certificate } = attempt;
    guarded(quantized.graph, { name: 'correct', replay: ['rewrite', `--target=${target.name}`] }, pipeline, () => {
      if (certificate.verdict === 'differs') throw new InternalError(refutationsOf(certificate));
    });
  }
  const { corrected, strategies, claims, certificate } = attempt;
  const remaining = lazily(() => remainingZeroPoints(corrected.graph, target, productRules));
  return {
    graph: corrected.graph,
    quantized: quantized.graph,
    trace: [...quantized.trace, ...corrected.trace],
    certificate,
    account: {
      claims: verify ? { ...claims, proved: certificate.entries } : claims,
      quantized: quantized.graph,
      corrected: corrected.graph,
      bodies: [],
    },
    certify: (selected, by = target) =>
      withSelection(certificate, prover, { corrected: corrected.graph, selected }, by),
    strategies,
    get remaining() {
      return remaining();
    },
    misses,
    notes: [...quantized.notes, ...corrected.notes],
  };
}

/** True when the result goes back into a file, the rest of which should stay unchanged. */
const isForFile = ({ origin }: Graph, { capabilities }: Target): boolean =>
  !capabilities.executes && origin?.kind === 'onnx';

/** The rewrites whose results were not put back. */
const stillThere = (trace: readonly PassTrace[], before: Graph, after: Graph): readonly PassTrace[] =>
  trace.map((step) => ({
    ...step,
    events: step.events.filter(({ root }) => after.nodes[root] !== before.nodes[root]),
  }));
