import { detect } from '../../numerics/index.ts';
import { attr, defineOp, tensorOf } from '../define_op.ts';
import { formatType, type Shape } from '../types.ts';

const reals = tensorOf('f32');

const fits = (shape: Shape, expected: Shape): boolean =>
  shape.length === expected.length &&
  shape.every((dim, i) => typeof dim !== 'number' || typeof expected[i] !== 'number' || dim === expected[i]);

/** TFLite_Detection_PostProcess: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/lite/kernels/detection_postprocess.cc */
export const nnDetectionPostprocess = defineOp({
  name: 'nn.detection_postprocess',
  doc: `Boxes that are decoded from anchors, and of which those are left out that overlap a better one: see numerics/detection_postprocess.ts.
encodings: [1,N,4 or more] as y, x, h, w, which \`scales\` divide; scores: [1,N,classes], or one more before them for the background; anchors: [N,4] as centre and size.
For D = max_detections·classes_per_detection: boxes: [1,D,4] as least y, least x, greatest y, greatest x; labels, the classes, and best, their scores: [1,D]; count: [1]. Places without a detection are 0.
With \`regular\` classes are separate, and each has detections_per_class boxes at most; otherwise a box has its classes_per_detection best ones.`,
  operands: { encodings: reals, scores: reals, anchors: reals },
  attrs: {
    classes: attr.int(),
    max_detections: attr.int(),
    classes_per_detection: attr.int(),
    detections_per_class: attr.int(100),
    regular: attr.bool(false),
    score_threshold: attr.float(),
    overlap_threshold: attr.float(),
    scales: attr.floats(),
  },
  results: { boxes: ['f32'], labels: ['f32'], best: ['f32'], count: ['f32'] },
  infer({ encodings, scores, anchors }, attrs, refuse) {
    const [, boxes, codes] = encodings.shape;
    if (!fits(encodings.shape, [1, boxes, codes]) || !(Number(codes) >= 4))
      refuse(`'encodings' should be [1,N,4 or more], but is ${formatType(encodings)}`, 'encodings');
    if (!fits(anchors.shape, [boxes, 4]))
      refuse(`'anchors' should be [${boxes},4], but is ${formatType(anchors)}`, 'anchors');
    const { classes } = attrs;
    if (![classes, classes + 1].some((width) => fits(scores.shape, [1, boxes, width])))
      refuse(`'scores' should be [1,${boxes},${classes}] or one wider, but is ${formatType(scores)}`, 'scores');
    for (const name of ['classes', 'max_detections', 'classes_per_detection', 'detections_per_class'] as const)
      if (!(Number.isSafeInteger(attrs[name]) && attrs[name] >= 1)) refuse(`${name} is ${attrs[name]}`);
    if (attrs.scales.length !== 4 || attrs.scales.some((scale) => !(scale > 0)))
      refuse.limit(`scales are ${attrs.scales}`);
    const places = attrs.max_detections * attrs.classes_per_detection;
    return [[1, places, 4], [1, places], [1, places], [1]].map((shape) => ({ dtype: 'f32', shape }));
  },
  evaluate({ encodings, scores, anchors }, attrs, types) {
    const detection = {
      classes: attrs.classes,
      maxDetections: attrs.max_detections,
      classesPerDetection: attrs.classes_per_detection,
      detectionsPerClass: attrs.detections_per_class,
      isRegular: attrs.regular,
      scoreThreshold: attrs.score_threshold,
      overlapThreshold: attrs.overlap_threshold,
      scales: attrs.scales,
    };
    const found = detect(
      detection,
      { data: encodings.data, width: encodings.shape[2] },
      { data: scores.data, width: scores.shape[2] },
      anchors.data,
    );
    const data = [found.boxes, found.classes, found.scores, Float32Array.of(found.count)];
    return types.map(({ shape }, i) => ({ dtype: 'f32', shape, data: data[i] }));
  },
});
