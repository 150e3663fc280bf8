/** Arithmetic of TensorFlow Lite on exact integers, written from the definitions: what the recipes are compared with. */

/** A binary64 number as n·2^e, n an integer. */
export function exactly(x: number): { readonly n: bigint; readonly e: number } {
  if (x === 0) return { n: 0n, e: 0 };
  let e = 0;
  let n = x;
  while (!Number.isInteger(n)) {
    n *= 2;
    e--;
  }
  return { n: BigInt(n), e };
}

const abs = (x: bigint): bigint => (x < 0n ? -x : x);

/** n/d to the nearest integer; ties away from zero, up, or to even. d > 0. */
export function nearest(n: bigint, d: bigint, ties: 'away' | 'up' | 'even'): bigint {
  const floor = n >= 0n ? n / d : -((-n + d - 1n) / d);
  const twice = 2n * (n - floor * d);
  if (twice !== d) return twice > d ? floor + 1n : floor;
  if (ties === 'up') return floor + 1n;
  if (ties === 'away') return n >= 0n ? floor + 1n : floor;
  return floor % 2n === 0n ? floor : floor + 1n;
}

/** d = q·2^e with 1/2 ≤ |q| < 1, and q in 31 bits, ties away from zero. */
export function split(d: number): { readonly m: bigint; readonly e: number } {
  if (d === 0) return { m: 0n, e: 0 };
  const { n, e } = exactly(d);
  const bits = abs(n).toString(2).length;
  const shift = 31 - bits;
  const m = shift >= 0 ? n << BigInt(shift) : nearest(n, 1n << BigInt(-shift), 'away');
  const exponent = e + bits;
  if (abs(m) === 1n << 31n) return { m: m / 2n, e: exponent + 1 };
  return exponent < -31 ? { m: 0n, e: 0 } : { m, e: exponent };
}

/** x·d in two roundings: the high half of the doubled product, ties up, then the shift, ties away from zero. */
export function two(x: bigint, d: number): bigint {
  const { m, e } = split(d);
  const left = e > 0 ? BigInt(e) : 0n;
  const high = nearest((x << left) * m, 1n << 31n, 'up');
  return e >= 0 ? high : nearest(high, 1n << BigInt(-e), 'away');
}

export const clamp = (low: number, high: number, x: bigint): number =>
  Number(x < BigInt(low) ? BigInt(low) : x > BigInt(high) ? BigInt(high) : x);
