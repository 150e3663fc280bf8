/** The record that the importer leaves for the exporter: the file, and the IR nodes of each of its nodes. */

import type { UnskewError } from '../../diagnostics/index.ts';
import type { OnnxFile, OnnxGraph } from '../../formats/onnx/index.ts';
import {
  type Body,
  type Graph,
  keysOf,
  type Node,
  type NodeId,
  type Origin,
  type Shape,
  type ValueId,
  type ValueInfo,
} from '../../ir/index.ts';
import type { RequantizeProfile } from '../../numerics/index.ts';
import { capturedNames } from './node_checks.ts';

/**
 * A body of control flow that was read as a graph of its own: its inputs are the body's inputs and the captured values.
 */
export interface OnnxBody extends Body {
  /** The index of the node in `file.graph.nodes` whose body it is. */
  readonly node: number;
  readonly body: OnnxGraph;
  /** Names of the graphs around it that `graph` has too: no part of the body. */
  readonly context: ReadonlySet<string>;
}

/** A body with quantized layers that was not read. */
export interface UnreadBody {
  readonly body: OnnxGraph;
  readonly reason: string;
  /** Set when the body is at fault, at the sizes that are known. */
  readonly error?: UnskewError;
}

export interface OnnxOrigin extends Origin {
  readonly kind: 'onnx';
  readonly file: OnnxFile;
  /** The file before its functions were written out; `file` has them written out. */
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
  readonly bodies: readonly OnnxBody[];
  readonly unread: readonly UnreadBody[];
  /**
   * The outer values that the bodies of a node read, by the index of the node, when they do not read all that they
   * capture.
   */
  readonly captured: ReadonlyMap<number, readonly string[]>;
  /** Imports the file anew, with known sizes. A graph that is here has loaded the importer, which others need not do for it. */
  reread(options: {
    readonly inputShapes: Readonly<Record<string, Shape>>;
    readonly profile?: RequantizeProfile;
  }): Graph;
}

const isOnnx = (origin: Origin): origin is OnnxOrigin => origin.kind === 'onnx';

/** The origin of a graph that came from ONNX, undefined for any other. */
export function originOf({ origin }: Graph): OnnxOrigin | undefined {
  return origin && isOnnx(origin) ? origin : undefined;
}

/** What parts of a graph ask of its file. */
export interface PartOrigin extends Pick<OnnxOrigin, 'file' | 'nodes' | 'captured'> {
  readonly values: Readonly<Record<ValueId, Pick<ValueInfo, 'type'>>>;
}

/** The origin of a graph that another thread has read: a file of its carried operators alone. */
export interface CarriedOrigin extends Origin, PartOrigin {
  readonly kind: 'carried';
}

const isCarried = (origin: Origin): origin is CarriedOrigin => origin.kind === 'carried';

/** The whole file of a graph, or that of its carried operators; undefined for a graph that came from no file of ONNX. */
export function partOriginOf({ origin }: Graph): PartOrigin | undefined {
  return origin && (isOnnx(origin) || isCarried(origin)) ? origin : undefined;
}

/** The outer values that the bodies of a node read: operands of its IR node behind its inputs. */
export const capturedBy = (
  { captured, file }: Pick<OnnxOrigin, 'captured' | 'file'>,
  index: number,
): readonly string[] => captured.get(index) ?? capturedNames(file.graph.nodes[index]);

/** True when the graph is all of the file, and no pass has changed it. */
export function isAsImported(graph: Graph, { original, file, bodies }: OnnxOrigin): boolean {
  const ids = keysOf(graph.nodes);
  const outputs = file.graph.outputs.map(({ name }) => name);
  return (
    ids.length === Object.keys(original).length &&
    ids.every((id) => graph.nodes[id] === original[id]) &&
    graph.outputs.length === outputs.length &&
    graph.outputs.every((id, i) => id === outputs[i]) &&
    bodies.every((body) => isBodyAsImported(body))
  );
}

export const isBodyAsImported = ({ graph }: OnnxBody): boolean => {
  const origin = originOf(graph);
  return origin !== undefined && isAsImported(graph, origin);
};
