/**
 * QLinearAdd (com.microsoft): y ≈ (sA·(a − zA) + sB·(b − zB)) / sC + zC, in the order of ONNX Runtime on x86.
 *
 *   rA = fl(sA/sC)   rB = fl(sB/sC)   fixed = fl(zC − fma(rA, zA, fl(rB·zB)))
 *   y = sat(rne(fma(a, rA, fma(b, rB, fixed))))
 *
 * The zero point is added before rounding. A broadcast operand goes first: where A is the scalar of a row, A and B
 * change places (`qlinearAddSwaps`). Length does not matter: ORT's tail runs through the same instructions.
 * Other ISAs of ORT compute otherwise (SSE2 without FMA, NEON in 21-bit fixed point).
 */
import { type DType, dtypes, type TypedArray } from '../tensors/index.ts';
import { fusedMultiplyAdd } from './fused_multiply_add.ts';
import { clampTo, roundHalfEven } from './rounding.ts';

/** Quantization parameters of y = A ∘ B; scales are binary32 numbers. */
export interface QLinearBinary {
  readonly dtype: DType;
  readonly scaleA: number;
  readonly zeroPointA: number;
  readonly scaleB: number;
  readonly zeroPointB: number;
  readonly scaleC: number;
  readonly zeroPointC: number;
}

export interface QLinearAddConstants {
  readonly ratioA: number;
  readonly ratioB: number;
  readonly fixed: number;
}

export function qlinearAddConstants(q: QLinearBinary): QLinearAddConstants {
  const ratioA = Math.fround(q.scaleA / q.scaleC);
  const ratioB = Math.fround(q.scaleB / q.scaleC);
  const zeros = fusedMultiplyAdd(ratioA, q.zeroPointA, Math.fround(ratioB * q.zeroPointB));
  return { ratioA, ratioB, fixed: Math.fround(q.zeroPointC - zeros) };
}

/** Before saturation. */
export const qlinearAddValue = ({ ratioA, ratioB, fixed }: QLinearAddConstants, a: number, b: number): number =>
  roundHalfEven(fusedMultiplyAdd(a, ratioA, fusedMultiplyAdd(b, ratioB, fixed)));

/** Elementwise over arrays of one length. */
export function qlinearAdd(q: QLinearBinary, a: ArrayLike<number>, b: ArrayLike<number>, out: TypedArray): void {
  const constants = qlinearAddConstants(q);
  const { min, max } = dtypes[q.dtype];
  for (let i = 0; i < out.length; i++) out[i] = clampTo(min, max, qlinearAddValue(constants, a[i], b[i]));
}

/** The same sum with A and B exchanged; not the same numbers, see above. */
export const swapOperands = (q: QLinearBinary): QLinearBinary => ({
  ...q,
  scaleA: q.scaleB,
  zeroPointA: q.zeroPointB,
  scaleB: q.scaleA,
  zeroPointB: q.zeroPointA,
});

/**
 * True when A is the broadcast operand of a row, so that ORT adds A before B: at the innermost axis on which the result
 * is longer than 1, A has extent 1. Two tensors of one element count as well.
 */
export function qlinearAddSwaps(shapeA: readonly number[], shapeB: readonly number[]): boolean {
  for (let fromEnd = 1; fromEnd <= Math.max(shapeA.length, shapeB.length); fromEnd++) {
    const a = shapeA.at(-fromEnd) ?? 1;
    const b = shapeB.at(-fromEnd) ?? 1;
    if (a !== 1 || b !== 1) return a === 1;
  }
  return true;
}
