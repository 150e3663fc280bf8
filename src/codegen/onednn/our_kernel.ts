/**
 * The convolutions that our own kernel (native/kernels/convolution_avx512.cc) computes in place of a primitive. A
 * source zero point costs it nothing: its sums begin with the contribution of the zero point.
 *
 * Measured against oneDNN 2.6.3 with VNNI (docs/strategies.md): it wins with and without zero points when sums are
 * long. oneDNN keeps convolutions with few input channels, such as the first layers of networks, and with so few
 * filters that half of every register would be empty; windows of one position pay off from a whole register on. With
 * AMX oneDNN is several times faster than any of these.
 */
import {
  dnnlConv,
  type Graph,
  isOp,
  isStatic,
  type Node,
  qnnConv,
  type Shape,
  sizeOf,
  typeOf,
  view,
} from '../../ir/index.ts';

const LEAST_INPUTS = 16;
const LEAST_FILTERS = 24;
const LEAST_POINTWISE_FILTERS = 16;

/** `weights`: filters, input channels of a group, spatial axes. */
export function prefersOurKernel(weights: Shape, group: number, isa: string): boolean {
  if (!isStatic(weights)) return false;
  const [filters, inputs, ...kernel] = weights;
  if (isa !== 'vnni' || kernel.length < 1 || kernel.length > 2) return false;
  const isWhole = group === 1 || inputs % 4 === 0;
  const isPointwise = group === 1 && sizeOf(kernel) === 1;
  const leastFilters = isPointwise ? LEAST_POINTWISE_FILTERS : LEAST_FILTERS;
  return isWhole && inputs >= LEAST_INPUTS && filters / group >= leastFilters;
}

/** The least that another way than our own kernel's costs where that serves; measurements below are noise. */
const LEAST_DETOUR = 1.01;

/**
 * The cost of a way when our own kernel computes the product: it corrects a zero point for nothing, and no other way is
 * faster.
 */
export function costByOurKernel(product: Node, weights: Shape, isa: string, way: string, usual: number): number {
  if (!isOp(product, qnnConv) || !prefersOurKernel(weights, product.attrs.group, isa)) return usual;
  return way === 'native' ? 1 : way === 'fold' ? usual : Math.max(usual, LEAST_DETOUR);
}

/**
 * True when the kernel can compute the epilogue of a `dnnl.conv`: ONNX Runtime's recipe, without a map or float steps.
 */
export function finishedByOurKernel(node: Node): boolean {
  const conv = view(dnnlConv, node);
  return !!conv && !conv.map && !conv.scale && !conv.offset && conv.attrs.zeroPointAt !== 'before';
}

/** True when one of our kernels computes the node on this ISA, with any zero point, with or without a bias. */
export function isOurs(graph: Graph, node: Node, isa: string): boolean {
  const conv = view(dnnlConv, node);
  if (conv === undefined) return false;
  const { by, group } = conv.attrs;
  return by === 'depthwise' || (finishedByOurKernel(node) && prefersOurKernel(typeOf(graph, conv.w).shape, group, isa));
}
