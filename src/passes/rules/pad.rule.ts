import { nnPad } from '../../ir/index.ts';
import { convolution } from '../corrections/conv_family.ts';
import { needs, type ProductMatch, sourceCorrectable } from '../corrections/operands.ts';
import { productRule } from '../corrections/product_family.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { present } from '../rewrite/rule.ts';
import { foldInto } from './fold.rule.ts';

/** TVM QNN's way: pad with the zero point first; then no tap is outside. */
export const pad = productRule(convolution, {
  name: 'pad',
  law: 'qconv(x, w; zx, pads) = conv(pad(x, zx, pads), w) − zx·Σw[o]',
  exactness: 'bit-exact',
  where: (match, miss) =>
    sourceCorrectable(match, miss) ??
    needs(miss, [match.attrs.pads.some((p) => p > 0), 'the convolution has no padding', match.x, 'fold']),
  rewrite: (match, a) => padWith(match, a, present(match.zx)),
  wrong: {
    what: 'pads with 0 instead of the zero point (microsoft/onnxscript FuseConvIntegerPad, reversed)',
    rewrite: (match, a) => padWith(match, a, undefined),
  },
});

function padWith(match: ProductMatch, a: Algebra, value: ProductMatch['zx']) {
  const { x, attrs } = match;
  const rank = attrs.strides.length;
  const pads = [0, 0, ...attrs.pads.slice(0, rank), 0, 0, ...attrs.pads.slice(rank)];
  const padded = a.emit(nnPad, { x, ...(value && { value }) }, { pads, mode: 'constant' });
  return foldInto(convolution, { ...match, x: padded, attrs: { ...attrs, pads: attrs.pads.map(() => 0) } }, a);
}
