import { type ConvFamily, convolution } from '../corrections/conv_family.ts';
import { isZero } from '../corrections/operands.ts';
import { defineRule } from '../rewrite/rule.ts';

/** A zero point of 0 is none. Everything after this rule may take presence for need. */
export const dropZeroPointOf = (family: ConvFamily) =>
  defineRule({
    name: family.rule('drop-zero-point'),
    root: family.root,
    law: family.law('qconv(x, w; 0, zw) = qconv(x, w; zw)   and   qconv(x, w; zx, 0) = qconv(x, w; zx)'),
    exactness: 'bit-exact',
    where({ zx, zw, constant }, miss) {
      const zero = [zx, zw].some((z) => z !== undefined && constant(z) !== undefined && isZero(constant(z)));
      return zero ? undefined : miss('no zero point is known to be 0', zx ?? zw);
    },
    rewrite({ x, w, zx, zw, attrs, constant }, { emit }) {
      const keep = <T extends typeof zx>(z: T) =>
        z && constant(z) !== undefined && isZero(constant(z)) ? undefined : z;
      const [kx, kw] = [keep(zx), keep(zw)];
      return emit(family.root, { x, w, ...(kx && { zx: kx }), ...(kw && { zw: kw }) }, attrs);
    },
    wrong: {
      what: 'drops every zero point, whatever its value',
      rewrite: ({ x, w, attrs }, { emit }) => emit(family.root, { x, w }, attrs),
    },
  });
export const dropZeroPoint = dropZeroPointOf(convolution);
