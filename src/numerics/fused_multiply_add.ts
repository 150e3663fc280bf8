const fl = Math.fround;

/**
 * a·b + c of binary32 numbers, or of integers below 2^24, rounded once to binary32, as the instructions of processors compute it. The product is exact in binary64; the
 * sum there may be rounded to the middle of two binary32 numbers, where what was lost decides.
 */
export function fusedMultiplyAdd(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  const near = fl(sum);
  const distance = sum - near;
  if (distance === 0 || Number.isNaN(distance)) return near;
  if (!Number.isFinite(near)) return ofOverflow(product, c, sum);
  const other = near + 2 * distance;
  if (fl(other) !== other) return near;
  const lost = lostBy(product, c, sum);
  if (lost === 0) return near;
  return lost > 0 === other > near ? other : near;
}

/** The exact product + c, less the rounded sum. */
function lostBy(product: number, c: number, sum: number): number {
  const part = sum - product;
  return product - (sum - part) + (c - part);
}

/** The middle of the greatest binary32 number and 2^128, which rounds to infinity. */
const OVERFLOW = 2 ** 128 - 2 ** 103;
const GREATEST = 2 ** 128 - 2 ** 104;

function ofOverflow(product: number, c: number, sum: number): number {
  const isBelow = Math.abs(sum) === OVERFLOW && lostBy(product, c, sum) * sum < 0;
  return isBelow ? Math.sign(sum) * GREATEST : fl(sum);
}
