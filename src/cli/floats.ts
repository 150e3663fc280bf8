/** Tensors of binary32 and binary64 numbers, which operators round. */
import { type ITensor, isTensorOf, tensorOfType } from '../ir/index.ts';

export type Floats = ITensor<'f32' | 'f64'>;

export const areFloats = (t: ITensor): t is Floats => isTensorOf(t, 'f32', 'f64');

/** A tensor of floats, which the compiler cannot see. */
export const floatsOf = (t: ITensor): Floats => tensorOfType(t, 'f32', 'f64');

/** Each element by a function, in doubles. */
export function inDoubles({ data, shape }: Floats, f: (value: number, i: number) => number): ITensor<'f64'> {
  const doubles = new Float64Array(data.length); // Float64Array.from takes ten times as long
  for (let i = 0; i < data.length; i++) doubles[i] = f(data[i], i);
  return { dtype: 'f64', shape, data: doubles };
}

/** |x| in doubles. */
export const magnitude = (x: Floats): ITensor<'f64'> => inDoubles(x, Math.abs);

/** The largest of numbers that are not negative; 0 for an empty list. */
export function largestOf(values: Iterable<number>): number {
  let most = 0;
  for (const value of values) most = Math.max(most, value);
  return most;
}
