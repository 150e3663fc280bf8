import { isStatic } from '../../ir/index.ts';
import { nnExpand } from '../../ir/ops/nn_movement.op.ts';
import { qnnConv } from '../../ir/ops/qnn_conv.op.ts';
import { needs, sourceCorrectable } from '../corrections/operands.ts';
import { defineRule } from '../rewrite/rule.ts';
import { foldInto } from './fold.rule.ts';

/** The answer given in oneDNN issue #665: a second convolution, over the zero point broadcast to the input's shape. */
export const twoConv = defineRule({
  name: 'two-conv',
  root: qnnConv,
  law: 'qconv(x, w; zx) = conv(x, w) − conv(broadcast(zx), w)',
  exactness: 'bit-exact',
  where: (match, miss) =>
    sourceCorrectable(match, miss) ??
    needs(miss, [isStatic(match.x.type.shape), 'the broadcast needs a known shape', match.x, 'give inputShapes']),
  rewrite({ x, w, zx, attrs }, { conv, emit, sub, reshape }) {
    const shape = x.type.shape;
    const broadcast = emit(
      nnExpand,
      {
        x: reshape(
          zx!,
          shape.map(() => 1),
        ),
      },
      { shape },
    );
    return sub(conv(x, w, attrs), conv(broadcast, w, attrs));
  },
  wrong: { what: 'takes the broadcast convolution for a constant per filter', rewrite: foldInto },
});
