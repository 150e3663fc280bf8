/** Obligation (b): between which bounds values lie, from the weights themselves. Per result channel of products. */
import {
  constantOf,
  dnnlRequantize,
  dtypes,
  type Graph,
  type ITensor,
  isFloat,
  isOp,
  isQuantizedProduct,
  type Node,
  nnCast,
  nnGather,
  nnTranspose,
  opOf,
  producersOf,
  productKind,
  sizeOf,
  type ValueId,
} from '../../ir/index.ts';
import { integers } from './terms.ts';
import type { Layout, SignedSums, Weights } from './weights.ts';

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

  /** Where the elements of a value lie; its whole type where nothing is known. */
  of(id: ValueId): Interval {
    const known = this.#known.get(id);
    if (known) return known;
    const constant = constantOf(this.#graph, id);
    const node = this.#producers.get(id);
    const made = (constant ? ofConstant(constant) : node && this.#ofNode(node)) ?? this.#ofType(id);
    this.#known.set(id, made);
    return made;
  }

  /** What is known of a value from elsewhere: of one that another graph was proved to compute alike. */
  assume(id: ValueId, interval: Interval): void {
    if (!this.#known.has(id)) this.#known.set(id, interval);
  }

  /** x − zx of a product, including what padding reads. */
  source(node: Node): Interval {
    const [x, , third] = node.operands as readonly (ValueId | undefined)[];
    const range = whole(this.of(x as ValueId));
    const zero = Number(node.attrs.sourceZeroPoint ?? 0);
    const zx = isQuantizedProduct(node) && third ? whole(this.of(third)) : single(zero, zero);
    return single(Math.min(range.low[0] - zx.high[0], 0), Math.max(range.high[0] - zx.low[0], 0));
  }

  /** Σ|x − zx|·|w − zw|: no partial sum is larger, in whatever order it is added. Undefined for computed weights. */
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
    const axis = productKind(node) === 'matmul' ? 0 : this.#shape(node.id).length - 2;
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

  /** What a fused operator rounds. */
  fusedSum(node: Node): Interval {
    const names = Object.keys(opOf(node).operands);
    const operand = (name: string): Interval | undefined => {
      const id = node.operands[names.indexOf(name)];
      return id ? this.of(id) : undefined;
    };
    const x = operand('x') ?? operand('a');
    const rank = this.#shape(node.id).length;
    const axis = productKind(node) === 'matmul' ? 0 : rank - 1 - Number(node.attrs.axis ?? 1);
    const perChannel = (i: Interval): Interval => ({ ...i, axis });
    let sum = isOp(node, dnnlRequantize) ? (x as Interval) : this.sum(node);
    for (const name of ['bias', 'map']) {
      const added = operand(name);
      if (added) sum = sumOfIntervals(sum, name === 'bias' ? perChannel(added) : added);
    }
    const [row, column] = [operand('row'), operand('column')];
    if (row && column) sum = sumOfIntervals(sum, productOfIntervals(row, perChannel(column)));
    return sum;
  }

  /** What + − · make, where their type holds it or is s32, whose sums are judged by whoever reads them; narrow types wrap. */
  #held(node: Node, made: Interval): Interval | undefined {
    const { dtype } = this.#graph.values[node.id].type;
    return dtype === 's32' || isFloat(dtype as 'f32') || this.#isOfType(node.id, made) ? made : undefined;
  }

  /** An s32 that may have wrapped is anything, what the new type does not hold is cut off, and fractions are rounded. */
  #cast(node: Node, from: Interval): Interval | undefined {
    const source = node.operands[0] as ValueId;
    const isWhole = [...Array.from(from.low), ...Array.from(from.high)].every(Number.isInteger);
    const isRounded = isFloat(this.#graph.values[source].type.dtype as 'f32') && !isWhole;
    return !isRounded && this.#isOfType(source, from) && this.#isOfType(node.id, from) ? from : undefined;
  }

  #isOfType(id: ValueId, made: Interval): boolean {
    const type = this.#ofType(id);
    return lowest(made) >= type.low[0] && highest(made) <= type.high[0];
  }

  #shape = (id: ValueId): readonly (number | string)[] => this.#graph.values[id].type.shape;

  #ofType(id: ValueId): Interval {
    const { dtype } = this.#graph.values[id].type;
    return dtype === 'opaque' || isFloat(dtype)
      ? single(-Infinity, Infinity)
      : single(dtypes[dtype].min, dtypes[dtype].max);
  }

  /** A constant, or what casts make of one: its integers stay what they are. */
  #constant(id: ValueId | null | undefined): ITensor | undefined {
    const node = id ? this.#producers.get(id) : undefined;
    return isOp(node, nnCast) && node.attrs.to !== 'bool' && dtypes[node.attrs.to as 'f32'].bytes >= 4
      ? this.#constant(node.operands[0])
      : constantOf(this.#graph, id);
  }

  #signedSums(node: Node): SignedSums | undefined {
    const w = this.#constant(node.operands[1]);
    if (w === undefined || w.shape.length < 2) return undefined;
    const zeroId = isQuantizedProduct(node) ? node.operands[3] : undefined;
    const zw = this.#constant(zeroId);
    if (zeroId && zw === undefined) return undefined;
    const isMatmul = productKind(node) === 'matmul';
    if (isMatmul && sizeOf(w.shape.slice(0, -2)) > 1) return undefined;
    const layout: Layout = isMatmul
      ? { kind: 'matmul' }
      : { kind: productKind(node) === 'conv_transpose' ? 'conv_transpose' : 'conv', group: node.attrs.group as number };
    return this.#weights.signed(zw ? this.#weights.centred.of(node, w, zw) : w, layout);
  }

  /** |Σ| ≤ K · the largest product. */
  #computedSum(node: Node): Interval {
    const source = magnitude(this.source(node));
    const [x, w] = [this.#shape(node.operands[0] as ValueId), this.#shape(node.operands[1] as ValueId)];
    const summed =
      productKind(node) === 'matmul'
        ? x[x.length - 1]
        : productKind(node) === 'conv_transpose'
          ? sizeOf([w[0] as number, ...(w.slice(2) as number[])])
          : sizeOf(w.slice(1) as number[]);
    if (typeof summed !== 'number') return single(-Infinity, Infinity);
    const weights = whole(this.of(node.operands[1] as ValueId));
    const zeroId = isQuantizedProduct(node) ? node.operands[3] : undefined;
    const zero = zeroId ? whole(this.of(zeroId)) : single(0, 0);
    const most = summed * source * magnitude(single(weights.low[0] - zero.high[0], weights.high[0] - zero.low[0]));
    return single(-most, most);
  }

  #ofNode(node: Node): Interval | undefined {
    const operand = (i: number): Interval => this.of(node.operands[i] as ValueId);
    const same = (i: number): boolean => {
      const [a, b] = [this.#shape(node.id), this.#shape(node.operands[i] as ValueId)];
      return a.length === b.length && a.every((d, axis) => d === b[axis]);
    };
    switch (node.op) {
      case 'nn.conv':
      case 'nn.conv_transpose':
        return node.operands.length > 2 ? undefined : this.sum(node);
      case 'qnn.conv':
      case 'qnn.conv_transpose':
      case 'qnn.matmul':
      case 'nn.matmul':
        return this.sum(node);
      case 'nn.add':
        return this.#held(node, sumOfIntervals(operand(0), operand(1)));
      case 'nn.sub':
        return this.#held(node, sumOfIntervals(operand(0), negated(operand(1))));
      case 'nn.mul':
        return this.#held(node, productOfIntervals(operand(0), operand(1)));
      case 'nn.cast':
        return this.#cast(node, operand(0));
      case 'nn.identity':
        return operand(0);
      case 'nn.reshape':
      case 'nn.expand':
      case 'nn.transpose':
      case 'nn.gather':
        return !isOp(node, nnTranspose, nnGather) && same(0) ? operand(0) : whole(operand(0));
      case 'nn.recentre': {
        const by = node.attrs.to === 's8' ? -128 : 128;
        return sumOfIntervals(operand(0), single(by, by));
      }
      case 'qnn.requantize':
      case 'dnnl.conv':
      case 'dnnl.conv_transpose':
      case 'dnnl.matmul':
      case 'dnnl.requantize': {
        const type = this.#ofType(node.id);
        return single(Math.max(type.low[0], Number(node.attrs.low)), Math.min(type.high[0], Number(node.attrs.high)));
      }
      default:
        return undefined;
    }
  }
}

/** A constant varies along one axis at most, or is taken as a whole; a map of [1, C, …] by its channels. */
function ofConstant(t: ITensor): Interval {
  if (isFloat(t.dtype) && t.dtype !== 'f32') return single(-Infinity, Infinity);
  const isPlain = dtypes[t.dtype].bytes <= 4;
  const values = isPlain ? (t.data as Int32Array) : integers(t);
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
