/** Models that are understood at known sizes alone, such as branches on a size that give tensors of different ranks. */
import { originOf } from '../importers/index.ts';
import { bindDim, type Graph, isOp, isStatic, nodesOf, opaqueOp } from '../ir/index.ts';
import { bindShapes } from './bind_shapes.ts';

/** The graph of a file at sizes that a run gives its symbols. Undefined where they make no difference. */
export type AtSizes = (sizes: ReadonlyMap<string, number>) => Graph | undefined;

/** Undefined for a graph whose sizes are known, or decide nothing. */
export function atSizes(graph: Graph): AtSizes | undefined {
  const { unsupported = [] } = graph.origin ?? {};
  if (originOf(graph) === undefined || !unsupported.some(({ dependsOnSizes }) => dependsOnSizes)) return undefined;
  const types = graph.inputs.map((id) => [id, graph.values[id].type] as const);
  if (types.some(({ 1: { dtype } }) => dtype === 'opaque') || types.every(({ 1: { shape } }) => isStatic(shape)))
    return undefined;
  return (sizes) => {
    const shapes = types.map(([id, { shape }]) => [id, shape.map((dim) => Number(bindDim(dim, sizes)))]);
    const bound = bindShapes(graph, Object.fromEntries(shapes));
    return nodesOf(bound).some((node) => isOp(node, opaqueOp)) ? undefined : bound;
  };
}
