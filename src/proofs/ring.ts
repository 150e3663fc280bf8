/**
 * The two rings in which expressions are evaluated. Elements are held as numbers, canonical representatives.
 *
 *   Z/p, p = 2^31 − 1: a polynomial of degree d that is not 0 vanishes at a random point with probability ≤ d/p
 *   Z/2^32: the arithmetic of s32 itself
 */
export interface Ring {
  readonly name: 'Z/p' | 'Z/2^32';
  /** The representative of an integer of magnitude below 2^53. */
  reduce(v: number): number;
  mul(a: number, b: number): number;
  /** a + sign·b and a·b, element by element. */
  add(a: Float64Array, b: Float64Array, sign: 1 | -1): Float64Array;
  multiply(a: Float64Array, b: Float64Array): Float64Array;
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

const times = (a: number, b: number): number => modulo(modulo(a * (b >>> 16)) * 65536 + a * (b & 0xffff));

export const primeField: Ring = {
  name: 'Z/p',
  reduce: modulo,
  mul: times,
  add(a, b, sign) {
    const out = new Float64Array(a.length);
    for (let i = 0; i < out.length; i++) out[i] = modulo(a[i] + sign * b[i]);
    return out;
  },
  multiply(a, b) {
    const out = new Float64Array(a.length);
    for (let i = 0; i < out.length; i++) out[i] = times(a[i], b[i]);
    return out;
  },
  multiplyInto(out, a, b, rows, inner, columns) {
    const [low, high] = [new Float64Array(b.length), new Float64Array(b.length)];
    for (let i = 0; i < b.length; i++) {
      low[i] = b[i] & 0xffff;
      high[i] = b[i] >>> 16;
    }
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        let sum = out[row * columns + column];
        for (let from = 0; from < inner; from += CHUNK) {
          const to = Math.min(from + CHUNK, inner);
          let lows = 0;
          let highs = 0;
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
  name: 'Z/2^32',
  reduce: (v) => v | 0,
  mul: Math.imul,
  add(a, b, sign) {
    const out = new Float64Array(a.length);
    for (let i = 0; i < out.length; i++) out[i] = (a[i] + sign * b[i]) | 0;
    return out;
  },
  multiply(a, b) {
    const out = new Float64Array(a.length);
    for (let i = 0; i < out.length; i++) out[i] = Math.imul(a[i], b[i]);
    return out;
  },
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
  #state: readonly [number, number, number, number];
  readonly #vectors = new WeakSet<object>();

  constructor(seed?: number) {
    const [a, b, c, d] = seed === undefined ? crypto.getRandomValues(new Int32Array(4)) : [seed | 0, 1, 2, 3];
    this.#state = [a, b, c, d];
    this.vector(16);
  }

  /** Elements by sfc32. */
  vector(length: number): { readonly data: Float64Array } {
    const data = new Float64Array(length);
    let [a, b, c, d] = this.#state;
    for (let i = 0; i < length; ) {
      const sum = (a + b + d) | 0;
      d = (d + 1) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = (((c << 21) | (c >>> 11)) + sum) | 0;
      data[i] = sum >>> 1;
      // Draws again for the one number in 2^31 that is not an element.
      if (data[i] !== PRIME) i++;
    }
    this.#state = [a, b, c, d];
    const vector = { data };
    this.#vectors.add(vector);
    return vector;
  }

  next = (): number => this.vector(1).data[0];

  /** True when `vector` made it: its elements are independent of everything. */
  made = (vector: object): boolean => this.#vectors.has(vector);
}
