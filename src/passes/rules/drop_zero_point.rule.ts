import { isZero } from '../corrections/operands.ts';
import { convolution, type ProductFamily, productRule } from '../corrections/product_family.ts';

/** A zero point of 0 is none. Everything after this rule may take presence for need. */
export const dropZeroPointOf = (family: ProductFamily) =>
  productRule(family, {
    name: 'drop-zero-point',
    law: 'qconv(x, w; 0, zw) = qconv(x, w; zw)   and   qconv(x, w; zx, 0) = qconv(x, w; zx)',
    exactness: 'bit-exact',
    where({ zx, zw, constant }, miss) {
      const zero = [zx, zw].some((z) => z !== undefined && constant(z) !== undefined && isZero(constant(z)));
      return zero ? undefined : miss('no zero point is known to be 0', zx ?? zw);
    },
    rewrite({ x, w, zx, zw, attrs, constant }, a) {
      const keep = <T extends typeof zx>(z: T) =>
        z && constant(z) !== undefined && isZero(constant(z)) ? undefined : z;
      const [kx, kw] = [keep(zx), keep(zw)];
      return family.quantized(a, { x, w, ...(kx && { zx: kx }), ...(kw && { zw: kw }) }, attrs);
    },
    wrong: {
      what: 'drops every zero point, whatever its value',
      rewrite: ({ x, w, attrs }, a) => family.quantized(a, { x, w }, attrs),
    },
  });
export const dropZeroPoint = dropZeroPointOf(convolution);
