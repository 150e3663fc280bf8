import { filterCount, oneFilterEach, shiftBetween, type Value } from '../../ir/index.ts';
import { type ConvFamily, convolution } from '../corrections/conv_family.ts';
import { holdsMap, isZero, needs, onesOf, type ProductMatch, spatialOf } from '../corrections/operands.ts';
import { productRule } from '../corrections/product_family.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { present } from '../rewrite/rule.ts';

/** gemmlowp's and TVM QNN's decomposition, each term an operator of its own. */
export const fourTermOf = (family: ConvFamily) =>
  productRule(family, {
    name: 'four-term',
    law: 'qconv(x, w; zx, zw) = conv(x, w) − zx·conv(1, w) − zw[o]·conv(x, 1) + zx·zw[o]·conv(1, 1)',
    exactness: 'bit-exact',
    where: (match, miss) => {
      const { x, w, zw, attrs, constant } = match;
      return needs(
        miss,
        [
          constant(w) !== undefined && (zw === undefined || constant(zw) !== undefined),
          'the weights and their zero point must be constants',
          w,
        ],
        [spatialOf(x) !== undefined, 'the terms with zx need a known spatial size', x, 'give inputShapes'],
        [holdsMap(match), 'the terms with zx would be too large', x],
        [
          attrs.group === 1 || (w.type.dtype === 's8' && isZero(constant(zw))),
          'grouped weights that are not symmetric s8',
          zw ?? w,
          'window-sum serves',
        ],
      );
    },
    rewrite: (match, a) => terms(family, match, a, (term3, term4) => a.sub(term3, term4)),
    wrong: {
      what: 'the sign of the last term, as in the comment of TVM’s convolution.cc',
      rewrite: (match, a) => terms(family, match, a, (term3, term4) => a.add(term3, term4)),
    },
  });
export const fourTerm = fourTermOf(convolution);

function terms(
  family: ConvFamily,
  { x, w, zx, zw, attrs, layout, constant }: ProductMatch,
  a: Algebra,
  combine: (term3: Value<'s32'>, term4: Value<'s32'>) => Value<'s32'>,
): Value<'s32'> {
  const weights = a.recentre(w, 's8');
  const known = present(a.tensor(weights));
  const [count, kernel] = [filterCount(layout, known.shape), known.shape.slice(2)];
  const ones = onesOf(oneFilterEach(layout, known.shape));
  const zxs = zx ? a.toS32(zx) : a.s32([0], []);
  const shift = shiftBetween(w.type.dtype, 's8');
  const zeros = Array.from(zw ? present(constant(zw)).data : [0], (zero) => zero + shift);
  const zws = a.s32(zeros, zeros.length === 1 ? [] : [1, count, ...kernel.map(() => 1)]);
  const spatial = present(spatialOf(x));
  const term1 = family.product(a, x, weights, attrs);
  const term2 = a.mul(a.constant(family.ones(known, spatial, attrs)), zxs);
  const term3 = a.mul(family.product(a, x, a.constant(ones), attrs), zws);
  const term4 = a.mul(a.mul(a.constant(family.ones(ones, spatial, attrs)), zws), zxs);
  return a.sub(a.sub(term1, term2), combine(term3, term4));
}
