import { type AnyOp, findOp, type Node, type Value, type ValueId } from '../../ir/index.ts';
import { nnGather, nnGatherElements } from '../../ir/ops/nn_gather.op.ts';
import * as move from '../../ir/ops/nn_movement.op.ts';
import { nnGlobalMaxPool, nnMaxPool } from '../../ir/ops/nn_pool.op.ts';
import { nnResize } from '../../ir/ops/nn_resize.op.ts';
import { nnSlice } from '../../ir/ops/nn_slice.op.ts';
import { dequantize, quantize } from '../../numerics/index.ts';
import { type Dequantized, dequantizedAs, dequantizeOf, type Eight, perTensor } from '../qdq/parameters.ts';
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
