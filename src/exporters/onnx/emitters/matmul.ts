/**
 * Matrix products: MatMul for floats, MatMulInteger for bytes, MatMul on s32 for what neither takes. All bit-exact (floats up
 * to the order of summation).
 */
import { isFloat, type ValueId } from '../../../ir/index.ts';
import type { NodeEmitter, Written } from '../node_emitter.ts';

export function matmul(e: NodeEmitter): Written {
  const [a, b] = [e.type(0).dtype, e.type(1).dtype];
  if (isFloat(a)) return e.finish('MatMul', e.inputs());
  if (a !== 's32' && b !== 's32') return e.finish('MatMulInteger', e.inputs());
  e.since(9, 'MatMul on integers');
  return e.finish(
    'MatMul',
    [a, b].map((dtype, i) => (dtype === 's32' ? e.input(i) : e.cast(e.input(i), 's32'))),
  );
}

/** ONNX Runtime takes a scalar zero point on the left and one per column on the right; others are subtracted in s32. */
export function quantizedMatmul(e: NodeEmitter): Written {
  const isOne = (index: number): boolean => !e.has(index) || e.type(index).shape.every((dim) => dim === 1);
  const isByColumn = e.has(3) && e.type(3).shape.length === 1 && e.type(1).shape.length === 2;
  if (isOne(2) && (isOne(3) || isByColumn)) {
    const zero = (index: number): string => {
      if (!e.has(index)) return '';
      return isOne(index) ? e.reshaped(e.node.operands[index] as ValueId, []) : e.input(index);
    };
    return e.finish('MatMulInteger', [e.input(0), e.input(1), zero(2), zero(3)]);
  }
  e.since(9, 'MatMul on integers');
  const side = (index: number, axisFromEnd: number): string => {
    const wide = e.cast(e.input(index), 's32');
    const rank = e.type(index).shape.length;
    if (!e.has(index + 2)) return wide;
    const zero = e.alongAxis(e.node.operands[index + 2] as ValueId, rank - axisFromEnd, rank);
    return e.add('Sub', [wide, e.cast(zero, 's32')]);
  };
  return e.finish('MatMul', [side(0, 2), side(1, 1)]);
}
