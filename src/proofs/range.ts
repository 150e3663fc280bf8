/** Obligation (b): between which bounds values lie, from the weights themselves. Per result channel of products. */
import { assert } from '../diagnostics/index.ts';
import {
  biasOf,
  constantOf,
  dtypes,
  type Graph,
  geometryOf,
  type ITensor,
  isFloat,
  isFused,
  isOp,
  isProduct,
  isStatic,
  isTensorOf,
  layoutOf,
  type Node,
  type NodeOf,
  nnAdd,
  nnCast,
  nnExpand,
  nnGather,
  nnIdentity,
  nnMul,
  nnRecentre,
  nnReshape,
  nnSub,
  nnTranspose,
  producersOf,
  qnnRequantize,
  type Shape,
  sameShape,
  shiftTo,
  sizeOf,
  summedSizes,
  type ValueId,
  viewOf,
} from '../ir/index.ts';
import { channelAxis, fusedOf, multiplied } from './fused.ts';
import { integers, shortIntegers } from './terms.ts';
import type { SignedSums, Weights } from './weights.ts';

/** Closed intervals: one for all elements, or one for each channel on `axis` counted from the last. */
export interface Interval {
  readonly low: ArrayLike<number>;
  readonly high: ArrayLike<number>;
  /** 0: the last axis. Of no meaning for a single interval. */
  readonly axis: number;
}

export function lowest({ low }: Interval): number {
  let least = Infinity;
  for (let i = 0; i < low.length; i++) least = Math.min(least, low[i]);
  return least;
}
export function highest({ high }: Interval): number {
  let most = -Infinity;
  for (let i = 0; i < high.length; i++) most = Math.max(most, high[i]);
  return most;
}
export const magnitude = (i: Interval): number => Math.max(-lowest(i), highest(i));

const single = (low: number, high: number): Interval => ({
  low: Float64Array.of(low),
  high: Float64Array.of(high),
  axis: 0,
});
const whole = (i: Interval): Interval => single(lowest(i), highest(i));

export class Ranges {
  readonly #graph: Graph;
  readonly #weights: Weights;
  readonly #producers: ReadonlyMap<ValueId, Node>;
  readonly #known = new Map<ValueId, Interval>();

  constructor(graph: Graph, weights: Weights) {
    this.#graph = graph;
    this.#weights = weights;
    this.#producers = producersOf(graph);
  }

  /** The range of the elements of a value; the range of its type when nothing else is known. */
  of(id: ValueId): Interval {
    const known = this.#known.get(id);
    if (known) return known;
    const constant = constantOf(this.#graph, id);
    const node = this.#producers.get(id);
    const made = (constant ? ofConstant(constant) : node && this.#ofNode(node)) ?? this.#ofType(id);
    this.#known.set(id, made);
    return made;
  }

  /** Adopts a range from elsewhere: another graph was proved to compute the same value. */
  assume(id: ValueId, interval: Interval): void {
    if (!this.#known.has(id)) this.#known.set(id, interval);
  }

  /** The range of x − zx of a product, values in the pads included. */
  source(node: Node): Interval {
    const { x, zx: zero, sourceZeroPoint } = multiplied(node);
    const range = whole(this.of(x));
    const zx = zero ? whole(this.of(zero)) : single(sourceZeroPoint, sourceZeroPoint);
    return single(Math.min(range.low[0] - zx.high[0], 0), Math.max(range.high[0] - zx.low[0], 0));
  }

  /** Σ|x − zx|·|w − zw|: no partial sum is larger, in any order of summation. Undefined for computed weights. */
  partialSums(node: Node): number | undefined {
    const signed = this.#signedSums(node);
    if (signed === undefined) return undefined;
    const { positive, total } = signed;
    let most = 0;
    for (let c = 0; c < total.length; c++) most = Math.max(most, 2 * positive[c] - total[c]);
    return most * magnitude(this.source(node));
  }

  /** The sum of a product before anything is added to it. */
  sum(node: Node): Interval {
    const source = this.source(node);
    const [low, high] = [source.low[0], source.high[0]];
    const signed = this.#signedSums(node);
    const rank = this.#shape(node.id).length;
    const axis = rank - 1 - geometryOf(layoutOf(node).kind).channelAxis(rank);
    if (signed === undefined) return this.#computedSum(node);
    const { positive, total } = signed;
    const channels = positive.length;
    const [lows, highs] = [new Float64Array(channels), new Float64Array(channels)];
    for (let c = 0; c < channels; c++) {
      const negative = total[c] - positive[c];
      lows[c] = positive[c] * low + negative * high;
      highs[c] = positive[c] * high + negative * low;
    }
    return { low: lows, high: highs, axis };
  }

  /** The range of the sum that a fused operator rounds. */
  fusedSum(node: Node): Interval {
    const fused = fusedOf(node);
    assert(fused, `${node.op} is not fused`);
    const { x, w, bias, map, row, column } = fused;
    const rank = this.#shape(node.id).length;
    const axis = rank - 1 - channelAxis(fused, rank);
    const perChannel = (id: ValueId): Interval => ({ ...this.of(id), axis });
    let sum = w ? this.sum(node) : this.of(x);
    if (bias) sum = sumOfIntervals(sum, perChannel(bias));
    if (map) sum = sumOfIntervals(sum, this.of(map));
    if (row && column) sum = sumOfIntervals(sum, productOfIntervals(this.of(row), perChannel(column)));
    return sum;
  }

  /**
   * The range of a sum, difference or product, when the type holds it. s32 may wrap, which the readers of its sums
   * judge; narrow types wrap and give undefined.
   */
  #held(node: Node, made: Interval): Interval | undefined {
    const { dtype } = this.#graph.values[node.id].type;
    return dtype === 's32' || isFloat(dtype) || this.#isOfType(node.id, made) ? made : undefined;
  }

  /**
   * The range of a cast: any number for an s32 that may have wrapped, cut off by the new type, with fractions rounded.
   */
  #cast(node: Node): Interval | undefined {
    const { x: source } = viewOf<typeof nnCast>(node);
    const from = this.of(source);
    const isWhole = [...Array.from(from.low), ...Array.from(from.high)].every(Number.isInteger);
    const isRounded = isFloat(this.#graph.values[source].type.dtype) && !isWhole;
    return !isRounded && this.#isOfType(source, from) && this.#isOfType(node.id, from) ? from : undefined;
  }

  #isOfType(id: ValueId, made: Interval): boolean {
    const type = this.#ofType(id);
    return lowest(made) >= type.low[0] && highest(made) <= type.high[0];
  }

  #shape = (id: ValueId): Shape => this.#graph.values[id].type.shape;

  #ofType(id: ValueId): Interval {
    const { dtype } = this.#graph.values[id].type;
    return dtype === 'opaque' || isFloat(dtype)
      ? single(-Infinity, Infinity)
      : single(dtypes[dtype].min, dtypes[dtype].max);
  }

  /** A constant, or casts of one that keep its integers. */
  #constant(id: ValueId | undefined): ITensor | undefined {
    const node = id ? this.#producers.get(id) : undefined;
    return isOp(node, nnCast) && node.attrs.to !== 'bool' && dtypes[node.attrs.to].bits >= 32
      ? this.#constant(viewOf<typeof nnCast>(node).x)
      : constantOf(this.#graph, id);
  }

  #signedSums(node: Node): SignedSums | undefined {
    const factors = multiplied(node);
    const w = this.#constant(factors.w);
    if (w === undefined || w.shape.length < 2) return undefined;
    const zw = this.#constant(factors.zw);
    if (factors.zw && zw === undefined) return undefined;
    const layout = layoutOf(node);
    if (layout.kind === 'matmul' && sizeOf(w.shape.slice(0, -2)) > 1) return undefined;
    return this.#weights.signed(zw ? this.#weights.centred.of(layout, w, zw) : w, layout);
  }

  /** |Σ| ≤ K · the largest product. */
  #computedSum(node: Node): Interval {
    const source = magnitude(this.source(node));
    const factors = multiplied(node);
    const [x, w] = [this.#shape(factors.x), this.#shape(factors.w)];
    const { kind } = layoutOf(node);
    const summed = kind === 'matmul' ? x.slice(-1) : summedSizes(kind, w);
    if (!isStatic(summed)) return single(-Infinity, Infinity);
    const weights = whole(this.of(factors.w));
    const zero = factors.zw ? whole(this.of(factors.zw)) : single(0, 0);
    const most =
      sizeOf(summed) * source * magnitude(single(weights.low[0] - zero.high[0], weights.high[0] - zero.low[0]));
    return single(-most, most);
  }

  #ofNode(node: Node): Interval | undefined {
    if (isFused(node) || isOp(node, qnnRequantize)) return this.#ofRounding(node);
    if (isProduct(node)) {
      return biasOf(node) ? undefined : this.sum(node);
    }
    if (isOp(node, nnAdd, nnSub, nnMul)) return this.#held(node, this.#arithmetic(node));
    if (isOp(node, nnCast)) return this.#cast(node);
    if (isOp(node, nnRecentre)) {
      const by = shiftTo(node.attrs.to);
      return sumOfIntervals(this.of(viewOf<typeof nnRecentre>(node).x), single(by, by));
    }
    if (!isOp(node, nnIdentity, nnReshape, nnExpand, nnTranspose, nnGather)) return undefined;
    const { x } = viewOf<typeof nnReshape | typeof nnGather>(node);
    const stays = !isOp(node, nnTranspose, nnGather) && sameShape(this.#shape(node.id), this.#shape(x));
    return stays ? this.of(x) : whole(this.of(x));
  }

  #arithmetic(node: NodeOf<typeof nnAdd | typeof nnSub | typeof nnMul>): Interval {
    const { a, b } = viewOf<typeof nnAdd>(node);
    const [left, right] = [this.of(a), this.of(b)];
    if (isOp(node, nnMul)) return productOfIntervals(left, right);
    return sumOfIntervals(left, isOp(node, nnSub) ? negated(right) : right);
  }

  /** The range that it clamps to. */
  #ofRounding({ id, attrs }: Node): Interval {
    const type = this.#ofType(id);
    return single(Math.max(type.low[0], Number(attrs.low)), Math.min(type.high[0], Number(attrs.high)));
  }
}

/** Types whose elements are the numbers that they stand for. */
const plain = [...shortIntegers, 'f32'] as const;

/** A constant varies along one axis at most, or is taken as a whole; a map of [1, C, …] by its channels. */
function ofConstant(t: ITensor): Interval {
  if (isFloat(t.dtype) && t.dtype !== 'f32') return single(-Infinity, Infinity);
  const values = isTensorOf(t, ...plain) ? t.data : integers(t);
  if (values.length === 0) return single(0, 0);
  const first = t.shape.findIndex((size) => size !== 1);
  if (first < 0) return single(values[0], values[0]);
  const channels = t.shape[first];
  const inner = sizeOf(t.shape.slice(first + 1));
  const axis = t.shape.length - 1 - first;
  if (inner === 1) return { low: values, high: values, axis };
  const low = new Float64Array(channels);
  const high = new Float64Array(channels);
  for (let c = 0, i = 0; c < channels; c++) {
    let least = values[i];
    let most = least;
    for (const end = i + inner; i < end; i++) {
      const v = values[i];
      if (v < least) least = v;
      else if (v > most) most = v;
    }
    low[c] = least;
    high[c] = most;
  }
  return { low, high, axis };
}

/** Channels with channels where they lie on the same axis, else all with all. */
function aligned(a: Interval, b: Interval): readonly [Interval, Interval] {
  const [m, n] = [a.low.length, b.low.length];
  return m > 1 && n > 1 && (m !== n || a.axis !== b.axis) ? [whole(a), whole(b)] : [a, b];
}

const emptyFor = (a: Interval, b: Interval) => {
  const channels = Math.max(a.low.length, b.low.length);
  const axis = a.low.length > 1 ? a.axis : b.axis;
  return { low: new Float64Array(channels), high: new Float64Array(channels), axis };
};

function sumOfIntervals(left: Interval, right: Interval): Interval {
  const [a, b] = aligned(left, right);
  const out = emptyFor(a, b);
  const { low, high } = out;
  const [own, other] = [Number(a.low.length > 1), Number(b.low.length > 1)];
  for (let c = 0; c < low.length; c++) {
    low[c] = a.low[c * own] + b.low[c * other];
    high[c] = a.high[c * own] + b.high[c * other];
  }
  return out;
}

function negated({ low, high, axis }: Interval): Interval {
  const out = { low: new Float64Array(low.length), high: new Float64Array(low.length), axis };
  for (let c = 0; c < low.length; c++) {
    out.low[c] = -high[c];
    out.high[c] = -low[c];
  }
  return out;
}

/** 0 times anything is 0, infinities too. */
const times = (x: number, y: number): number => (x === 0 || y === 0 ? 0 : x * y);

function productOfIntervals(left: Interval, right: Interval): Interval {
  const [a, b] = aligned(left, right);
  const out = emptyFor(a, b);
  const [own, other] = [Number(a.low.length > 1), Number(b.low.length > 1)];
  for (let c = 0; c < out.low.length; c++) {
    const [i, j] = [c * own, c * other];
    const ends = [times(a.low[i], b.low[j]), times(a.low[i], b.high[j])];
    ends.push(times(a.high[i], b.low[j]), times(a.high[i], b.high[j]));
    out.low[c] = Math.min(...ends);
    out.high[c] = Math.max(...ends);
  }
  return out;
}
