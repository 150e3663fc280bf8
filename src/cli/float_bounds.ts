/**
 * Bounds on the roundings of a float, by operator and engine, as docs/certificates.md states them. u = 2^-24 is half a
 * unit in the last place. Sums of n terms may be in any order; (4 + √n)·u·Σ|terms| holds for independent errors (n·u
 * would hold for any errors) and for the fused or blocked orders that engines use.
 */
import { assert } from '../diagnostics/index.ts';
import {
  evaluateNode,
  type ITensor,
  isFloat,
  isOp,
  layoutOf,
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
  productKind,
  qnnDequantize,
  qnnQuantize,
  qnnRequantize,
  sizeOf,
  stridesOf,
  tensorOfType,
  weightsLayout,
} from '../ir/index.ts';
import { type Floats, floatsOf, inDoubles, magnitude } from './floats.ts';

/**
 * `compiled`: primitives, kernels, and the interpreter for the rest. `once`: the same where a step lies behind (a quantize, a
 * cast, a comparison), where products are summed in the order that the operator states. `grouped`: a product of dequantized integers
 * that became one of the integers themselves.
 */
export type Engine = 'compiled' | 'once' | 'grouped' | 'onnxruntime';

export const u = 2 ** -24;

export const ofSum = (terms: number): number => (4 + Math.sqrt(terms)) * u;
/** The bound of a sum over a tensor. Equal terms round alike, so that their errors do not even out. */
const ofSumOver = (terms: number, x: Floats): number =>
  isOfOneSize(x) ? Math.max(ofSum(terms), terms * u) : ofSum(terms);

/** True when all elements that are not 0 have the same magnitude. */
const isOfOneSize = ({ data }: Floats): boolean => areOfOneSize(data, 1, () => 0)[0];

/** The same of each lane, of which there are `count`. */
function areOfOneSize(data: Floats['data'], count: number, laneOf: (i: number) => number): readonly boolean[] {
  const sizes = new Float64Array(count);
  const alike = Array<boolean>(count).fill(true);
  for (let i = 0; i < data.length; i++) {
    const size = Math.abs(data[i]);
    if (size === 0) continue;
    const lane = laneOf(i);
    if (sizes[lane] === 0) sizes[lane] = size;
    else if (sizes[lane] !== size) alike[lane] = false;
  }
  return alike;
}

/**
 * `ofSum` for each result of a product, and more where its own terms are equal: of a row of one size and a column of one size, of
 * a source of one size and a filter of one size.
 */
export function ofProduct(node: Node, a: Floats, b: Floats): (i: number) => number {
  const terms = productTerms(node, a, b);
  const isMatmul = productKind(node) === 'matmul';
  const factors = isMatmul ? [rowsOfOneSize(a), columnsOfOneSize(b)] : [allOfOneSize(a), filtersOfOneSize(node, b)];
  if (!factors.every(({ data }) => data.includes(1))) return () => ofSum(terms);
  const alike = evaluateInDoubles(node, [...factors, ...(isMatmul ? [] : [null])]);
  return (i) => Math.max(ofSum(terms), alike[i] * u);
}

/** The first result of a node on doubles. */
export const evaluateInDoubles = (node: Node, operands: readonly (ITensor | null)[]): Float64Array =>
  tensorOfType(evaluateNode(node, operands)[0], 'f64').data;

/** 1 for each element of a lane of one size, 0 for others. */
function ofOneSize(t: Floats, count: number, laneOf: (i: number) => number): ITensor<'f64'> {
  const alike = areOfOneSize(t.data, count, laneOf);
  return inDoubles(t, (_, i) => Number(alike[laneOf(i)]));
}

const allOfOneSize = (t: Floats): ITensor<'f64'> => ofOneSize(t, 1, () => 0);

function rowsOfOneSize(t: Floats): ITensor<'f64'> {
  const length = t.shape.at(-1) ?? 1;
  return ofOneSize(t, t.data.length / Math.max(1, length), (i) => Math.floor(i / length));
}

function columnsOfOneSize(t: Floats): ITensor<'f64'> {
  const [rows, columns] = t.shape.length > 1 ? t.shape.slice(-2) : [t.shape[0], 1];
  const matrix = rows * columns;
  const count = t.data.length === 0 ? 0 : (t.data.length / matrix) * columns;
  return ofOneSize(t, count, (i) => Math.floor(i / matrix) * columns + (i % columns));
}

/** Filters of a transposed convolution lie along two axes: all of them together. */
function filtersOfOneSize(node: Node, t: Floats): ITensor<'f64'> {
  if (productKind(node) !== 'conv') return allOfOneSize(t);
  const size = t.data.length / Math.max(1, t.shape[0]);
  return ofOneSize(t, t.shape[0], (i) => Math.floor(i / size));
}

/** Softmax: an exponential of a few units, a sum and a quotient; below the least normal number results may be flushed to 0. */
export const ofSoftmax = (terms: number): number => (16 + Math.sqrt(terms)) * u;
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

/** Terms of one sum of a product. */
export function productTerms(node: Node, a: ITensor, b: ITensor): number {
  const layout = layoutOf(node);
  if (layout.kind === 'matmul') return a.shape.at(-1) ?? 1;
  const { channel, tap } = weightsLayout(layout, b.shape).sizes;
  return channel * tap;
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
