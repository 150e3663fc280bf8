import {
  type AttrValues,
  isOp,
  type Node,
  nnAveragePool,
  nnGlobalAveragePool,
  nnReduceMean,
  qnnAveragePool,
  qnnGlobalAveragePool,
  qnnQuantize,
  type Value,
} from '../../ir/index.ts';
import { operatorRecipe } from '../../numerics/index.ts';
import { belowClamps, type Clamped, clampsOf, clampTo } from '../qdq/activation.ts';
import {
  type Dequantized,
  LARGEST_RATIO,
  type Output,
  outputOf,
  perTensor,
  type QuantizeMatch,
  requirePrivate,
  scalarScale,
  scalarZeroPoint,
} from '../qdq/parameters.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { planned, type Refusals } from '../rewrite/plan.ts';
import { defineRule, present } from '../rewrite/rule.ts';

type AnyPool = typeof nnAveragePool | typeof nnGlobalAveragePool | typeof nnReduceMean;

interface Pool {
  readonly node: Node;
  readonly x: Dequantized;
  readonly y: Output;
  readonly clamped: Clamped;
  readonly recipe: NonNullable<ReturnType<typeof operatorRecipe>>;
}

/** quantize ← (relu | clip)* ← pool ← dequantize, both of one 8-bit type. */
function plan(isPool: (node: Node, rank: number) => boolean, match: QuantizeMatch, refusals: Refusals): Pool {
  const { graph } = match;
  const { refuse, unrelated } = refusals;
  const below = belowClamps(graph, match.x);
  const pool = isOp(below, nnAveragePool, nnGlobalAveragePool, nnReduceMean) ? graph.viewOf<AnyPool>(below) : undefined;
  if (!pool || !isPool(pool.node, pool.x.type.shape.length)) return unrelated(`no such pool computes %${match.x.id}`);
  const y = outputOf(match, refusals);
  const clamped = clampsOf(graph, match.x, y);
  const x = perTensor(graph, pool.x, 'the input', refuse);
  if (x.x.type.dtype !== y.dtype)
    refuse(`the input is of ${x.x.type.dtype}, the result of ${y.dtype}`, x.x, 'quantize both to one type');
  if (x.scales[0] / y.s > LARGEST_RATIO)
    refuse(
      `the ratio of the scales is above ${LARGEST_RATIO}: fused, the zero point would be lost beside it`,
      match.scale,
    );
  requirePrivate(graph, clamped.inner, refuse);
  const { profile } = graph.base;
  const recipe = operatorRecipe(isPool === isGlobal ? 'globalAveragePool' : 'averagePool', profile);
  return {
    node: pool.node,
    x,
    y,
    clamped,
    recipe: recipe ?? refuse(`the profile ${profile} has no recipe for this pool`),
  };
}

const operandsOf = (a: Algebra, { x: { x, scale, zp }, y }: Pool) => ({
  x,
  sx: scalarScale(a, scale),
  zx: scalarZeroPoint(a, zp, x.type.dtype),
  sy: scalarScale(a, y.scale),
  zy: scalarZeroPoint(a, y.zp, y.dtype),
});
const isSpatial = (axes: readonly number[], rank: number): boolean =>
  rank > 2 && axes.length === rank - 2 && axes.every((axis, i) => (axis < 0 ? axis + rank : axis) === i + 2);
const isGlobal = (node: Node, rank: number): boolean =>
  isOp(node, nnGlobalAveragePool) || (isOp(node, nnReduceMean) && isSpatial(node.attrs.axes, rank));

function emitGlobal(pool: Pool, a: Algebra): Value {
  const { node, x, y, clamped } = pool;
  const mean = clampTo(a, a.emit(qnnGlobalAveragePool, operandsOf(a, pool), { recipe: pool.recipe }), clamped, y);
  return isOp(node, nnReduceMean) && !node.attrs.keepdims ? a.reshape(mean, x.x.type.shape.slice(0, 2)) : mean;
}

const bound = 'one step of the result, where the real quotient lies near a tie';
const sameZeroPoint = <P extends Pool>(pool: P): P & Pool => ({ ...pool, x: { ...pool.x, zp: undefined } });

/** ReduceMean over all spatial axes is the same pool, reshaped when it drops them. */
export const qdqGlobalAveragePool = defineRule({
  name: 'qdq-global-average-pool',
  root: qnnQuantize,
  law: 'quantize(clip(mean over space(deq(x)))) = clamp(qnn.global_average_pool(x; sx, zx, sy, zy))',
  exactness: { bound },
  ...planned((match: QuantizeMatch, refusals) => plan(isGlobal, match, refusals), emitGlobal, {
    what: 'forgets the zero point of the input',
    emit: (pool, a) => emitGlobal(sameZeroPoint(pool), a),
  }),
});

interface AveragePool extends Pool {
  readonly attrs: AttrValues<typeof nnAveragePool.attrs>;
}

const emitAverage = (pool: AveragePool, a: Algebra): Value =>
  clampTo(a, a.emit(qnnAveragePool, operandsOf(a, pool), pool.attrs), pool.clamped, pool.y);

/** QLinearAveragePool of ONNX Runtime divides by the whole kernel where AveragePool counts taps in the padded input. */
export const qdqAveragePool = defineRule({
  name: 'qdq-average-pool',
  root: qnnQuantize,
  law: 'quantize(clip(average_pool(deq(x)))) = clamp(qnn.average_pool(x; sx, zx, sy, zy))',
  exactness: { bound: `${bound}: the zero point is added before rounding` },
  ...planned(
    (match: QuantizeMatch, refusals): AveragePool => {
      const pool = plan((node) => isOp(node, nnAveragePool), match, refusals);
      const { attrs } = present(match.graph.view(nnAveragePool, pool.node));
      const { ceilMode, countIncludePad, dilations, pads } = attrs;
      if (ceilMode && countIncludePad)
        refusals.refuse(
          'a last partial window is divided by the taps in the padded input, the integer pool divides by all',
          pool.x.x,
        );
      if (dilations.some((d) => d > 1) && (ceilMode || pads.some((p) => p > 0)))
        refusals.refuse('a window with dilation may lie outside the input, where the mean is not a number', pool.x.x);
      return { ...pool, attrs };
    },
    emitAverage,
    {
      what: 'forgets the zero point of the input',
      emit: (pool, a) => emitAverage(sameZeroPoint(pool), a),
    },
  ),
});
