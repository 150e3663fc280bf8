/**
 * What nobody claims of results, each peculiarity with its reason and its proof: the campaign leaves these differences out. What
 * ONNX Runtime makes of layers that have them by design is judged by the sweep (test/sweep/exceptions.ts).
 */
import type { Observed } from '../../src/cli/compare.ts';
import { onnxRuntimeSide } from '../../src/cli/sides.ts';
import { withOutputs } from '../../src/exporters/onnx/splice/index.ts';
import { openOnnx } from '../../src/importers/onnx/container/index.ts';
import {
  constantOf,
  type DType,
  dtypeOfOnnxCode,
  dtypes,
  type Feeds,
  type Graph,
  type ITensor,
  isFloat,
  type Node,
  type NodeId,
  producersOf,
  tensor,
  typeOf,
  type ValueId,
} from '../../src/ir/index.ts';

/** A result that differs from its meaning. */
export interface Strayed {
  readonly graph: Graph;
  /** The node of it. */
  readonly node: NodeId;
  /** What the graph means, by value. */
  readonly values: Observed;
}

interface Unclaimed {
  readonly reason: string;
  /** Whether a node computes such, given its operands. */
  isSuch(node: Node, operands: readonly ITensor[]): boolean;
}

const isAnyOf = ({ dtype, data }: ITensor, isSuch: (value: number) => boolean): boolean =>
  isFloat(dtype) && (data as Float32Array).some(isSuch);
const isVast = (value: number): boolean => !(Math.abs(value) < 2 ** 60);
const isSum = ({ op }: Node): boolean =>
  /conv|matmul|norm|reduce_(sum|mean|l|prod)|average_pool|lp_pool|cumsum/.test(op);

/** Of any engine. */
const ofSums: Unclaimed = {
  reason: 'a float sum that may be beyond binary32 on its way, in one order or another',
  isSuch: (node, operands) => isSum(node) && operands.some((x) => isAnyOf(x, (v) => Number.isFinite(v) && isVast(v))),
};

const BEYOND = 'a cast beyond the type, which the standard leaves open';

const ofOnnxRuntime: readonly Unclaimed[] = [
  {
    reason: 'a maximum over NaN, of which ONNX Runtime makes one thing or another by its place (docs/decisions.md)',
    isSuch: ({ op }, operands) =>
      /^nn\.((global_)?max_pool|reduce_(max|min))$/.test(op) && operands.some((x) => isAnyOf(x, Number.isNaN)),
  },
  {
    reason: BEYOND,
    isSuch: ({ op, attrs }, [x]) => op === 'nn.cast' && x !== undefined && isBeyond(x, attrs.to as DType),
  },
  {
    reason:
      'sums of infinities, of NaN or beyond binary32 on their way, and of padding, which ONNX Runtime multiplies by weights that are infinite',
    isSuch: (node, operands) => isSum(node) && operands.some((x) => isAnyOf(x, isVast)),
  },
  {
    reason:
      'an infinity in a Clip without that bound, which ONNX Runtime takes for the largest number, its reference for none',
    isSuch: ({ op, attrs }, operands) =>
      op === 'nn.clip' &&
      (operands.some((x) => isAnyOf(x, isInfinite)) || attrs.min === Infinity || attrs.max === -Infinity),
  },
  {
    reason: 'a dynamic range without end, which the standard leaves open',
    isSuch: ({ op }, operands) =>
      op === 'qnn.dynamic_quantize' && operands.some((x) => isAnyOf(x, (v) => !Number.isFinite(v))),
  },
  {
    reason: 'steps beyond the integers of 32 bits, which operators of com.microsoft convert before they limit them',
    isSuch: ({ op }, operands) => {
      if (!/^qnn\.(add|mul|average_pool|global_average_pool|softmax)$/.test(op)) return false;
      const scales = operands.flatMap(({ dtype, data }) => (dtype === 'f32' ? Array.from(data as Float32Array) : []));
      const largest = op === 'qnn.mul' ? scales.slice(0, -1).reduce((a, b) => a * b, 1) : Math.max(1, ...scales);
      return !(Math.abs(largest / (scales.at(-1) as number)) < 2 ** 15);
    },
  },
];

const isInfinite = (value: number): boolean => Math.abs(value) === Infinity;

function isBeyond(x: ITensor, to: DType): boolean {
  const { min, max } = dtypes[to];
  return !isFloat(to) && isAnyOf(x, (v) => !(Math.trunc(v) >= min && Math.trunc(v) <= max));
}

/** Why nothing is claimed of a result that hangs on such a node by way of floats. */
function reasonOf({ graph, node: at, values }: Strayed, kinds: readonly Unclaimed[]): string | undefined {
  const producers = producersOf(graph);
  const nodes = new Set([graph.nodes[at]]); // a set shows what is added while it is walked
  for (const node of nodes) {
    const given = node.operands.filter((id): id is ValueId => id !== null);
    const operands = given.flatMap((id) => values.get(id) ?? constantOf(graph, id) ?? []);
    const kind = kinds.find(({ isSuch }) => isSuch(node, operands));
    if (kind) return kind.reason;
    for (const id of given) {
      const producer = producers.get(id);
      if (producer && isFloat(typeOf(graph, id).dtype as DType)) nodes.add(producer);
    }
  }
  return undefined;
}

/** The reason, where the file casts constants beyond a type: such a node is not in the graph any more. */
async function ofFoldedCasts(graph: Graph, bytes: Uint8Array, feeds: Feeds): Promise<string | undefined> {
  const { nodes, initializers } = openOnnx(bytes).graph;
  const casts = nodes.filter(({ opType, outputs }) => opType === 'Cast' && !(outputs[0] in graph.nodes));
  const made = new Set(nodes.flatMap(({ outputs }) => outputs));
  const asked = casts.map(({ inputs }) => inputs[0]).filter((name) => made.has(name));
  const side = await onnxRuntimeSide(withOutputs(bytes, asked), 'onnxruntime', { graphOptimizationLevel: 'disabled' });
  const shown = await side.run(feeds).finally(() => side.dispose());
  const isFolded = casts.some(({ inputs: [from], attributes }) => {
    const to = dtypeOfOnnxCode(Number(attributes.get('to')?.value));
    const given = initializers.get(from);
    const floats = given?.onnxType === dtypes.f32.onnxCode && new Float32Array(Uint8Array.from(given.raw()).buffer);
    const x = floats ? tensor('f32', floats, [floats.length]) : shown[from];
    return to !== undefined && x !== undefined && isBeyond(x, to);
  });
  return isFolded ? BEYOND : undefined;
}

export const unclaimedOfAddon = (strayed: Strayed): string | undefined => reasonOf(strayed, [ofSums]);

export const unclaimedOfOnnxRuntime = async (
  strayed: Strayed,
  bytes: Uint8Array,
  feeds: Feeds,
): Promise<string | undefined> =>
  reasonOf(strayed, ofOnnxRuntime) ?? (await ofFoldedCasts(strayed.graph, bytes, feeds));
