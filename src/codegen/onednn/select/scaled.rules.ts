/**
 * Products whose zero points the run computes, with the floats that follow them: dynamic quantization scales an s32 sum, adds a bias and
 * applies an activation. Our kernels do all of it while the sums are in registers.
 */
import {
  dnnlScaledConv,
  dnnlScaledMatmul,
  elementsOf,
  isOfType,
  isOp,
  type Node,
  nnAdd,
  nnCast,
  nnClip,
  nnMul,
  nnRelu,
  ofType,
  qnnConv,
  qnnMatmul,
  sameShape,
  type Value,
  type ValueId,
  variesAlong,
  view,
  viewOf,
} from '../../../ir/index.ts';
import type { Algebra, AnyRule, GraphEditor } from '../../../passes/index.ts';
import { productOf } from './products.ts';

type Activation = { readonly activation: 'none' | 'relu' } | Clip;
type Clip = { readonly activation: 'clip'; readonly min: number; readonly max: number };

interface Scaled {
  readonly product: Node;
  readonly scale: Value<'f32'>;
  readonly offset?: Value<'f32'>;
  readonly end: Activation;
}

/** The product that one of our kernels takes as it is, which selection leaves: none of its primitives does. */
function keptProduct(graph: GraphEditor, id: ValueId): Node | string {
  const node = graph.producer(id);
  if (!isOp(node, qnnConv, qnnMatmul)) return 'it is neither a convolution nor a matrix product';
  if (typeof productOf(graph, id) !== 'string') return 'a primitive may compute it';
  if (isOp(node, qnnConv)) {
    const { w, zx, zw } = viewOf<typeof qnnConv>(node);
    const isKnown = [w, zw].every((own) => own === undefined || graph.isConstant(own));
    const rank = graph.type(w).shape.length;
    const isServed = isKnown && isScalar(graph, zx) && (rank === 3 || rank === 4);
    return isServed ? node : 'no kernel of ours computes the convolution';
  }
  const { a, b, za, zb } = viewOf<typeof qnnMatmul>(node);
  const areMatrices = [a, b].every((own) => graph.type(own).shape.length >= 2);
  const isServed = areMatrices && isScalar(graph, za) && isScalar(graph, zb);
  return isServed ? node : 'no kernel of ours computes the product';
}

const isScalar = (graph: GraphEditor, id: ValueId | undefined): boolean =>
  id === undefined || elementsOf(graph.type(id).shape) === 1;

/** The operand of a sum or product of floats that `from` accepts, and the other one, along the channels. */
function split<T extends object>(
  graph: GraphEditor,
  node: Node,
  from: (id: ValueId) => T | string,
): { readonly inner: T; readonly factor: Value<'f32'> } | string {
  const { a, b } = viewOf<typeof nnAdd | typeof nnMul>(node);
  let reason = 'no operand of it is a sum';
  for (const [own, other] of [
    [a, b],
    [b, a],
  ]) {
    const inner = graph.isPrivate(own) ? from(own) : 'the value in between has other readers';
    if (typeof inner === 'string') {
      reason = inner;
      continue;
    }
    const factor = graph.value(other);
    const { shape } = graph.type(node.id);
    const axis = isConvolution(graph, own) ? 1 : shape.length - 1;
    if (
      !isOfType(factor, 'f32') ||
      !sameShape(graph.type(own).shape, shape) ||
      !variesAlong(factor.type.shape, shape, axis)
    )
      return 'a factor varies along other axes than the channels';
    return { inner, factor };
  }
  return reason;
}

/** True for floats of a convolution, through sums and factors. */
function isConvolution(graph: GraphEditor, id: ValueId): boolean {
  const node = graph.producer(id);
  if (isOp(node, qnnConv)) return true;
  if (isOp(node, nnCast)) return isConvolution(graph, viewOf<typeof nnCast>(node).x);
  if (!isOp(node, nnMul, nnAdd)) return false;
  const { a, b } = viewOf<typeof nnMul | typeof nnAdd>(node);
  return isConvolution(graph, a) || isConvolution(graph, b);
}

/** fl(sum)·scale */
function scaledProduct(graph: GraphEditor, id: ValueId): Omit<Scaled, 'end'> | string {
  const node = graph.producer(id);
  if (!isOp(node, nnMul)) return 'no scaled sum is in front of it';
  const found = split(graph, node, (own) => {
    const cast = view(nnCast, graph.producer(own));
    if (cast === undefined || !isOfType(graph.value(cast.x), 's32')) return 'no sum is in front of it';
    return graph.isPrivate(cast.x) ? keptProduct(graph, cast.x) : 'the sum has other readers';
  });
  return typeof found === 'string' ? found : { product: found.inner, scale: found.factor };
}

/** The same with an offset, or without. */
function withOffset(graph: GraphEditor, id: ValueId): Omit<Scaled, 'end'> | string {
  const node = graph.producer(id);
  if (!isOp(node, nnAdd)) return scaledProduct(graph, id);
  const found = split(graph, node, (own) => scaledProduct(graph, own));
  return typeof found === 'string' ? found : { ...found.inner, offset: found.factor };
}

/** Kernels compare with bounds, and tell no 0 from another. */
const isTold = (min: number, max: number): boolean => max !== 0 && !Object.is(min, -0);

/** All that ends in a node, or why nothing does. */
function scaledOf(graph: GraphEditor, node: Node): Scaled | string {
  if (!isOp(node, nnRelu, nnClip)) {
    const found = withOffset(graph, node.id);
    return typeof found === 'string' ? found : { ...found, end: { activation: 'none' } };
  }
  const { x } = viewOf<typeof nnRelu | typeof nnClip>(node);
  if (!isOfType(graph.value(x), 'f32')) return 'its operand is not f32';
  if (!graph.isPrivate(x)) return 'what it reads has other readers';
  const found = withOffset(graph, x);
  if (typeof found === 'string') return found;
  if (isOp(node, nnRelu)) return { ...found, end: { activation: 'relu' } };
  const { min, max } = viewOf<typeof nnClip>(node).attrs;
  return isTold(min, max) ? { ...found, end: { activation: 'clip', min, max } } : 'a bound of 0 has a sign';
}

function emitScaled(graph: GraphEditor, a: Algebra, { product, scale, offset, end }: Scaled): Value {
  const more = { scale, ...(offset && { offset }) };
  const byte = (id: ValueId | undefined) => (id === undefined ? undefined : ofType(graph.value(id), 'u8', 's8'));
  if (isOp(product, qnnConv)) {
    const { x, w, zx, zw, attrs } = viewOf<typeof qnnConv>(product);
    const [source, weights] = [ofType(graph.value(x), 'u8', 's8'), ofType(graph.value(w), 'u8', 's8')];
    const [zeroX, zeroW] = [byte(zx), byte(zw)];
    const operands = { x: source, w: weights, ...(zeroX && { zx: zeroX }), ...(zeroW && { zw: zeroW }), ...more };
    return a.emit(dnnlScaledConv, operands, { ...attrs, ...end });
  }
  const { a: left, b: right, za, zb } = viewOf<typeof qnnMatmul>(product);
  const [x, w] = [ofType(graph.value(left), 'u8', 's8'), ofType(graph.value(right), 'u8', 's8')];
  const [zeroA, zeroB] = [byte(za), byte(zb)];
  const operands = { a: x, b: w, ...(zeroA && { za: zeroA }), ...(zeroB && { zb: zeroB }), ...more };
  return a.emit(dnnlScaledMatmul, operands, end);
}

function found(graph: GraphEditor, node: Node): Scaled {
  const scaled = scaledOf(graph, node);
  if (typeof scaled === 'string') throw new Error(scaled);
  return scaled;
}

function scaledRule(root: AnyRule['root'], name: string, law: string, wrong: AnyRule['wrong']): AnyRule {
  return Object.freeze<AnyRule>({
    name,
    root,
    law,
    exactness: 'bit-exact',
    where({ node, graph }, miss) {
      const scaled = scaledOf(graph, node);
      return typeof scaled === 'string' ? miss(scaled) : undefined;
    },
    rewrite: ({ node, graph }, a) => emitScaled(graph, a, found(graph, node)),
    ...(wrong && { wrong }),
  });
}

const law = (end: string) => `${end} = dnnl.scaled_product(x, w; zx, zw; scale, offset)`;

/** The longest ends first. */
export const scaledRules: readonly (readonly AnyRule[])[] = [
  [
    scaledRule(nnRelu, 'select-scaled-relu', law('relu(product(x, w)·scale + offset)'), {
      what: 'forgets the activation',
      rewrite: ({ node, graph }, a) => emitScaled(graph, a, { ...found(graph, node), end: { activation: 'none' } }),
    }),
    scaledRule(nnClip, 'select-scaled-clip', law('clip(product(x, w)·scale + offset)'), {
      what: 'forgets the bounds',
      rewrite: ({ node, graph }, a) => emitScaled(graph, a, { ...found(graph, node), end: { activation: 'none' } }),
    }),
  ],
  [
    scaledRule(nnAdd, 'select-scaled-sum', law('product(x, w)·scale + offset'), {
      what: 'adds the scale in the place of the offset',
      rewrite({ node, graph }, a) {
        const scaled = found(graph, node);
        return emitScaled(graph, a, { ...scaled, offset: scaled.scale });
      },
    }),
  ],
  [
    scaledRule(nnMul, 'select-scaled-product', law('product(x, w)·scale'), {
      what: 'adds the scale as well',
      rewrite({ node, graph }, a) {
        const scaled = found(graph, node);
        return emitScaled(graph, a, { ...scaled, offset: scaled.scale });
      },
    }),
  ],
];
