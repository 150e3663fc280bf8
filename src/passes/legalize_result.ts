import type { Diagnostic } from '../diagnostics/index.ts';
import type { Body, Graph, NodeId } from '../ir/index.ts';
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
  readonly account: Account;
}

/** The claims about a graph and about the graphs inside of it, of which the certificate is made. */
export interface Account {
  readonly claims: Claims;
  /** The graph before and behind the corrections of zero points; graphs inside of it are those of the source. */
  readonly quantized: Graph;
  readonly corrected: Graph;
  readonly bodies: readonly BodyAccount[];
}

export interface BodyAccount extends Account, Pick<Body, 'within'> {
  /** Absent for a body of a carried operator. */
  readonly place: Place | undefined;
}

/** The node and the attribute that hold a graph. */
export interface Place {
  readonly node: NodeId;
  readonly attribute: string;
}
