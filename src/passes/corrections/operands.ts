/** Conditions of the correction rules on the operands of a product. */
import {
  type ByteType,
  type ConvAttrs,
  elementAt,
  forEachFilterRun,
  forEachRun,
  type ITensor,
  isStatic,
  type ProductLayout,
  sizeOf,
  tensor,
  type Value,
  weightsLayout,
} from '../../ir/index.ts';
import type { Match, MissMaker, MissReason } from '../rewrite/rule.ts';

/** The operands of a quantized product, under the same names for every operator. */
export type Operands = {
  readonly x: Value<ByteType>;
  readonly w: Value<ByteType>;
  readonly zx?: Value<ByteType>;
  readonly zw?: Value<ByteType>;
};

/** The argument of a rule of quantized products. */
export interface ProductMatch extends Operands, Pick<Match, 'node' | 'graph' | 'constant'> {
  readonly attrs: ConvAttrs;
  readonly layout: ProductLayout;
}

/** True when every zero point in the tensor is 0, and for an absent one. */
export const isZero = (t: ITensor | undefined): boolean =>
  t === undefined || Array.from<number | bigint>(t.data).every((v) => v === 0);

export const spatialOf = (v: Value): readonly number[] | undefined => {
  const spatial = v.type.shape.slice(2);
  return isStatic(spatial) ? spatial : undefined;
};

/** Elements of a constant over all positions of a result: 256 MiB in s32. */
export const LARGEST_MAP = 2 ** 26;

/** True when a constant with an element for each position of the result is small enough. */
export const holdsMap = ({ node, graph }: ProductMatch): boolean => {
  const shape = graph.type(node.results[0]).shape.slice(1);
  return isStatic(shape) && sizeOf(shape) <= LARGEST_MAP;
};

/**
 * Checks conditions in order; the first that fails is the miss. A condition that presupposes earlier ones is a
 * function.
 */
export function needs(
  miss: MissMaker,
  ...checks: readonly (readonly [ok: boolean | (() => boolean), reason: string, operand?: Value, hint?: string])[]
): MissReason | undefined {
  const failed = checks.find(([ok]) => !(typeof ok === 'function' ? ok() : ok));
  return failed && miss(failed[1], failed[2], failed[3]);
}

type CentredArguments = [
  w: ITensor<ByteType>,
  zw: ITensor<ByteType> | undefined,
  of: ProductLayout,
  low: number,
  high: number,
];

/** True when w − zw is within [low, high] for every weight. */
export function areCentred(...[{ data, shape }, zw, of, low, high]: CentredArguments): boolean {
  let fits = true;
  forEachZeroPoint(shape, zw, of, (start, end, zero) => {
    fits &&= areWithin(data, start, end, low + zero, high + zero);
  });
  return fits;
}

/** w − zw for every weight, or undefined when one of them is outside of [low, high]. */
export function centred(...[w, zw, of, low, high]: CentredArguments): Int16Array | undefined {
  // looked at before: of large models the copies would be most of the memory
  if (!areCentred(w, zw, of, low, high)) return undefined;
  const out = new Int16Array(w.data);
  forEachZeroPoint(w.shape, zw, of, (start, end, zero) => {
    for (let i = start; i < end; i++) out[i] -= zero;
  });
  return out;
}

/** True when each of the elements from `start` on, before `end`, is at least `low` and at most `high`. */
export function areWithin(
  values: Int8Array | Uint8Array,
  start: number,
  end: number,
  low: number,
  high: number,
): boolean {
  for (let i = start; i < end; i++) if (values[i] < low || values[i] > high) return false;
  return true;
}

/** Runs of weights with their zero point: one for all, one for each filter, or of a matrix product also by batch. */
export function forEachZeroPoint(
  shape: readonly number[],
  zw: ITensor<ByteType> | undefined,
  of: ProductLayout,
  visit: (start: number, end: number, zero: number) => void,
): void {
  const zero = (index: number) => elementAt(zw, index);
  if (zw === undefined || zw.data.length === 1) visit(0, sizeOf(shape), zero(0));
  else if (zw.shape.length > 1) forEachRun(shape, zw.shape, -1, (start, end, i) => visit(start, end, zero(i)));
  else forEachFilterRun(weightsLayout(of, shape), (start, end, filter) => visit(start, end, zero(filter)));
}

/** Weights of ones: their product sums the source. */
export const onesOf = (shape: readonly number[]): ITensor<'s8'> =>
  tensor('s8', new Int8Array(sizeOf(shape)).fill(1), shape);

/** The conditions of every way to correct a source zero point; `isAny`: for computed weights as well. */
export function sourceCorrectable(
  { zx, w, zw, constant }: ProductMatch,
  miss: MissMaker,
  isAny = false,
): MissReason | undefined {
  return needs(
    miss,
    [zx !== undefined, 'the source has no zero point to correct'],
    [zw === undefined, 'the weights zero point has to go first', zw, 'recentre-weights, window-sum or split-weights'],
    [w.type.dtype === 's8', 'the weights have to be s8 first', w, 'recentre-weights'],
    [() => isAny || constant(w) !== undefined, 'the weights are computed at run time', w, 'two-conv serves'],
  );
}

/** The conditions of every way to correct a weights zero point. */
export function weightsCorrectable({ w, zw, constant }: ProductMatch, miss: MissMaker): MissReason | undefined {
  return needs(
    miss,
    [zw !== undefined || w.type.dtype === 'u8', 'the weights are s8 without a zero point already', w],
    [
      () => constant(w) !== undefined && (zw === undefined || constant(zw) !== undefined),
      'the weights and their zero point must be constants',
      w,
    ],
  );
}
