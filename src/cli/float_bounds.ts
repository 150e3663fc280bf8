/**
 * Bounds on the roundings of a float, by operator and engine, as docs/certificates.md states them; those of sums are in sum_bounds.ts.
 */
import { assert } from '../diagnostics/index.ts';
import {
  type ITensor,
  isFloat,
  isOp,
  type Node,
  nnAbs,
  nnAdd,
  nnAveragePool,
  nnCast,
  nnCeil,
  nnCelu,
  nnClip,
  nnConcat,
  nnCumsum,
  nnDepthToSpace,
  nnDiv,
  nnElu,
  nnExpand,
  nnFloor,
  nnGather,
  nnGatherElements,
  nnGlobalAveragePool,
  nnGlobalMaxPool,
  nnHardSigmoid,
  nnHardSwish,
  nnIdentity,
  nnLeakyRelu,
  nnMax,
  nnMaxPool,
  nnMin,
  nnMul,
  nnNeg,
  nnPad,
  nnPrelu,
  nnRecentre,
  nnReduceL1,
  nnReduceL2,
  nnReduceLogSum,
  nnReduceLogSumExp,
  nnReduceMax,
  nnReduceMean,
  nnReduceMin,
  nnReduceSum,
  nnReduceSumSquare,
  nnRelu,
  nnReshape,
  nnResize,
  nnRound,
  nnSelu,
  nnSign,
  nnSlice,
  nnSpaceToDepth,
  nnSub,
  nnThresholdedRelu,
  nnTile,
  nnWhere,
  oneOf,
  opOf,
  qnnDequantize,
  qnnQuantize,
  qnnRequantize,
  sizeOf,
  stridesOf,
} from '../ir/index.ts';
import { type Floats, floatsOf, inDoubles, magnitude } from './floats.ts';
import { evaluateInDoubles, ofSum, ofSumOver, u } from './sum_bounds.ts';

/**
 * `compiled`: primitives, kernels, and the interpreter for the rest. `once`: the same where a step lies behind (a quantize, a
 * cast, a comparison), where products are summed in the order that the operator states. `grouped`: a product of dequantized integers
 * that became one of the integers themselves.
 */
export type Engine = 'compiled' | 'once' | 'grouped' | 'onnxruntime';

/** Softmax: an exponential of a few units, a sum and a quotient; below the least normal number results may be flushed to 0. */
export const ofSoftmax = (terms: number): number => 12 * u + ofSum(terms);
export const LEAST_NORMAL = 2 ** -126;
/** Below the least normal number a rounding is not relative. */
export const LEAST_NUMBER = 2 ** -149;
/** Functions that ONNX Runtime approximates (numerics/README.md), of max(1, |y|). The compiled model has them exactly. */
const OF_FUNCTION = 16 * u;
/** A quotient that is rounded once more, relative. */
export const OF_QUOTIENT = 2 * u;
/** One rounding, or two. */
export const OF_ARITHMETIC = 2 * u;

const isArithmetic = oneOf(nnAdd, nnSub, nnMul, nnDiv);
const sums = [nnReduceSum, nnReduceMean, nnAveragePool, nnGlobalAveragePool, nnCumsum];
const isSum = oneOf(...sums);
/**
 * Sums of terms of one sign, which ONNX Runtime adds to one sum: equal terms round alike, so that their errors do not
 * even out.
 */
const isSumOfOneSign = oneOf(nnReduceL1, nnReduceL2, nnReduceSumSquare, nnReduceLogSum, nnReduceLogSumExp);
/** Operators that choose one of the elements that they read. */
const choosing = [nnMaxPool, nnGlobalMaxPool, nnReduceMax, nnReduceMin, nnGather, nnGatherElements, nnSlice];
/** Rounded nowhere, or step by step as ONNX Runtime does. */
const isExact = oneOf(
  ...[nnRelu, nnLeakyRelu, nnPrelu, nnClip, nnMin, nnMax, nnAbs, nnNeg, nnSign, nnFloor, nnCeil, nnRound, nnWhere],
  ...[nnHardSigmoid, nnHardSwish, nnResize, nnIdentity, nnCast, nnRecentre, qnnDequantize],
  ...choosing,
);

const isMovement = (node: Node): boolean => opOf(node).traits.includes('movement');

const grows = oneOf(
  ...[...sums, ...choosing, nnResize, nnCast, nnRelu, nnClip, nnAdd, nnMin, nnMax, nnRecentre],
  ...[nnConcat, nnPad, nnExpand, nnTile, nnDepthToSpace, nnSpaceToDepth, nnReshape],
);
/** In the first operand alone: scales are positive. */
const growsInFirst = oneOf(qnnQuantize, qnnDequantize, qnnRequantize);

/** True when the results grow with all operands that are not exact, at the places `open`. */
export const isIncreasing = (node: Node, open: readonly number[]): boolean =>
  isMovement(node) || grows(node) || (growsInFirst(node) && open.every((at) => at === 0));

/** The bound for each element of a float result whose operands are exact; undefined where it is none. */
export function roundingOf(
  node: Node,
  operands: readonly (ITensor | null)[],
  y: Floats,
  engine: Engine,
): Float64Array | undefined {
  const [x] = operands;
  const each = (bound: (value: number) => number) => inDoubles(y, (v) => bound(Math.abs(v))).data;
  if (isArithmetic(node) || (isSum(node) && engine !== 'onnxruntime')) return each((v) => OF_ARITHMETIC * v);
  if (isOp(node, nnCast) && x && !isFloat(x.dtype))
    return y.data.some((v) => Math.abs(v) > 2 ** 24) ? each((v) => (v > 2 ** 24 ? OF_ARITHMETIC * v : 0)) : undefined;
  if (isSum(node)) {
    const source = sourceOf(node, operands);
    const magnitudes = evaluateInDoubles(node, [magnitude(source), ...operands.slice(1)]);
    const factor = ofSumOver(Math.max(1, termsOf(node, source, y)), source);
    return magnitudes.map((m) => factor * m);
  }
  if (isExact(node) || isMovement(node) || engine !== 'onnxruntime') return undefined;
  if (isSumOfOneSign(node)) {
    const terms = termsOf(node, sourceOf(node, operands), y);
    const isLog = isOp(node, nnReduceLogSum, nnReduceLogSumExp);
    return each((v) => (terms * u + OF_FUNCTION) * (isLog ? Math.max(1, v) : v));
  }
  const hasFactor = isOp(node, nnElu, nnCelu, nnSelu, nnThresholdedRelu);
  const factor = hasFactor ? Math.abs(node.attrs.alpha) : 0; // α·(eˣ − 1): eˣ is near 1
  return each((v) => OF_FUNCTION * Math.max(1, factor, v));
}

/** The terms of a sum. */
function sourceOf({ op }: Node, [x]: readonly (ITensor | null)[]): Floats {
  assert(x, `${op} has nothing to add up`);
  return floatsOf(x);
}

function termsOf(node: Node, x: ITensor, y: ITensor): number {
  if (isOp(node, nnAveragePool)) return sizeOf(node.attrs.kernel);
  return isOp(node, nnCumsum) ? Math.max(...x.shape) : sizeOf(x.shape) / sizeOf(y.shape);
}

/** The largest of `values` in the lane of every element along `axis`. */
export function largestInLane(values: Float64Array, shape: readonly number[], axis: number): Float64Array {
  const [size, stride] = [shape[axis], stridesOf(shape)[axis]];
  const largest = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const first = i - (Math.floor(i / stride) % size) * stride;
    for (let k = 0; k < size; k++) largest[i] = Math.max(largest[i], values[first + k * stride]);
  }
  return largest;
}
