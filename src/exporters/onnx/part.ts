/**
 * A part of a graph as a model of its own, for a runtime that computes what nobody else does. Operators that were carried from a
 * file are those of the file, byte for byte, with their bodies; all others are written as `exportOnnx` writes them.
 */
import { fail, messageOf, UnskewError } from '../../diagnostics/index.ts';
import { onnxTypeName, partOfModel, type ValueInfoInit } from '../../formats/onnx/index.ts';
import { capturedBy, type PartOrigin, partOriginOf } from '../../importers/index.ts';
import {
  type Graph,
  hasValue,
  isCarriedInitializer,
  isOp,
  type Node,
  type NodeId,
  once,
  opaqueOp,
  producersOf,
  type TensorType,
  typeOf,
  type ValueId,
} from '../../ir/index.ts';
import { emitGraph } from './emission.ts';
import { exportOnnx } from './export.ts';
import { carried, innerNames } from './kept.ts';
import { schedule } from './schedule.ts';
import { isWidened, widened } from './widened.ts';

/** Some nodes of a graph, the values that they read from elsewhere, and those that are read elsewhere. */
export interface GraphPart {
  readonly graph: Graph;
  readonly nodes: readonly Node[];
  readonly inputs: readonly ValueId[];
  readonly outputs: readonly ValueId[];
}

type FoundType = Pick<TensorType, 'dtype'> & Partial<TensorType>;
/** For values whose types the graph does not know; undefined where nobody does. Without a shape, the rank is unknown. */
export type FoundTypes = (id: ValueId) => FoundType | undefined;

/**
 * The bytes of an ONNX model that computes the part. Inputs and outputs of bfloat16 are float32 in it. Where a carried operator is in it, dimensions that the file leaves open stay open:
 * a part of carried operators alone serves all sizes.
 *
 * @param isWide true for a carried node that computes floats of 16 bits in binary32; one of bfloat16 does in any case
 * @param version the older operator set of `hasOlderPart`
 * @throws UnskewError U2008 for an operator that cannot be written, and for an input of a type that nobody knows
 */
export function exportPart(
  part: GraphPart,
  found: FoundTypes = () => undefined,
  isWide: (node: Node) => boolean = () => false,
  version?: 'older',
): Uint8Array {
  const { graph, nodes, inputs, outputs } = part;
  const origin = partOriginOf(graph);
  const alone = aloneOf(part);
  if (origin === undefined || !nodes.some((node) => isOp(node, opaqueOp))) return exportOnnx(alone);
  const given = new Set(inputs);
  const producers = producersOf(graph);
  const kept = new Set<string>();
  for (const id of nodes.flatMap(({ operands }) => operands)) {
    const producer = id === null ? undefined : producers.get(id);
    if (producer && isCarriedInitializer(producer)) kept.add(producer.id);
  }
  const { file } = origin;
  const apart = [...kept].find((name) => file.graph.initializers.get(name)?.external !== undefined);
  if (apart !== undefined)
    fail('U2008', 'a constant in a file of its own, of a type that is not understood, cannot be handed over', {
      input: apart,
    });
  const owners = ownersIn(graph);
  const indices = nodes.flatMap(({ id }) => owners.get(id) ?? []);
  const emitted = emitGraph(alone, {
    opset: file.opsets.get(''),
    microsoft: file.opsets.has('com.microsoft'),
    isGiven: (id) => given.has(id) || kept.has(id),
    taken: new Set(indices.flatMap((i) => innerNames(file.graph.nodes[i])).filter((name) => !hasValue(alone, name))),
    nodeNames: new Set(),
    carry(node, name) {
      const keep = owners.get(node.id);
      return keep === undefined
        ? fail('U2008', `%${node.id} stands for no node of the file`, node.loc)
        : carried(origin, keep, node, name);
    },
    captured: new Set(indices.flatMap((i) => capturedBy(origin, i))),
    demanded: [],
  });
  // With the sizes of a run ONNX Runtime infers branches that are not taken, and refuses those that the sizes do not fit. So
  // dimensions are declared as the file declares them.
  const declared = (id: ValueId): FoundType | undefined => {
    const known = typeOf(graph, id);
    const type =
      known.dtype === 'opaque' ? found(id) : known.dtype === 'bf16' ? { ...known, dtype: 'f32' as const } : known;
    const before = hasValue(origin, id) ? origin.values[id].type.shape : [];
    return type?.shape ? { ...type, shape: type.shape.map((_, axis) => before[axis] ?? 'open') } : type;
  };
  const dtypes = new Map([...emitted.names].map(([id, name]) => [name, typeOf(graph, id as ValueId).dtype]));
  const nodesAt = new Map(nodes.flatMap((node) => (owners.has(node.id) ? [[owners.get(node.id), node] as const] : [])));
  const wide = widened({
    items: schedule(emitted.nodes),
    inputs,
    outputs,
    taken: [...Object.keys(graph.values), ...dtypes.keys(), ...file.graph.nodes.flatMap(innerNames)],
    dtypeOf: (name) => dtypes.get(name),
    widens(item) {
      if (!('keep' in item)) return undefined;
      const [node, before] = [nodesAt.get(item.keep), file.graph.nodes[item.keep]];
      return node && isWidened(node, before, (id) => typeOf(graph, id as ValueId).dtype, isWide) ? before : undefined;
    },
  });
  return partOfModel(file, {
    nodes: wide.items,
    kept,
    initializers: emitted.initializers,
    inputs: inputs.map((id, i) => {
      const type = declared(id);
      if (type === undefined || type.dtype === 'opaque')
        return fail('U2008', 'a value of a type that is not understood cannot be handed over', { input: id });
      return valueInfo(wide.inputs[i], type);
    }),
    outputs: outputs.map((id, i) => {
      const type = declared(id);
      if (type !== undefined && type.dtype !== 'opaque') return valueInfo(wide.outputs[i], type);
      const without = elementsWithoutArray(origin, id);
      if (without !== undefined) fail('U2008', `elements of the type ${without} cannot be taken back`, { input: id });
      return { name: id };
    }),
    opsets: file.opsets.has('') ? new Map() : new Map([['', emitted.opset]]),
    ...(version && { newest: BEFORE_BFLOAT16 }),
  });
}

/** The last version of the operator set before these operators gained bfloat16, and nothing else; they have not changed since then. */
const BEFORE_BFLOAT16 = 21;
const gainedBfloat16 = new Set(
  `Acos Acosh Asin Asinh Atan Atanh AveragePool Bernoulli Conv ConvTranspose Cos Cosh DeformConv Det Dropout Elu EyeLike GRU GlobalAveragePool
  GlobalLpPool GlobalMaxPool GridSample HardSigmoid HardSwish InstanceNormalization LSTM LpNormalization LpPool MaxPool MaxRoiPool MaxUnpool
  Mish Multinomial NegativeLogLikelihoodLoss RNN RandomNormal RandomNormalLike RandomUniform RandomUniformLike RoiAlign Round Selu Sin Sinh
  Softplus Softsign Tan ThresholdedRelu`.split(/\s+/),
);

/** True for a part of carried operators that version 21 has with the same meaning: runtimes may have kernels for them of that version alone. */
export function hasOlderPart({ graph, nodes }: Pick<GraphPart, 'graph' | 'nodes'>): boolean {
  const origin = partOriginOf(graph);
  if (origin === undefined || (origin.file.opsets.get('') ?? 0) <= BEFORE_BFLOAT16) return false;
  const owners = ownersIn(graph);
  return nodes.every((node) => {
    const index = isOp(node, opaqueOp) ? owners.get(node.id) : undefined;
    const before = index === undefined ? undefined : origin.file.graph.nodes[index];
    return before?.domain === '' && gainedBfloat16.has(before.opType);
  });
}

/** The element type that the file declares for a value, when no array holds it: the package ends the process over some of them. */
function elementsWithoutArray({ file }: PartOrigin, id: ValueId): string | undefined {
  const { outputs, valueInfos } = file.graph;
  const type = [...outputs, ...valueInfos].find(({ name }) => name === id)?.type;
  if (type?.kind !== 'tensor' || type.onnxType === 0 || type.dtype !== undefined) return undefined;
  const name = onnxTypeName(type.onnxType);
  return name === 'string' ? undefined : name;
}

/** Undefined for a node that a part can hold, else why not. */
export function partRefusal(node: Node, graph: Graph): string | undefined {
  const origin = partOriginOf(graph);
  if (isOp(node, opaqueOp)) {
    if (origin === undefined) return 'it is not an operator of ONNX';
    return ownersIn(graph).has(node.id) ? undefined : 'it stands for no node of the file';
  }
  const inputs = [...new Set(node.operands)].filter((id) => id !== null && graph.values[id].constant === undefined);
  const part = { graph, nodes: [node], inputs: inputs as ValueId[], outputs: node.results };
  try {
    emitGraph(aloneOf(part), {
      opset: origin?.file.opsets.get(''),
      microsoft: origin?.file.opsets.has('com.microsoft') ?? false,
      isGiven: (id) => part.inputs.includes(id),
      taken: new Set(),
      nodeNames: new Set(),
      captured: new Set(),
      demanded: [],
    });
    return undefined;
  } catch (error) {
    if (error instanceof UnskewError) return messageOf(error);
    throw error;
  }
}

/** The graph of the part, with its own values alone: a body may read a name of the file that stands for another value now. */
function aloneOf({ graph, nodes, inputs, outputs }: GraphPart): Graph {
  const { origin: _, ...others } = graph;
  const ids = new Set([...inputs, ...nodes.flatMap(({ operands, results }) => [...operands, ...results])]);
  ids.delete(null);
  return {
    ...others,
    inputs,
    outputs,
    nodes: Object.fromEntries(nodes.map((node) => [node.id, node])),
    values: Object.fromEntries([...ids].map((id) => [id, graph.values[id as ValueId]])),
  };
}

/** The node of the file that each IR node came from. */
const ownersIn = once(
  (graph): ReadonlyMap<NodeId, number> =>
    new Map(partOriginOf(graph)?.nodes.flatMap((ids, index) => ids.map((id) => [id, index] as const))),
);

/** A dimension is declared where it is known: symbols of ours are expressions. */
const valueInfo = (name: string, { dtype, shape }: FoundType): ValueInfoInit => ({
  name,
  type: dtype === 'opaque' ? 0 : dtype,
  ...(shape && { dims: shape.map((dim) => (typeof dim === 'number' ? dim : undefined)) }),
});
