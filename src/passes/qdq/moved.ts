/**
 * Elements that were dequantized and then moved: chosen by position or by order. Dequantization, which is monotone, may as well
 * come after, so that the integers are moved instead.
 */
import {
  type AnyOp,
  type ByteType,
  byteTypes,
  dtypes,
  evaluateNode,
  type ITensor,
  isOp,
  isStatic,
  type Node,
  type NodeOf,
  nnConcat,
  nnDepthToSpace,
  nnExpand,
  nnGather,
  nnGatherElements,
  nnGlobalMaxPool,
  nnMaxPool,
  nnPad,
  nnReshape,
  nnResize,
  nnSlice,
  nnSpaceToDepth,
  nnTile,
  nnTranspose,
  ofType,
  oneOf,
  opOf,
  type Shape,
  sizeOf,
  tensorOfType,
  type Value,
  type ValueId,
  view,
  viewOf,
} from '../../ir/index.ts';
import { dequantize, quantize } from '../../numerics/index.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import type { GraphEditor } from '../rewrite/editor.ts';
import { attempt, type Refusals, type Refuse, type Site } from '../rewrite/plan.ts';
import { type Dequantized, dequantized, dequantizeOf } from './parameters.ts';

const movers = [
  nnReshape,
  nnTranspose,
  nnExpand,
  nnTile,
  nnPad,
  nnConcat,
  nnDepthToSpace,
  nnSpaceToDepth,
  nnResize,
  nnSlice,
  nnGather,
  nnGatherElements,
  nnMaxPool,
  nnGlobalMaxPool,
] as const;
export const movingOps: readonly AnyOp[] = movers;
export const isMover = oneOf(...movers);

/** A mover of dequantized operands, all with the same scale and zero point. */
export interface Moved<S extends Dequantized = Dequantized> {
  readonly node: Node;
  readonly sources: readonly S[];
  /** The integer that nn.pad fills with, where it fills with one. */
  readonly fill: number | undefined;
}

/** `resolve` finds out how its operands were dequantized. */
export function movedAt<S extends Dequantized>(
  { graph, node }: Site,
  resolve: () => readonly S[],
  { refuse, unrelated }: Refusals,
): Moved<S> {
  if (isOp(node, nnResize) && node.attrs.mode !== 'nearest') return unrelated('the resize interpolates');
  const sources = resolve();
  const [first] = sources;
  const other = sources.find(
    (s) =>
      s.x.type.dtype !== first.x.type.dtype ||
      s.scales[0] !== first.scales[0] ||
      s.zeroPoints[0] !== first.zeroPoints[0],
  );
  if (other) refuse('the operands have different scales, zero points or types', other.x);
  if (isOp(node, nnMaxPool) && mayMissInput(node))
    refuse('a window with dilation may lie outside the input, where the maximum of integers is another', first.x);
  const isFilled = isOp(node, nnPad) && node.attrs.mode === 'constant';
  return { node, sources, fill: isFilled ? fillOf(graph, node, first, refuse) : undefined };
}

/** The moved operands; the others are parameters of the movement. */
export const dataOf = (node: Node): readonly ValueId[] =>
  view(nnConcat, node)?.xs ?? [viewOf<Exclude<(typeof movers)[number], typeof nnConcat>>(node).x];

/** Without dilation a window reaches the input, because pads are smaller than windows. */
function mayMissInput({ attrs: { dilations, pads, ceilMode } }: NodeOf<typeof nnMaxPool>): boolean {
  return dilations.some((d) => d > 1) && (ceilMode || pads.some((p) => p > 0));
}

function fillOf(
  graph: GraphEditor,
  node: Node,
  { scales: [s], zeroPoints: { 0: z }, x }: Dequantized,
  refuse: Refuse,
): number {
  const { value: padding } = graph.viewOf<typeof nnPad>(node);
  const value = padding === undefined ? 0 : graph.tensor(padding)?.data[0];
  if (value === undefined) return refuse('the pad value is computed at run time', padding);
  const { min, max } = dtypes[x.type.dtype];
  const q = quantize(Number(value), s, z, min, max);
  if (dequantize(q, s, z) !== Number(value)) refuse(`the pad value ${value} is not an integer times the scale ${s}`, x);
  return q;
}

/** The same mover over integers. */
export function emitMoved(
  { node, fill }: Moved,
  integers: readonly Value<ByteType>[],
  a: Algebra,
  graph: GraphEditor,
): Value<ByteType> {
  const operands = node.operands.map((id, i) => integers[i] ?? (id && graph.value(id)));
  if (fill !== undefined) operands[1] = a.b.scalar(integers[0].type.dtype, fill);
  const [y] = a.b.emitList(opOf(node), operands, node.attrs, { loc: node.loc });
  return ofType(y, ...byteTypes);
}

/** A dequantized value, whatever moved it since; `integers` emits its integers, moved the same way. */
export interface Source extends Dequantized {
  readonly shape: Shape;
  readonly integers: (a: Algebra) => Value<ByteType>;
  /** The integers, where they are constants: moved when somebody looks at them. */
  readonly known: (() => ITensor<ByteType>) | undefined;
}

/** Longer chains are not looked at. */
const LONGEST = 16;

export function sourceOf(graph: GraphEditor, v: Value, role: string, refuse: Refuse, depth = 0): Source {
  const node = dequantizeOf(graph, v) ? undefined : graph.producer(v.id);
  const { shape } = v.type;
  if (node === undefined || depth > LONGEST || !isMover(node)) {
    const found = dequantized(graph, v, role, refuse);
    return { ...found, shape, integers: () => found.x, known: graph.loader(found.x) };
  }
  const sources = dataOf(node).map((id) => sourceOf(graph, graph.value(id), role, refuse, depth + 1));
  const [first] = sources;
  const { known } = first;
  if (known && isRearrangement(node) && isStatic(shape))
    return movedConstant(node, { ...first, known }, shape, role, refuse);
  const many = sources.find((source) => !source.perTensor);
  if (many) refuse(`${role} has scales along an axis, and is moved by ${node.op}`, many.scale);
  const outcome = attempt((to) => movedAt({ graph, node }, () => sources, to));
  if ('miss' in outcome) return refuse(`${role} is moved by ${node.op}: ${outcome.miss.reason}`, v);
  const { found } = outcome;
  const integers = (a: Algebra): Value<ByteType> =>
    emitMoved(
      found,
      found.sources.map((source) => source.integers(a)),
      a,
      graph,
    );
  return { ...found.sources[0], shape, integers, known: undefined };
}

const isRearrangement = oneOf(nnTranspose, nnReshape);

/** Gemm with transB, Unsqueeze of a filter: the axis of the scales goes with the integers. */
function movedConstant(
  node: Node,
  source: Source & { readonly known: () => ITensor<ByteType> },
  shape: readonly number[],
  role: string,
  refuse: Refuse,
): Source {
  const { dtype } = source.x.type;
  let moved: ITensor<ByteType> | undefined;
  const known = () => (moved ??= tensorOfType(evaluateNode(node, [source.known()])[0], ...byteTypes));
  const axis = source.perTensor ? 0 : axisAfter(node, source, shape);
  if (source.scale.type.shape.length > 1) refuse(`${role} has a scale for each block`, source.scale);
  if (axis < 0) refuse(`the axis of the scales, ${source.axis}, is not an axis of ${role} behind ${node.op}`, source.x);
  const integers = (a: Algebra) => a.b.lazy({ dtype, shape }, known, a.b.fresh(`${source.x.id}.moved`));
  return { ...source, shape, axis, integers, known };
}

/** The axis that the one along which scales differ becomes, −1 where there is none. */
export function axisAfter(
  node: Node,
  { shape: from, axis }: Pick<Source, 'shape' | 'axis'>,
  to: readonly number[],
): number {
  if (isOp(node, nnTranspose)) return node.attrs.perm.indexOf(axis);
  // of the same size, with as many elements before it: a reshape may split or join it
  const sizes = from.map(Number);
  const before = sizeOf(sizes.slice(0, axis));
  return to.findIndex((size, i) => size === sizes[axis] && sizeOf(to.slice(0, i)) === before);
}
