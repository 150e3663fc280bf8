/** What the correction rules ask of the operands of a convolution. */
import { type ITensor, isStatic, sizeOf, tensor, type Value } from '../../ir/index.ts';
import type { qnnConv } from '../../ir/ops/qnn_conv.op.ts';
import { elementAt, forEachRun } from '../../ir/ops/qnn_parameters.ts';
import type { Match, MissMaker, MissReason } from '../rewrite/rule.ts';

export type Eight = 'u8' | 's8';
export type ConvMatch = Match<typeof qnnConv.operands, typeof qnnConv.attrs>;

/** True when every zero point in the tensor is 0, and for an absent one. */
export const isZero = (t: ITensor | undefined): boolean =>
  t === undefined || Array.from<number | bigint>(t.data).every((v) => v === 0);

export const spatialOf = (v: Value): readonly number[] | undefined => {
  const spatial = v.type.shape.slice(2);
  return isStatic(spatial) ? spatial : undefined;
};

/** Elements of a constant over all positions of a result: 256 MiB in s32. */
export const LARGEST_MAP = 2 ** 26;

/** Whether a constant with an element for each position of the result is small enough. */
export const holdsMap = ({ node, graph }: ConvMatch): boolean => {
  const shape = graph.type(node.results[0]).shape.slice(1);
  return isStatic(shape) && sizeOf(shape) <= LARGEST_MAP;
};

/** Checks in order; the first that fails is the miss. A check that would not stand without those before it is a function. */
export function needs(
  miss: MissMaker,
  ...checks: readonly (readonly [ok: boolean | (() => boolean), reason: string, operand?: Value, hint?: string])[]
): MissReason | undefined {
  const failed = checks.find(([ok]) => !(typeof ok === 'function' ? ok() : ok));
  return failed && miss(failed[1], failed[2], failed[3]);
}

/** One zero point per filter as a function; a scalar serves all of them. */
export const perFilter = (zw: ITensor<Eight> | undefined): ((o: number) => number) => {
  const data = zw?.data;
  return data === undefined ? () => 0 : data.length === 1 ? () => data[0] : (o) => data[o];
};

/** w − zw[o] for every weight, as numbers in −255…255, or undefined when one of them is outside [low, high]. w: [O, …]. */
export function centred(
  w: ITensor<Eight>,
  zw: ITensor<Eight> | undefined,
  low: number,
  high: number,
): Int8Array | undefined {
  const zero = perFilter(zw);
  const out = new Int8Array(w.data.length);
  const perFilterCount = w.data.length / Math.max(w.shape[0], 1);
  for (let o = 0, at = 0; o < w.shape[0]; o++) {
    const z = zero(o);
    for (let i = 0; i < perFilterCount; i++, at++) {
      const v = w.data[at] - z;
      if (v < low || v > high) return undefined;
      out[at] = v;
    }
  }
  return out;
}

/** b − zb for a matmul's right side […, K, N], zb scalar, by columns or of the rank of b; undefined when some difference is no s8. */
export function centredColumns(b: ITensor<Eight>, zb: ITensor<Eight> | undefined): Int8Array | undefined {
  const out = new Int8Array(b.data.length);
  let fits = true;
  forEachRun(b.shape, zb?.shape ?? [], b.shape.length === 1 ? -1 : b.shape.length - 1, (start, end, index) => {
    const zero = elementAt(zb, index);
    for (let i = start; fits && i < end; i++) {
      const v = b.data[i] - zero;
      fits = v >= -128 && v <= 127;
      out[i] = v;
    }
  });
  return fits ? out : undefined;
}

/** A zero point, or zero points, moved by 128 to the other signedness. */
export function movedZeroPoint(t: ITensor<Eight>, to: Eight): ITensor<Eight> {
  const values = Array.from(t.data, (v) => v + (to === 'u8' ? 128 : -128));
  return tensor(to, values, t.shape);
}

/** What every way to correct a source zero point needs first; `isAny`: of computed weights as well. */
export function sourceCorrectable(
  { zx, w, zw, constant }: ConvMatch,
  miss: MissMaker,
  isAny = false,
): MissReason | undefined {
  return needs(
    miss,
    [zx !== undefined, 'there is no zero point to correct'],
    [zw === undefined, 'the weights zero point has to go first', zw, 'recentre-weights, window-sum or split-weights'],
    [w.type.dtype === 's8', 'the weights have to be s8 first', w, 'recentre-weights'],
    [isAny || constant(w) !== undefined, 'the weights are computed at run time', w, 'two-conv serves'],
  );
}

/** What every way to correct a weights zero point needs first. */
export function weightsCorrectable({ w, zw, constant }: ConvMatch, miss: MissMaker): MissReason | undefined {
  return needs(
    miss,
    [zw !== undefined || w.type.dtype === 'u8', 'the weights are s8 without a zero point already', w],
    [
      constant(w) !== undefined && (zw === undefined || constant(zw) !== undefined),
      'the weights and their zero point must be constants',
      w,
    ],
  );
}
