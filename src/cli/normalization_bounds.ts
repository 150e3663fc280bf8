/**
 * What roundings may add to a normalization: (x − μ)·r·γ + β with r = 1/√(σ² + ε). The mean is a sum, and so is the mean of
 * squares, of which the square of the mean is subtracted: where values lie close together, little is left of either.
 *
 *   |γ|·r·(d + |x − μ|·(s·E[x²]·r² + 4u)) + 2u·|y|,  d = s·E|x| + u·|x − μ|,  s = (4 + √n)·u
 */
import { type ITensor, type Node, sizeOf } from '../ir/index.ts';
import { OF_ARITHMETIC, ofSum, u } from './float_bounds.ts';

/** How many elements are normalized together; they lie side by side. */
const lanes: Readonly<Record<string, (node: Node, shape: readonly number[]) => number>> = {
  'nn.layer_norm': ({ attrs }, shape) => sizeOf(shape.slice(attrs.axis as number)),
  'nn.rms_norm': ({ attrs }, shape) => sizeOf(shape.slice(attrs.axis as number)),
  'nn.instance_norm': (_, shape) => sizeOf(shape.slice(2)),
  'nn.group_norm': ({ attrs }, shape) => sizeOf(shape) / (shape[0] * (attrs.groups as number)),
};

export const isNormalization = ({ op }: Node): boolean => op in lanes;

export function normalizationRounding(node: Node, operands: readonly (ITensor | null)[], y: ITensor): Float64Array {
  const [x, gamma] = operands as readonly ITensor[];
  const [values, results] = [x.data as Float32Array, y.data as Float32Array];
  const length = lanes[node.op](node, x.shape);
  const largest = (gamma.data as Float32Array).reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  const error = new Float64Array(values.length);
  for (let start = 0; start < values.length; start += length) {
    const lane = values.subarray(start, start + length);
    const mean = (f: (v: number) => number): number => lane.reduce((sum, v) => sum + f(v), 0) / length;
    const center = node.op === 'nn.rms_norm' ? 0 : mean((v) => v);
    const squares = mean((v) => v * v);
    const r = 1 / Math.sqrt(mean((v) => (v - center) ** 2) + (node.attrs.epsilon as number));
    const s = ofSum(length);
    const ofMean = s * mean(Math.abs);
    lane.forEach((v, i) => {
      const distance = Math.abs(v - center);
      const own = ofMean + u * distance + distance * (s * squares * r * r + 4 * u);
      error[start + i] = largest * r * own + OF_ARITHMETIC * Math.abs(results[start + i]);
    });
  }
  return error;
}
