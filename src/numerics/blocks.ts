/**
 * Numbers of few bits in blocks along an axis, each block with a scale and a zero point of its own: the weights of language models.
 * Sources: com.microsoft's MatMulNBits, MatMulBnb4 and GatherBlockQuantized, ONNX DequantizeLinear-21.
 */
import { fusedMultiplyAdd } from './fused_multiply_add.ts';
import { clampTo, roundHalfEven } from './rounding.ts';

/** The bits of a code, several of which a byte holds, the lowest bits first. */
export type CodeBits = 2 | 4 | 8;
export const codeBits: readonly CodeBits[] = [2, 4, 8];
export const isCodeBits = (bits: number): bits is CodeBits => codeBits.some((some) => some === bits);

/** Sums of so many products of bytes have 32 bits. */
const LARGEST_BLOCK = 2 ** 16;
/** The sizes of blocks: powers of 2 from 16 to 65,536. */
export const isBlock = (size: number): boolean =>
  Number.isInteger(Math.log2(size)) && size >= 16 && size <= LARGEST_BLOCK;

/** The numbers that 16 codes stand for before they are scaled, as bitsandbytes defines them: a float of 4 bits, and 4 bits for normal distributions. */
const levelsOfCodes = {
  fp4: [0, 0.005208333333, 0.66666667, 1, 0.33333333, 0.5, 0.16666667, 0.25],
  nf4: [
    ...[-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334],
    ...[-0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224],
    ...[0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1],
  ],
};
/** Codes stand for themselves less a zero point, or for the levels of a table. */
export type Levels = 'affine' | keyof typeof levelsOfCodes;
/** The 16 levels of a table as floats; the upper half of fp4 is its lower half negated. */
export const levelTables: Readonly<Record<Exclude<Levels, 'affine'>, Float32Array>> = {
  fp4: Float32Array.from([...levelsOfCodes.fp4, ...levelsOfCodes.fp4.map((level) => -level)]),
  nf4: Float32Array.from(levelsOfCodes.nf4),
};

/** The bytes of so many codes. */
export const bytesOfCodes = (count: number, bits: number): number => Math.ceil((count * bits) / 8);

/** The code at a place, without a sign. */
export function codeAt(bytes: Uint8Array, at: number, bits: number): number {
  const each = 8 / bits;
  return (bytes[Math.floor(at / each)] >> ((at % each) * bits)) & ((1 << bits) - 1);
}

const fl = Math.fround;
const LARGEST = 3.4028234663852886e38;

/** One block of floats as integers: x ≈ scale·q, and Σ q. */
export interface ByteBlock {
  readonly q: Int8Array;
  readonly scale: number;
}

/**
 * R = max |x|; q = clamp(rne(fl(x·fl(127 / R))), −127, 127), scale = fl(R / 127). A block without numbers, or with ones so small that 127 / R
 * is infinite, is zeros with the scale 0; one with an infinity or NaN has the scale NaN.
 */
export function bytesOfBlock(x: Float32Array): ByteBlock {
  let range = 0;
  for (const value of x)
    range = Number.isFinite(value) && Number.isFinite(range) ? Math.max(range, Math.abs(value)) : Number.NaN;
  const inverse = fl(127 / range);
  const q = new Int8Array(x.length);
  if (Number.isNaN(range)) return { q, scale: Number.NaN };
  if (inverse > LARGEST) return { q, scale: 0 };
  for (let i = 0; i < x.length; i++) q[i] = clampTo(-127, 127, roundHalfEven(fl(x[i] * inverse)));
  return { q, scale: fl(range / 127) };
}

/** Weights by columns: codes [columns][blocks][block], scales and zero points [columns][blocks]. */
export interface BlockColumns {
  readonly depth: number;
  readonly columns: number;
  readonly block: number;
  readonly codes: (column: number, k: number) => number;
  readonly scales: ArrayLike<number>;
  readonly zero: (column: number, block: number) => number;
  /** The numbers that codes stand for, where they have no zero points. */
  readonly table?: Float32Array;
}

/** fl((code − zero point)·scale) of all weights, the difference in binary32, or fl(level·scale): [depth, columns]. */
export function floatsOfBlocks({ depth, columns, block, codes, scales, zero, table }: BlockColumns): Float32Array {
  const floats = new Float32Array(depth * columns);
  const blocks = Math.ceil(depth / block);
  for (let n = 0; n < columns; n++)
    for (let k = 0; k < depth; k++) {
      const at = Math.floor(k / block);
      const number = table ? table[codes(n, k)] : fl(codes(n, k) - zero(n, at));
      floats[k * columns + n] = fl(number * scales[n * blocks + at]);
    }
  return floats;
}

/**
 * Rows [count, depth] as bytes by blocks, times weights with integers for zero points. From +0 on, fl(Σ q·(code − zero point)) of a block, times
 * fl(scale of the row's block · scale of the column's), is added block by block and rounded together with the sum before it.
 */
export function byteBlockSums(rows: Float32Array, count: number, weights: BlockColumns): Float32Array {
  const { depth, columns, block, codes, scales, zero } = weights;
  const blocks = Math.ceil(depth / block);
  const y = new Float32Array(count * columns);
  for (let i = 0; i < count; i++) {
    for (let b = 0; b < blocks; b++) {
      const [from, to] = [b * block, Math.min(depth, (b + 1) * block)];
      const { q, scale } = bytesOfBlock(rows.subarray(i * depth + from, i * depth + to));
      for (let n = 0; n < columns; n++) {
        let sum = 0;
        const middle = zero(n, b);
        for (let k = from; k < to; k++) sum += q[k - from] * (codes(n, k) - middle);
        y[i * columns + n] = fusedMultiplyAdd(fl(sum), fl(scale * scales[n * blocks + b]), y[i * columns + n]);
      }
    }
  }
  return y;
}
