import type { Diagnostic } from '../diagnostics/index.ts';
import type { Graph } from '../ir/index.ts';
import type { Certificate, Claims } from './certificate.ts';
import type { PassTrace } from './pass.ts';
import type { RemainingZeroPoint } from './remaining.ts';
import type { Miss } from './rewrite/rule.ts';
import type { StrategyReport } from './strategies.ts';
import type { Target } from './target.ts';

/** A graph rewritten for a target, and the account of it. */
export interface LegalizeResult {
  readonly graph: Graph;
  /** The graph before any zero point was corrected: `graph` must equal it, bit for bit. */
  readonly quantized: Graph;
  /** The traces of the graph, then those of the bodies of its control flow. */
  readonly trace: readonly PassTrace[];
  readonly certificate: Certificate;
  /** The certificate of what selection made of `graph`; by the target unless another back end selected. */
  certify(selected: Graph, by?: Pick<Target, 'owes' | 'floats'>): Certificate;
  readonly strategies: readonly StrategyReport[];
  /**
   * The zero points left on convolutions and matrix products, each with its reason; empty when the target is reached.
   */
  readonly remaining: readonly RemainingZeroPoint[];
  readonly misses: readonly Miss[];
  readonly notes: readonly Diagnostic[];
}

export interface Legalized extends LegalizeResult {
  /** Of which the certificate is made; absent for a graph with bodies, whose certificate is made of several. */
  readonly claims?: Claims;
}
