/** Compares outputs with the expected ones. */

import { bfloat16ToNumber, halfToNumber } from '../../src/numerics/half.ts';
import { smallFloatToNumber } from '../../src/numerics/small_floats.ts';
import { dtypes, isSmallFloat, sharesBytes } from '../../src/tensors/dtype.ts';
import { patternsOf } from '../../src/tensors/packed.ts';
import type { ITensor } from '../../src/tensors/tensor.ts';
import { isWithin, type Tolerance } from '../support/jsonl.ts';
import type { Expectation } from './cases.ts';

/** Describes the difference in a sentence; undefined without one. `step` is the scale of the last dequantize. */
export function difference(
  actual: ITensor,
  { tensor, tolerance, steps = 0, sameArgmax = false }: Expectation,
  step: number,
): string | undefined {
  if (tensor === undefined) return 'the expected tensor is of a type that cannot be compared';
  if (actual.dtype !== tensor.dtype) return `is of type ${actual.dtype} instead of ${tensor.dtype}`;
  if (actual.shape.join() !== tensor.shape.join()) return `has shape [${actual.shape}] instead of [${tensor.shape}]`;
  const exact = dtypes[actual.dtype].kind !== 'float';
  const allowed: Tolerance = { ...tolerance, abs: Math.max(tolerance.abs, steps * step * 1.001) };
  const [got, want] = [valuesOf(actual), valuesOf(tensor)];
  let worst = -1;
  let differing = 0;
  for (let i = 0; i < tensor.data.length; i++) {
    const fine = exact && tolerance.abs < 1 ? actual.data[i] === tensor.data[i] : isWithin(got(i), want(i), allowed);
    if (fine) continue;
    differing++;
    if (worst < 0 || Math.abs(got(i) - want(i)) > Math.abs(got(worst) - want(worst))) worst = i;
  }
  if (differing > 0) {
    const size = actual.data.length;
    return `${differing} of ${size} elements differ, most at ${worst}: ${got(worst)} instead of ${want(worst)}`;
  }
  return sameArgmax ? argmaxDifference(actual, tensor) : undefined;
}

/** Element i as a number, floats of 16 and 8 bits decoded. */
function valuesOf(tensor: ITensor): (i: number) => number {
  const { dtype, data } = tensor;
  if (isSmallFloat(dtype)) {
    const patterns = sharesBytes(dtype) ? patternsOf(tensor as ITensor<typeof dtype>) : data;
    return (i) => smallFloatToNumber(dtype, Number(patterns[i]));
  }
  const decode = dtype === 'f16' ? halfToNumber : dtype === 'bf16' ? bfloat16ToNumber : Number;
  return (i) => decode(data[i] as number);
}

function argmaxDifference(actual: ITensor, expected: ITensor): string | undefined {
  const width = actual.shape.at(-1) ?? 1;
  const greatest = ({ data }: ITensor, row: number) => {
    const values = Array.from(data.subarray(row * width, (row + 1) * width) as ArrayLike<number>);
    return values.indexOf(Math.max(...values));
  };
  const rows = actual.data.length / width;
  const wrong = Array.from({ length: rows }, (_, row) => row).filter(
    (row) => greatest(actual, row) !== greatest(expected, row),
  );
  return wrong.length === 0 ? undefined : `the greatest element differs in row ${wrong.join(', ')}`;
}
