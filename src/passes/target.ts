/** A target is what a graph is legalized for: the capabilities that a back end states, what ways cost there, and what it owes. */
import type { Graph, Node, Shape, ValueId } from '../ir/index.ts';
import type { Obligation, Session } from '../proofs/index.ts';
import type { CostModel } from './cost/model.ts';

export interface Capabilities {
  /**
   * Computes graphs, all quantized operators among them. A graph for a target that does not is written into a file, of which
   * all that no correction needs stays as it is.
   */
  readonly executes: boolean;
  /** Products of symmetric weights take a constant scalar zero point of the source. */
  readonly sourceZeroPoint: boolean;
  /** Products of s8 sources are exact, as those of u8 sources are. */
  readonly signedSources: boolean;
  /** Transposed convolutions of s8 sources are exact, and as fast as those of u8 sources. */
  readonly signedTransposedSources: boolean;
}

/** What passes see of a back end. */
export interface Target {
  readonly name: string;
  readonly capabilities: Capabilities;
  /** The numbers by which `auto` chooses among the ways to correct a layer. */
  readonly costs: CostModel;
  /** What a way costs for that very product of that shape of weights, where layers of its class usually cost `usual`; absent: just that. */
  readonly costFor?: (product: Node, weights: Shape, way: string, usual: number) => number;
  /** What its primitives owe for computing the operators of a selected graph, by node. */
  owes(graph: Graph, session?: Session): ReadonlyMap<ValueId, readonly Obligation[]>;
}

/** The target without any capability, for files that any runtime may run: no zero point on any convolution or matmul. */
export const symmetric: Target = {
  name: 'symmetric',
  capabilities: {
    executes: false,
    sourceZeroPoint: false,
    signedSources: true,
    signedTransposedSources: true,
  },
  // Nobody knows who will run an exported file, so its forms decide: a folded or padded layer stays one QLinearConv, a map
  // takes an integer convolution and operators after it.
  costs: { origin: 'forms in ONNX', costOf: (way) => ({ fold: 1, pad: 1.05, 'border-table': 2 })[way] },
  owes: () => new Map(),
};
