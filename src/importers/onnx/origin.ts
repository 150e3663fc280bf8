/** What the importer leaves for the exporter: the file, and what became of each of its nodes. */
import type { Graph, Node, Origin, ValueInfo } from '../../ir/graph.ts';
import type { NodeId, ValueId } from '../../ir/types.ts';
import type { OnnxFile } from './container/index.ts';

export interface OnnxOrigin extends Origin {
  readonly kind: 'onnx';
  readonly file: OnnxFile;
  /** The file that was read, where `file` has its functions written out. */
  readonly source?: OnnxFile;
  /**
   * For every node of `file.graph.nodes` the IR nodes that it became. Empty for a node whose results are constants or
   * are not needed (a shape computation that `dims` attributes stand for): such a node counts as untouched.
   */
  readonly nodes: readonly (readonly NodeId[])[];
  /** The IR nodes as they were imported: a node is untouched when the graph still holds this very object. */
  readonly original: Readonly<Record<NodeId, Node>>;
  /** The values as they were imported. */
  readonly values: Readonly<Record<ValueId, ValueInfo>>;
}

/** The origin of a graph that came from ONNX, undefined for any other. */
export function originOf({ origin }: Graph): OnnxOrigin | undefined {
  return origin?.kind === 'onnx' ? (origin as OnnxOrigin) : undefined;
}

/** Whether the graph is all of what was read, and no pass has changed it since. */
export function isAsImported(graph: Graph, { original, file }: OnnxOrigin): boolean {
  const ids = Object.keys(graph.nodes) as NodeId[];
  const outputs = file.graph.outputs.map(({ name }) => name);
  return (
    ids.length === Object.keys(original).length &&
    ids.every((id) => graph.nodes[id] === original[id]) &&
    graph.outputs.length === outputs.length &&
    graph.outputs.every((id, i) => id === outputs[i])
  );
}
