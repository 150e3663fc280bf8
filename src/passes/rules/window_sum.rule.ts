import { type ITensor, type Shape, sizeOf, tensor, type Value } from '../../ir/index.ts';
import { nnExpand } from '../../ir/ops/nn_movement.op.ts';
import { type ConvFamily, convolution } from '../corrections/conv_family.ts';
import { type ConvMatch, type Eight, movedZeroPoint, weightsCorrectable } from '../corrections/operands.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { defineRule } from '../rewrite/rule.ts';

/** Weights zero points that no s8 can absorb: one filter of ones per group sums the window, a rank-1 update corrects. */
export const windowSumOf = (family: ConvFamily) =>
  defineRule({
    name: family.rule('window-sum'),
    root: family.root,
    law: family.law(
      'qconv(x, w; zx, zw) = qconv(x, ŵ; zx) − ẑw[o]·qconv(x, 1; zx),   ŵ = w − 128 and ẑw = zw − 128 for u8 weights',
    ),
    exactness: 'bit-exact',
    where: weightsCorrectable,
    rewrite: (match, algebra) => update(family, match, algebra, (z) => z),
    wrong: {
      what: 'corrects every filter with the zero point of the first',
      rewrite: (match, algebra) => update(family, match, algebra, (_z, all) => all[0]),
    },
  });
export const windowSum = windowSumOf(convolution);

function update(
  family: ConvFamily,
  { x, w, zx, zw, attrs, constant }: ConvMatch,
  a: Algebra,
  pick: (z: number, all: ArrayLike<number>) => number,
): Value<'s32'> {
  const weights = a.recentre(w, 's8');
  const { group } = attrs;
  const [filters, , ...kernel] = family.filtersFirst(constant(w)!, group).shape;
  const zeroPoints = weightsZeroPoints(constant(zw), w.type.dtype, filters);
  const rest = zx && { zx };
  const main = a.emit(family.root, { x, w: weights, ...rest }, attrs);
  const onesShape = family.onesShape(constant(w)!.shape, group);
  const ones = a.constant(tensor('s8', new Int8Array(sizeOf(onesShape)).fill(1), onesShape), `${w.id}.ones`);
  const sums = a.emit(family.root, { x, w: ones, ...rest }, attrs);
  const factor = a.s32(
    zeroPoints.map((z) => pick(z, zeroPoints)),
    [1, filters, ...kernel.map(() => 1)],
  );
  return a.sub(main, a.mul(perFilterSums(sums, group, filters, a), factor));
}

/** [N, G, …] → [N, O, …] (or [N, 1, …], which broadcasts): each group's sum for each of its filters. */
function perFilterSums(sums: Value<'s32'>, group: number, filters: number, a: Algebra): Value<'s32'> {
  if (group === 1 || group === filters) return sums;
  const [n, g, ...spatial] = sums.type.shape;
  const split: Shape = [n, g, 1, ...spatial];
  const repeated = a.emit(nnExpand, { x: a.reshape(sums, split) }, { shape: [n, g, filters / group, ...spatial] });
  return a.reshape(repeated, [n, filters, ...spatial]);
}

function weightsZeroPoints(zw: ITensor<Eight> | undefined, dtype: Eight, filters: number): number[] {
  const moved = zw && (dtype === 'u8' ? movedZeroPoint(zw, 's8') : zw);
  const data = (moved?.data ?? [dtype === 'u8' ? -128 : 0]) as ArrayLike<number>;
  return Array.from({ length: filters }, (_, o) => data[data.length === 1 ? 0 : o]);
}
