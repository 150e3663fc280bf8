/**
 * The convolutions that our own kernel (native/kernels/convolution_avx512.cc) computes in place of a primitive. A
 * source zero point costs it nothing: its sums begin with the contribution of the zero point.
 *
 * Measured against oneDNN 2.6.3 with VNNI (docs/strategies.md): it wins with and without zero points when sums are
 * long, and where the few channels of the first layer of a network lie in one run with their neighbours. oneDNN keeps
 * other convolutions with few input channels, and with so few filters that half of every register would be empty;
 * windows of one position pay off from a whole register on. With AMX oneDNN is several times faster than any of these.
 */
import {
  dnnlConv,
  type Graph,
  type GraphReader,
  isOp,
  isStatic,
  type Node,
  qnnConv,
  type Shape,
  sizeOf,
  typeOf,
  view,
  viewOf,
} from '../../ir/index.ts';
import { primitiveFinishes } from './epilogue_exactness.ts';

const LEAST_INPUTS = 16;
const LEAST_FILTERS = 24;
const LEAST_POINTWISE_FILTERS = 16;
/** The kernel reads a row of its window as one run, up to that many bytes, where channels do not fill words of four bytes. */
const LONGEST_RUN = 64;

/** One or two spatial axes; only the vector version of the kernel is fast. */
const servesShape = ({ length }: Shape, isa: string): boolean => isa === 'vnni' && (length === 3 || length === 4);

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
  if (!isOp(product, qnnConv) || !prefersOurKernel(weights, product.attrs.group, isa)) return usual;
  return way === 'native' ? 1 : way === 'fold' ? usual : Math.max(usual, LEAST_DETOUR);
}

/**
 * True for a convolution over one or two axes whose known weights, u8 or with zero points, our kernels take as they are:
 * depthwise ones on any machine, others where the vector version runs. Anywhere else two products of a primitive are faster.
 */
export function takesWeightsZeroPoint(product: Node, graph: GraphReader, isa: string): boolean {
  if (!isOp(product, qnnConv)) return false;
  const { w, zw, zx } = viewOf<typeof qnnConv>(product);
  const [weights, zero] = [graph.constant(w), graph.constant(zx)];
  if (weights === undefined || (zw && !graph.constant(zw)) || (zx && zero?.data.length !== 1)) return false;
  const [filters, inputs, ...kernel] = weights.shape;
  const { group } = product.attrs;
  if (kernel.length < 1 || kernel.length > 2) return false;
  if (group > 1 && inputs === 1) return kernel.length === 2;
  return isa === 'vnni' && (group === 1 || (inputs % 4 === 0 && filters / group >= LEAST_POINTWISE_FILTERS));
}

/**
 * True when the kernel can compute the epilogue of a `dnnl.conv`: ONNX Runtime's recipe, without a map or float steps.
 */
function finishedByOurKernel(node: Node): boolean {
  const conv = view(dnnlConv, node);
  return !!conv && !conv.map && !conv.scale && !conv.offset && conv.attrs.zeroPointAt !== 'before';
}

/**
 * True when one of our kernels computes the node on this ISA, with any zero point, with or without a bias: where it is the
 * faster one, where no primitive takes the weights, and where a primitive would leave the end to another kernel.
 */
export function isOurs(graph: Graph, node: Node, isa: string, finishes = primitiveFinishes): boolean {
  const conv = view(dnnlConv, node);
  if (conv === undefined) return false;
  const { by, group } = conv.attrs;
  const { dtype, shape } = typeOf(graph, conv.w);
  if (by === 'depthwise' || conv.zw || dtype === 'u8') return true;
  return (
    finishedByOurKernel(node) &&
    (prefersOurKernel(shape, group, isa) || (servesShape(shape, isa) && !finishes(graph, node)))
  );
}
