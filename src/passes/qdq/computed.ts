/**
 * Products of operands whose scales or zero points are computed at run time (dynamic quantization):
 *
 *   sx·(x − zx) ∗ sw·(w − zw)  =  (sx·sw) · ((x − zx) ∗ (w − zw))
 *
 * A scale for each row of a matrix is one for each row of the result.
 */
import {
  type ByteType,
  isOp,
  isPerTensor,
  type Node,
  nnAdd,
  nnCast,
  nnMatmul,
  nnMaxPool,
  nnMul,
  nnPad,
  nnResize,
  type Shape,
  tensor,
  type Value,
} from '../../ir/index.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import type { GraphEditor } from '../rewrite/editor.ts';
import { attempt, type Refusals, type Refuse } from '../rewrite/plan.ts';
import { dataOf, emitMoved, isMover, sourceOf } from './moved.ts';
import { dequantizeOf, isByteOrAbsent, isByteValue, originOf } from './parameters.ts';
import type { ProductForm } from './product_form.ts';

/** The most terms of which any two bytes less any two zero points always fit int32. */
const ALWAYS = 33025;

interface Side {
  readonly integers: (a: Algebra) => Value<ByteType>;
  readonly scale: Value<'f32'>;
  readonly zp: Value<ByteType> | undefined;
  /** In which shape the scale multiplies the result. */
  readonly along: Shape;
  readonly isComputed: boolean;
  /** Its integers are constants. */
  readonly isKnown: boolean;
}

export interface Computed {
  readonly form: ProductForm;
  readonly node: Node;
  readonly x: Side;
  readonly w: Side;
  readonly bias: Value<'f32' | 'f64'> | undefined;
}

export function computedProduct(
  form: ProductForm,
  node: Node,
  graph: GraphEditor,
  { refuse, unrelated }: Refusals,
): Computed {
  const { x, w, bias } = form.factors(graph, node);
  const y = graph.type(node.results[0]).shape;
  const isMatrix = form.op === nnMatmul && x.type.shape.length > 1 && w.type.shape.length > 1;
  const rows = (shape: Shape, axis: number): Shape | undefined => {
    if (!isMatrix) return undefined;
    if (shape.length === 1) return axis === x.type.shape.length - 2 ? [...shape, 1] : undefined;
    return shape.at(-1) === 1 ? shape : undefined;
  };
  const columns = (shape: Shape, axis: number): Shape | undefined => {
    const tail = Array<number>(y.length - 1 - form.channelAxis(y)).fill(1);
    if (shape.length === 1)
      return axis === form.weightsAxis(w.type.shape) && form.repeats(node) === 1 ? [...shape, ...tail] : undefined;
    return isMatrix && shape.at(-2) === 1 ? shape : undefined;
  };
  const sides = {
    x: sideOf(graph, x, form.roles[0], rows, refuse),
    w: sideOf(graph, w, form.roles[1], columns, refuse),
  };
  for (const { along, scale } of [sides.x, sides.w])
    if (!along.every((dim, i) => dim === 1 || dim === y[y.length - along.length + i]))
      refuse(`scales of shape [${along.join(', ')}] do not broadcast to [${y.join(', ')}] by name`, scale);
  if (!sides.x.isComputed && !sides.w.isComputed) unrelated('no scale and no zero point is computed at run time');
  if (form.knownWeights && !sides.w.isKnown)
    refuse(`${form.roles[1]} is computed at run time: ${form.knownWeights}`, w);
  const terms = form.terms(x.type.shape, w.type.shape);
  if (terms !== undefined && terms > ALWAYS) refuse(`the sum of ${terms} products may leave int32`, w);
  return { form, node, ...sides, bias };
}

function sideOf(
  graph: GraphEditor,
  v: Value,
  role: string,
  along: (shape: Shape, axis: number) => Shape | undefined,
  refuse: Refuse,
): Side {
  const constant = attempt((to) => sourceOf(graph, v, role, to.refuse));
  if ('found' in constant) {
    const { integers, scale, zp, axis, perTensor } = constant.found;
    const scaled = perTensor ? [] : along(scale.type.shape, axis);
    return {
      integers,
      scale,
      zp,
      along: scaled ?? refuse(`${role} has scales that do not belong to the result's rows or channels`, scale),
      isComputed: false,
      isKnown: constant.found.known !== undefined,
    };
  }
  const dequantize = dequantizeOf(graph, v);
  const mover = dequantize ? undefined : graph.producer(v.id);
  if (mover && isMover(mover)) return movedSide(graph, mover, role, along, refuse);
  if (dequantize === undefined) return refuse(`${role} is not dequantized: ${originOf(graph, v)}`, v);
  const { x, scale, zp, attrs } = dequantize;
  if (!isByteValue(x) || !isByteOrAbsent(zp))
    return refuse(`${role} is of ${x.type.dtype}, only 8-bit integers are grouped`, x);
  const { shape } = scale.type;
  const scaled = isPerTensor(shape) ? [] : along(shape, attrs.axis);
  return {
    integers: () => x,
    scale,
    zp,
    along: scaled ?? refuse(`${role} has scales that do not belong to the result's rows or channels`, scale),
    isComputed: [scale, zp].some((value) => value && !graph.isConstant(value.id)),
    isKnown: graph.isConstant(x.id),
  };
}

/** One scale for all elements stays one through any movement. */
function movedSide(
  graph: GraphEditor,
  node: Node,
  role: string,
  along: (shape: Shape, axis: number) => Shape | undefined,
  refuse: Refuse,
): Side {
  const [data, ...more] = dataOf(node);
  if (more.length > 0 || isOp(node, nnPad) || isOp(node, nnMaxPool))
    return refuse(`${role} is moved by ${node.op}`, graph.value(node.results[0]));
  if (isOp(node, nnResize) && node.attrs.mode !== 'nearest') return refuse(`${role} is interpolated`);
  const side = sideOf(graph, graph.value(data), role, along, refuse);
  if (side.along.length > 0) refuse(`${role} has scales along an axis, and is moved by ${node.op}`, side.scale);
  const integers = (a: Algebra): Value<ByteType> =>
    emitMoved({ node, sources: [], fill: undefined }, [side.integers(a)], a, graph);
  return { ...side, integers };
}

export function emitComputed({ form, node, x, w, bias }: Computed, a: Algebra): Value {
  const operand = (zp: Value<ByteType> | undefined): Value<ByteType> | undefined =>
    zp && isPerTensor(zp.type.shape) ? a.reshape(zp, []) : zp;
  const [zx, zw] = [operand(x.zp), operand(w.zp)];
  const sum = form.emit(a, { x: x.integers(a), w: w.integers(a), ...(zx && { zx }), ...(zw && { zw }) }, node);
  const [sx, sw] = [a.reshape(x.scale, x.along), a.reshape(w.scale, w.along)];
  const scale = a.emit(nnMul, { a: sx, b: sw });
  const wide = a.emit(nnCast, { x: sum }, { to: 'f32' });
  const real = a.emit(nnMul, { a: wide, b: scale });
  if (bias === undefined) return real;
  const rank = sum.type.shape.length;
  return a.emit(nnAdd, { a: real, b: a.reshape(bias, [...bias.type.shape, ...Array(rank - 2).fill(1)]) });
}

/** A plausible mistake: one of the two scales for both. */
export const scaledByWeights = {
  what: 'multiplies by the scale of the weights alone',
  emit: (plan: Computed, a: Algebra): Value =>
    emitComputed({ ...plan, x: { ...plan.x, scale: a.constant(tensor('f32', [1], [])), along: [] } }, a),
};
