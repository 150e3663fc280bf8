/**
 * What roundings may add to a normalization: (x − μ)·r·γ + β with r = 1/√(σ² + ε). The mean is a sum, and so is the mean of
 * squares, of which the square of the mean is subtracted: where values lie close together, little is left of either.
 *
 *   |γ|·r·(d + |x − μ|·(s·E[x²]·r² + 4u)) + 2u·|y|,  d = s·E|x| + u·|x − μ|,  s = (4 + √n)·u
 */

import { assert } from '../diagnostics/index.ts';
import { byOp, type ITensor, isOp, type Node, nnRmsNorm, sizeOf } from '../ir/index.ts';
import { OF_ARITHMETIC, ofSum, u } from './float_bounds.ts';

/** How many elements are normalized together; they lie side by side. */
const laneOf = byOp<(node: Node, shape: readonly number[]) => number>({
  nnLayerNorm: ({ attrs }, shape) => sizeOf(shape.slice(attrs.axis as number)),
  nnRmsNorm: ({ attrs }, shape) => sizeOf(shape.slice(attrs.axis as number)),
  nnInstanceNorm: (_, shape) => sizeOf(shape.slice(2)),
  nnGroupNorm: ({ attrs }, shape) => sizeOf(shape) / (shape[0] * (attrs.groups as number)),
});

export const isNormalization = (node: Node): boolean => laneOf(node) !== undefined;

export function normalizationRounding(node: Node, operands: readonly (ITensor | null)[], y: ITensor): Float64Array {
  const [x, gamma] = operands as readonly ITensor[];
  const [values, results] = [x.data as Float32Array, y.data as Float32Array];
  const lane = laneOf(node);
  assert(lane, `${node.op} does not normalize`);
  const length = lane(node, x.shape);
  const largest = (gamma.data as Float32Array).reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  const error = new Float64Array(values.length);
  for (let start = 0; start < values.length; start += length) {
    const elements = values.subarray(start, start + length);
    const mean = (f: (v: number) => number): number => elements.reduce((sum, v) => sum + f(v), 0) / length;
    const center = isOp(node, nnRmsNorm) ? 0 : mean((v) => v);
    const squares = mean((v) => v * v);
    const r = 1 / Math.sqrt(mean((v) => (v - center) ** 2) + (node.attrs.epsilon as number));
    const s = ofSum(length);
    const ofMean = s * mean(Math.abs);
    elements.forEach((v, i) => {
      const distance = Math.abs(v - center);
      const own = ofMean + u * distance + distance * (s * squares * r * r + 4 * u);
      error[start + i] = largest * r * own + OF_ARITHMETIC * Math.abs(results[start + i]);
    });
  }
  return error;
}
