import {
  type AnyOp,
  evaluateNode,
  findOp,
  type ITensor,
  isStatic,
  type Node,
  type Shape,
  sizeOf,
  type Value,
  type ValueId,
} from '../../ir/index.ts';
import { nnGather, nnGatherElements } from '../../ir/ops/nn_gather.op.ts';
import * as move from '../../ir/ops/nn_movement.op.ts';
import { nnGlobalMaxPool, nnMaxPool } from '../../ir/ops/nn_pool.op.ts';
import { nnResize } from '../../ir/ops/nn_resize.op.ts';
import { nnSlice } from '../../ir/ops/nn_slice.op.ts';
import { qnnDequantize } from '../../ir/ops/qnn_dequantize.op.ts';
import { dequantize, quantize } from '../../numerics/index.ts';
import { type Dequantized, dequantized, dequantizeOf, type Eight, perTensor } from '../qdq/parameters.ts';
import { planned, type Refusals, type Site } from '../qdq/plan.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import type { GraphEditor } from '../rewrite/editor.ts';
import { type AnyRule, defineRule } from '../rewrite/rule.ts';

interface Late {
  readonly node: Node;
  readonly sources: readonly Dequantized[];
  /** The integer that nn.pad fills with, where it fills with one. */
  readonly fill: number | undefined;
}

/** Elements are chosen by position or by order: dequantization, which is monotone, may as well come after. */
function plan({ graph, node }: Site, { refuse, unrelated }: Refusals): Late {
  const data = (node.op === 'nn.concat' ? node.operands : node.operands.slice(0, 1)).map((id) =>
    graph.value(id as ValueId),
  );
  if (!data.every((v) => dequantizeOf(graph, v))) return unrelated('an operand is not dequantized');
  if (node.op === 'nn.resize' && node.attrs.mode !== 'nearest') return unrelated('the resize interpolates');
  const sources = data.map((v) => perTensor(graph, v, 'an operand', refuse));
  const [first] = sources;
  const other = sources.find(
    (s) =>
      s.x.type.dtype !== first.x.type.dtype ||
      s.scales[0] !== first.scales[0] ||
      s.zeroPoints[0] !== first.zeroPoints[0],
  );
  if (other) refuse('the operands have different scales, zero points or types', other.x);
  if (node.op === 'nn.max_pool' && mayMissInput(node))
    refuse('a window with dilation may lie outside the input, where the maximum of integers is another', first.x);
  return {
    node,
    sources,
    fill: node.op === 'nn.pad' && node.attrs.mode === 'constant' ? fillOf(graph, node, first, refuse) : undefined,
  };
}

/** Without dilation a window reaches the input, because pads are smaller than windows. */
function mayMissInput({ attrs }: Node): boolean {
  const { dilations, pads, ceilMode } = attrs as {
    dilations: readonly number[];
    pads: readonly number[];
    ceilMode: boolean;
  };
  return dilations.some((d) => d > 1) && (ceilMode || pads.some((p) => p > 0));
}

function fillOf(
  graph: GraphEditor,
  node: Node,
  { scales: [s], zeroPoints: { 0: z }, x }: Dequantized,
  refuse: Refusals['refuse'],
): number {
  const value = node.operands[1] ? graph.constant(node.operands[1])?.data[0] : 0;
  if (value === undefined)
    return refuse('the pad value is computed at run time', graph.value(node.operands[1] as ValueId));
  const [low, high] = x.type.dtype === 'u8' ? [0, 255] : [-128, 127];
  const q = quantize(Number(value), s, z, low, high);
  if (dequantize(q, s, z) !== Number(value)) refuse(`the pad value ${value} is no integer times the scale ${s}`, x);
  return q;
}

function emit({ node, sources, fill }: Late, a: Algebra, graph: GraphEditor): Value {
  const operands = node.operands.map((id, i) => sources[i]?.x ?? (id && graph.value(id)));
  if (fill !== undefined) operands[1] = a.b.scalar(sources[0].x.type.dtype, fill);
  const [y] = a.b.emitList(findOp(node.op) as AnyOp, operands as Value[], node.attrs, { loc: node.loc });
  return dequantizedAs(a, sources[0], y as Value<Eight>, 0);
}

const dequantizedAs = (a: Algebra, { scale, zp }: Dequantized, x: Value<Eight>, axis: number): Value =>
  a.emit(qnnDequantize, { x, scale, ...(zp && { zp }) }, { axis });

const movers: readonly AnyOp[] = [
  move.nnReshape,
  move.nnTranspose,
  move.nnExpand,
  move.nnTile,
  move.nnPad,
  move.nnConcat,
  move.nnDepthToSpace,
  move.nnSpaceToDepth,
  nnResize,
  nnSlice,
  nnGather,
  nnGatherElements,
  nnMaxPool,
  nnGlobalMaxPool,
];

/** One rule for each operator that moves: dequantize-after-reshape, … */
export const dequantizeLate: readonly AnyRule[] = movers.map((root) => {
  const name = root.name.replace(/^nn\./, '');
  return defineRule({
    name: `dequantize-after-${name.replaceAll('_', '-')}`,
    root,
    law: `${name}(dequantize(x), …) = dequantize(${name}(x, …))   per tensor, all operands with the same scale and zero point; a pad value has to be an integer times the scale`,
    exactness: 'bit-exact',
    ...planned(plan, (late, a, { graph }: Site) => emit(late, a, graph), {
      what: 'fills with the integer 0, and forgets the zero point behind any other mover',
      emit: (late, a, { graph }) =>
        emit(
          late.fill === undefined
            ? { ...late, sources: late.sources.map((s) => ({ ...s, zp: undefined })) }
            : { ...late, fill: 0 },
          a,
          graph,
        ),
    }),
  });
});

interface LateWeights {
  readonly node: Node;
  readonly source: Dequantized;
  readonly shape: Shape;
  readonly axis: number;
}

/** Gemm with transB, Unsqueeze of a filter: the integers are moved now, the axis of their scales goes with them. */
function planWeights({ graph, node }: Site, { refuse, unrelated }: Refusals): LateWeights {
  const v = graph.value(node.operands[0] as ValueId);
  const source = dequantizeOf(graph, v)?.operands[0];
  if (!source || !graph.isConstant(source)) return unrelated('the operand is no dequantized constant');
  const found = dequantized(graph, v, 'the constant', refuse);
  const { shape } = graph.type(node.results[0]);
  if (!isStatic(shape)) unrelated('the result has symbolic sizes');
  if (found.perTensor) return { node, source: found, shape, axis: 0 };
  if (found.scale.type.shape.length !== 1) refuse('the constant has a scale for each block', found.scale);
  const [from, to] = [v.type.shape.map(Number), shape.map(Number)];
  const axis =
    node.op === 'nn.transpose'
      ? (node.attrs.perm as readonly number[]).indexOf(found.axis)
      : movedAxis(from, to, found.axis);
  if (axis < 0) refuse(`the axis of the scales, ${found.axis}, is none of the result`, found.x);
  return { node, source: found, shape, axis };
}

/** The axis of the same size with as many elements before it, −1 when a reshape splits or joins it. */
function movedAxis(from: readonly number[], to: readonly number[], axis: number): number {
  const before = sizeOf(from.slice(0, axis));
  return to.findIndex((size, i) => size === from[axis] && sizeOf(to.slice(0, i)) === before);
}

/** The weights are moved when somebody looks at them: grouping does not. */
function emitWeights({ node, source, shape, axis }: LateWeights, a: Algebra): Value {
  const w = a.tensor(source.x) as ITensor<Eight>;
  const moved = () => evaluateNode(node, [w])[0] as ITensor<Eight>;
  return dequantizedAs(
    a,
    source,
    a.b.constant({ dtype: w.dtype, shape }, moved, a.b.fresh(`${source.x.id}.moved`)),
    axis,
  );
}

/** The same for constants with a scale per channel. */
export const dequantizeWeightsLate: readonly AnyRule[] = [move.nnTranspose, move.nnReshape].map((root) =>
  defineRule({
    name: `dequantize-weights-after-${root.name.slice(3)}`,
    root: root as AnyOp,
    law: `${root.name.slice(3)}(dequantize(w; s, zp, axis)) = dequantize(${root.name.slice(3)}(w); s, zp, moved axis)   for constant w`,
    exactness: 'bit-exact',
    ...planned(planWeights, emitWeights, {
      what: 'leaves the scales to the channel of the next index',
      emit: (late, a) => {
        const { scale } = late.source;
        const { data, shape } = a.tensor(scale)!;
        const rotated = a.constant({
          dtype: 'f32',
          shape,
          data: data.map((_, i) => data[(i + 1) % data.length] * (data.length === 1 ? 2 : 1)),
        });
        return emitWeights({ ...late, source: { ...late.source, scale: rotated } }, a);
      },
    }),
  }),
);
