/** What is known of integers before the model runs. */
import { evaluateNode, type ITensor, isOp, nnCast, nnReshape, nnSub, type ValueId } from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';

export type Range = readonly [low: number, high: number];

/** 0 and all that the values can be, seen from how they are computed; everything where that is not seen. */
export function rangeOf(e: NodeEmitter, id: ValueId): Range {
  const { dtype } = e.typeOf(id);
  const constant = knownOf(e, id)?.data as ArrayLike<number> | undefined;
  if (constant !== undefined)
    return Array.from(constant).reduce<Range>(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [0, 0]);
  if (dtype === 'u8') return [0, 255];
  if (dtype === 's8') return [-128, 127];
  const node = e.producer(id);
  const [a, b] = (node?.operands ?? []) as readonly ValueId[];
  if (isOp(node, nnCast, nnReshape)) return rangeOf(e, a);
  if (!isOp(node, nnSub)) return [-Infinity, Infinity];
  const [left, right] = [rangeOf(e, a), rangeOf(e, b)];
  return [left[0] - right[1], left[1] - right[0]];
}

/** A constant, also one that is still computed from others by a Cast or the like. */
export function knownOf(e: NodeEmitter, id: ValueId): ITensor | undefined {
  const constant = e.constantOf(id);
  const node = constant ? undefined : e.producer(id);
  if (node === undefined || node.results.length > 1 || !/^nn\.(cast|sub|reshape|recentre)$/.test(node.op))
    return constant;
  const operands = node.operands.map((operand) => operand && knownOf(e, operand));
  return operands.every((operand) => operand !== undefined)
    ? evaluateNode(node, operands as (ITensor | null)[])[0]
    : undefined;
}
