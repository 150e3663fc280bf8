/**
 * Bounds on the roundings of sums, by M = Σ|terms|. An addition is off by at most u times its own result, which M bounds, so that n of them
 * are off by n·u·M together. That needs errors which all go one way. The model of N. J. Higham and T. Mary (A New Approach to Probabilistic
 * Rounding Error Analysis, SIAM J. Sci. Comput. 41, 2019) takes them as independent, with a mean of 0: evenly spread within ±u·M each, their
 * sum exceeds λ·√n·u·M with a probability of at most 2·exp(−3λ²/2) (Hoeffding), whatever the order of the terms; λ = 4 leaves 7.5·10⁻¹¹.
 *
 * Equal terms are not independent: within a factor of two of the sum the same remainder of the term is rounded off each time. Where n terms
 * have d sizes, each n/d times, √n becomes √(d·(n/d)²) = n/√d. Terms are taken to have as many sizes as the factor with the most of them.
 */
import {
  evaluateNode,
  type ITensor,
  layoutOf,
  type Node,
  productKind,
  tensorOfType,
  weightsLayout,
} from '../ir/index.ts';
import { type Floats, inDoubles } from './floats.ts';

/** Half a unit in the last place of 1. */
export const u = 2 ** -24;

const LAMBDA = 4;

/** Up to three roundings of the terms and of the result are in it. @param sizes of the terms; as many as there are terms where absent */
export const ofSum = (terms: number, sizes = terms): number =>
  (4 + Math.min(terms, (LAMBDA * terms) / Math.sqrt(Math.max(1, Math.min(sizes, terms))))) * u;

/** The bound of sums of elements of a tensor. */
export const ofSumOver = (terms: number, { data }: Floats): number =>
  ofSum(terms, sizesIn(data, { first: 0, stride: 1, count: data.length }, terms));

interface Lane {
  readonly first: number;
  readonly stride: number;
  readonly count: number;
}

/** Different magnitudes but 0, counted up to `most`. */
function sizesIn(data: Floats['data'], { first, stride, count }: Lane, most: number): number {
  const sizes = new Set<number>();
  for (let k = 0; k < count && sizes.size < most; k++) {
    const size = Math.abs(data[first + k * stride]);
    if (size !== 0) sizes.add(size);
  }
  return sizes.size;
}

/** `ofSum` for each result of a product, by the sizes in its row and its column, in its source and its filter. */
export function ofProduct(node: Node, a: Floats, b: Floats): (i: number) => number {
  const terms = productTerms(node, a, b);
  const isMatmul = productKind(node) === 'matmul';
  const rows = sizesBy(a, terms, isMatmul ? rowsOf(a) : wholeOf(a));
  // filters of a transposed convolution lie along two axes: all of them together
  const columns = sizesBy(b, terms, isMatmul ? columnsOf(b) : productKind(node) === 'conv' ? filtersOf(b) : wholeOf(b));
  if (Math.max(rows.least, columns.least) >= terms) return () => ofSum(terms);
  // the mean over the terms of a result of the sizes that lie in the lanes of each factor
  const more = isMatmul ? [] : [null];
  const [left, right] = [
    evaluateInDoubles(node, [inDoubles(a, (_, i) => rows.at(i) / terms), inDoubles(b, () => 1), ...more]),
    evaluateInDoubles(node, [inDoubles(a, () => 1), inDoubles(b, (_, i) => columns.at(i) / terms), ...more]),
  ];
  return (i) => ofSum(terms, Math.max(left[i], right[i]));
}

/** The elements that the results of a product have terms of, together. */
interface Lanes {
  readonly all: readonly Lane[];
  laneOf(i: number): number;
}

const inARow = (count: number, length: number): Lanes => ({
  all: Array.from({ length: count }, (_, lane) => ({ first: lane * length, stride: 1, count: length })),
  laneOf: (i) => Math.floor(i / Math.max(1, length)),
});

const wholeOf = ({ data }: Floats): Lanes => inARow(1, data.length);

const rowsOf = ({ data, shape }: Floats): Lanes => {
  const length = shape.at(-1) ?? 1;
  return inARow(length === 0 ? 0 : data.length / length, length);
};

const filtersOf = ({ data, shape }: Floats): Lanes => inARow(shape[0], shape[0] === 0 ? 0 : data.length / shape[0]);

function columnsOf({ data, shape }: Floats): Lanes {
  const [count, stride] = shape.length > 1 ? shape.slice(-2) : [shape[0], 1];
  const matrix = count * stride;
  const all = Array.from({ length: matrix === 0 ? 0 : data.length / count }, (_, lane) => ({
    ...{ first: Math.floor(lane / stride) * matrix + (lane % stride), stride, count },
  }));
  return { all, laneOf: (i) => Math.floor(i / matrix) * stride + (i % stride) };
}

/** The number of sizes in the lane of each element, and the least of them. */
function sizesBy(t: Floats, most: number, { all, laneOf }: Lanes): { at(i: number): number; readonly least: number } {
  const sizes = all.map((lane) => sizesIn(t.data, lane, most));
  return { at: (i) => sizes[laneOf(i)], least: sizes.reduce((a, b) => Math.min(a, b), most) };
}

/** The first result of a node on doubles. */
export const evaluateInDoubles = (node: Node, operands: readonly (ITensor | null)[]): Float64Array =>
  tensorOfType(evaluateNode(node, operands)[0], 'f64').data;

/** Terms of one sum of a product. */
export function productTerms(node: Node, a: ITensor, b: ITensor): number {
  const layout = layoutOf(node);
  if (layout.kind === 'matmul') return a.shape.at(-1) ?? 1;
  const { channel, tap } = weightsLayout(layout, b.shape).sizes;
  return channel * tap;
}
