/** Models that are understood at known sizes alone, such as branches on a size that give tensors of different ranks. */
import { importOnnx, originOf } from '../importers/index.ts';
import { bindDim, type Graph, isOp, isStatic, nodesOf, opaqueOp } from '../ir/index.ts';
import { bindShapes } from './bind_shapes.ts';
import { externalReader } from './external_data.ts';

/** The graph of a file at sizes that a run gives its symbols. Undefined where they make no difference. */
export type AtSizes = (sizes: ReadonlyMap<string, number>) => Graph | undefined;

/** A file of ONNX that is read anew, as plain data. */
export interface FileAgain {
  readonly bytes: Uint8Array;
  /** For messages. */
  readonly file?: string;
  /** The absolute path, where others are read beside it. */
  readonly path?: string;
}

/** Undefined for a graph whose sizes are known, or decide nothing. */
export function atSizes(graph: Graph): AtSizes | undefined {
  const { unsupported = [] } = graph.origin ?? {};
  if (originOf(graph) === undefined || !unsupported.some(({ dependsOnSizes }) => dependsOnSizes)) return undefined;
  const types = graph.inputs.map((id) => graph.values[id].type);
  if (types.some(({ dtype }) => dtype === 'opaque') || types.every(({ shape }) => isStatic(shape))) return undefined;
  return (sizes) => understood(bindShapes(graph, shapesAt(graph, sizes)));
}

/** The same in another thread than the one that read the file. @param graph of the same inputs */
export function atSizesAgain(graph: Graph, { bytes, path, ...where }: FileAgain): AtSizes {
  return (sizes) =>
    understood(
      importOnnx(bytes, {
        ...where,
        ...(path !== undefined && { readExternal: externalReader(path) }),
        ...(graph.profile && { profile: graph.profile }),
        inputShapes: shapesAt(graph, sizes),
      }),
    );
}

/** The file that a graph was read from. */
export function fileAgain(graph: Graph, path: string | undefined): FileAgain | undefined {
  const origin = originOf(graph);
  if (origin === undefined) return undefined;
  const { bytes, file } = origin.source ?? origin.file;
  return { bytes, ...(file !== undefined && { file }), ...(path !== undefined && { path }) };
}

const shapesAt = ({ inputs, values }: Graph, sizes: ReadonlyMap<string, number>): Record<string, number[]> =>
  Object.fromEntries(inputs.map((id) => [id, values[id].type.shape.map((dim) => Number(bindDim(dim, sizes)))]));

const understood = (graph: Graph): Graph | undefined =>
  nodesOf(graph).some((node) => isOp(node, opaqueOp)) ? undefined : graph;
