import { nnCast } from '../../ir/ops/nn_cast.op.ts';
import { nnConv } from '../../ir/ops/nn_conv.op.ts';
import { nnSub } from '../../ir/ops/nn_elementwise_binary.op.ts';
import { qnnConv } from '../../ir/ops/qnn_conv.op.ts';
import { accumulatorBound } from '../corrections/bounds.ts';
import { type ConvMatch, needs, sourceCorrectable } from '../corrections/operands.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { defineRule } from '../rewrite/rule.ts';

/** f32 holds every integer up to 2^24, so below that the float convolution is exact whatever its order of summation. */
export const f32Shift = defineRule({
  name: 'f32-shift',
  root: qnnConv,
  law: 'qconv(x, w; zx) = s32(conv(f32(x) − f32(zx), f32(w)))   when Σ|x − zx|·|w| ≤ 2^24',
  exactness: 'bit-exact',
  where: (match, miss) =>
    sourceCorrectable(match, miss) ??
    needs(
      miss,
      [match.constant(match.zx) !== undefined, 'the bound needs a known zero point', match.zx],
      [() => accumulatorBound(match) <= 2 ** 24, 'an accumulator may be beyond 2^24', match.w],
    ),
  rewrite: (match, a) => shifted(match, a, (x, zx) => a.emit(nnSub, { a: x, b: zx })),
  wrong: { what: 'does not subtract', rewrite: (match, a) => shifted(match, a, (x) => x) },
});

type F32 = import('../../ir/index.ts').Value<'f32'>;

function shifted({ x, w, zx, attrs }: ConvMatch, a: Algebra, subtract: (x: F32, zx: F32) => F32) {
  const f32 = (v: ConvMatch['x']): F32 => a.emit(nnCast, { x: v }, { to: 'f32' }) as F32;
  const sum = a.emit(nnConv, { x: subtract(f32(x), f32(zx!)), w: f32(w) }, attrs);
  return a.emit(nnCast, { x: sum }, { to: 's32' });
}
