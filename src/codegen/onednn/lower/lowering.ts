/** Lowering: turns one operator into commands. */
import {
  type AnyOp,
  constantOf,
  type Graph,
  type ITensor,
  type OpKey,
  type ops,
  type Shape,
  typeOf,
  type ValueId,
  type View,
} from '../../../ir/index.ts';
import type { Recorder } from '../recorder.ts';

/** Function properties, whose parameters are checked: one of another operator does not fit. */
export interface Lowering<D extends AnyOp> {
  /** Undefined when the commands can be recorded, else why this node has to run on the interpreter. */
  readonly refuses?: (view: View<D>, graph: GraphView) => string | undefined;
  readonly lower: (view: View<D>, r: Recorder) => void;
}

/** Lowerings by operator. Operators of the back end's own level must have one: nothing else computes them. */
export type Lowerings = { readonly [K in OpKey]?: Lowering<(typeof ops)[K]> } & {
  readonly [K in Extract<OpKey, `dnnl${string}`>]: Lowering<(typeof ops)[K]>;
};

/** The questions that a lowering may ask before anything is recorded. */
export class GraphView {
  readonly graph: Graph;
  constructor(graph: Graph) {
    this.graph = graph;
  }
  dtype = (id: ValueId): string => typeOf(this.graph, id).dtype;
  shape = (id: ValueId): Shape => typeOf(this.graph, id).shape;
  constant = (id: ValueId | undefined): ITensor | undefined => constantOf(this.graph, id);
  /** A reason when one of the operands is not a constant. */
  needsConstants = (...operands: readonly (ValueId | undefined)[]): string | undefined =>
    operands.every((id) => id === undefined || this.constant(id) !== undefined)
      ? undefined
      : 'its quantization parameters are computed at run time';
}
