/** The argument of an operator's emitter: a node with its declared operands, and the means to write ONNX nodes. */
import { type AnyOp, type Node, type View, viewOf } from '../../ir/index.ts';
import { type Emitting, NodeWriter, type Written } from './node_writer.ts';

/** One operator to be emitted, and a way to write nodes for it. */
export class NodeEmitter<D extends AnyOp> extends NodeWriter {
  readonly view: View<D>;

  constructor(emission: Emitting, node: Node) {
    super(emission, node);
    this.view = viewOf<D>(node);
  }
}

/** Writes the ONNX nodes that compute one operator. */
export type EmitOp<D extends AnyOp> = (e: NodeEmitter<D>) => Written;
