import { isStatic, nnExpand } from '../../ir/index.ts';
import { type ConvFamily, convolution } from '../corrections/conv_family.ts';
import { needs, sourceCorrectable } from '../corrections/operands.ts';
import { productRule } from '../corrections/product_family.ts';
import { present } from '../rewrite/rule.ts';
import { foldInto } from './fold.rule.ts';

/** The answer given in oneDNN issue #665: a second convolution, over the zero point broadcast to the input's shape. */
export const twoConvOf = (family: ConvFamily) =>
  productRule(family, {
    name: 'two-conv',
    law: 'qconv(x, w; zx) = conv(x, w) − conv(broadcast(zx), w)',
    exactness: 'bit-exact',
    where: (match, miss) =>
      sourceCorrectable(match, miss, true) ??
      needs(miss, [isStatic(match.x.type.shape), 'the broadcast needs a known shape', match.x, 'give inputShapes']),
    rewrite({ x, w, zx, attrs }, a) {
      const shape = x.type.shape;
      const broadcast = a.emit(
        nnExpand,
        {
          x: a.reshape(
            present(zx),
            shape.map(() => 1),
          ),
        },
        { shape },
      );
      return a.sub(family.product(a, x, w, attrs), family.product(a, broadcast, w, attrs));
    },
    wrong: {
      what: 'takes the broadcast convolution for a constant per filter, and for nothing where the weights are computed',
      rewrite: (match, a) =>
        match.constant(match.w) ? foldInto(family, match, a) : family.product(a, match.x, match.w, match.attrs),
    },
  });
export const twoConv = twoConvOf(convolution);
