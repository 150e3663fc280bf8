/**
 * The two rings in which expressions are evaluated. Elements are held as numbers, canonical representatives.
 *
 *   Z/p, p = 2^31 − 1: a polynomial of degree d that is not 0 vanishes at a random point with probability ≤ d/p
 *   Z/2^32: the arithmetic of s32 itself
 */
export interface Ring {
  /** The representative of an integer of magnitude below 2^53. */
  reduce(v: number): number;
  mul(a: number, b: number): number;
  /** out[row, column] += Σ_k a[row, k]·b[k, column]; all row major. */
  multiplyInto(out: Float64Array, a: Float64Array, b: Float64Array, rows: number, inner: number, columns: number): void;
}

export const PRIME = 2 ** 31 - 1;

function modulo(v: number): number {
  const r = v - Math.floor(v / PRIME) * PRIME;
  return r < 0 ? r + PRIME : r >= PRIME ? r - PRIME : r;
}

/** Products of 31 by 16 bits; 64 of them can be added before a number loses bits. */
const CHUNK = 64;

export const primeField: Ring = {
  reduce: modulo,
  mul: (a, b) => modulo(modulo(a * (b >>> 16)) * 65536 + a * (b & 0xffff)),
  multiplyInto(out, a, b, rows, inner, columns) {
    const low = b.map((v) => v & 0xffff);
    const high = b.map((v) => v >>> 16);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        let sum = out[row * columns + column];
        for (let from = 0; from < inner; from += CHUNK) {
          const to = Math.min(from + CHUNK, inner);
          let [lows, highs] = [0, 0];
          for (let k = from; k < to; k++) {
            const factor = a[row * inner + k];
            lows += factor * low[k * columns + column];
            highs += factor * high[k * columns + column];
          }
          sum += modulo(modulo(highs) * 65536 + modulo(lows));
        }
        out[row * columns + column] = modulo(sum);
      }
    }
  },
};

export const wrapping: Ring = {
  reduce: (v) => v | 0,
  mul: Math.imul,
  multiplyInto(out, a, b, rows, inner, columns) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        let sum = out[row * columns + column] | 0;
        for (let k = 0; k < inner; k++) sum = (sum + Math.imul(a[row * inner + k], b[k * columns + column])) | 0;
        out[row * columns + column] = sum;
      }
    }
  },
};

/** Uniform elements of the prime field; the seed comes from the system unless given. */
export class RandomPoints {
  #state: Uint32Array;
  readonly #vectors = new WeakSet<object>();

  constructor(seed?: number) {
    this.#state = seed === undefined ? crypto.getRandomValues(new Uint32Array(4)) : Uint32Array.of(seed, 1, 2, 3);
    for (let i = 0; i < 16; i++) this.#next();
  }

  /** sfc32, and another draw for the one number in 2^31 that is no element. */
  next(): number {
    let v = this.#next() >>> 1;
    while (v === PRIME) v = this.#next() >>> 1;
    return v;
  }

  vector(length: number): { readonly data: Float64Array } {
    const vector = { data: Float64Array.from({ length }, () => this.next()) };
    this.#vectors.add(vector);
    return vector;
  }

  /** Whether `vector` made it: its elements are independent of everything. */
  made = (vector: object): boolean => this.#vectors.has(vector);

  #next(): number {
    const s = this.#state;
    const sum = s[0] + s[1] + s[3];
    s[3]++;
    s[0] = s[1] ^ (s[1] >>> 9);
    s[1] = s[2] + (s[2] << 3);
    s[2] = ((s[2] << 21) | (s[2] >>> 11)) + sum;
    return sum >>> 0;
  }
}
