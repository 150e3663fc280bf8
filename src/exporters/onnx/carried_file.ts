/**
 * The carried operators of a graph as a file of their own, for a thread that runs the graph and did not read its file: parts are made of it
 * as they are of the whole file.
 */
import { openOnnx, partOfModel } from '../../formats/onnx/index.ts';
import { type CarriedOrigin, capturedBy, partOriginOf } from '../../importers/index.ts';
import {
  type Graph,
  hasValue,
  isCarriedInitializer,
  isOp,
  type NodeId,
  nodesOf,
  type Origin,
  opaqueOp,
  type ValueId,
  type ValueInfo,
  valueIdsOf,
} from '../../ir/index.ts';

/** Plain data. */
export interface CarriedFile {
  readonly bytes: Uint8Array;
  /** The path of the whole file, for messages. */
  readonly file: string | undefined;
  /** For every node of `bytes` the IR nodes that stand for it. */
  readonly nodes: readonly (readonly NodeId[])[];
  /** The values of the graph as they were imported. */
  readonly values: Readonly<Record<ValueId, Pick<ValueInfo, 'type'>>>;
  readonly captured: ReadonlyMap<number, readonly string[]>;
}

/** Undefined for a graph that came from no file of ONNX. @throws UnskewError U1006 when it would have more than 2 GiB */
export function carriedFileOf(graph: Graph): CarriedFile | undefined {
  const origin = partOriginOf(graph);
  if (origin === undefined) return undefined;
  const { file } = origin;
  const carried = nodesOf(graph).filter((node) => isOp(node, opaqueOp));
  const ids = new Set(carried.map(({ id }) => id));
  const indices = [...origin.nodes.keys()].filter((index) => origin.nodes[index].some((id) => ids.has(id)));
  const bytes = partOfModel(file, {
    nodes: indices.map((keep) => ({ keep })),
    kept: new Set(carried.filter(isCarriedInitializer).map(({ id }) => id)),
    initializers: [],
    inputs: [],
    outputs: [],
    described: new Set(carried.flatMap(({ results }) => results)),
    opsets: new Map(),
  });
  const known = valueIdsOf(graph).filter((id) => hasValue(origin, id));
  return {
    bytes,
    file: file.file,
    nodes: indices.map((index) => origin.nodes[index].filter((id) => ids.has(id))),
    values: Object.fromEntries(known.map((id) => [id, { type: origin.values[id].type }])),
    captured: new Map(indices.map((index, i) => [i, capturedBy(origin, index)])),
  };
}

/** The origin of the graph elsewhere. The file is read when somebody looks at it. */
export function originOfCarried(carried: CarriedFile, told: Omit<Origin, 'kind'>): Origin {
  const { bytes, file, ...parts } = carried;
  let known: CarriedOrigin['file'] | undefined;
  const origin: CarriedOrigin = {
    ...told,
    ...parts,
    kind: 'carried',
    get file() {
      return (known ??= openOnnx(bytes, file === undefined ? {} : { file }));
    },
  };
  return origin;
}
