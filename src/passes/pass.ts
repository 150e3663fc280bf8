/** A pass: a named step from graph to graph. The manager owns logging, timing, verification and printing. */
import type { Diagnostic } from '../diagnostics/index.ts';
import type { Graph, Level } from '../ir/index.ts';
import type { EditResult, RewriteEvent } from './rewrite/editor.ts';
import type { Miss } from './rewrite/rule.ts';
import type { Target } from './target.ts';

export interface PassContext {
  readonly target: Target;
  /** Misses are reported only when somebody listens. */
  readonly onMiss?: (miss: Miss) => void;
  readonly note: (diagnostic: Diagnostic) => void;
}

/**
 * The contract: given a graph that verifies at level `from`, a pass returns one that verifies at level `to` and means
 * the same (up to the declared bounds of its rules). In between the graph may be in any state.
 */
export interface Pass {
  readonly name: string;
  readonly doc: string;
  readonly from: Level;
  readonly to: Level;
  run(graph: Graph, context: PassContext): PassResult;
}

export type PassResult = Pick<EditResult, 'graph'> & Partial<EditResult>;

/** The trace of one pass: its rewrites, and patches that replay and undo it. */
export interface PassTrace {
  readonly pass: string;
  readonly milliseconds: number;
  readonly events: readonly RewriteEvent[];
  readonly patches: NonNullable<PassResult['patches']>;
  readonly inversePatches: NonNullable<PassResult['inversePatches']>;
}
