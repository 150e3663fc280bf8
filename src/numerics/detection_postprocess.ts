/**
 * Detections from encoded boxes and scores, as TFLite_Detection_PostProcess computes them: tensorflow/lite/kernels/detection_postprocess.
 *
 *   box of an anchor   centre fl(y/sy·h + y₀), half fl(½·exp(h'/sh)·h) for a code (y, x, h', w') and an anchor (y₀, x₀, h, w), in binary64
 *                      until fl; corners fl(centre ∓ half)
 *   suppression        of the boxes with a score of at least the threshold, by falling score: one is left out where a box that was
 *                      chosen overlaps it, intersection/union > the threshold of overlap
 *   fast               over the greatest scores of the boxes; each box that is chosen stands for its best classes
 *   regular            over the scores of each class; the best of all classes are kept
 *
 * Of equal scores the first comes first, but for the classes of a box where there are several: heap_sort.ts.
 */
import { greatestPlaces } from './heap_sort.ts';

export interface Detection {
  readonly maxDetections: number;
  /** Classes of a box, in the fast way. */
  readonly classesPerDetection: number;
  /** Boxes of a class, in the regular way. */
  readonly detectionsPerClass: number;
  readonly isRegular: boolean;
  readonly scoreThreshold: number;
  readonly overlapThreshold: number;
  readonly classes: number;
  /** Those of y, x, h and w. */
  readonly scales: readonly number[];
}

/** Rows of numbers: boxes, scores or anchors. */
export interface Rows {
  readonly data: Float32Array;
  readonly width: number;
}

/** The results, filled from the front; `count` of them are detections. */
export interface Detected {
  readonly boxes: Float32Array;
  readonly classes: Float32Array;
  readonly scores: Float32Array;
  count: number;
}

const fl = Math.fround;

/** Corners of the boxes: least and greatest y and x of each. */
export function decodedBoxes({ data, width }: Rows, anchors: Float32Array, scales: readonly number[]): Float32Array {
  const corners = new Float32Array(anchors.length);
  for (let box = 0; 4 * box < anchors.length; box++) {
    for (const axis of [0, 1]) {
      const [place, size] = [axis, 2 + axis].map((i) => data[box * width + i] / scales[i]);
      const [from, length] = [anchors[4 * box + axis], anchors[4 * box + 2 + axis]];
      const [centre, half] = [fl(place * length + from), fl(0.5 * Math.exp(size) * length)];
      corners[4 * box + axis] = centre - half;
      corners[4 * box + 2 + axis] = centre + half;
    }
  }
  return corners;
}

/** Places of numbers, greatest first. */
const falling = (places: readonly number[], values: ArrayLike<number>): readonly number[] =>
  places.toSorted((a, b) => values[b] - values[a] || a - b);

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** The intersection of two boxes over their union, in binary32. */
function overlap(corners: Float32Array, a: number, b: number): number {
  const at = (box: number, i: number): number => corners[4 * box + i];
  const area = (box: number): number => fl(fl(at(box, 2) - at(box, 0)) * fl(at(box, 3) - at(box, 1)));
  const [own, other] = [area(a), area(b)];
  if (own <= 0 || other <= 0) return 0;
  const [height, width] = [0, 1].map((i) =>
    Math.max(fl(Math.min(at(a, i + 2), at(b, i + 2)) - Math.max(at(a, i), at(b, i))), 0),
  );
  const shared = fl(height * width);
  return fl(shared / fl(fl(own + other) - shared));
}

/** The boxes that stay, greatest score first, `most` at most. */
export function suppressed(
  corners: Float32Array,
  scores: ArrayLike<number>,
  { scoreThreshold, overlapThreshold }: Pick<Detection, 'scoreThreshold' | 'overlapThreshold'>,
  most: number,
): readonly number[] {
  const candidates = range(scores.length).filter((box) => scores[box] >= scoreThreshold);
  const chosen: number[] = [];
  for (const box of falling(candidates, scores)) {
    if (chosen.length >= most) break;
    if (chosen.every((other) => !(overlap(corners, other, box) > overlapThreshold))) chosen.push(box);
  }
  return chosen;
}

/** `scores` may have a column for the background before those of the classes. */
export function detect(detection: Detection, encodings: Rows, scores: Rows, anchors: Float32Array): Detected {
  const corners = decodedBoxes(encodings, anchors, detection.scales);
  const { maxDetections, classesPerDetection, classes, isRegular } = detection;
  const first = scores.width - classes;
  const boxes = anchors.length / 4;
  const scoreAt = (box: number, of: number): number => scores.data[box * scores.width + first + of];
  const size = maxDetections * classesPerDetection;
  const result: Detected = {
    boxes: new Float32Array(4 * size),
    classes: new Float32Array(size),
    scores: new Float32Array(size),
    count: 0,
  };
  const put = (place: number, box: number, of: number): void => {
    result.boxes.set(corners.subarray(4 * box, 4 * box + 4), 4 * place);
    result.classes[place] = of;
    result.scores[place] = scoreAt(box, of);
  };
  if (isRegular) {
    let best: { readonly box: number; readonly of: number; readonly score: number }[] = [];
    for (const of of range(classes)) {
      const column = range(boxes).map((box) => scoreAt(box, of));
      const chosen = suppressed(corners, column, detection, detection.detectionsPerClass);
      const all = [...best, ...chosen.map((box) => ({ box, of, score: column[box] }))];
      const order = falling(
        [...all.keys()],
        all.map(({ score }) => score),
      );
      best = order.slice(0, maxDetections).map((i) => all[i]);
    }
    for (const [place, { box, of }] of best.entries()) put(place, box, of);
    result.count = best.length;
    return result;
  }
  const kept = Math.min(classesPerDetection, classes);
  const bestOf = range(boxes).map((box) => {
    const row = range(classes).map((of) => scoreAt(box, of));
    return kept === 1 ? [row.indexOf(Math.max(...row))] : greatestPlaces(row, kept);
  });
  const greatest = bestOf.map(([of], box) => scoreAt(box, of));
  const chosen = suppressed(corners, greatest, detection, maxDetections);
  for (const [i, box] of chosen.entries())
    for (const [j, of] of bestOf[box].entries()) put(classesPerDetection * i + j, box, of);
  result.count = chosen.length;
  return result;
}
