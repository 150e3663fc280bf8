/** The recipes of TensorFlow Lite, spelled out in standard operators, bit-exact. */
import { type PoolAttrs, type qnnAveragePool, sizeOf, tensor, type ValueId, windowCounts } from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { castTo, type NodeWriter, type Written } from '../node_writer.ts';
import { rounded } from './elements.ts';
import { averagePoolAttributes } from './pool.ts';

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

/** The number of cells that each window covers. */
function cellsOf(e: NodeWriter, x: ValueId, attrs: PoolAttrs): string {
  if (attrs.pads.every((pad) => pad === 0)) return e.scalar('f64', sizeOf(attrs.kernel));
  const [from, to] = [e.known(e.typeOf(x).shape), e.known(e.resultType.shape)];
  return e.constant(tensor('f64', windowCounts(from, to, attrs, false), [1, 1, ...to.slice(2)]), `${e.node.id}.cells`);
}
