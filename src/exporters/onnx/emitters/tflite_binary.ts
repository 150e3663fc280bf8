/** The recipes of TensorFlow Lite and XNNPACK for sums and products of two tensors, spelled out in standard operators, bit-exact. */
import { type ByteType, dtypes, type qnnAdd, type qnnMul, tensor, type ValueId } from '../../../ir/index.ts';
import {
  type FixedMultiplier,
  type QLinearBinary,
  tfliteAddConstants,
  tfliteAddend,
  tfliteMulMultiplier,
  xnnpackAddConstants,
  xnnpackMulMultiplier,
} from '../../../numerics/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { castTo, type NodeWriter, type Written } from '../node_writer.ts';
import { clipped, rounded } from './elements.ts';
import { timesFixed } from './fixed_point.ts';
import { binaryOf, centred, quantized } from './torch.ts';

type Binary = NodeEmitter<typeof qnnAdd | typeof qnnMul>;

/** sat(whole + zero point) of integers in f64. */
function saturated(e: Binary, whole: string, { dtype, zeroPointC }: QLinearBinary): Written {
  const { min, max } = dtypes[dtype];
  const moved = e.add('Add', [whole, e.scalar('f64', zeroPointC)]);
  return e.finish('Cast', [clipped(e, moved, 'f64', min, max)], castTo(dtype));
}

/** The addends of `tfliteAdd` are below 2^31: a table of 256 numbers in f64, whose index counts from the least value of the type. */
function addend(e: NodeWriter, x: ValueId, zeroPoint: number, m: FixedMultiplier, dtype: ByteType): string {
  const { min } = dtypes[dtype];
  const values = Array.from({ length: 256 }, (_, i) => tfliteAddend(min + i, zeroPoint, m));
  const bytes = e.cast(e.value(x), 's32');
  const index = min === 0 ? bytes : e.add('Sub', [bytes, e.scalar('s32', min)]);
  return e.add('Gather', [e.constant(tensor('f64', values), `${e.node.id}.addends`), index]);
}

/** `recipe` tflite or xnnpack. */
export function add(e: NodeEmitter<typeof qnnAdd>): Written {
  const { a, b, attrs } = e.view;
  const q = binaryOf(e);
  const dtype = e.resultType.dtype === 'u8' ? 'u8' : 's8';
  if (attrs.recipe === 'tflite') {
    const m = tfliteAddConstants(q);
    const sides = [addend(e, a, q.zeroPointA, m.a, dtype), addend(e, b, q.zeroPointB, m.b, dtype)];
    return saturated(e, timesFixed(e, e.add('Add', sides), m.sum), q);
  }
  const { multiplierA, multiplierB, shift } = xnnpackAddConstants(q);
  const side = (x: ValueId, zeroPoint: number, multiplier: number) =>
    e.add('Mul', [centred(e, x, zeroPoint, 'f64'), e.scalar('f64', multiplier / 2 ** shift)]);
  const sum = e.add('Add', [side(a, q.zeroPointA, multiplierA), side(b, q.zeroPointB, multiplierB)]);
  return saturated(e, rounded(e, sum, 'half-up'), q);
}

/** `recipe` tflite or xnnpack. */
export function multiply(e: NodeEmitter<typeof qnnMul>): Written {
  const { a, b, zy, attrs } = e.view;
  const q = binaryOf(e);
  const isFixed = attrs.recipe === 'tflite';
  const sides = [a, b].map((x, i) => centred(e, x, i === 0 ? q.zeroPointA : q.zeroPointB, isFixed ? 'f64' : 'f32'));
  const product = e.add('Mul', sides);
  if (isFixed) return saturated(e, timesFixed(e, product, tfliteMulMultiplier(q)), q);
  return quantized(e, e.add('Mul', [product, e.scalar('f32', xnnpackMulMultiplier(q))]), e.reshaped(zy, []));
}
