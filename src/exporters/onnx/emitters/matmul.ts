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
  const lengths = [2, 3].map((i) => (e.has(i) ? e.type(i).shape : []));
  const isRun = lengths[0].every((dim) => dim === 1) && lengths[1].length <= 1;
  if (isRun) {
    const za = e.has(2) ? e.reshaped(e.node.operands[2] as ValueId, []) : '';
    return e.finish('MatMulInteger', [e.input(0), e.input(1), za, e.input(3)]);
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
