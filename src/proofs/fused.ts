/** Products and fused operators as proofs read them, under the same names of operands for every operator. */
import { assert } from '../diagnostics/index.ts';
import {
  type AttrValues,
  dnnlConv,
  dnnlConvTranspose,
  dnnlMatmul,
  dnnlRequantize,
  type epilogueAttrs,
  factorsOf,
  geometryOf,
  isOp,
  type Multiplied,
  type Node,
  productKind,
  seenAs,
  type ValueId,
} from '../ir/index.ts';
import type { Rounding } from '../numerics/index.ts';

/** A fused operator, its operands given as T. */
export interface Fused<T> {
  /** The factor of `w`; in a requantization, the sum itself. */
  readonly x: T;
  readonly w?: T;
  /** The zero point of the weights. */
  readonly zw?: T;
  readonly bias?: T;
  readonly map?: T;
  readonly row?: T;
  readonly column?: T;
  readonly multiplier?: T;
  readonly scale?: T;
  readonly offset?: T;
  readonly shift?: T;
  readonly attrs: AttrValues<typeof epilogueAttrs> & {
    readonly sourceZeroPoint?: number;
    readonly axis?: number;
    readonly rounding?: Rounding;
  };
  readonly node: Node;
}

/** Undefined for any other node. */
export function fusedAs<T>(node: Node, of: (id: ValueId) => T): Fused<T> | undefined {
  if (isOp(node, dnnlMatmul)) {
    const { a, b, zb, ...rest } = seenAs<typeof dnnlMatmul, T>(node, of);
    return { ...rest, x: a, w: b, ...(zb !== undefined && { zw: zb }) };
  }
  return isOp(node, dnnlConv, dnnlConvTranspose, dnnlRequantize)
    ? seenAs<typeof dnnlConv | typeof dnnlConvTranspose | typeof dnnlRequantize, T>(node, of)
    : undefined;
}

export const fusedOf = (node: Node): Fused<ValueId> | undefined => fusedAs(node, (id) => id);

/** The axis of the channels of a result of that rank. */
export function channelAxis({ node, attrs }: Pick<Fused<unknown>, 'node' | 'attrs'>, rank: number): number {
  const kind = productKind(node);
  return kind ? geometryOf(kind).channelAxis(rank) : (attrs.axis ?? 1);
}

/** True when the range cuts off sums that are returned without rounding. */
export const clampsSums = ({ attrs: { to, low, high } }: Pick<Fused<unknown>, 'attrs'>): boolean =>
  to === 's32' && (low > -(2 ** 31) || high < 2 ** 31 - 1);

export function multiplied(node: Node): Multiplied {
  const found = factorsOf(node);
  assert(found, `${node.op} is not a product`);
  return found;
}
