import type { Value } from '../../ir/index.ts';
import { type ConvFamily, convolution } from '../corrections/conv_family.ts';
import { filterSums } from '../corrections/ones_convolution.ts';
import { needs, type ProductMatch, sourceCorrectable, spatialOf } from '../corrections/operands.ts';
import { type ProductFamily, productRule } from '../corrections/product_family.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { type MissMaker, type MissReason, present } from '../rewrite/rule.ts';

/** The factor of a source zero point, for products in which it is one number per filter. */
export interface Folding {
  /** The reason why the factor is not one number per filter, or a step that is needed first. */
  readonly where: (match: ProductMatch, miss: MissMaker) => MissReason | undefined;
  readonly sums: (match: ProductMatch, a: Algebra) => Value<'s32'>;
  /** The zero point as a factor of the sums. */
  readonly zero: (match: ProductMatch, a: Algebra) => Value<'s32'>;
}

/** gemmlowp's way: where every window holds all taps, the correction is one number per filter. */
export const foldOf = (family: ProductFamily, { where, sums, zero }: Folding) =>
  productRule(family, {
    name: 'fold',
    law: 'qconv(x, w; zx) = conv(x, w) − zx·s[o]   when conv(1, w) = s[o] everywhere, as Σw[o] where no tap is outside',
    exactness: 'bit-exact',
    where,
    rewrite: (match, a) => a.sub(productOf(family, match, a), a.mul(sums(match, a), zero(match, a))),
    wrong: {
      what: 'forgets that the correction is scaled by zx',
      rewrite: (match, a) => a.sub(productOf(family, match, a), sums(match, a)),
    },
  });

const productOf = (family: ProductFamily, { x, w, attrs }: ProductMatch, a: Algebra): Value<'s32'> =>
  family.product(a, x, w, attrs);

const scalarZero = ({ zx }: ProductMatch, a: Algebra): Value<'s32'> => a.toS32(present(zx));

/** The folding of known weights: legal when conv(1, w) is uniform. */
export function uniformFolding(family: ConvFamily): Folding {
  const uniform = ({ x, w, attrs, constant }: ProductMatch) =>
    family.uniform(present(constant(w)), spatialOf(x), attrs);
  return {
    where: (match, miss) =>
      sourceCorrectable(match, miss) ??
      needs(miss, [uniform(match) !== undefined, family.whyNotUniform, match.x, `border-table, ${family.anySize}`]),
    sums: (match, a) => a.constant(present(uniform(match))),
    zero: scalarZero,
  };
}
export const fold = foldOf(convolution, uniformFolding(convolution));

/** conv(x, w) − zx·Σw: right where every window holds all taps, and wrong wherever padding cuts taps off. */
export function foldInto(family: ConvFamily, match: ProductMatch, a: Algebra): Value<'s32'> {
  const sums = filterSums(present(match.constant(match.w)), match.layout);
  return a.sub(productOf(family, match, a), a.mul(a.constant(sums), scalarZero(match, a)));
}
