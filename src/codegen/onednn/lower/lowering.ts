/** How one operator becomes commands. */
import {
  constantOf,
  type Graph,
  type ITensor,
  isStatic,
  type Node,
  producersOf,
  type Shape,
  typeOf,
  type ValueId,
} from '../../../ir/index.ts';
import type { OneDnnBinding } from '../binding.ts';
import type { Recorder } from '../recorder.ts';

export interface Lowering {
  /** Undefined when the commands can be recorded, else why this node has to run on the interpreter. */
  readonly refuses?: (node: Node, view: GraphView) => string | undefined;
  lower(node: Node, r: Recorder): void;
}

/** What a lowering may ask before anything is recorded. */
export class GraphView {
  readonly graph: Graph;
  readonly binding: OneDnnBinding;
  #producers: ReadonlyMap<ValueId, Node> | undefined;
  constructor(graph: Graph, binding: OneDnnBinding) {
    this.graph = graph;
    this.binding = binding;
  }
  dtype = (id: ValueId | null | undefined): string | undefined => (id ? typeOf(this.graph, id).dtype : undefined);
  shape = (id: ValueId): Shape => typeOf(this.graph, id).shape;
  isStatic = (id: ValueId): boolean => isStatic(typeOf(this.graph, id).shape);
  constant = (id: ValueId | null | undefined): ITensor | undefined => constantOf(this.graph, id);
  producer(id: ValueId): Node | undefined {
    this.#producers ??= producersOf(this.graph);
    return this.#producers.get(id);
  }
  /** A reason when one of the operands is no constant. */
  needsConstants = (node: Node, operands: readonly number[]): string | undefined =>
    operands.every((i) => node.operands[i] == null || this.constant(node.operands[i]) !== undefined)
      ? undefined
      : 'its quantization parameters are computed at run time';
}

/** Operands of a node that are present, by position. */
export const operandsOf = (node: Node): (ValueId | undefined)[] => node.operands.map((id) => id ?? undefined);

/** The only element of a constant operand. */
export const scalarOf = (t: ITensor | undefined, absent = 0): number => (t === undefined ? absent : Number(t.data[0]));
