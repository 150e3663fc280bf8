import { tensor } from '../../ir/index.ts';
import { areCentred, centred, needs, weightsCorrectable } from '../corrections/operands.ts';
import { convolution, type ProductFamily, productRule } from '../corrections/product_family.ts';
import { present } from '../rewrite/rule.ts';

/** Free and exact whenever every w − zw[o] is an s8: always so for s8 with zw = 0 and for u8 with zw = 128. */
export const recentreWeightsOf = (family: ProductFamily) =>
  productRule(family, {
    name: 'recentre-weights',
    law: 'qconv(x, w; zx, zw) = qconv(x, w − zw; zx)   when −128 ≤ w − zw[o] ≤ 127',
    exactness: 'bit-exact',
    where(match, miss) {
      const { w, zw, constant } = match;
      return (
        weightsCorrectable(match, miss) ??
        needs(miss, [
          () => areCentred(present(constant(w)), constant(zw), match.layout, -128, 127),
          'some w − zw does not fit s8',
          w,
          'window-sum or split-weights serve',
        ])
      );
    },
    rewrite({ x, w, zx, zw, attrs, layout, constant }, a) {
      const known = present(constant(w));
      const moved = new Int8Array(present(centred(known, constant(zw), layout, -128, 127)));
      const weights = a.constant(tensor('s8', moved, known.shape), `${w.id}.centred`);
      return family.quantized(a, { x, w: weights, ...(zx && { zx }) }, attrs);
    },
    wrong: {
      what: 'saturates w − zw instead of refusing what does not fit, and takes the first zero point for all filters',
      rewrite({ x, w, zx, zw, attrs, constant }, a) {
        const z = constant(zw)?.data[0] ?? 0;
        const { data, shape } = present(constant(w));
        const moved = a.constant(
          tensor(
            's8',
            Int8Array.from(data, (v) => Math.max(-128, Math.min(127, v - z - 1))),
            shape,
          ),
        );
        return family.quantized(a, { x, w: moved, ...(zx && { zx }) }, attrs);
      },
    },
  });
export const recentreWeights = recentreWeightsOf(convolution);
