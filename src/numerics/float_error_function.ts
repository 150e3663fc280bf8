/** The error function in binary64, with a relative error below 2^-49; the conditions are those of float_exponential.ts. */
import { exp64 } from './float_exponential.ts';

/**
 * e^(a²)·erfc(a)/2 for a ≥ 0 as a polynomial in t = (a − 3.75)/(a + 3.75), of degree 20. Above 10.6, where the product with e^(−a²)
 * vanishes in binary32, the value stays.
 */
export function scaledHalfErfc(a: number): number {
  const inside = a < 10.6 ? a : 10.6;
  const t = (inside - 3.75) / (inside + 3.75);
  let sum = 1.3623649100461108e-9;
  sum = sum * t + 9.916268812212464e-9;
  sum = sum * t + 1.6892435627932208e-8;
  sum = sum * t - 4.0329328530205285e-8;
  sum = sum * t - 9.497720116906304e-8;
  sum = sum * t + 3.3036617078109105e-7;
  sum = sum * t + 3.7590372408024153e-7;
  sum = sum * t - 3.091472907062368e-6;
  sum = sum * t + 1.791468245894998e-6;
  sum = sum * t + 2.39492721607157e-5;
  sum = sum * t - 7.623128016029704e-5;
  sum = sum * t - 1.2767644314066378e-5;
  sum = sum * t + 0.0009014812042034833;
  sum = sum * t - 0.004110310579013025;
  sum = sum * t + 0.012071611986427474;
  sum = sum * t - 0.027401163347397516;
  sum = sum * t + 0.05130215601609291;
  sum = sum * t - 0.08178594776196388;
  sum = sum * t + 0.11300403345831081;
  sum = sum * t - 0.13671096574771324;
  return sum * t + 0.07279486063751926;
}

/** erfc(x)/2, without cancellation where it is small. */
export function halfErfc64(x: number): number {
  const a = x < 0 ? -x : x;
  const half = exp64(-a * a) * scaledHalfErfc(a);
  return x < 0 ? 1 - half : half;
}
