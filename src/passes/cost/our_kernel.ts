/**
 * Which convolutions our own kernel (native/kernels/convolution_avx512.cc) computes in place of a primitive. A source zero
 * point costs it nothing: its sums begin with what the zero point contributes.
 *
 * Measured against oneDNN 2.6.3 with VNNI (docs/strategies.md): it wins with and without zero points where there are sums
 * to speak of. oneDNN keeps what mostly writes (few input channels, as in the first layers of a network), and filters so
 * few that half of every register would be empty. With AMX oneDNN is several times faster than any of this.
 */
import type { Node, Shape } from '../../ir/index.ts';

const LEAST_INPUTS = 16;
const LEAST_FILTERS = 16;

/** `weights`: filters, input channels of a group, spatial axes. */
export function prefersOurKernel(weights: Shape, group: number, isa: string): boolean {
  const [filters, inputs, ...kernel] = weights as readonly number[];
  if (isa !== 'vnni' || kernel.length < 1 || kernel.length > 2) return false;
  const isWhole = group === 1 || inputs % 4 === 0;
  return isWhole && inputs >= LEAST_INPUTS && filters / group >= LEAST_FILTERS;
}

/** Whether the kernel knows what follows the sum of a `dnnl.conv`: ONNX Runtime's recipe, without a map or float steps. */
export function finishedByOurKernel({ operands, attrs }: Node): boolean {
  const [, , , map, , scale, offset] = operands;
  return !map && !scale && !offset && attrs.zeroPointAt !== 'before';
}
