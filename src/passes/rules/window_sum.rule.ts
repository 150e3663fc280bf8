import { assert } from '../../diagnostics/index.ts';
import {
  filterCount,
  isStatic,
  nnExpand,
  nnGather,
  oneFilterEach,
  type Shape,
  shiftBetween,
  tensor,
  type Value,
} from '../../ir/index.ts';
import { needs, onesOf, type ProductMatch } from '../corrections/operands.ts';
import { convolution, type ProductFamily, productRule } from '../corrections/product_family.ts';
import type { Algebra } from '../rewrite/algebra.ts';

/** Weights zero points that no s8 can absorb: one filter of ones per group sums the window, a rank-1 update corrects. */
export const windowSumOf = (family: ProductFamily) =>
  productRule(family, {
    name: 'window-sum',
    law: 'qconv(x, w; zx, zw) = qconv(x, ŵ; zx) − ẑw[o]·qconv(x, 1; zx),   ŵ = w − 128 and ẑw = zw − 128 for u8 weights',
    exactness: 'bit-exact',
    where: ({ w, zw }, miss) =>
      needs(
        miss,
        [zw !== undefined || w.type.dtype === 'u8', 'the weights are s8 without a zero point already', w],
        [isStatic(w.type.shape), 'a filter of ones needs a known shape', w],
        [zw === undefined || isStatic(zw.type.shape), 'only the run knows how many zero points there are', zw],
      ),
    rewrite: (match, algebra) => update(family, match, algebra, zeroPointsOf(match, algebra)),
    wrong: {
      what: 'corrects every filter with the zero point of the first',
      rewrite: (match, algebra) => update(family, match, algebra, first(zeroPointsOf(match, algebra), algebra)),
    },
  });
export const windowSum = windowSumOf(convolution);

/** ẑw in s32: one, or one for each filter. */
function zeroPointsOf({ w, zw }: ProductMatch, a: Algebra): Value<'s32'> {
  if (zw === undefined) return a.s32([shiftBetween(w.type.dtype, 's8')], []);
  return a.toS32(a.recentre(zw, 's8'));
}

const first = (zeroPoints: Value<'s32'>, a: Algebra): Value<'s32'> =>
  zeroPoints.type.shape.length === 0
    ? zeroPoints
    : a.emit(nnGather, { x: zeroPoints, indices: a.constant(tensor('s64', [0n], [1])) }, { axis: 0 });

function update(
  family: ProductFamily,
  { x, w, zx, attrs, layout }: ProductMatch,
  a: Algebra,
  zeroPoints: Value<'s32'>,
): Value<'s32'> {
  const { shape } = w.type;
  assert(isStatic(shape), 'a filter of ones needs a known shape');
  const { group } = attrs;
  const filters = filterCount(layout, shape);
  const rest = zx && { zx };
  const main = family.quantized(a, { x, w: a.recentre(w, 's8'), ...rest }, attrs);
  const ones = a.constant(onesOf(oneFilterEach(layout, shape)), `${w.id}.ones`);
  const sums = family.quantized(a, { x, w: ones, ...rest }, attrs);
  const factor = alongFilters(zeroPoints, [1, filters, ...shape.slice(2).map(() => 1)], a);
  return a.sub(main, a.mul(perFilterSums(sums, group, filters, a), factor));
}

/** The zero points as factors of the sums: one number, which multiplies them where they are still one for all filters, or one for each filter. */
function alongFilters(zeroPoints: Value<'s32'>, shape: readonly number[], a: Algebra): Value<'s32'> {
  const data = a.tensor(zeroPoints)?.data;
  const isOne = data?.length === 1 || zeroPoints.type.shape.every((dim) => dim === 1);
  if (data === undefined) return a.reshape(zeroPoints, isOne ? [] : shape);
  return a.s32(data, isOne ? shape.map(() => 1) : shape);
}

/** [N, G, …] → [N, O, …] (or [N, 1, …], which broadcasts): each group's sum for each of its filters. */
function perFilterSums(sums: Value<'s32'>, group: number, filters: number, a: Algebra): Value<'s32'> {
  if (group === 1 || group === filters) return sums;
  const [n, g, ...spatial] = sums.type.shape;
  const split: Shape = [n, g, 1, ...spatial];
  const repeated = a.emit(nnExpand, { x: a.reshape(sums, split) }, { shape: [n, g, filters / group, ...spatial] });
  return a.reshape(repeated, [n, filters, ...spatial]);
}
