import { tensor } from '../../ir/index.ts';
import { needs } from '../corrections/operands.ts';
import { convolution, type ProductFamily, productRule } from '../corrections/product_family.ts';

/** s8 activations become u8: exact, one XOR per element, and free when the zero point was −128. */
export const recentreSourceOf = (family: ProductFamily) =>
  productRule(family, {
    name: 'recentre-source',
    law: 'qconv(x, w; zx, zw) = qconv(x + 128, w; zx + 128, zw)   for s8 x, x + 128 being u8',
    exactness: 'bit-exact',
    where: ({ x, zx, constant }, miss) =>
      needs(
        miss,
        [x.type.dtype === 's8', 'the source is u8 already', x],
        [zx === undefined || constant(zx) !== undefined, 'the zero point is computed at run time', zx],
      ),
    rewrite({ x, w, zx, zw, attrs }, a) {
      const source = a.recentre(x, 'u8');
      const moved = zx ? a.recentre(zx, 'u8') : a.constant(tensor('u8', [128], []));
      return family.quantized(a, { x: source, w, zx: moved, ...(zw && { zw }) }, attrs);
    },
    wrong: {
      what: 'moves the source and leaves the zero point where it was',
      rewrite({ x, w, zw, attrs }, a) {
        const zx = a.constant(tensor('u8', [0], []));
        return family.quantized(a, { x: a.recentre(x, 'u8'), w, zx, ...(zw && { zw }) }, attrs);
      },
    },
  });
export const recentreSource = recentreSourceOf(convolution);
