import type { ITensor, Value } from '../../ir/index.ts';
import { type ConvFamily, convolution, filtersOf } from '../corrections/conv_family.ts';
import { filterSums } from '../corrections/ones_convolution.ts';
import { type ConvMatch, needs, sourceCorrectable, spatialOf } from '../corrections/operands.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { defineRule, present } from '../rewrite/rule.ts';

/** gemmlowp's way: where every window holds all taps, the correction is one number per filter. */
export const foldOf = (family: ConvFamily) =>
  defineRule({
    name: family.rule('fold'),
    root: family.root,
    law: family.law(
      'qconv(x, w; zx) = conv(x, w) − zx·s[o]   when conv(1, w) = s[o] everywhere, as Σw[o] where no tap is outside',
    ),
    exactness: 'bit-exact',
    where: (match, miss) =>
      sourceCorrectable(match, miss) ??
      needs(miss, [
        uniformOf(family, match) !== undefined,
        family.whyNotUniform,
        match.x,
        `border-table, ${family.anySize}`,
      ]),
    rewrite: (match, a) => subtracted(family, match, a, present(uniformOf(family, match))),
    wrong: {
      what: 'forgets that the correction is scaled by zx',
      rewrite: (match, a) =>
        a.sub(family.conv(a, match.x, match.w, match.attrs), a.constant(present(uniformOf(family, match)))),
    },
  });
export const fold = foldOf(convolution);

const uniformOf = (family: ConvFamily, match: ConvMatch): ITensor<'s32'> | undefined =>
  family.uniform(filtersOf(family, match), spatialOf(match.x), match.attrs);

/** conv(x, w) − zx·Σw: right where every window holds all taps, and wrong wherever padding cuts taps off. */
export const foldInto = (family: ConvFamily, match: ConvMatch, a: Algebra): Value<'s32'> =>
  subtracted(family, match, a, filterSums(filtersOf(family, match)));

const subtracted = (
  family: ConvFamily,
  { x, w, zx, attrs }: ConvMatch,
  a: Algebra,
  sums: ITensor<'s32'>,
): Value<'s32'> => a.sub(family.conv(a, x, w, attrs), a.mul(a.constant(sums), a.toS32(present(zx))));
