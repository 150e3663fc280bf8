import { tensor } from '../../ir/index.ts';
import { type ConvFamily, convolution } from '../corrections/conv_family.ts';
import { movedZeroPoint, needs } from '../corrections/operands.ts';
import { defineRule, present } from '../rewrite/rule.ts';

/** s8 activations become u8: exact, one XOR per element, and free when the zero point was −128. */
export const recentreSourceOf = (family: ConvFamily) =>
  defineRule({
    name: family.rule('recentre-source'),
    root: family.root,
    law: family.law('qconv(x, w; zx, zw) = qconv(x + 128, w; zx + 128, zw)   for s8 x, x + 128 being u8'),
    exactness: 'bit-exact',
    where: ({ x, zx, constant }, miss) =>
      needs(
        miss,
        [x.type.dtype === 's8', 'the source is u8 already', x],
        [zx === undefined || constant(zx) !== undefined, 'the zero point is computed at run time', zx],
      ),
    rewrite({ x, w, zx, zw, attrs, constant }, { emit, recentre, constant: make }) {
      const moved = zx ? movedZeroPoint(present(constant(zx)), 'u8') : tensor('u8', [128], []);
      return emit(family.root, { x: recentre(x, 'u8'), w, zx: make(moved), ...(zw && { zw }) }, attrs);
    },
    wrong: {
      what: 'moves the source and leaves the zero point where it was',
      rewrite({ x, w, zw, attrs }, { emit, recentre, constant: make }) {
        return emit(
          family.root,
          { x: recentre(x, 'u8'), w, zx: make(tensor('u8', [0], [])), ...(zw && { zw }) },
          attrs,
        );
      },
    },
  });
export const recentreSource = recentreSourceOf(convolution);
