import { qnnConv } from '../../ir/ops/qnn_conv.op.ts';
import { filterSums } from '../corrections/ones_convolution.ts';
import { type ConvMatch, sourceCorrectable } from '../corrections/operands.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { defineRule } from '../rewrite/rule.ts';

/** gemmlowp's way: without padding every window holds all taps, so the correction is one number per filter. */
export const fold = defineRule({
  name: 'fold',
  root: qnnConv,
  law: 'qconv(x, w; zx) = conv(x, w) − zx·Σw[o]   when no tap is outside',
  exactness: 'bit-exact',
  where: (match, miss) =>
    sourceCorrectable(match, miss) ??
    (match.attrs.pads.every((p) => p === 0)
      ? undefined
      : miss(
          'padded borders see fewer taps, so one number per filter would be wrong',
          match.x,
          'border-table, pad or native',
        )),
  rewrite: foldInto,
  wrong: {
    what: 'forgets that the correction is scaled by zx',
    rewrite: ({ x, w, attrs, constant }, a) => a.sub(a.conv(x, w, attrs), a.constant(filterSums(constant(w)!))),
  },
});

/** conv(x, w) − zx·Σw: what `fold` emits, and wrong wherever padding cuts taps off. */
export function foldInto(
  { x, w, zx, attrs, constant }: Pick<ConvMatch, 'x' | 'w' | 'zx' | 'attrs' | 'constant'>,
  a: Algebra,
) {
  return a.sub(a.conv(x, w, attrs), a.mul(a.constant(filterSums(constant(w)!)), a.toS32(zx!)));
}
