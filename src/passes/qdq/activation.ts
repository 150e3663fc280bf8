/**
 * Relu and Clip in front of a quantize. Quantization is monotone, so that it commutes with clamping, for any bounds:
 *
 *   quantize(clip(v, a, b)) = clamp(quantize(v), quantize(a), quantize(b))
 */

import {
  type ByteType,
  isOp,
  lutOf,
  type Node,
  nnClip,
  nnRelu,
  qnnLut,
  type Value,
  type ValueId,
  type ValueView,
} from '../../ir/index.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import type { GraphEditor } from '../rewrite/editor.ts';
import { type Output, quantized } from './parameters.ts';

/** The value that is quantized without its clamps, and the range of integers that the clamps leave. */
export interface Clamped {
  readonly value: Value;
  readonly low: number;
  readonly high: number;
  /** Values between `value` (included) and the quantize. */
  readonly inner: readonly ValueId[];
}

export function clampsOf(graph: GraphEditor, v: Value, y: Output): Clamped {
  let [low, high] = [y.min, y.max];
  const inner = [v.id];
  for (let found = clampAt(graph, v); found; found = clampAt(graph, v)) {
    const [least, most] = boundsOf(found.node);
    // min(max(x, a), b): for a > b everything is b
    const upper = quantized(y, most);
    const lower = Math.min(quantized(y, least), upper);
    [low, high] = [clamp(lower, low, high), clamp(upper, low, high)];
    v = found.x;
    inner.push(v.id);
  }
  return { value: v, low, high, inner };
}

/** The node that computes the value below the activations in front of a quantize. */
export function belowClamps(graph: GraphEditor, v: Value): Node | undefined {
  for (let found = clampAt(graph, v); found; found = clampAt(graph, v)) v = found.x;
  return graph.producer(v.id);
}

function clampAt(graph: GraphEditor, v: Value): ValueView<typeof nnRelu | typeof nnClip> | undefined {
  const node = graph.producer(v.id);
  return isOp(node, nnRelu, nnClip) ? graph.viewOf<typeof nnRelu | typeof nnClip>(node) : undefined;
}
const boundsOf = (node: Node): readonly [number, number] =>
  isOp(node, nnClip) ? [Math.fround(node.attrs.min), Math.fround(node.attrs.max)] : [0, Infinity];
const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);

/** The attributes of a requantization to this range; empty for the whole range of the type. */
export const rangeAttrs = ({ low, high }: Clamped, y: Output): { readonly low?: number; readonly high?: number } => ({
  ...(low > y.min && { low }),
  ...(high < y.max && { high }),
});

/** clamp(x, low, high) on integers, for operators without a range of their own. */
export function clampTo(a: Algebra, x: Value<ByteType>, { low, high }: Clamped, y: Output): Value<ByteType> {
  if (low <= y.min && high >= y.max) return x;
  return a.emit(qnnLut, { x, table: a.constant(lutOf(y.dtype, y.dtype, (q) => clamp(q, low, high))) });
}
