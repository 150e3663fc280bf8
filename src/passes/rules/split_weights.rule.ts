import { tensor, type Value } from '../../ir/index.ts';
import { centred, needs, type ProductMatch, weightsCorrectable } from '../corrections/operands.ts';
import { convolution, type ProductFamily, productRule } from '../corrections/product_family.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { present } from '../rewrite/rule.ts';

/** w − zw lies in −255…255: every such number but 255 is the sum of two s8. */
export const splitWeightsOf = (family: ProductFamily) =>
  productRule(family, {
    name: 'split-weights',
    law: 'qconv(x, w; zx, zw) = qconv(x, wa; zx) + qconv(x, wb; zx),   w − zw = wa + wb, both s8',
    exactness: 'bit-exact',
    where(match, miss) {
      return (
        weightsCorrectable(match, miss) ??
        needs(miss, [
          () => halves(match) !== undefined,
          'some w − zw is 255: no two s8 add up to it',
          match.w,
          'window-sum serves',
        ])
      );
    },
    rewrite: (match, a) => sumOfParts(family, match, a, present(halves(match))),
    wrong: {
      what: 'halves w − zw and forgets that odd numbers have no half',
      rewrite(match, a) {
        const [, half] = present(halves(match));
        return sumOfParts(family, match, a, [half, half]);
      },
    },
  });
export const splitWeights = splitWeightsOf(convolution);

function sumOfParts(
  family: ProductFamily,
  { x, w, zx, attrs }: ProductMatch,
  a: Algebra,
  parts: readonly Int8Array[],
): Value<'s32'> {
  const shape = w.type.shape.map(Number);
  const [one, other] = parts.map((part) =>
    family.quantized(a, { x, w: a.constant(tensor('s8', part, shape)), ...(zx && { zx }) }, attrs),
  );
  return a.add(one, other);
}

/** ⌊(w − zw)/2⌋ and the rest; undefined when a value is out of −256…254. */
function halves({ w, zw, layout, constant }: ProductMatch): readonly [Int8Array, Int8Array] | undefined {
  const whole = centred(present(constant(w)), constant(zw), layout, -256, 254);
  return (
    whole && [Int8Array.from(whole, (v) => Math.floor(v / 2)), Int8Array.from(whole, (v) => v - Math.floor(v / 2))]
  );
}
