import { type ITensor, tensor } from '../../ir/index.ts';
import { qnnConv } from '../../ir/ops/qnn_conv.op.ts';
import { type Eight, needs, perFilter } from '../corrections/operands.ts';
import { defineRule } from '../rewrite/rule.ts';

/** w − zw lies in −255…255: every such number but 255 is the sum of two s8. */
export const splitWeights = defineRule({
  name: 'split-weights',
  root: qnnConv,
  law: 'qconv(x, w; zx, zw) = qconv(x, wa; zx) + qconv(x, wb; zx),   w − zw = wa + wb, both s8',
  exactness: 'bit-exact',
  where({ w, zw, constant }, miss) {
    return needs(
      miss,
      [zw !== undefined || w.type.dtype === 'u8', 'the weights are s8 without a zero point already', w],
      [
        constant(w) !== undefined && (zw === undefined || constant(zw) !== undefined),
        'the weights and their zero point must be constants',
        w,
      ],
      [
        () => split(constant(w)!, constant(zw)) !== undefined,
        'some w − zw is 255: no two s8 add up to it',
        w,
        'window-sum serves',
      ],
    );
  },
  rewrite({ x, w, zx, zw, attrs, constant }, { emit, constant: make, add }) {
    const { shape } = constant(w)!;
    const parts = split(constant(w)!, constant(zw))!.map((half) =>
      emit(qnnConv, { x, w: make(tensor('s8', half, shape)), ...(zx && { zx }) }, attrs),
    );
    return add(parts[0], parts[1]);
  },
  wrong: {
    what: 'halves w − zw and forgets that odd numbers have no half',
    rewrite({ x, w, zx, zw, attrs, constant }, { emit, constant: make, add }) {
      const { shape, data } = constant(w)!;
      const zero = perFilter(constant(zw));
      const per = data.length / shape[0];
      const half = Int8Array.from(data, (v, i) => Math.floor((v - zero(Math.floor(i / per))) / 2));
      const part = emit(qnnConv, { x, w: make(tensor('s8', half, shape)), ...(zx && { zx }) }, attrs);
      return add(part, part);
    },
  },
});

/** The two halves, the larger rounded away from zero; undefined when a value is out of −256…254. */
function split(w: ITensor<Eight>, zw: ITensor<Eight> | undefined): [Int8Array, Int8Array] | undefined {
  const zero = perFilter(zw);
  const per = w.data.length / w.shape[0];
  const [a, b] = [new Int8Array(w.data.length), new Int8Array(w.data.length)];
  for (let i = 0; i < w.data.length; i++) {
    const v = w.data[i] - zero(Math.floor(i / per));
    if (v > 254 || v < -256) return undefined;
    a[i] = Math.floor(v / 2);
    b[i] = v - a[i];
  }
  return [a, b];
}
