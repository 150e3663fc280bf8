/**
 * The float steps between an int32 sum and the qnn.requantize that rounds it. Systems that keep the bias in floats put
 * a scale and an offset there:
 *
 *   requantize(t),   t = fl(fl(fl(A)·scale[c]) + offset[c])
 */

import { type ITensor, isTensorOf, variesAlong } from '../tensors/index.ts';
import { constantOf, type Graph, type Node, producersOf } from './graph.ts';
import { nnCast } from './ops/nn_cast.op.ts';
import { nnAdd, nnMul } from './ops/nn_elementwise_binary.op.ts';
import type { qnnRequantize } from './ops/qnn_requantize.op.ts';
import type { TensorType, ValueId } from './types.ts';
import { view, viewOf } from './view.ts';

/** Read access to a graph, or to one under edit. */
export interface GraphReader {
  producer(id: ValueId): Node | undefined;
  constant(id: ValueId | null | undefined): ITensor | undefined;
  type(id: ValueId): TensorType;
}

/** A graph that is not edited. */
export const readerOf = (graph: Graph): GraphReader => ({
  producer: (id) => producersOf(graph).get(id),
  constant: (id) => constantOf(graph, id),
  type: (id) => graph.values[id].type,
});

export interface RoundingTail {
  /** The accumulator: s32. */
  readonly sum: ValueId;
  /** The scale: one for all channels on the axis of the requantize, or one for each. */
  readonly scale?: ITensor<'f32'>;
  readonly offset?: ITensor<'f32'>;
  /** The floats in between, the requantize's operand first; none where it rounds the sum itself. */
  readonly between: readonly ValueId[];
}

/** Undefined when the requantize rounds floats that are not such a function of an s32 sum. */
export function roundingTail(graph: GraphReader, requantize: Node): RoundingTail | undefined {
  const { x } = viewOf<typeof qnnRequantize>(requantize);
  const { dtype, shape } = graph.type(x);
  if (dtype === 's32') return { sum: x, between: [] };
  const axis = (Number(requantize.attrs.axis) + shape.length) % Math.max(shape.length, 1);
  const between: ValueId[] = [x];
  /** One step down through `op` with a constant per channel. */
  const step = (op: typeof nnAdd | typeof nnMul): ITensor<'f32'> | undefined => {
    const top = between[between.length - 1];
    const node = view(op, graph.producer(top));
    if (node === undefined) return undefined;
    const { a, b } = node;
    for (const [rest, other] of [
      [a, b],
      [b, a],
    ]) {
      const factors = graph.constant(other);
      if (factors === undefined || !isTensorOf(factors, 'f32') || graph.constant(rest)) continue;
      if (!variesAlong(factors.shape, shape, axis)) continue;
      if (graph.type(rest).shape.length !== shape.length) continue;
      between.push(rest);
      return { ...factors, shape: factors.data.length === 1 ? [] : [factors.data.length] };
    }
    return undefined;
  };
  const offset = step(nnAdd);
  const scale = step(nnMul);
  const sum = view(nnCast, graph.producer(between[between.length - 1]))?.x;
  if (sum === undefined || graph.type(sum).dtype !== 's32') return undefined;
  return { sum, between, ...(scale && { scale }), ...(offset && { offset }) };
}
