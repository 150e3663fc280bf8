/**
 * Results about which nothing is claimed: the campaign leaves these differences out, each peculiarity with its reason
 * and its proof. The sweep judges layers that have them by design in ONNX Runtime (test/sweep/exceptions.ts).
 */
import type { Observed } from '../../src/cli/compare.ts';
import { onnxRuntimeSide } from '../../src/cli/sides.ts';
import { openOnnx } from '../../src/formats/onnx/index.ts';
import { withOutputs } from '../../src/formats/onnx/splice/index.ts';
import {
  type AnyOp,
  constantOf,
  type DType,
  dtypeOfOnnxCode,
  dtypes,
  type Feeds,
  type Graph,
  type ITensor,
  isFloat,
  isOp,
  isPlainProduct,
  type Node,
  type NodeId,
  nnAveragePool,
  nnBatchNorm,
  nnCast,
  nnClip,
  nnCumsum,
  nnDiv,
  nnGlobalAveragePool,
  nnGlobalMaxPool,
  nnGroupNorm,
  nnInstanceNorm,
  nnLayerNorm,
  nnLog,
  nnLpPool,
  nnLrn,
  nnMaxPool,
  nnPow,
  nnReciprocal,
  nnReduceL1,
  nnReduceL2,
  nnReduceLogSum,
  nnReduceLogSumExp,
  nnReduceMax,
  nnReduceMean,
  nnReduceMin,
  nnReduceProd,
  nnReduceSum,
  nnReduceSumSquare,
  nnRmsNorm,
  nnSqrt,
  producersOf,
  qnnAdd,
  qnnAveragePool,
  qnnDynamicQuantize,
  qnnDynamicQuantizeRows,
  qnnGlobalAveragePool,
  qnnMul,
  qnnSoftmax,
  tensor,
  typeOf,
  type ValueId,
} from '../../src/ir/index.ts';

/** A result that differs from its meaning. */
export interface Strayed {
  readonly graph: Graph;
  /** The node of it. */
  readonly node: NodeId;
  /** The meaning of the graph, by value. */
  readonly values: Observed;
}

interface Unclaimed {
  readonly reason: string;
  /** True when the node has the peculiarity, given its operands. */
  isSuch(node: Node, operands: readonly ITensor[]): boolean;
}

const isAnyOf = ({ dtype, data }: ITensor, isSuch: (value: number) => boolean): boolean =>
  isFloat(dtype) && (data as Float32Array).some(isSuch);
const isVast = (value: number): boolean => !(Math.abs(value) < 2 ** 60);

/** Floats that are added up, or multiplied one after the other. */
const isSum = (node: Node): boolean =>
  isPlainProduct(node) || sums.some((op) => isOp(node, op)) || isOp(node, nnReduceProd);
const sums: readonly AnyOp[] = [
  ...[nnReduceSum, nnReduceMean, nnReduceL1, nnReduceL2, nnReduceLogSum, nnReduceLogSumExp, nnReduceSumSquare],
  ...[nnBatchNorm, nnInstanceNorm, nnGroupNorm, nnLayerNorm, nnRmsNorm, nnLrn],
  ...[nnAveragePool, nnGlobalAveragePool, nnLpPool, nnCumsum],
];

/** The largest finite number of a float tensor, 1 at least. */
const reachOf = ({ dtype, data }: ITensor): number =>
  isFloat(dtype)
    ? (data as Float32Array).reduce((most, v) => (Number.isFinite(v) ? Math.max(most, Math.abs(v)) : most), 1)
    : 1;

/**
 * The terms, as many as the larger operand has elements, each with a factor from each operand; normalizations and norms square
 * the first.
 */
function mayOverflow(node: Node, operands: readonly ITensor[]): boolean {
  const reaches = operands.map(reachOf);
  const count = Math.max(...operands.map(({ data }) => data.length));
  const term = reaches.reduce((product, reach) => product * reach, isPlainProduct(node) ? 1 : reaches[0]);
  const most = isOp(node, nnReduceProd) ? reaches[0] ** count : term * count;
  return !(most < dtypes.f32.max);
}

/** A peculiarity of any engine. */
const ofSums: Unclaimed = {
  reason: 'a float sum that may be beyond binary32 on its way, in one order or another',
  isSuch: (node, operands) => isSum(node) && mayOverflow(node, operands),
};

/** Operators whose results left and right of 0 are far apart, or are NaN on one side, and the place of the operand. */
const singular: readonly (readonly [AnyOp, number])[] = [
  [nnDiv, 1],
  ...[nnLog, nnPow, nnReciprocal, nnSqrt].map((op) => [op, 0] as const),
];

/** A peculiarity of operators that are written as several, which round in between. */
const ofSingularities: Unclaimed = {
  reason: 'a power, quotient, root or logarithm of what is 0 but for roundings',
  isSuch(node, operands) {
    const [, place] = singular.find(([op]) => isOp(node, op)) ?? [];
    if (place === undefined) return false;
    const near = 2 ** -20 * reachOf(operands[place]);
    return isAnyOf(operands[place], (v) => v !== 0 && Math.abs(v) < near);
  },
};

/** XNNPACK and the reference kernels leave it to their instructions. */
const ofRows: Unclaimed = {
  reason: 'a row without a range: NaN, or an infinity',
  isSuch: (node, operands) =>
    isOp(node, qnnDynamicQuantizeRows) && operands.some((x) => isAnyOf(x, (v) => !Number.isFinite(v))),
};

const BEYOND = 'a cast beyond the type, which the standard leaves open';

const ofOnnxRuntime: readonly Unclaimed[] = [
  ofRows,
  {
    reason: 'a maximum over NaN, of which ONNX Runtime makes one thing or another by its place (docs/decisions.md)',
    isSuch: (node, operands) =>
      isOp(node, nnMaxPool, nnGlobalMaxPool, nnReduceMax, nnReduceMin) &&
      operands.some((x) => isAnyOf(x, Number.isNaN)),
  },
  {
    reason: BEYOND,
    isSuch: (node, [x]) => isOp(node, nnCast) && x !== undefined && isBeyond(x, node.attrs.to),
  },
  {
    reason:
      'sums of infinities, of NaN or beyond binary32 on their way, and of padding, which ONNX Runtime multiplies by weights that are infinite',
    isSuch: (node, operands) => isSum(node) && operands.some((x) => isAnyOf(x, isVast)),
  },
  {
    reason:
      'an infinity in a Clip without that bound, which ONNX Runtime takes for the largest number, its reference for none',
    isSuch: (node, operands) =>
      isOp(node, nnClip) &&
      (operands.some((x) => isAnyOf(x, isInfinite)) || node.attrs.min === Infinity || node.attrs.max === -Infinity),
  },
  {
    reason: 'a dynamic range without end, which the standard leaves open',
    isSuch: (node, operands) =>
      isOp(node, qnnDynamicQuantize) && operands.some((x) => isAnyOf(x, (v) => !Number.isFinite(v))),
  },
  {
    reason: 'steps beyond the integers of 32 bits, which operators of com.microsoft convert before they limit them',
    isSuch: (node, operands) => {
      if (!isOp(node, qnnAdd, qnnMul, qnnAveragePool, qnnGlobalAveragePool, qnnSoftmax)) return false;
      const scales = operands.flatMap(({ dtype, data }) => (dtype === 'f32' ? Array.from(data as Float32Array) : []));
      const largest = isOp(node, qnnMul) ? scales.slice(0, -1).reduce((a, b) => a * b, 1) : Math.max(1, ...scales);
      return !(Math.abs(largest / (scales.at(-1) as number)) < 2 ** 15);
    },
  },
];

const isInfinite = (value: number): boolean => Math.abs(value) === Infinity;

function isBeyond(x: ITensor, to: DType): boolean {
  const { min, max } = dtypes[to];
  return !isFloat(to) && isAnyOf(x, (v) => !(Math.trunc(v) >= min && Math.trunc(v) <= max));
}

/** The reason why nothing is claimed of a result that depends on such a node by way of floats. */
function reasonOf({ graph, node: at, values }: Strayed, kinds: readonly Unclaimed[]): string | undefined {
  const producers = producersOf(graph);
  const nodes = new Set([graph.nodes[at]]); // a set also visits members that are added during the walk
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
export const unclaimedOfExport = (strayed: Strayed): string | undefined => reasonOf(strayed, [ofSingularities, ofRows]);

export const unclaimedOfOnnxRuntime = async (
  strayed: Strayed,
  bytes: Uint8Array,
  feeds: Feeds,
): Promise<string | undefined> =>
  reasonOf(strayed, ofOnnxRuntime) ?? (await ofFoldedCasts(strayed.graph, bytes, feeds));
