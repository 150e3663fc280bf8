import type { ITensor } from '../../tensors/index.ts';
import { attr, defineOp, tensorOf } from '../define_op.ts';

const fl = Math.fround;
const f32 = tensorOf('f32');

/** Boxes by their ends along both axes, and their areas. */
class Boxes {
  readonly left: Float32Array;
  readonly right: Float32Array;
  readonly low: Float32Array;
  readonly high: Float32Array;
  readonly area: Float32Array;
  count = 0;

  constructor(most: number) {
    [this.left, this.right, this.low, this.high, this.area] = Array.from({ length: 5 }, () => new Float32Array(most));
  }

  /** Adds a box [4] given by two corners in any order, or by its centre and size. */
  add(box: Float32Array, at: number, byCentre: boolean): void {
    const i = this.count++;
    const [a, b, c, d] = [box[at], box[at + 1], box[at + 2], box[at + 3]];
    this.left[i] = byCentre ? a - fl(c / 2) : Math.min(a, c);
    this.right[i] = byCentre ? a + fl(c / 2) : Math.max(a, c);
    this.low[i] = byCentre ? b - fl(d / 2) : Math.min(b, d);
    this.high[i] = byCentre ? b + fl(d / 2) : Math.max(b, d);
    this.area[i] = fl(this.right[i] - this.left[i]) * fl(this.high[i] - this.low[i]);
  }

  /** True when a box shares more than `threshold` of the area that either of both covers with one of the others. */
  overlaps(i: number, others: Boxes, threshold: number): boolean {
    const [left, right, low, high, area] = [this.left[i], this.right[i], this.low[i], this.high[i], this.area[i]];
    if (!(area > 0)) return false;
    const { left: lefts, right: rights, low: lows, high: highs, count } = others;
    for (let j = 0; j < count; j++) {
      // most boxes lie apart
      if (!(rights[j] > left && right > lefts[j] && highs[j] > low && high > lows[j])) continue;
      const width = fl(Math.min(right, rights[j]) - Math.max(left, lefts[j]));
      if (!(width > 0)) continue;
      const height = fl(Math.min(high, highs[j]) - Math.max(low, lows[j]));
      if (!(height > 0)) continue;
      const both = fl(width * height);
      const covered = fl(fl(area + others.area[j]) - both);
      if (both > 0 && others.area[j] > 0 && covered > 0 && fl(both / covered) > threshold) return true;
    }
    return false;
  }
}

/** The boxes of one class that are chosen, the best first. */
function chosenOf(scores: Float32Array, all: Boxes, boxes: Float32Array, given: Choice): readonly number[] {
  const { maxPerClass, overlapThreshold, scoreThreshold, byCentre } = given;
  const better = new Uint32Array(scores.length);
  let count = 0;
  for (let i = 0; i < scores.length; i++) if (scores[i] > fl(scoreThreshold)) better[count++] = i;
  const order = better.subarray(0, count).sort((i, j) => scores[j] - scores[i] || i - j);
  const chosen: number[] = [];
  const kept = new Boxes(Math.min(count, maxPerClass));
  for (const i of order) {
    if (chosen.length >= maxPerClass) break;
    if (all.overlaps(i, kept, fl(overlapThreshold))) continue;
    chosen.push(i);
    kept.add(boxes, 4 * i, byCentre);
  }
  return chosen;
}
interface Choice {
  readonly maxPerClass: number;
  readonly overlapThreshold: number;
  readonly scoreThreshold: number;
  readonly byCentre: boolean;
}

/** ONNX NonMaxSuppression: https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html */
export const nnNonMaxSuppression = defineOp({
  name: 'nn.non_max_suppression',
  doc: 'Of each batch and class the boxes whose score is above scoreThreshold, the best first, of equal ones the first, without those that overlap one before by more than overlapThreshold, at most maxPerClass: rows of batch, class and box, s64[count,3]. boxes: [B,N,4], corners in any order or centre and size; scores: [B,C,N]; in binary32, each step rounded. `symbol` names the count and 1 more, which only the evaluation knows.',
  operands: { boxes: f32, scores: f32 },
  attrs: {
    maxPerClass: attr.int(0),
    overlapThreshold: attr.float(0),
    scoreThreshold: attr.float(Number.NEGATIVE_INFINITY),
    byCentre: attr.bool(false),
    symbol: attr.string(),
  },
  results: { y: ['s64'] },
  openSize: 'symbol',
  infer({ boxes, scores }, { symbol }, refuse) {
    const [b, s] = [boxes.shape, scores.shape];
    const differ = (one: number | string, other: number | string) =>
      typeof one === 'number' && typeof other === 'number' && one !== other;
    if (b.length !== 3 || s.length !== 3 || differ(b[2], 4) || differ(b[0], s[0]) || differ(b[1], s[2]))
      refuse(`boxes [${b.join(', ')}] and scores [${s.join(', ')}] should be [B,N,4] and [B,C,N]`);
    return { dtype: 's64', shape: [symbol, 3] };
  },
  evaluate({ boxes, scores }, attrs) {
    const [batches, classes, count] = scores.shape;
    const rows: number[] = [];
    for (let batch = 0; batch < batches; batch++) {
      const own = (boxes.data as Float32Array).subarray(batch * count * 4, (batch + 1) * count * 4);
      const all = new Boxes(count);
      for (let i = 0; i < count; i++) all.add(own, 4 * i, attrs.byCentre);
      for (let one = 0; one < classes; one++) {
        const first = (batch * classes + one) * count;
        const values = (scores.data as Float32Array).subarray(first, first + count);
        for (const i of chosenOf(values, all, own, attrs)) rows.push(batch, one, i);
      }
    }
    const y: ITensor = { dtype: 's64', shape: [rows.length / 3, 3], data: BigInt64Array.from(rows, BigInt) };
    return y;
  },
});
