/** Selection: products with all that follows them become one operator per primitive or kernel. */
import {
  isOfType,
  nnAdd,
  nnConv,
  nnConvTranspose,
  nnMatmul,
  nnSub,
  ofType,
  qnnConv,
  qnnConvTranspose,
  qnnMatmul,
  qnnRequantize,
  type SumChain,
  sumChain,
  type Value,
} from '../../../ir/index.ts';
import { type Algebra, type AnyRule, defineRule, type GraphEditor } from '../../../passes/index.ts';
import { isFloatRecipe, type Requantize, requantizeOf, separateEpilogue } from './epilogue.ts';
import { floatTwin } from './float_twin.ts';
import { emitProduct, isSymmetric, productOf, servedByDepthwise } from './products.ts';
import { selectReciprocal } from './reciprocal.rule.ts';
import { scaledRules } from './scaled.rules.ts';

/** Unwraps a result that `where` has found, and that cannot be a reason. */
function found<T extends object>(made: T | string): T {
  if (typeof made === 'string') throw new Error(made);
  return made;
}

/** requantize ∘ (+ bias) ∘ (+ map) ∘ (+ row·column) ∘ product */
export const selectRequantized = defineRule({
  name: 'select-requantized',
  root: qnnRequantize,
  law: 'requantize(product(x, w; zx) + bias + map; m, zy) = dnnl.product(x, w, bias, map, m),   + row·column, or in another arithmetic than f32: dnnl.requantize',
  exactness: 'bit-exact',
  where(match, miss) {
    const { x, graph } = match;
    const r = requantizeOf(graph, match.node);
    if (typeof r === 'string') return miss(r);
    const chain = sumChain(graph, r.sum, r.axis);
    const product = productOf(graph, chain.sum);
    const isServed = typeof product !== 'string' && product.axis === r.axis;
    // No other kernel takes an update of rank one, or floats between the sum and its rounding.
    if (isServed || chain.row !== undefined || r.sum !== x.id) return undefined;
    return miss(
      typeof product === 'string' ? product : 'the channels of the multiplier differ from the channels of the product',
      graph.value(chain.sum),
    );
  },
  rewrite(match, a) {
    const { graph } = match;
    const r = found(requantizeOf(graph, match.node));
    return finish(graph, a, r, sumChain(graph, r.sum, r.axis));
  },
  wrong: {
    what: 'loses the additions between product and requantize',
    rewrite(match, a) {
      const { graph } = match;
      const r = found(requantizeOf(graph, match.node));
      return finish(graph, a, r, { sum: sumChain(graph, r.sum, r.axis).sum, length: 0 });
    },
  },
});

function finish(graph: GraphEditor, a: Algebra, given: Requantize, chain: SumChain): Value {
  const product = productOf(graph, chain.sum);
  const r = isFloatRecipe(given) ? given : (floatTwin(graph, given) ?? given);
  if (typeof product === 'string' || product.axis !== r.axis || !graph.isPrivate(chain.sum))
    return separateEpilogue(graph, a, chain, r.axis, r);
  const byKernel = chain.map === undefined && isFloatRecipe(r);
  const depthwise = byKernel && servedByDepthwise(product);
  const isTaken = isFloatRecipe(r) && chain.row === undefined && (byKernel || isSymmetric(product));
  if (isTaken) return emitProduct(a, product, chain, r, depthwise);
  const sum = emitProduct(a, product, {}, undefined, servedByDepthwise(product));
  return separateEpilogue(graph, a, { ...chain, sum: sum.id }, r.axis, r);
}

/** Constant additions to an s32 sum that stays s32. */
const integerSum = (root: typeof nnAdd | typeof nnSub, name: string) =>
  defineRule({
    name,
    root,
    law: 'sum ± bias ± map ± row·column = dnnl.requantize(sum, bias, map, row, column) in s32',
    exactness: 'bit-exact',
    where({ node, graph }, miss) {
      const y = graph.value(node.id);
      if (!isOfType(y, 's32')) return miss(`the sum is ${y.type.dtype}`);
      return chainOf(graph, y).length > 0 ? undefined : miss('nothing constant is added to a sum');
    },
    rewrite({ node, graph }, a) {
      const y = ofType(graph.value(node.id), 's32');
      const chain = chainOf(graph, y);
      return separateEpilogue(graph, a, chain, channelAxis(graph, y));
    },
    wrong: {
      what: 'keeps the sum and drops what is added',
      rewrite({ node, graph }, a) {
        const y = ofType(graph.value(node.id), 's32');
        return separateEpilogue(graph, a, { sum: chainOf(graph, y).sum, length: 0 }, channelAxis(graph, y));
      },
    },
  });

/** Convolutions have their channels on axis 1, matmuls on the last one: the axis that absorbs more. */
function channelAxis(graph: GraphEditor, y: Value<'s32'>): number {
  const last = Math.max(y.type.shape.length - 1, 0);
  return y.type.shape.length > 2 && sumChain(graph, y.id, 1).length >= sumChain(graph, y.id, last).length ? 1 : last;
}
const chainOf = (graph: GraphEditor, y: Value<'s32'>): SumChain =>
  y.type.shape.length === 0 ? { sum: y.id, length: 0 } : sumChain(graph, y.id, channelAxis(graph, y));

export const selectIntegerAdd = integerSum(nnAdd, 'select-integer-add');
export const selectIntegerSub = integerSum(nnSub, 'select-integer-sub');

/** A product whose sum is needed as such. */
function plain(root: AnyRule['root']): AnyRule {
  const rule: AnyRule = {
    name: `select-${root.name.replace('.', '-')}`,
    root,
    law: `${root.name}(x, w; zx) = dnnl.product(x, w; zx) in s32`,
    exactness: 'bit-exact',
    where({ node, graph }, miss) {
      const product = productOf(graph, node.id);
      return typeof product === 'string' ? miss(product) : undefined;
    },
    rewrite({ node, graph }, a) {
      const product = found(productOf(graph, node.id));
      return emitProduct(a, product, {}, undefined, servedByDepthwise(product));
    },
    wrong: {
      what: 'shifts the source by one more',
      rewrite({ node, graph }, a) {
        const product = found(productOf(graph, node.id));
        const sourceZeroPoint = product.sourceZeroPoint === 127 ? 126 : product.sourceZeroPoint + 1;
        return emitProduct(a, { ...product, sourceZeroPoint }, {}, undefined, false);
      },
    },
  };
  return Object.freeze(rule);
}

/**
 * First products with zero points of the run, then products that end in a requantize, then sums, then bare products; last, ends that kernels compute in two steps.
 */
const stages: readonly (readonly AnyRule[])[] = [
  ...scaledRules,
  [selectRequantized],
  [selectIntegerAdd, selectIntegerSub],
  [nnConv, qnnConv, nnConvTranspose, qnnConvTranspose, nnMatmul, qnnMatmul].map(plain),
  [selectReciprocal],
];

/** A function, so that a process that selects nothing does not load them. */
export const selectRules = (): readonly (readonly AnyRule[])[] => stages;
