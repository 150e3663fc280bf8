import type { Value } from '../../ir/index.ts';
import { nnCast } from '../../ir/ops/nn_cast.op.ts';
import { nnConv } from '../../ir/ops/nn_conv.op.ts';
import { nnSub } from '../../ir/ops/nn_elementwise_binary.op.ts';
import { qnnConv } from '../../ir/ops/qnn_conv.op.ts';
import type { ConvMatch } from '../corrections/operands.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { defineRule } from '../rewrite/rule.ts';

/** The definition itself, slow and always legal: what serves when nothing else does. */
export const s32Shift = defineRule({
  name: 's32-shift',
  root: qnnConv,
  law: 'qconv(x, w; zx, zw) = conv(s32(x) − s32(zx), s32(w) − s32(zw))',
  exactness: 'bit-exact',
  rewrite: (match, a) => shifted(match, a, true),
  wrong: { what: 'forgets the weights zero point', rewrite: (match, a) => shifted(match, a, false) },
});

function shifted({ x, w, zx, zw, attrs }: ConvMatch, a: Algebra, subtractWeights: boolean) {
  const s32 = (v: ConvMatch['x']) => a.emit(nnCast, { x: v }, { to: 's32' }) as Value<'s32'>;
  const rank = w.type.shape.length;
  const source = zx ? a.emit(nnSub, { a: s32(x), b: s32(zx) }) : s32(x);
  const perFilter =
    zw &&
    a.reshape(
      a.toS32(zw),
      zw.type.shape.length === 0 || zw.type.shape[0] === 1 ? [] : [zw.type.shape[0], ...Array(rank - 1).fill(1)],
    );
  const weights = perFilter && subtractWeights ? a.emit(nnSub, { a: s32(w), b: perFilter }) : s32(w);
  return a.emit(nnConv, { x: source, w: weights }, attrs);
}
