/**
 * GELU in the tables of TensorFlow Lite, every step rounded to binary32 (GeluTransform and GeluTransformApproximate of its
 * reference kernels, whose constants are binary32 too). Tables of words show the steps; those of bytes hardly ever do.
 *
 *   GELU        x/2 · erfc(−x·√½)
 *   GELU_TANH   x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³)))
 */
import { halfErfc64 } from './float_error_function.ts';
import { type FloatFunction, roundedTanh } from './float_functions.ts';

const fl = Math.fround;
const DOWN = fl(-Math.SQRT1_2);
const SLOPE = fl(Math.sqrt(2 / Math.PI));
const CUBIC = fl(0.044715);

export const geluInSteps: FloatFunction = (x) => fl(fl(x / 2) * fl(2 * halfErfc64(fl(x * DOWN))));

export const geluTanhInSteps: FloatFunction = (x) => {
  const cube = fl(fl(fl(CUBIC * x) * x) * x);
  return fl(fl(x / 2) * fl(1 + roundedTanh(fl(SLOPE * fl(x + cube)))));
};
