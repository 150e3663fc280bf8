/**
 * Bounds the roundings of a normalization: (x − μ)·r·γ + β with r = 1/√(σ² + ε). The mean is a sum, and so is the mean
 * of squares, from which the square of the mean is subtracted: for values close together, the difference loses most
 * digits.
 *
 *   |γ|·r·(d + |x − μ|·(s·E[x²]·r² + 4u)) + 2u·|y|,  d = s·E|x| + u·|x − μ|,  s the factor of sums (sum_bounds.ts)
 */

import { assert } from '../diagnostics/index.ts';
import {
  type ITensor,
  isOp,
  type Node,
  type NodeOf,
  nnGroupNorm,
  nnInstanceNorm,
  nnLayerNorm,
  nnRmsNorm,
  sizeOf,
} from '../ir/index.ts';
import { OF_ARITHMETIC } from './float_bounds.ts';
import { type Floats, floatsOf, largestOf, magnitude } from './floats.ts';
import { ofSum, u } from './sum_bounds.ts';

type Normalization = NodeOf<typeof nnLayerNorm | typeof nnRmsNorm | typeof nnInstanceNorm | typeof nnGroupNorm>;

export const isNormalization = (node: Node): node is Normalization =>
  isOp(node, nnLayerNorm, nnRmsNorm, nnInstanceNorm, nnGroupNorm);

/** The number of elements that are normalized together, which lie side by side. */
function laneOf(node: Normalization, shape: readonly number[]): number {
  if (isOp(node, nnInstanceNorm)) return sizeOf(shape.slice(2));
  if (isOp(node, nnGroupNorm)) return sizeOf(shape) / (shape[0] * node.attrs.groups);
  return sizeOf(shape.slice(node.attrs.axis));
}

export function normalizationRounding(
  node: Normalization,
  [x, gamma]: readonly (ITensor | null)[],
  { data: results }: Floats,
): Float64Array {
  assert(x && gamma, `${node.op} reads a source and a scale`);
  const { data: values } = floatsOf(x);
  const length = laneOf(node, x.shape);
  const largest = largestOf(magnitude(floatsOf(gamma)).data);
  const error = new Float64Array(values.length);
  for (let start = 0; start < values.length; start += length) {
    const elements = values.subarray(start, start + length);
    const mean = (f: (v: number) => number): number => {
      let sum = 0;
      for (const v of elements) sum += f(v);
      return sum / length;
    };
    const center = isOp(node, nnRmsNorm) ? 0 : mean((v) => v);
    const squares = mean((v) => v * v);
    const r = 1 / Math.sqrt(mean((v) => (v - center) ** 2) + node.attrs.epsilon);
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
