/** The target of legalization: the capabilities of a back end, the costs of ways there, and its obligations. */
import type { Graph, GraphReader, Node, Shape, ValueId } from '../ir/index.ts';
import type { Obligation, Session } from '../proofs/index.ts';
import type { CostModel } from './cost/model.ts';

export interface Capabilities {
  /**
   * True when it computes graphs, all quantized operators among them. A graph for another target is written into a
   * file, whose nodes stay unless a correction needs to change them.
   */
  readonly executes: boolean;
  /** Products of symmetric weights take a constant scalar zero point of the source. */
  readonly sourceZeroPoint: boolean;
  /** Products are exact for u8 sources alone. */
  readonly unsignedSources: boolean;
  /** Transposed convolutions are exact, or fast, for u8 sources alone. */
  readonly unsignedTransposedSources: boolean;
  /**
   * Copies of channels in the place of window sums, where weights are beyond s8: wherever the product then stays one operator of a
   * file, in convolutions where copies are few, or never.
   */
  readonly copies: 'in files' | 'few' | 'never';
}

/** The part of a back end that passes see. */
export interface Target {
  readonly name: string;
  readonly capabilities: Capabilities;
  /** The numbers by which `auto` chooses among the ways to correct a layer. */
  readonly costs: CostModel;
  /**
   * The cost of a way for this very product and shape of weights, when layers of its class usually cost `usual`;
   * absent: `usual`.
   */
  readonly costFor?: (product: Node, weights: Shape, way: string, usual: number) => number;
  /**
   * True for a product that it takes as it is: constant weights, u8 and with their zero points, and the scalar zero points that
   * the run computes; absent: for none.
   */
  takesZeroPoints?(product: Node, graph: GraphReader): boolean;
  /** The obligations of its primitives for the operators of a selected graph, by node. */
  owes(graph: Graph, session?: Session): ReadonlyMap<ValueId, readonly Obligation[]>;
  /** The floats of a selected graph that it does not compute to the last bit as the interpreter does; absent: none. */
  floats?(graph: Graph): FloatClaim | undefined;
}

/** Products of floats, and what holds for their results. */
export interface FloatClaim {
  readonly products: readonly string[];
  readonly claim: string;
}

/** The target without any capability, for files that any runtime may run: no zero point on any convolution or matmul. */
export const symmetric: Target = {
  name: 'symmetric',
  capabilities: {
    executes: false,
    sourceZeroPoint: false,
    unsignedSources: false,
    unsignedTransposedSources: false,
    copies: 'in files',
  },
  // Nobody knows who will run an exported file, so its forms decide: a folded or padded layer stays one QLinearConv, a map
  // takes an integer convolution and operators after it.
  costs: { origin: 'forms in ONNX', costOf: (way) => ({ fold: 1, pad: 1.05, 'border-table': 2 })[way] },
  owes: () => new Map(),
};
