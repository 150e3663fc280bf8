/** Operands that broadcast, as kernels walk them. */
import { stridesOf, type ValueId } from '../../../ir/index.ts';
import { inMemoryOrder, type PlainLayout, plainStrides } from '../layout.ts';
import type { Recorder } from '../recorder.ts';

/** Operands of lower rank are small and lie row major. */
export const operandLayout = (r: Recorder, id: ValueId, shape: readonly number[], layout: PlainLayout): PlainLayout =>
  r.shape(id).length === shape.length ? layout : 'row-major';

/** Strides of an operand over the result's axes in memory order; 0 where it is broadcast. */
export function broadcastStrides(operand: readonly number[], shape: readonly number[], layout: PlainLayout): number[] {
  const padded = [...Array(shape.length - operand.length).fill(1), ...operand];
  const strides = operand.length === shape.length ? plainStrides(layout, operand) : stridesOf(padded);
  return inMemoryOrder(
    layout,
    strides.map((s, axis) => (padded[axis] === 1 ? 0 : s)),
  );
}
