/**
 * Relu and Clip in front of a quantize. Quantization is monotone, so that it commutes with clamping, for any bounds:
 *
 *   quantize(clip(v, a, b)) = clamp(quantize(v), quantize(a), quantize(b))
 */

import type { Node, Value, ValueId } from '../../ir/index.ts';
import { isOp, nnClip, nnRelu } from '../../ir/index.ts';
import { lutOf, qnnLut } from '../../ir/ops/qnn_lut.op.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import type { GraphEditor } from '../rewrite/editor.ts';
import { type Eight, type Output, quantized } from './parameters.ts';

/** What is quantized once the clamps are taken off: `value`, and the range that they leave of the integers. */
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
  for (let node = graph.producer(v.id); node && isClamp(node); node = graph.producer(v.id)) {
    // min(max(x, a), b): for a > b everything is b
    const upper = quantized(y, bound(node, 'max', Infinity));
    const lower = Math.min(quantized(y, bound(node, 'min', 0)), upper);
    [low, high] = [clamp(lower, low, high), clamp(upper, low, high)];
    v = graph.value(node.operands[0] as ValueId);
    inner.push(v.id);
  }
  return { value: v, low, high, inner };
}

/** The node that computes what the activations in front of a quantize start from. */
export function belowClamps(graph: GraphEditor, v: Value): Node | undefined {
  let node = graph.producer(v.id);
  while (node && isClamp(node)) node = graph.producer(node.operands[0] as ValueId);
  return node;
}

const isClamp = (node: Node): boolean => isOp(node, nnRelu, nnClip);
const bound = (node: Node, name: 'min' | 'max', ofRelu: number): number =>
  isOp(node, nnRelu) ? ofRelu : Math.fround(node.attrs[name] as number);
const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);

/** The attributes of a requantization to that range; a range of the whole type is left to the defaults. */
export const rangeAttrs = ({ low, high }: Clamped, y: Output): { readonly low?: number; readonly high?: number } => ({
  ...(low > y.min && { low }),
  ...(high < y.max && { high }),
});

/** clamp(x, low, high) on integers, for operators without a range of their own. */
export function clampTo<D extends Eight>(a: Algebra, x: Value<D>, { low, high }: Clamped, y: Output): Value {
  if (low <= y.min && high >= y.max) return x;
  return a.emit(qnnLut, { x, table: a.constant(lutOf(y.dtype, y.dtype, (q) => clamp(q, low, high))) });
}
