import { nnCast, nnSub, tensor } from '../../ir/index.ts';
import { accumulatorBound } from '../corrections/bounds.ts';
import { type ConvFamily, convolution } from '../corrections/conv_family.ts';
import { needs, type ProductMatch, sourceCorrectable } from '../corrections/operands.ts';
import { productRule } from '../corrections/product_family.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { present } from '../rewrite/rule.ts';

/** f32 holds every integer up to 2^24, so below this bound the float convolution is exact in any order of summation. */
export const f32ShiftOf = (family: ConvFamily) =>
  productRule(family, {
    name: 'f32-shift',
    law: 'qconv(x, w; zx) = s32(conv(f32(x) − f32(zx), f32(w)))   when Σ|x − zx|·|w| ≤ 2^24',
    exactness: 'bit-exact',
    where: (match, miss) =>
      sourceCorrectable(match, miss) ??
      needs(
        miss,
        [match.constant(match.zx) !== undefined, 'the bound needs a known zero point', match.zx],
        [
          () => accumulatorBound(present(match.constant(match.w)), match) <= 2 ** 24,
          'an accumulator may be beyond 2^24',
          match.w,
        ],
      ),
    rewrite: (match, a) => shifted(family, match, a, (x, zx) => a.emit(nnSub, { a: x, b: zx })),
    wrong: { what: 'does not subtract', rewrite: (match, a) => shifted(family, match, a, (x) => x) },
  });
export const f32Shift = f32ShiftOf(convolution);

type F32 = import('../../ir/index.ts').Value<'f32'>;

function shifted(
  family: ConvFamily,
  { x, w, zx, attrs, constant }: ProductMatch,
  a: Algebra,
  subtract: (x: F32, zx: F32) => F32,
) {
  const source = a.emit(nnCast, { x }, { to: 'f32' });
  const f32 = (v: ProductMatch['x']): F32 => {
    const { data, shape } = present(constant(v));
    return a.constant(tensor('f32', Float32Array.from(data), shape));
  };
  const sum = a.emit(family.plain, { x: subtract(source, f32(present(zx))), w: f32(w) }, attrs);
  return a.emit(nnCast, { x: sum }, { to: 's32' });
}
