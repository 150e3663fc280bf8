/** The additions between an int32 product and what reads it. */
import { atChannel, type ITensor, isTensorOf, sizeOf, tensor, variesAlong } from '../tensors/index.ts';
import type { Node } from './graph.ts';
import { nnAdd, nnMul, nnSub } from './ops/nn_elementwise_binary.op.ts';
import type { GraphReader } from './rounding_tail.ts';
import { type Shape, sameShape, type ValueId } from './types.ts';
import { view } from './view.ts';

/** A sum or difference of two values as `rest + sign·added`. */
export interface Addition {
  readonly rest: ValueId;
  readonly added: ValueId;
  readonly sign: 1 | -1;
}

/** The ways to read a node as an addition: two for a sum, one for a difference, none for another node. */
export function additionsOf(node: Node | undefined): readonly Addition[] {
  const difference = view(nnSub, node);
  if (difference) return [{ rest: difference.a, added: difference.b, sign: -1 }];
  const sum = view(nnAdd, node);
  if (sum === undefined) return [];
  return [
    { rest: sum.a, added: sum.b, sign: 1 },
    { rest: sum.b, added: sum.a, sign: 1 },
  ];
}

/** `sum + bias[c] + map[c, p] + row[n, g(c), p]·column[c]` */
export interface SumChain {
  /** The sum that is left: the product itself, or whatever else made it. */
  readonly sum: ValueId;
  readonly bias?: ITensor<'s32'>;
  readonly map?: ITensor<'s32'>;
  readonly row?: ValueId;
  readonly column?: ITensor<'s32'>;
  /** The number of additions that were absorbed. */
  readonly length: number;
}

/** A graph under edit also knows who else reads a value. */
export interface SumReader extends GraphReader {
  /** True for a value that nothing else reads. */
  isPrivate(id: ValueId): boolean;
}

/**
 * Collects constant additions and subtractions, and one rank-1 update, above a sum of shape [N, C, …] with channels on
 * `axis`. Stops where a value has other readers: they need it as it is.
 */
export function sumChain(graph: SumReader, value: ValueId, axis: number): SumChain {
  const { shape } = graph.type(value);
  const channels = shape[axis];
  if (typeof channels !== 'number') return { sum: value, length: 0 };
  let chain: SumChain = { sum: value, length: 0 };
  for (;;) {
    const { sum } = chain;
    const mayAbsorb = chain.length === 0 || graph.isPrivate(sum);
    const next = mayAbsorb ? absorbed(graph, chain, { shape, axis, channels }) : undefined;
    if (next === undefined) return chain;
    chain = { ...next, length: chain.length + 1 };
  }
}

interface Place {
  readonly shape: Shape;
  readonly axis: number;
  readonly channels: number;
}

/** The chain one addition further down; undefined when no addition belongs to it. */
function absorbed(graph: SumReader, chain: SumChain, at: Place): Omit<SumChain, 'length'> | undefined {
  for (const { rest: sum, added, sign } of additionsOf(graph.producer(chain.sum))) {
    const isSum = [sum, added].every((id) => graph.type(id).dtype === 's32');
    if (!isSum || !sameShape(graph.type(sum).shape, at.shape)) continue; // the addition broadcasts the sum
    const constant = graph.constant(added);
    if (constant && isTensorOf(constant, 's32')) {
      if (variesAlong(constant.shape, at.shape, at.axis)) {
        const bias = chain.bias?.data.slice() ?? new Int32Array(at.channels);
        for (let c = 0; c < at.channels; c++) bias[c] += sign * atChannel(constant.data, c);
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
  graph: SumReader,
  product: ValueId,
  { shape: sum, axis, channels }: Place,
): { readonly row: ValueId; readonly column: ITensor<'s32'> } | undefined {
  const factors = view(nnMul, graph.producer(product));
  if (!factors || !graph.isPrivate(product)) return undefined;
  const { a: row, b } = factors;
  const column = graph.constant(b);
  const { dtype, shape } = graph.type(row);
  if (dtype !== 's32' || column === undefined || !isTensorOf(column, 's32')) return undefined;
  const isRow =
    shape.length === sum.length &&
    shape.every((dim, i) => (i === axis ? dim === 1 || dim === channels : dim === sum[i]));
  if (!variesAlong(column.shape, sum, axis) || !isRow) return undefined;
  const perChannel = Int32Array.from({ length: channels }, (_, c) => atChannel(column.data, c));
  return { row, column: tensor('s32', perChannel) };
}

const negated = (t: ITensor<'s32'>): ITensor<'s32'> =>
  tensor(
    's32',
    t.data.map((v) => -v),
    t.shape,
  );

/** A constant over [C, …], the same for all that comes before. */
function isMap(t: ITensor, { shape, axis }: Place): boolean {
  const own = shape.slice(axis);
  const covered = t.shape.slice(Math.max(t.shape.length - own.length, 0));
  return sizeOf(covered) === t.data.length && sameShape(covered, own);
}
