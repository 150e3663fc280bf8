/**
 * Small tensors of sizes: what operators make of shapes, element by element, where the elements are numbers or symbols.
 * Each rule is the meaning of its operator, so that binding the symbols and evaluating commute.
 */
import { addDims, canonicalDim, divDims, leastOf, maxDims, minDims, mulDims, subDims } from './dims.ts';
import { type DType, isFloat, isInteger } from './dtype.ts';
import type { Node } from './graph.ts';
import { evaluateNode } from './interpret.ts';
import { broadcastTo } from './ops/broadcast.ts';
import { type ITensor, sizeOf, tensor } from './tensor.ts';
import { type Dim, isStatic, type Shape, type TensorType } from './types.ts';

/** Row major; truth values are 0 and 1. Elements of float tensors are whole where they are symbols. */
export type Elements = readonly Dim[];

export interface KnownElements {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly elements: Elements;
}

/** Tensors of more elements are no shapes. */
export const MOST_ELEMENTS = 1024;

/** Whether a tensor may be followed: numbers of a type that holds sizes. */
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

/** Whether a ≥ b for all sizes, as 1, or undefined. */
const atLeast = (a: Dim, b: Dim): Dim | undefined => (leastOf(subDims(a, b)) >= 0 ? 1 : undefined);
const negated = (truth: Dim | undefined): Dim | undefined => (truth === undefined ? undefined : 1 - Number(truth));

/** Division goes towards zero in the graph and down here: the same where nothing is negative. */
const quotient: OnElements = (a, b) => {
  if (typeof a === 'number' && typeof b === 'number') return b === 0 ? undefined : Math.trunc(a / b) + 0;
  return leastOf(a) >= 0 && leastOf(b) >= 1 ? divDims(a, b) : undefined;
};

const truth = (f: (a: boolean, b: boolean) => boolean): OnElements => {
  return (a, b) => (typeof a === 'number' && typeof b === 'number' ? Number(f(a !== 0, b !== 0)) : undefined);
};

const same: OnElements = (a) => a;

const elementwise: Readonly<Record<string, OnElements>> = {
  'nn.add': addDims,
  'nn.sub': subDims,
  'nn.mul': mulDims,
  'nn.div': quotient,
  'nn.mod': (a, b) => {
    const q = leastOf(a) >= 0 && leastOf(b) >= 1 ? divDims(a, b) : undefined;
    return q === undefined ? undefined : subDims(a, mulDims(b, q));
  },
  'nn.min': minDims,
  'nn.max': maxDims,
  'nn.neg': (a) => subDims(0, a),
  'nn.abs': (a) => (leastOf(a) >= 0 ? a : undefined),
  'nn.floor': same,
  'nn.ceil': same,
  'nn.round': same,
  'nn.equal': comparison((sign) => sign === 0),
  'nn.greater': comparison(
    (sign) => sign > 0,
    (a, b) => negated(atLeast(b, a)),
  ),
  'nn.less': comparison(
    (sign) => sign < 0,
    (a, b) => negated(atLeast(a, b)),
  ),
  'nn.greater_or_equal': comparison((sign) => sign >= 0, atLeast),
  'nn.less_or_equal': comparison(
    (sign) => sign <= 0,
    (a, b) => atLeast(b, a),
  ),
  'nn.and': truth((a, b) => a && b),
  'nn.or': truth((a, b) => a || b),
  'nn.xor': truth((a, b) => a !== b),
  'nn.not': (a) => (typeof a === 'number' ? 1 - a : undefined),
  'nn.where': (condition, a, b) => {
    if (canonicalDim(a) === canonicalDim(b)) return a;
    return typeof condition === 'number' ? (condition === 0 ? b : a) : undefined;
  },
};

const reductions: Readonly<Record<string, (a: Dim, b: Dim) => Dim>> = {
  'nn.reduce_prod': mulDims,
  'nn.reduce_sum': addDims,
  'nn.reduce_max': maxDims,
  'nn.reduce_min': minDims,
};

/** Operators that choose elements by position, with the number of operands that they choose from; the others are positions. */
const movers: Readonly<Record<string, number>> = {
  'nn.identity': 1,
  'nn.reshape': 1,
  'nn.transpose': 1,
  'nn.expand': 1,
  'nn.tile': 1,
  'nn.slice': 1,
  'nn.pad': 2,
  'nn.gather': 1,
  'nn.gather_elements': 1,
  'nn.gather_nd': 1,
  'nn.concat': Number.POSITIVE_INFINITY,
};

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
  if (node.op === 'nn.cast') return castTo(type.dtype as DType, present[0]);
  if (Object.hasOwn(movers, node.op)) return movedBy(node, operands, movers[node.op]);
  if (Object.hasOwn(reductions, node.op))
    return reduced(reductions[node.op], present[0], shape, node.attrs.axes as readonly number[]);
  if (!Object.hasOwn(elementwise, node.op) || present.some(isFractional)) return undefined;
  if (node.op === 'nn.div' && isFloat(present[0].dtype)) return undefined; // a fraction, mostly
  return onElements(elementwise[node.op], present, shape);
}

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
  const all: Dim[] = [0]; // what nn.pad fills with
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
  // a size fits whatever holds the element count of a tensor; narrow types wrap
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
