import { tensor } from '../../ir/index.ts';
import { type ConvFamily, convolution, filtersOf } from '../corrections/conv_family.ts';
import { centred, needs, weightsCorrectable } from '../corrections/operands.ts';
import { defineRule, present } from '../rewrite/rule.ts';

/** Free and exact whenever every w − zw[o] is an s8: always so for s8 with zw = 0 and for u8 with zw = 128. */
export const recentreWeightsOf = (family: ConvFamily) =>
  defineRule({
    name: family.rule('recentre-weights'),
    root: family.root,
    law: family.law('qconv(x, w; zx, zw) = qconv(x, w − zw; zx)   when −128 ≤ w − zw[o] ≤ 127'),
    exactness: 'bit-exact',
    where(match, miss) {
      const { w, zw, constant } = match;
      return (
        weightsCorrectable(match, miss) ??
        needs(miss, [
          () => centred(filtersOf(family, match), constant(zw), -128, 127) !== undefined,
          'some w − zw does not fit s8',
          w,
          'window-sum or split-weights serve',
        ])
      );
    },
    rewrite(match, { emit, constant: make }) {
      const { x, w, zx, zw, attrs, constant } = match;
      const filters = filtersOf(family, match);
      const moved = tensor('s8', present(centred(filters, constant(zw), -128, 127)), filters.shape);
      const weights = make(family.asWeights(moved, attrs.group), `${w.id}.centred`);
      return emit(family.root, { x, w: weights, ...(zx && { zx }) }, attrs);
    },
    wrong: {
      what: 'saturates w − zw instead of refusing what does not fit, and takes the first zero point for all filters',
      rewrite({ x, w, zx, zw, attrs, constant }, { emit, constant: make }) {
        const z = constant(zw)?.data[0] ?? 0;
        const { data, shape } = present(constant(w));
        const moved = make(
          tensor(
            's8',
            Int8Array.from(data, (v) => Math.max(-128, Math.min(127, v - z - 1))),
            shape,
          ),
        );
        return emit(family.root, { x, w: moved, ...(zx && { zx }) }, attrs);
      },
    },
  });
export const recentreWeights = recentreWeightsOf(convolution);
