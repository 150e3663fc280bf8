/** xorshift32 (Marsaglia 2003): the same numbers on every machine, without a dependency. */
export class Random {
  #state: number;

  constructor(seed: number) {
    // The state must not be 0; a multiplicative hash keeps small seeds apart.
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 1;
    for (let i = 0; i < 8; i++) this.bits();
  }

  /** 32 random bits, as an unsigned number. */
  bits(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  /** Uniform in [low, high). */
  uniform(low: number, high: number): number {
    return low + (high - low) * (this.bits() / 2 ** 32);
  }

  /** An odd integer in [low, high], both odd. */
  odd(low: number, high: number): number {
    return low + 2 * Math.floor(this.uniform(0, (high - low) / 2 + 1));
  }

  /** Bell-shaped integers in [-127, 127], mean 0 and standard deviation 37: the mean of four random bytes, recentred. */
  bell(length: number): Int8Array {
    const values = new Int8Array(length);
    for (let i = 0; i < length; i++) {
      const b = this.bits();
      values[i] = ((b & 255) + ((b >>> 8) & 255) + ((b >>> 16) & 255) + (b >>> 24) - 510) / 4;
    }
    return values;
  }
}
