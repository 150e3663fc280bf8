/** Walks back from an s32 value through the additions that a fused operator absorbs. */
import {
  type ITensor,
  isOfType,
  nnAdd,
  nnMul,
  nnSub,
  type Shape,
  sameShape,
  sizeOf,
  tensor,
  type Value,
  type ValueView,
} from '../../../ir/index.ts';
import type { GraphEditor } from '../../../passes/rewrite/editor.ts';

/** `sum + bias[c] + map[c, p] + row[n, g(c), p]·column[c]` */
export interface SumChain {
  /** What is left: the product itself, or whatever else made the sum. */
  readonly sum: Value<'s32'>;
  readonly bias?: ITensor<'s32'>;
  readonly map?: ITensor<'s32'>;
  readonly row?: Value<'s32'>;
  readonly column?: ITensor<'s32'>;
  /** Whether anything was absorbed. */
  readonly length: number;
}

/**
 * Collects constant additions and subtractions, and one rank-1 update, above a sum of shape [N, C, …] with channels on
 * `axis`. Stops where a value has other readers: they need it as it is.
 */
export function sumChain(graph: GraphEditor, value: Value<'s32'>, axis: number): SumChain {
  const { shape } = value.type;
  const channels = shape[axis];
  if (typeof channels !== 'number') return { sum: value, length: 0 };
  const at: Geometry = {
    shape,
    rank: shape.length,
    axis,
    channels,
    outer: shape.slice(0, axis),
    inner: shape.slice(axis + 1),
  };
  let chain: SumChain = { sum: value, length: 0 };
  for (;;) {
    const { sum } = chain;
    const node = graph.producer(sum.id);
    const mayAbsorb = chain.length === 0 || graph.isPrivate(sum.id);
    const addition = graph.view(nnAdd, node);
    const operands = addition ?? graph.view(nnSub, node);
    const next = operands && mayAbsorb ? absorb(graph, chain, operands, addition ? 1 : -1, at) : undefined;
    if (next === undefined) return chain;
    chain = { ...next, length: chain.length + 1 };
  }
}

interface Geometry {
  readonly shape: Shape;
  readonly rank: number;
  readonly axis: number;
  readonly channels: number;
  readonly outer: readonly unknown[];
  readonly inner: readonly unknown[];
}

/** The chain with a + b or a − b in the place of its sum, undefined when that is none of ours. */
function absorb(
  graph: GraphEditor,
  chain: SumChain,
  { a, b }: ValueView<typeof nnAdd | typeof nnSub>,
  sign: 1 | -1,
  at: Geometry,
): Omit<SumChain, 'length'> | undefined {
  const orders = [
    [a, b],
    [b, a],
  ];
  for (const [sum, added] of sign === 1 ? orders : orders.slice(0, 1)) {
    if (!isOfType(sum, 's32') || !isOfType(added, 's32')) continue;
    if (!sameShape(sum.type.shape, at.shape)) continue; // the addition broadcasts the sum
    const constant = graph.tensor(added);
    if (constant) {
      const perChannel = asPerChannel(constant, at);
      if (perChannel) {
        const bias = chain.bias?.data.slice() ?? new Int32Array(at.channels);
        for (let c = 0; c < at.channels; c++) bias[c] += sign * perChannel(c);
        return { ...chain, sum, bias: tensor('s32', bias) };
      }
      if (chain.map === undefined && isMap(constant, at))
        return { ...chain, sum, map: sign === 1 ? constant : negated(constant) };
      continue;
    }
    const update = chain.row === undefined ? rankOne(graph, added, at) : undefined;
    if (update) return { ...chain, sum, row: update.row, column: sign === 1 ? update.column : negated(update.column) };
  }
  return undefined;
}

/** row[n, g, p] · column[c], the row having one channel or as many as the sum. */
function rankOne(
  graph: GraphEditor,
  product: Value<'s32'>,
  at: Geometry,
): { row: Value<'s32'>; column: ITensor<'s32'> } | undefined {
  const factors = graph.view(nnMul, graph.producer(product.id));
  if (!factors || !graph.isPrivate(product.id)) return undefined;
  const { a: row, b } = factors;
  if (!isOfType(row, 's32') || !isOfType(b, 's32')) return undefined;
  const column = graph.tensor(b);
  const perChannel = column && asPerChannel(column, at);
  const { shape } = row.type;
  const expected = (i: number) => (i < at.axis ? at.outer[i] : at.inner[i - at.axis - 1]);
  const isRow =
    shape.length === at.rank &&
    shape.every((d, i) => (i === at.axis ? d === 1 || d === at.channels : d === expected(i)));
  if (!perChannel || !isRow) return undefined;
  return {
    row,
    column: tensor(
      's32',
      Int32Array.from({ length: at.channels }, (_, c) => perChannel(c)),
    ),
  };
}

const negated = (t: ITensor<'s32'>): ITensor<'s32'> =>
  tensor(
    's32',
    t.data.map((v) => -v),
    t.shape,
  );

/** A constant that varies along the channel axis alone. */
function asPerChannel(t: ITensor<'s32'>, { rank, axis, channels }: Geometry): ((c: number) => number) | undefined {
  if (t.data.length === 1) return () => t.data[0];
  const fromEnd = t.shape.length - (rank - axis);
  const isChannel = t.data.length === channels && fromEnd >= 0 && t.shape[fromEnd] === channels;
  return isChannel ? (c) => t.data[c] : undefined;
}

/** A constant over [C, …], the same for all that comes before. */
function isMap(t: ITensor, { rank, axis, channels, inner }: Geometry): boolean {
  const covered = t.shape.slice(Math.max(t.shape.length - (rank - axis), 0));
  return (
    covered.length === rank - axis &&
    sizeOf(covered) === t.data.length &&
    [channels, ...inner].every((d, i) => d === covered[i])
  );
}
