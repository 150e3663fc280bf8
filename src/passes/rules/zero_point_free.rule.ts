import { type ConvFamily, convolution } from '../corrections/conv_family.ts';
import { needs } from '../corrections/operands.ts';
import { defineRule } from '../rewrite/rule.ts';

/** Nothing is left to correct: the convolution is a plain one. */
export const zeroPointFreeOf = (family: ConvFamily) =>
  defineRule({
    name: family.rule('zero-point-free'),
    root: family.root,
    law: family.law('qconv(x, w) = conv(x, w)'),
    exactness: 'bit-exact',
    where: ({ w, zx, zw }, miss) =>
      needs(
        miss,
        [zx === undefined, 'the source has a zero point', zx],
        [zw === undefined, 'the weights have a zero point', zw],
        [w.type.dtype === 's8', 'the weights are u8', w],
      ),
    rewrite: ({ x, w, attrs }, a) => family.conv(a, x, w, attrs),
    wrong: {
      what: 'rotates the pads',
      rewrite: ({ x, w, attrs }, a) =>
        family.conv(a, x, w, { ...attrs, pads: attrs.pads.map((_p, i) => attrs.pads[(i + 1) % attrs.pads.length]) }),
    },
  });
export const zeroPointFree = zeroPointFreeOf(convolution);
