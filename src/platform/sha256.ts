/** FIPS 180-4. */
const primes = [2];
for (let n = 3; primes.length < 64; n += 2) if (primes.every((p) => n % p !== 0)) primes.push(n);

/** The first 32 bits of the fraction. */
const fraction = (n: number): number => Math.floor((n - Math.floor(n)) * 2 ** 32) | 0;
const constants = Int32Array.from(primes, (p) => fraction(Math.cbrt(p)));
const initial = primes.slice(0, 8).map((p) => fraction(Math.sqrt(p)));

const rotated = (n: number, by: number): number => (n >>> by) | (n << (32 - by));

/** Hexadecimal digits of the hash of the parts, one behind the other. */
export function sha256(parts: readonly Uint8Array[]): string {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const state = Int32Array.from(initial);
  const [block, words] = [new Uint8Array(64), new Int32Array(64)];
  const view = new DataView(block.buffer);
  let filled = 0;
  const put = (bytes: Uint8Array): void => {
    for (let from = 0; from < bytes.length; ) {
      const count = Math.min(64 - filled, bytes.length - from);
      block.set(bytes.subarray(from, from + count), filled);
      filled += count;
      from += count;
      if (filled < 64) return;
      mix(state, view, words);
      filled = 0;
    }
  };
  for (const part of parts) put(part);
  // one bit, zeros, and the length in bits: to the end of a block
  const end = new Uint8Array(filled < 56 ? 64 - filled : 128 - filled);
  end[0] = 0x80;
  new DataView(end.buffer).setBigUint64(end.length - 8, 8n * BigInt(length));
  put(end);
  return Array.from(state, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
}

function mix(state: Int32Array, block: DataView, w: Int32Array): void {
  for (let i = 0; i < 16; i++) w[i] = block.getInt32(4 * i);
  for (let i = 16; i < 64; i++) {
    const [early, late] = [w[i - 15], w[i - 2]];
    const first = rotated(early, 7) ^ rotated(early, 18) ^ (early >>> 3);
    const second = rotated(late, 17) ^ rotated(late, 19) ^ (late >>> 10);
    w[i] = w[i - 16] + first + w[i - 7] + second;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    const choice = (e & f) ^ (~e & g);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    const one = (h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + choice + constants[i] + w[i]) | 0;
    const two = (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + majority;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
  }
  for (const [i, word] of [a, b, c, d, e, f, g, h].entries()) state[i] += word;
}
