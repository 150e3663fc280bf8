import { type ITensor, tensor } from '../../ir/index.ts';
import { type ConvFamily, convolution, filtersOf } from '../corrections/conv_family.ts';
import { type Eight, needs, perFilter, weightsCorrectable } from '../corrections/operands.ts';
import { defineRule, present } from '../rewrite/rule.ts';

/** w − zw lies in −255…255: every such number but 255 is the sum of two s8. */
export const splitWeightsOf = (family: ConvFamily) =>
  defineRule({
    name: family.rule('split-weights'),
    root: family.root,
    law: family.law('qconv(x, w; zx, zw) = qconv(x, wa; zx) + qconv(x, wb; zx),   w − zw = wa + wb, both s8'),
    exactness: 'bit-exact',
    where(match, miss) {
      const { w, zw, constant } = match;
      return (
        weightsCorrectable(match, miss) ??
        needs(miss, [
          () => split(filtersOf(family, match), constant(zw)) !== undefined,
          'some w − zw is 255: no two s8 add up to it',
          w,
          'window-sum serves',
        ])
      );
    },
    rewrite(match, { emit, constant: make, add }) {
      const { x, zx, zw, attrs, constant } = match;
      const filters = filtersOf(family, match);
      const parts = present(split(filters, constant(zw))).map((half) => {
        const w = make(family.asWeights(tensor('s8', half, filters.shape), attrs.group));
        return emit(family.root, { x, w, ...(zx && { zx }) }, attrs);
      });
      return add(parts[0], parts[1]);
    },
    wrong: {
      what: 'halves w − zw and forgets that odd numbers have no half',
      rewrite(match, { emit, constant: make, add }) {
        const { x, zx, zw, attrs, constant } = match;
        const { shape, data } = filtersOf(family, match);
        const zero = perFilter(constant(zw));
        const per = data.length / shape[0];
        const half = Int8Array.from(data, (v, i) => Math.floor((v - zero(Math.floor(i / per))) / 2));
        const part = emit(
          family.root,
          { x, w: make(family.asWeights(tensor('s8', half, shape), attrs.group)), ...(zx && { zx }) },
          attrs,
        );
        return add(part, part);
      },
    },
  });
export const splitWeights = splitWeightsOf(convolution);

/** The two halves, the larger rounded away from zero; undefined when a value is out of −256…254. */
function split(w: ITensor<Eight>, zw: ITensor<Eight> | undefined): [Int8Array, Int8Array] | undefined {
  const zero = perFilter(zw);
  const per = w.data.length / w.shape[0];
  const [a, b] = [new Int8Array(w.data.length), new Int8Array(w.data.length)];
  for (let i = 0; i < w.data.length; i++) {
    const v = w.data[i] - zero(Math.floor(i / per));
    if (v > 254 || v < -256) return undefined;
    a[i] = Math.floor(v / 2);
    b[i] = v - a[i];
  }
  return [a, b];
}
