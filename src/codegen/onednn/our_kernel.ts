/**
 * The convolutions, and products with one known matrix, that our own kernel (native/kernels/convolution_avx512.cc)
 * computes in place of a primitive. A source zero point costs it nothing: its sums begin with the contribution of the zero point.
 *
 * Measured against oneDNN 2.6.3 with VNNI (docs/strategies.md): it wins with and without zero points when sums are
 * long, and where the few channels of the first layer of a network lie in one run with their neighbours. oneDNN keeps
 * other convolutions with few input channels, and with so few filters that half of every register would be empty;
 * windows of one position pay off from a whole register on. With AMX oneDNN is several times faster than any of these.
 */
import {
  constantOf,
  dnnlConv,
  dnnlMatmul,
  elementsOf,
  factorsOf,
  type Graph,
  type GraphReader,
  isOp,
  isStatic,
  type Node,
  qnnConv,
  qnnMatmul,
  type Shape,
  sizeOf,
  typeOf,
  type ValueId,
} from '../../ir/index.ts';
import { type Fused, fusedOf } from '../../proofs/index.ts';
import { primitiveFinishes } from './epilogue_exactness.ts';
import { hasVnni, type Isa, type KernelChoice } from './machine.ts';
import type { Recorder } from './recorder.ts';

const LEAST_INPUTS = 16;
const LEAST_FILTERS = 24;
const LEAST_POINTWISE_FILTERS = 16;
/** The kernel reads a row of its window as one run, up to that many bytes, where channels do not fill words of four bytes. */
const LONGEST_RUN = 64;

/** One or two spatial axes; only the vector version of the kernel is fast. */
const servesShape = ({ length }: Shape, isa: string): boolean => isa === 'vnni' && (length === 3 || length === 4);

/** `weights`: summed size, columns. A matrix product is a convolution over positions. */
const prefersForMatrices = ([inner, columns, ...more]: readonly number[], isa: string): boolean =>
  isa === 'vnni' &&
  more.length === 0 &&
  columns >= LEAST_POINTWISE_FILTERS &&
  (inner % 4 === 0 || inner >= LONGEST_RUN);

/** `weights`: filters, input channels of a group, spatial axes. */
export function prefersOurKernel(weights: Shape, group: number, isa: string): boolean {
  if (!isStatic(weights) || !servesShape(weights, isa)) return false;
  const [filters, inputs, ...kernel] = weights;
  const isWhole = group === 1 || inputs % 4 === 0;
  const isPointwise = group === 1 && sizeOf(kernel) === 1;
  const leastFilters = isPointwise ? LEAST_POINTWISE_FILTERS : LEAST_FILTERS;
  const isRun = group === 1 && inputs % 4 !== 0 && !isPointwise && inputs * kernel[kernel.length - 1] <= LONGEST_RUN;
  return ((isWhole && inputs >= LEAST_INPUTS) || isRun) && filters / group >= leastFilters;
}

/** The least that another way than our own kernel's costs where that serves; measurements below are noise. */
const LEAST_DETOUR = 1.01;

/**
 * The cost of a way when our own kernel computes the product: it corrects a zero point for nothing, and no other way is
 * faster.
 */
export function costByOurKernel(product: Node, weights: Shape, isa: string, way: string, usual: number): number {
  const isPreferred = isOp(product, qnnConv)
    ? prefersOurKernel(weights, product.attrs.group, isa)
    : isOp(product, qnnMatmul) && isStatic(weights) && prefersForMatrices(weights, isa);
  if (!isPreferred) return usual;
  return way === 'native' ? 1 : way === 'fold' ? usual : Math.max(usual, LEAST_DETOUR);
}

/**
 * True for a convolution over one or two axes, or a product with one matrix, whose known weights, u8 or with zero points, our kernels
 * take as they are, as they take a source zero point of the run: depthwise ones on any machine, others where the vector version
 * runs, also beside AMX, which would take two products, sums in memory and a kernel for the end. Anywhere else two products of
 * a primitive are faster. Of two matrices of the run, with zero points of the run, likewise.
 */
export function takesZeroPoints(product: Node, graph: GraphReader, isa: Isa): boolean {
  if (!isOp(product, qnnConv, qnnMatmul)) return false;
  const { w, zw, zx } = factorsOf(product) ?? {};
  const [weights, zeros, zero] = [w, zw, zx].map((id) => graph.constant(id));
  const isScalar = (id: ValueId | undefined) => id === undefined || elementsOf(graph.type(id).shape) === 1;
  const isOfRun = zx !== undefined && zero === undefined;
  if (!isScalar(zx)) return false;
  if (weights === undefined || (zw && !zeros))
    return isOp(product, qnnMatmul) && hasVnni(isa) && isScalar(zw) && hasZeroPointOfRun(product, graph);
  const [, inputs, ...kernel] = weights.shape;
  if (isOp(product, qnnMatmul))
    return hasVnni(isa) && weights.shape.length === 2 && [undefined, 1, inputs].includes(zeros?.data.length);
  const { group } = product.attrs;
  if (kernel.length < 1 || kernel.length > 2) return false;
  if (group > 1 && inputs === 1) return isOfRun || kernel.length === 2;
  return hasVnni(isa);
}

/** True for matrices, not vectors, one of whose zero points the run computes. */
function hasZeroPointOfRun(product: Node, graph: GraphReader): boolean {
  const { x, w, zx, zw } = factorsOf(product) ?? {};
  const isOfRun = [zx, zw].some((id) => id !== undefined && graph.constant(id) === undefined);
  return isOfRun && [x, w].every((id) => id !== undefined && graph.type(id).shape.length >= 2);
}

/** True when the kernel can compute the end of a fused product: any but those with a map. */
const finishedByOurKernel = ({ map }: Fused<ValueId>): boolean => map === undefined;

/**
 * True when one of our kernels computes the node on this ISA, with any zero point, with or without a bias: where it is the
 * faster one, where no primitive takes the weights, and where a primitive would leave the end to another kernel. Where primitives
 * are asked for, only the second holds.
 */
export function isOurs(
  graph: Graph,
  node: Node,
  { isa, kernels }: { readonly isa: string; readonly kernels?: KernelChoice },
  finishes = primitiveFinishes,
): boolean {
  const fused = fusedOf(node);
  if (fused?.w === undefined || !isOp(node, dnnlConv, dnnlMatmul)) return false;
  const { dtype, shape } = typeOf(graph, fused.w);
  if (fused.zw || dtype === 'u8') return true;
  if (kernels === 'onednn') return false;
  if (isOp(node, dnnlMatmul))
    return (
      finishedByOurKernel(fused) &&
      constantOf(graph, fused.w) !== undefined &&
      isStatic(shape) &&
      prefersForMatrices(shape, isa)
    );
  const { by, group } = node.attrs;
  return (
    by === 'depthwise' ||
    (finishedByOurKernel(fused) &&
      (prefersOurKernel(shape, group, isa) || (servesShape(shape, isa) && !finishes(graph, node))))
  );
}

/** The same on the machine where a graph is recorded, whose kernels may be limited to fewer instructions. */
export function isOursHere(
  node: Node,
  { graph, binding, kernels }: Pick<Recorder, 'graph' | 'binding' | 'kernels'>,
): boolean {
  const isa = binding.kernelIsa === 'avx512' ? binding.isa : 'avx2';
  return isOurs(graph, node, { isa, kernels });
}
