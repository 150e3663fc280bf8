/** `legalize` for a target by name. */
import { checkOptions, type OptionNames } from '../diagnostics/index.ts';
import type { Graph } from '../ir/index.ts';
import {
  type CorrectionOptions,
  correctionOptions,
  frozen,
  type LegalizeResult,
  legalizeFor,
} from '../passes/index.ts';
import type { TargetName } from './target_names.ts';
import { resolveTarget, type TargetDescription } from './targets.ts';

export interface LegalizeOptions extends CorrectionOptions {
  /** `symmetric` (no zero point on any convolution or matmul; the default) or `onednn`, or a whole target. */
  readonly target?: TargetName | TargetDescription;
}

const optionNames: OptionNames<LegalizeOptions> = { target: true, ...correctionOptions };

/**
 * Rewrites quantized convolutions and matmuls with zero points into symmetric ones plus corrections.
 *
 * @throws UnskewError U4002 for an unknown target or strategy, U6003 for a strategy that is not legal for a named layer;
 * with `verify` InternalError when a rewrite is refuted and no other way is left
 */
export function legalize(graph: Graph, options: LegalizeOptions = {}): LegalizeResult {
  checkOptions('legalize', options, optionNames);
  const { target = 'symmetric', ...others } = options;
  const result = legalizeFor(graph, resolveTarget(target), others);
  frozen(result.graph);
  return result;
}
