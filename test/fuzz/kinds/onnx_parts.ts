/** Parts of ONNX graphs, and names to draw from. */
import type onnxProto from 'onnx-proto';
import { type Draw, once, pick } from '../draw.ts';

export type Model = onnxProto.onnx.IModelProto;
export type Graph = onnxProto.onnx.IGraphProto;
export type Node = onnxProto.onnx.INodeProto;
export type Attribute = onnxProto.onnx.IAttributeProto;
export type Tensor = onnxProto.onnx.ITensorProto;
export type Info = onnxProto.onnx.IValueInfoProto;

export const nodesOf = (graph: Graph): Node[] => (graph.node ??= []);
export const tensorsOf = (graph: Graph): Tensor[] => (graph.initializer ??= []);

/** Names that mean something in the graph. */
function namesIn(graph: Graph): string[] {
  return [
    ...(graph.input ?? []).map(({ name }) => name ?? ''),
    ...tensorsOf(graph).map(({ name }) => name ?? ''),
    ...nodesOf(graph).flatMap(({ output }) => output ?? []),
  ];
}

export function drawName(graph: Graph, draw: Draw): string {
  const names = namesIn(graph);
  return once(draw, 20) || names.length === 0
    ? pick(draw, ['', 'nowhere', 'a/b', '\u0000', 'x'.repeat(300)])
    : pick(draw, names);
}

export const infoOf = (name: string, elemType: number, dims: readonly (number | string)[]): Info => ({
  name,
  type: {
    tensorType: {
      elemType,
      shape: { dim: dims.map((dim) => (typeof dim === 'number' ? { dimValue: dim } : { dimParam: dim })) },
    },
  },
});
