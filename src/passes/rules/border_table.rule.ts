import { qnnConv } from '../../ir/ops/qnn_conv.op.ts';
import { onesConvolution } from '../corrections/ones_convolution.ts';
import { needs, sourceCorrectable, spatialOf } from '../corrections/operands.ts';
import { defineRule } from '../rewrite/rule.ts';
import { foldInto } from './fold.rule.ts';

/** Zero padding stays; what it should have read is a constant map, one value per filter inside, less at the borders. */
export const borderTable = defineRule({
  name: 'border-table',
  root: qnnConv,
  law: 'qconv(x, w; zx) = conv(x, w) − zx·conv(1, w)',
  exactness: 'bit-exact',
  where: (match, miss) =>
    sourceCorrectable(match, miss) ??
    needs(miss, [
      spatialOf(match.x) !== undefined,
      'the map needs a known spatial size',
      match.x,
      'give inputShapes, or use pad or native',
    ]),
  rewrite({ x, w, zx, attrs, constant }, a) {
    const map = onesConvolution(constant(w)!, spatialOf(x)!, attrs);
    return a.sub(a.conv(x, w, attrs), a.mul(a.constant(map), a.toS32(zx!)));
  },
  wrong: {
    what: 'Σw[o] instead of conv(1, w): wrong at padded borders (apache/tvm#11127 and others)',
    rewrite: foldInto,
  },
});
