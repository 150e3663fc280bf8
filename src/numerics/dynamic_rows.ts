/**
 * Rows of floats quantized to int8 while the model runs, each with a scale and a zero point of its own: the activations of layers
 * with int8 weights and float sources in TensorFlow Lite. All steps in binary32 but where f64 is said; 0 is in every range.
 *
 *   symmetric    R = max |x|;  q = clamp(rha(x·fl(127/R)), −127, 127);  scale = fl(R/127), zero point 0
 *   asymmetric   s = fl(max − min)/255 in f64;  q = clamp(rha(x·fl(1/fl(s))) + z, −128, 127);  z = rha of −128 − min/s or of 127 − max/s,
 *                whichever end of the range has the smaller error, in f64;  scale = fl(s)
 *   xnnpack      S = fl(255/fl(max − min));  q = rne(x·S) + z;  z = rne of −128 − min·S or of 127 − max·S;  scale = fl(1/S)
 *
 * Sources: tensorflow/lite/kernels/internal/reference/portable_tensor_utils, XNNPACK's unary-elementwise to qd8; measured on
 * ai-edge-litert 2.3.0, whose asymmetric rows differ from the portable source in two roundings (10,240 rows, many with ties).
 */
import { clampTo, roundHalfAway, roundHalfEven } from './rounding.ts';

export type RowRecipe = 'symmetric' | 'asymmetric' | 'xnnpack';

/** The parameters of one row, and the integer of an element: x ≈ scale·(q − zeroPoint). */
interface RowQuantization {
  readonly scale: number;
  readonly zeroPoint: number;
  quantize(x: number): number;
}

const fl = Math.fround;
const clamped = (x: number): number => clampTo(-128, 127, x);

export function quantizationOfRow(recipe: RowRecipe, row: Float32Array): RowQuantization {
  let [least, most] = [0, 0];
  for (const x of row) {
    if (x < least) least = x;
    if (x > most) most = x;
  }
  return recipe === 'symmetric'
    ? symmetric(Math.max(most, -least))
    : recipe === 'asymmetric'
      ? asymmetric(least, most)
      : xnnpack(least, most);
}

function symmetric(range: number): RowQuantization {
  if (range === 0) return { scale: 1, zeroPoint: 0, quantize: () => 0 };
  const inverse = fl(127 / range);
  return {
    scale: fl(range / 127),
    zeroPoint: 0,
    quantize: (x) => clampTo(-127, 127, roundHalfAway(fl(x * inverse))),
  };
}

function asymmetric(least: number, most: number): RowQuantization {
  if (least === most) return { scale: 1, zeroPoint: 0, quantize: () => 0 };
  const step = fl(most - least) / 255;
  const [fromLeast, fromMost] = [-128 - least / step, 127 - most / step];
  const isLeast = 128 + Math.abs(least / step) < 127 + Math.abs(most / step);
  const zeroPoint = roundHalfAway(clamped(isLeast ? fromLeast : fromMost));
  const [scale, inverse] = [fl(step), fl(1 / fl(step))];
  return { scale, zeroPoint, quantize: (x) => clamped(roundHalfAway(fl(x * inverse)) + zeroPoint) };
}

function xnnpack(least: number, most: number): RowQuantization {
  const steps = least === most ? 1 : fl(255 / fl(most - least));
  const [low, high] = [fl(least * steps), fl(most * steps)];
  const isLeast = fl(fl(-128 + low) + fl(127 + high)) > 0;
  const zeroPoint = roundHalfEven(clamped(isLeast ? fl(-128 - low) : fl(127 - high)));
  return { scale: fl(1 / steps), zeroPoint, quantize: (x) => clamped(roundHalfEven(fl(x * steps)) + zeroPoint) };
}
