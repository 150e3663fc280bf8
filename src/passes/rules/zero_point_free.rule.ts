import { needs } from '../corrections/operands.ts';
import { convolution, type ProductFamily, productRule } from '../corrections/product_family.ts';

/** Nothing is left to correct: the convolution is a plain one. */
export const zeroPointFreeOf = (family: ProductFamily) =>
  productRule(family, {
    name: 'zero-point-free',
    law: 'qconv(x, w) = conv(x, w)',
    exactness: 'bit-exact',
    where: ({ w, zx, zw }, miss) =>
      needs(
        miss,
        [zx === undefined, 'the source has a zero point', zx],
        [zw === undefined, 'the weights have a zero point', zw],
        [w.type.dtype === 's8', 'the weights are u8', w],
      ),
    rewrite: ({ x, w, attrs }, a) => family.product(a, x, w, attrs),
    wrong: {
      what: 'adds the product to itself',
      rewrite: ({ x, w, attrs }, a) => a.add(family.product(a, x, w, attrs), family.product(a, x, w, attrs)),
    },
  });
export const zeroPointFree = zeroPointFreeOf(convolution);
