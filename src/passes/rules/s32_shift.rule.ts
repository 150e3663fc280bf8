import { nnCast, nnSub } from '../../ir/index.ts';
import { type ConvFamily, convolution } from '../corrections/conv_family.ts';
import type { ProductMatch } from '../corrections/operands.ts';
import { productRule } from '../corrections/product_family.ts';
import type { Algebra } from '../rewrite/algebra.ts';

/** The definition itself, slow and always legal: the last resort. */
export const s32ShiftOf = (family: ConvFamily) =>
  productRule(family, {
    name: 's32-shift',
    law: 'qconv(x, w; zx, zw) = conv(s32(x) − s32(zx), s32(w) − s32(zw))',
    exactness: 'bit-exact',
    rewrite: (match, a) => shifted(family, match, a, true),
    wrong: { what: 'forgets the weights zero point', rewrite: (match, a) => shifted(family, match, a, false) },
  });
export const s32Shift = s32ShiftOf(convolution);

function shifted(family: ConvFamily, { x, w, zx, zw, attrs }: ProductMatch, a: Algebra, subtractWeights: boolean) {
  const s32 = (v: ProductMatch['x']) => a.emit(nnCast, { x: v }, { to: 's32' });
  const source = zx ? a.emit(nnSub, { a: s32(x), b: s32(zx) }) : s32(x);
  const perFilter =
    zw &&
    (zw.type.shape.length === 0 || zw.type.shape[0] === 1
      ? a.reshape(a.toS32(zw), [])
      : family.perFilter(a.toS32(zw), w.type.shape, attrs.group, a));
  const weights = perFilter && subtractWeights ? a.emit(nnSub, { a: s32(w), b: perFilter }) : s32(w);
  return a.emit(family.plain, { x: source, w: weights }, attrs);
}
