/**
 * Small tensors of sizes: operators on shapes are followed element by element, where elements are numbers or symbols.
 * Each rule is the meaning of its operator, so that binding the symbols and evaluating commute.
 */

import { type DType, type ITensor, isFloat, isInteger, sizeOf, tensor } from '../tensors/index.ts';
import { addDims, canonicalDim, ceilDims, divDims, leastOf, maxDims, minDims, mulDims, subDims } from './dims.ts';
import type { Node } from './graph.ts';
import { evaluateNode } from './interpret.ts';
import { opOf } from './op_table.ts';
import { broadcastTo } from './ops/broadcast.ts';
import { nnCast } from './ops/nn_cast.op.ts';
import { nnDiv, nnMod, nnMul } from './ops/nn_elementwise_binary.op.ts';
import { nnCeil, nnFloor } from './ops/nn_elementwise_unary.op.ts';
import { qnnDequantize } from './ops/qnn_dequantize.op.ts';
import { qnnQuantize } from './ops/qnn_quantize.op.ts';
import { type Dim, isStatic, type Shape, type TensorType } from './types.ts';
import { byOp, isOp } from './view.ts';

/** Row major; truth values are 0 and 1. Elements of float tensors are whole where they are symbols. */
export type Elements = readonly Dim[];

export interface KnownElements {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly elements: Elements;
}

/** The largest tensor that may hold a shape. */
export const MOST_ELEMENTS = 1024;

/** True when the elements of a tensor may be followed: it is small, and its type can hold sizes. */
export const isFollowed = ({ dtype, shape }: TensorType): boolean =>
  /^(bool|s32|s64|f32|f64)$/.test(dtype) && isStatic(shape) && sizeOf(shape) <= MOST_ELEMENTS;

type OnElements = (...elements: readonly Dim[]) => Dim | undefined;

/** 1, 0 or −1 for the sign of a − b where it is the same for all sizes. */
function compared(a: Dim, b: Dim): number | undefined {
  const difference = subDims(a, b);
  if (typeof difference === 'number') return Math.sign(difference);
  if (leastOf(difference) > 0) return 1;
  return leastOf(subDims(b, a)) > 0 ? -1 : undefined;
}

const comparison =
  (holds: (sign: number) => boolean, otherwise?: (a: Dim, b: Dim) => Dim | undefined): OnElements =>
  (a, b) => {
    const sign = compared(a, b);
    return sign === undefined ? otherwise?.(a, b) : Number(holds(sign));
  };

/** 1 when a ≥ b for all sizes; otherwise undefined. */
const atLeast = (a: Dim, b: Dim): Dim | undefined => (leastOf(subDims(a, b)) >= 0 ? 1 : undefined);
const negated = (truth: Dim | undefined): Dim | undefined => (truth === undefined ? undefined : 1 - Number(truth));

/**
 * Division goes towards zero in the graph and down here: the same where nothing is negative, and where nothing is left. What divides is
 * not 0: a run of such a graph has no result.
 */
const quotient: OnElements = (a, b) => {
  if (typeof a === 'number' && typeof b === 'number') return b === 0 ? undefined : Math.trunc(a / b) + 0;
  if (b === 0) return undefined;
  const down = divDims(a, b);
  return (leastOf(a) >= 0 && leastOf(b) >= 0) || canonicalDim(mulDims(b, down)) === canonicalDim(a) ? down : undefined;
};

/** a − b·⌊a / b⌋, which has the sign of b. */
const remainder: OnElements = (a, b) =>
  b !== 0 && leastOf(b) >= 0 ? subDims(a, mulDims(b, divDims(a, b))) : undefined;

const truth = (f: (a: boolean, b: boolean) => boolean): OnElements => {
  return (a, b) => (typeof a === 'number' && typeof b === 'number' ? Number(f(a !== 0, b !== 0)) : undefined);
};

const same: OnElements = (a) => a;

const elementwiseOf = byOp<OnElements>({
  nnAdd: addDims,
  nnSub: subDims,
  nnMul: mulDims,
  nnDiv: quotient,
  nnMod: remainder,
  nnMin: minDims,
  nnMax: maxDims,
  nnNeg: (a) => subDims(0, a),
  nnAbs: (a) => (leastOf(a) >= 0 ? a : undefined),
  nnFloor: same,
  nnCeil: same,
  nnRound: same,
  nnEqual: comparison((sign) => sign === 0),
  nnGreater: comparison(
    (sign) => sign > 0,
    (a, b) => negated(atLeast(b, a)),
  ),
  nnLess: comparison(
    (sign) => sign < 0,
    (a, b) => negated(atLeast(a, b)),
  ),
  nnGreaterOrEqual: comparison((sign) => sign >= 0, atLeast),
  nnLessOrEqual: comparison(
    (sign) => sign <= 0,
    (a, b) => atLeast(b, a),
  ),
  nnAnd: truth((a, b) => a && b),
  nnOr: truth((a, b) => a || b),
  nnXor: truth((a, b) => a !== b),
  nnNot: (a) => (typeof a === 'number' ? 1 - a : undefined),
  nnWhere: (condition, a, b) => {
    if (canonicalDim(a) === canonicalDim(b)) return a;
    return typeof condition === 'number' ? (condition === 0 ? b : a) : undefined;
  },
});

const reductionOf = byOp<(a: Dim, b: Dim) => Dim>({
  nnReduceProd: mulDims,
  nnReduceSum: addDims,
  nnReduceMax: maxDims,
  nnReduceMin: minDims,
});

/** Operators that choose elements by position, with the number of operands that they choose from; the others are positions. */
const chosenFrom = byOp<number>({
  nnIdentity: 1,
  nnReshape: 1,
  nnTranspose: 1,
  nnExpand: 1,
  nnTile: 1,
  nnSlice: 1,
  nnPad: 2,
  nnGather: 1,
  nnGatherElements: 1,
  nnGatherNd: 1,
  nnConcat: Number.POSITIVE_INFINITY,
});

/**
 * The elements of the one result of an operator, undefined where they are not the same expression for all sizes.
 *
 * @param type the type of the result
 */
export function elementsAfter(
  node: Pick<Node, 'op' | 'attrs' | 'loc'>,
  operands: readonly (KnownElements | null)[],
  type: TensorType,
): Elements | undefined {
  if (!isFollowed(type)) return undefined;
  const shape = type.shape as readonly number[];
  const present = operands.filter((operand) => operand !== null);
  if (isOp(node, nnCast)) return castTo(type.dtype as DType, present[0]);
  const movable = chosenFrom(node);
  if (movable !== undefined) return movedBy(node, operands, movable);
  const reduction = reductionOf(node);
  if (reduction) return reduced(reduction, present[0], shape, node.attrs.axes as readonly number[]);
  const elementwise = elementwiseOf(node);
  if (isOp(node, nnMod) && node.attrs.fmod && !present[0].elements.every((e) => leastOf(e) >= 0)) return undefined;
  if (!elementwise || present.some(isFractional)) return undefined;
  if (isOp(node, nnDiv) && isFloat(present[0].dtype)) return undefined; // a fraction, mostly
  return onElements(elementwise, present, shape);
}

/**
 * True for operators on floats whose results are followed where all elements are numbers: a file that is quantized throughout has its
 * sizes as floats, quantized and dequantized.
 */
export function isOfNumbers(
  node: Pick<Node, 'op'>,
  operands: readonly (TensorType | null)[],
  { dtype, shape }: TensorType,
): boolean {
  if (!isStatic(shape) || sizeOf(shape) > MOST_ELEMENTS) return false;
  if (isOp(node, qnnQuantize, qnnDequantize)) return true;
  const areFloats = [dtype, ...operands.map((operand) => operand?.dtype)].every((of) => of === 'f32' || of === 'f64');
  return areFloats && opOf(node).traits.includes('elementwise');
}

/** The elements of the one result of such an operator. */
export const numbersAfter = (
  node: Pick<Node, 'op' | 'attrs' | 'loc'>,
  operands: readonly (ITensor | null)[],
): readonly number[] => Array.from<number | bigint, number>(evaluateNode(node, operands)[0].data, Number);

/** The truth value of an operand that decides the result whatever the other one is. */
const decidesOf = byOp<number>({ nnAnd: 0, nnOr: 1 });

/** The elements of a result that one operand decides, of which alone the elements are known. */
export function elementsDecided(
  node: Pick<Node, 'op'>,
  { elements }: KnownElements,
  type: TensorType,
): Elements | undefined {
  const decides = decidesOf(node);
  if (decides === undefined || !isFollowed(type) || elements.some((e) => e !== decides)) return undefined;
  return Array(sizeOf(type.shape as readonly number[])).fill(decides);
}

/**
 * The elements of ⌊a / b⌋, ⌈a / b⌉, or a / b without its fraction: floats of sizes that a rounding makes whole again. They are exact up to
 * 2²⁴, as sizes in binary32 are.
 *
 * @param node the rounding
 * @param quotient the node whose result it rounds
 * @param type the type of the result
 */
export function roundedQuotient(
  node: Pick<Node, 'op' | 'attrs'>,
  quotient: Pick<Node, 'op'>,
  operands: readonly KnownElements[],
  type: TensorType,
): Elements | undefined {
  const isUp = isOp(node, nnCeil);
  const isDown = isOp(node, nnFloor) || (isOp(node, nnCast) && /^s(32|64)$/.test(node.attrs.to as string));
  const by = isOp(quotient, nnDiv) ? (b: number) => b : isOp(quotient, nnMul) ? powerBelow : undefined;
  if (!(isUp || isDown) || by === undefined || !isFollowed(type) || !isFloat(operands[0].dtype)) return undefined;
  const rounded: OnElements = (a, b) => {
    const divisor = typeof b === 'number' ? by(b) : undefined;
    const isWhole = typeof a !== 'number' || Number.isInteger(a);
    if (divisor === undefined || !isWhole || !Number.isInteger(divisor) || divisor < 1) return undefined;
    if (isUp) return ceilDims(a, divisor);
    return isOp(node, nnFloor) || leastOf(a) >= 0 ? divDims(a, divisor) : undefined;
  };
  return onElements(rounded, operands, type.shape as readonly number[]);
}

/** The n of a factor 1/n, where n is a power of two: products with others are rounded. */
const powerBelow = (factor: number): number | undefined =>
  Number.isInteger(Math.log2(factor)) ? 1 / factor : undefined;

const isFractional = ({ elements }: KnownElements): boolean =>
  elements.some((e) => typeof e === 'number' && !Number.isInteger(e));

function onElements(
  apply: OnElements,
  operands: readonly KnownElements[],
  shape: readonly number[],
): Elements | undefined {
  const spread = operands.map(({ elements, shape: own }) => {
    const at = broadcastTo(positions(own), shape).data;
    return Array.from(at, (i) => elements[Number(i)]);
  });
  const result: Dim[] = [];
  for (let i = 0; i < sizeOf(shape); i++) {
    const element = apply(...spread.map((elements) => elements[i]));
    if (element === undefined) return undefined;
    result.push(element);
  }
  return result;
}

const positions = (shape: readonly number[], from = 0): ITensor<'s32'> =>
  tensor(
    's32',
    Int32Array.from({ length: sizeOf(shape) }, (_, i) => from + i),
    shape,
  );

/** The operator on the positions of the elements. */
function movedBy(
  node: Pick<Node, 'op' | 'attrs' | 'loc'>,
  operands: readonly (KnownElements | null)[],
  movable: number,
): Elements | undefined {
  if (Object.values(node.attrs).some((value) => Array.isArray(value) && !isStatic(value as Shape))) return undefined;
  const all: Dim[] = [0]; // the value that nn.pad fills with
  const tensors: (ITensor | null)[] = [];
  for (const [i, operand] of operands.entries()) {
    if (operand !== null && i < movable) {
      tensors.push(positions(operand.shape, all.length));
      for (const element of operand.elements) all.push(element);
    } else if (operand === null || operand.elements.every((e) => typeof e === 'number'))
      tensors.push(operand && tensor(operand.dtype, operand.elements as readonly number[], operand.shape));
    else return undefined;
  }
  const [moved] = evaluateNode(node, tensors);
  return Array.from(moved.data as ArrayLike<number>, (i) => all[i]);
}

function castTo(dtype: DType, { elements, dtype: from }: KnownElements): Elements | undefined {
  if (dtype === 'bool') {
    const isSet = (e: Dim) => (leastOf(e) >= 1 || (typeof e === 'number' && e !== 0) ? 1 : e === 0 ? 0 : undefined);
    const set = elements.map(isSet);
    return set.every((e) => e !== undefined) ? (set as Elements) : undefined;
  }
  // a size fits every type that holds the element count of a tensor; narrow types wrap
  if (!/^(s32|s64|f32|f64)$/.test(dtype)) return undefined;
  return isFloat(from) && isInteger(dtype)
    ? elements.map((e) => (typeof e === 'number' ? Math.trunc(e) : e))
    : elements;
}

function reduced(
  apply: (a: Dim, b: Dim) => Dim,
  { elements, shape }: KnownElements,
  to: readonly number[],
  given: readonly number[],
): Elements | undefined {
  const axes = given.length === 0 ? shape.map((_, axis) => axis) : given.map((a) => (a < 0 ? a + shape.length : a));
  const kept = shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const at = broadcastTo(positions(kept), shape).data;
  const result: (Dim | undefined)[] = Array(sizeOf(to)).fill(undefined);
  elements.forEach((element, i) => {
    const before = result[at[i]];
    result[at[i]] = before === undefined ? element : apply(before, element);
  });
  return result.every((e) => e !== undefined) ? (result as Elements) : undefined;
}
