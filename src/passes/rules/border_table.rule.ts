import { type ConvFamily, convolution } from '../corrections/conv_family.ts';
import { holdsMap, needs, sourceCorrectable, spatialOf } from '../corrections/operands.ts';
import { productRule } from '../corrections/product_family.ts';
import { present } from '../rewrite/rule.ts';
import { foldInto } from './fold.rule.ts';

/**
 * Zero padding stays. The difference from padding with zx is a constant map: one value per filter inside, less at the
 * borders.
 */
export const borderTableOf = (family: ConvFamily) =>
  productRule(family, {
    name: 'border-table',
    law: 'qconv(x, w; zx) = conv(x, w) − zx·conv(1, w)',
    exactness: 'bit-exact',
    where: (match, miss) =>
      sourceCorrectable(match, miss) ??
      needs(
        miss,
        [
          spatialOf(match.x) !== undefined,
          'the map needs a known spatial size',
          match.x,
          `give inputShapes, or use ${family.anySize}`,
        ],
        [holdsMap(match), 'the map would be too large', match.x, `${family.anySize} serves`],
      ),
    rewrite(match, a) {
      const { x, w, zx, attrs } = match;
      const map = family.ones(present(match.constant(match.w)), present(spatialOf(x)), attrs);
      return a.sub(family.product(a, x, w, attrs), a.mul(a.constant(map), a.toS32(present(zx))));
    },
    wrong: {
      what: 'Σw[o] instead of conv(1, w): wrong at padded borders (apache/tvm#11127 and others)',
      rewrite: (match, a) => foldInto(family, match, a),
    },
  });
export const borderTable = borderTableOf(convolution);
