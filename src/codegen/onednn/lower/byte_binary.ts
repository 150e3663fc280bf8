/** Kernels of our own for sums and products of bytes in the arithmetic of XNNPACK or PyTorch. */
import {
  type QLinearBinary,
  torchMulMultiplier,
  xnnpackAddConstants,
  xnnpackMulMultiplier,
} from '../../../numerics/index.ts';
import type { ByteSumOrProduct } from '../kernel.ts';

/** Multipliers of sums have at most 21 bits, so that a sum of two products with bytes fits into an int32. */
const MOST = 2 ** 21;

/** The arithmetic of the kernel; undefined where the recipe, or scales that the delegate would not take, need a table. */
export function byteKernel(
  name: 'qlinear-add' | 'qlinear-mul',
  recipe: string,
  q: QLinearBinary,
): ByteSumOrProduct | undefined {
  if (recipe !== 'xnnpack' && recipe !== 'torch') return undefined;
  const { zeroPointA, zeroPointB, zeroPointC: zeroPoint } = q;
  const zeroPoints = [zeroPointA, zeroPointB, zeroPoint] as const;
  if (name === 'qlinear-mul') {
    const factor = recipe === 'torch' ? torchMulMultiplier(q) : xnnpackMulMultiplier(q);
    // products have 17 bits
    return factor < 2 ** 14 ? { name: 'byte-product', zeroPoints, factor } : undefined;
  }
  if (recipe === 'torch') return { name: 'dequantized-add', zeroPoints, scales: [q.scaleA, q.scaleB, q.scaleC] };
  const { multiplierA, multiplierB, shift } = xnnpackAddConstants(q);
  const fits = Math.max(Math.abs(multiplierA), Math.abs(multiplierB)) <= MOST && shift >= 1 && shift <= 30;
  if (!fits) return undefined;
  const offset = 2 ** (shift - 1) - multiplierA * zeroPointA - multiplierB * zeroPointB;
  return { name: 'byte-sum', multipliers: [multiplierA, multiplierB], offset, shift, zeroPoint };
}
