import {
  type ByteType,
  type DType,
  elementAt,
  type Factors,
  factorsOf,
  forEachRun,
  type ITensor,
  isOfType,
  isOp,
  isPlainProduct,
  type Node,
  nnMatmul,
  qnnDequantize,
  qnnQuantize,
  tensor,
  type Value,
  type ValueId,
} from '../../ir/index.ts';
import { isZero } from '../corrections/operands.ts';
import { dataOf, isMover } from '../qdq/moved.ts';
import { isByteValue } from '../qdq/parameters.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import type { GraphEditor } from '../rewrite/editor.ts';
import { planned, type Refusals } from '../rewrite/plan.ts';
import { defineRule, type Match } from '../rewrite/rule.ts';

type DequantizeMatch = Match<typeof qnnDequantize.operands, typeof qnnDequantize.attrs>;

/**
 * The last resort for products of bytes without an integer form, such as those with scales along the axis of the sum:
 * they stay float, and their zero points are subtracted in front.
 */
export const subtractZeroPoint = defineRule({
  name: 'subtract-zero-point',
  root: qnnDequantize,
  law: 'dequantize(x; s, z) = dequantize(x − z; s)   x − z in int32, for bytes that float products are of',
  exactness: 'bit-exact',
  ...planned(plan, (found: Found, a) => emit(found, a, 1), {
    what: 'adds the zero point',
    emit: (found: Found, a) => emit(found, a, -1),
  }),
});

type Found = Pick<DequantizeMatch, 'scale'> & Record<'x' | 'zp', Value<ByteType>> & { readonly axis: number };

function plan({ x, scale, zp, attrs, node, graph, constant }: DequantizeMatch, { refuse, unrelated }: Refusals): Found {
  if (!isByteValue(x) || zp === undefined || !isByteValue(zp) || isZero(constant(zp)))
    return unrelated('the dequantize has no 8-bit zero point to subtract');
  const { shape } = zp.type;
  const sizes = shape.length === 1 && shape[0] !== 1 ? [x.type.shape[attrs.axis]] : x.type.shape;
  if (shape.length > 0 && !shape.every((dim, i) => dim === 1 || dim === sizes[i]))
    return unrelated('the zero points have a symbolic size of their own');
  const readers = productsOf(graph, node);
  if (readers.length === 0) return unrelated('no float product is of this and of other dequantized bytes');
  if (readers.some((reader) => isFused(graph, reader)))
    return refuse('onnxruntime would make a MatMulIntegerToFloat of the product, which takes no int32', x);
  return { x, scale, zp, axis: attrs.axis };
}

/**
 * The float products that read it, moved or not, and dequantized bytes on their other side.
 */
function productsOf(graph: GraphEditor, node: Node): readonly Node[] {
  const found: Node[] = [];
  const queue = [node];
  for (let at = 0; at < queue.length && at < 64; at++)
    for (const reader of graph.consumers(queue[at].results[0])) {
      if (isMover(reader) && dataOf(reader).includes(queue[at].results[0])) queue.push(reader);
      else if (isPlainProduct(reader) && isOfBytes(graph, factorsOf(reader))) found.push(reader);
    }
  return found;
}

const isOfBytes = (graph: GraphEditor, factors: Factors<ValueId> | undefined): boolean =>
  factors !== undefined && isBytes(graph, factors.x) && isBytes(graph, factors.w);

/**
 * True when ONNX Runtime makes a MatMulIntegerToFloat of the node: a MatMul of two DequantizeLinear without a
 * QuantizeLinear behind it, even of int32, with which it refuses to load the file. Of floats and a DequantizeLinear it
 * makes a MatMulNBits, which quantizes the floats, so that one side cannot be given in another form either.
 */
const isFused = (graph: GraphEditor, { op, loc, results }: Node): boolean =>
  op === nnMatmul.name &&
  loc.op !== 'Gemm' &&
  (graph.isOutput(results[0]) || !graph.consumers(results[0]).every((reader) => isOp(reader, qnnQuantize)));

function isBytes(graph: GraphEditor, id: ValueId, depth = 0): boolean {
  const node = graph.producer(id);
  if (node === undefined || depth > 16) return false;
  const dequantize = graph.view(qnnDequantize, node);
  if (dequantize === undefined) return isMover(node) && dataOf(node).every((v) => isBytes(graph, v, depth + 1));
  const { x, zp } = dequantize;
  // this rule has turned the other side into s32
  return isByteValue(x) || (isOfType(x, 's32') && zp === undefined);
}

function emit({ x, scale, zp, axis }: Found, a: Algebra, sign: 1 | -1): Value {
  const [known, zeros] = [a.tensor(x), a.tensor(zp)];
  const difference =
    known && zeros
      ? a.constant(subtracted(known, zeros, axis, sign), `${x.id}.centred`)
      : computed(x, zp, axis, a, sign);
  return a.emit(qnnDequantize, { x: difference, scale }, { axis });
}

function computed(x: Value<ByteType>, zp: Value<ByteType>, axis: number, a: Algebra, sign: 1 | -1): Value<'s32'> {
  const [size, ...more] = zp.type.shape;
  const isLine = size !== undefined && size !== 1 && more.length === 0;
  // the axis of parameters with one element means nothing: it may be beyond the rank
  const behind = (): number[] => Array(x.type.shape.length - 1 - axis).fill(1);
  const zero = isLine ? a.reshape(a.toS32(zp), [size, ...behind()]) : a.toS32(zp);
  return sign === 1 ? a.sub(a.toS32(x), zero) : a.add(a.toS32(x), zero);
}

/** In s8 where that holds all of it. */
function subtracted(
  x: ITensor<ByteType>,
  zp: ITensor<ByteType>,
  axis: number,
  sign: 1 | -1,
): ITensor<DType & ('s8' | 's32')> {
  const values = Int32Array.from(x.data);
  forEachRun(x.shape, zp.shape, axis, (start, end, index) => {
    for (let i = start; i < end; i++) values[i] -= sign * elementAt(zp, index);
  });
  return tensor(values.every((v) => v >= -128 && v <= 127) ? 's8' : 's32', values, x.shape);
}
