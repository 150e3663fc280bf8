/** Bounds on integers that are known before the model runs. */
import {
  dtypes,
  evaluateNode,
  type ITensor,
  isByteType,
  nnCast,
  nnRecentre,
  nnReshape,
  nnSub,
  numbersOf,
  oneOf,
  type ValueId,
  view,
} from '../../../ir/index.ts';
import type { NodeWriter } from '../node_writer.ts';

export type Range = readonly [low: number, high: number];

/** A range that holds 0 and all elements, found from the nodes that compute them; infinite when they do not tell. */
export function rangeOf(e: NodeWriter, id: ValueId): Range {
  const { dtype } = e.typeOf(id);
  const constant = knownOf(e, id);
  if (constant !== undefined)
    return numbersOf(constant).reduce<Range>(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [0, 0]);
  if (isByteType(dtype)) return [dtypes[dtype].min, dtypes[dtype].max];
  const node = e.producer(id);
  const same = view(nnCast, node) ?? view(nnReshape, node);
  if (same) return rangeOf(e, same.x);
  const difference = view(nnSub, node);
  if (difference === undefined) return [-Infinity, Infinity];
  const [left, right] = [rangeOf(e, difference.a), rangeOf(e, difference.b)];
  return [left[0] - right[1], left[1] - right[0]];
}

const isFolded = oneOf(nnCast, nnSub, nnReshape, nnRecentre);

/** A constant, even when a Cast or the like still computes it from others. */
export function knownOf(e: NodeWriter, id: ValueId): ITensor | undefined {
  const constant = e.constantOf(id);
  const node = constant ? undefined : e.producer(id);
  if (node === undefined || !isFolded(node)) return constant;
  const operands = node.operands.map((operand) => (operand === null ? null : knownOf(e, operand)));
  return operands.every((operand) => operand !== undefined) ? evaluateNode(node, operands)[0] : undefined;
}
