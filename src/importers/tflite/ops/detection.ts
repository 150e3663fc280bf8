/** TFLite_Detection_PostProcess, a custom operator: its options are a map in FlexBuffers. */
import { numbersOfFlexMap } from '../../../formats/tflite/index.ts';
import { nnDetectionPostprocess, qnnDequantize, type Value } from '../../../ir/index.ts';
import { isByteType } from '../../../tensors/index.ts';
import { defineTfliteOp, last, type TfliteOp } from '../define_tflite_op.ts';
import type { Operand, OperatorContext } from '../operator_context.ts';

/** fl(scale·(q − zero point)). */
function reals(ctx: OperatorContext, x: Operand): Value {
  const value = ctx.last(x);
  if (x.dtype === 'f32') return value;
  if (!isByteType(x.dtype)) return ctx.unsupported(`detections of ${x.dtype}`);
  const { scale, zeroPoint } = ctx.perTensor(x.tensor);
  const operands = {
    x: value,
    scale: ctx.scalar('f32', scale, 'scale'),
    zp: ctx.scalar(x.dtype, zeroPoint, 'zero_point'),
  };
  return ctx.emit(qnnDequantize, operands, {});
}

const detection = defineTfliteOp({
  name: 'TFLite_Detection_PostProcess',
  inputs: ['encodings', 'scores', 'anchors'],
  import(ctx) {
    const options =
      numbersOfFlexMap(ctx.customOptions ?? new Uint8Array(0)) ??
      ctx.refuse('its options are not a map in FlexBuffers', 'U1003');
    const real = (name: string) => {
      const value = Math.fround(options.get(name) ?? 0);
      return Number.isFinite(value) ? value : ctx.unsupported(`${name} is ${value}`);
    };
    const whole = (name: string) => Math.trunc(options.get(name) ?? 0);
    const [encodings, scores, anchors] = ['encodings', 'scores', 'anchors'].map((name) => reals(ctx, ctx.get(name)));
    const { boxes, labels, best, count } = ctx.emit(
      nnDetectionPostprocess,
      { encodings, scores, anchors },
      {
        classes: whole('num_classes'),
        max_detections: whole('max_detections'),
        classes_per_detection: whole('max_classes_per_detection'),
        detections_per_class: options.has('detections_per_class') ? whole('detections_per_class') : 100,
        regular: options.has('use_regular_nms') && whole('use_regular_nms') !== 0,
        score_threshold: real('nms_score_threshold'),
        overlap_threshold: real('nms_iou_threshold'),
        scales: ['y_scale', 'x_scale', 'h_scale', 'w_scale'].map(real),
      },
    );
    return [boxes, labels, best, count].map(last);
  },
});

export const customOps: readonly TfliteOp[] = [detection];
