/** The recipes of TensorFlow Lite, spelled out in standard operators, bit-exact. */
import {
  dtypes,
  type PoolAttrs,
  type qnnAveragePool,
  type qnnGlobalAveragePool,
  sizeOf,
  tensor,
  type ValueId,
  windowCounts,
} from '../../../ir/index.ts';
import { referenceReduction, xnnpackReduction } from '../../../numerics/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { castTo, type NodeWriter, type Written } from '../node_writer.ts';
import { clipped, rounded } from './elements.ts';
import { timesFixed } from './fixed_point.ts';
import { averagePoolAttributes } from './pool.ts';
import { number, quantized, sumOverImage } from './torch.ts';

/** The largest kernel whose sums of bytes are rounded to the right integer after a mean in f32 was multiplied by its size. */
const MOST_CELLS = 2 ** 14;

/**
 * rha(Σq/n): AveragePool divides by the size of the kernel and is multiplied by it, which is the sum in whole numbers; the quotient
 * in binary64 is exact where it lies in the middle of two integers.
 */
export function averagePool(e: NodeEmitter<typeof qnnAveragePool>): Written {
  const { x, attrs } = e.view;
  const size = sizeOf(attrs.kernel);
  if (size > MOST_CELLS) e.refuse(`a window of ${size} cells`);
  const mean = e.add('AveragePool', [e.cast(e.value(x), 'f32')], averagePoolAttributes(e, true));
  const scaled = e.add('Mul', [mean, e.scalar('f32', size)]);
  const sum = rounded(e, e.cast(scaled, 'f64'), 'half-even');
  const quotient = e.add('Div', [sum, cellsOf(e, x, attrs)]);
  return e.finish('Cast', [rounded(e, quotient, 'half-away')], castTo(e.resultType.dtype));
}

/** Means over the whole image by the recipes tflite and xnnpack; see numerics/tflite_mean.ts. */
export function globalAverage(e: NodeEmitter<typeof qnnGlobalAveragePool>): Written {
  const { x, sx, zx, sy, zy, attrs } = e.view;
  const [scaleX, zeroX, scaleY, zeroY] = [sx, zx, sy, zy].map((id) => number(e, id));
  const isFixed = attrs.recipe === 'tflite';
  const { sum, count } = sumOverImage(e, x, isFixed ? zeroX : 0);
  const ends = { sx: scaleX, zx: zeroX, sy: scaleY, zy: zeroY, count };
  const { dtype } = e.resultType;
  if (!isFixed) {
    const { factor, offset } = xnnpackReduction('mean', ends);
    const product = e.add('Mul', [e.cast(sum, 'f32'), e.scalar('f32', factor)]);
    return quantized(e, e.add('Add', [product, e.scalar('f32', offset)]), e.scalar(dtype, 0));
  }
  const whole = timesFixed(e, sum, referenceReduction('mean', ends));
  const { min, max } = dtypes[dtype];
  const value = clipped(e, e.add('Add', [whole, e.scalar('f64', zeroY)]), 'f64', min, max);
  return e.finish('Cast', [value], castTo(dtype));
}

/** The number of cells that each window covers. */
function cellsOf(e: NodeWriter, x: ValueId, attrs: PoolAttrs): string {
  if (attrs.pads.every((pad) => pad === 0)) return e.scalar('f64', sizeOf(attrs.kernel));
  const [from, to] = [e.known(e.typeOf(x).shape), e.known(e.resultType.shape)];
  return e.constant(tensor('f64', windowCounts(from, to, attrs, false), [1, 1, ...to.slice(2)]), `${e.node.id}.cells`);
}
