/**
 * aᵇ as IEEE 754 and C have it (pow of ISO/IEC 9899, F.10.4.4): 1 for a = 1 and any b, and for a = −1 and an infinite b.
 * JavaScript's own operator gives NaN there.
 */
export const power = (a: number, b: number): number =>
  a === 1 || (a === -1 && Math.abs(b) === Number.POSITIVE_INFINITY) ? 1 : a ** b;
