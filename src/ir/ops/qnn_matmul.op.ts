import { type ByteType, type ITensor, tensor } from '../../tensors/index.ts';
import { defineOp, optional, type Refuse } from '../define_op.ts';
import type { TensorType } from '../types.ts';
import { matmulShape, matmulSum } from './matmul_sum.ts';
import { byte } from './operand_types.ts';
import { checkParameter, checkZeroPoint, elementAt, forEachRun } from './qnn_parameters.ts';

/** ONNX MatMulInteger: https://onnx.ai/onnx/operators/onnx__MatMulInteger.html */
export const qnnMatmul = defineOp({
  name: 'qnn.matmul',
  doc: 'y[…,i,j] = Σ_k (a[…,i,k] − za)·(b[…,k,j] − zb) in int32; batches broadcast, rank-1 operands as in numpy.matmul. za: scalar, [M] by rows, or […,M,1] of the rank of a; zb: scalar, [N] by columns, or […,1,N] of the rank of b.',
  traits: ['quantized'],
  operands: { a: byte, b: byte, za: optional(byte), zb: optional(byte) },
  attrs: {},
  results: { y: ['s32'] },
  product: { kind: 'matmul', form: 'quantized' },
  infer({ a, b, za, zb }, _attrs, refuse) {
    const shape = matmulShape(a.shape, b.shape, refuse);
    checkLines(za, a, a.shape.length - 2, 'za', refuse);
    checkLines(zb, b, columnAxis(b), 'zb', refuse);
    return { dtype: 's32', shape };
  },
  evaluate({ a, b, za, zb }, _attrs, [type]) {
    const sums = matmulSum({
      a: centred(a, za, a.shape.length - 2),
      aShape: a.shape,
      b: centred(b, zb, columnAxis(b)),
      bShape: b.shape,
    });
    return tensor('s32', Int32Array.from(sums), type.shape); // wraps modulo 2^32
  },
});

/** A column vector has no axis of columns. */
const columnAxis = ({ shape }: { readonly shape: readonly unknown[] }): number =>
  shape.length === 1 ? -1 : shape.length - 1;

/** Refuses a zero point of another element type, or one that changes along a line of the product. */
function checkLines(
  zeroPoint: TensorType | undefined,
  data: TensorType,
  axis: number,
  name: string,
  refuse: Refuse,
): void {
  if (zeroPoint === undefined) return;
  checkZeroPoint(zeroPoint, data, zeroPoint.shape, name, refuse);
  checkParameter(zeroPoint, data.shape, axis, name, refuse);
  const rank = data.shape.length;
  const summed = 2 * rank - 3 - axis; // the other one of the last two axes
  if (zeroPoint.shape.length === rank && rank > 1 && zeroPoint.shape[summed] !== 1)
    refuse.limit(
      `'${name}' should have size 1 at axis ${summed}, which is summed over, but has ${zeroPoint.shape[summed]}`,
      name,
    );
}

/** x − zero point, in binary64. */
function centred(x: ITensor<ByteType>, zeroPoint: ITensor | undefined, axis: number): Float64Array {
  const result = new Float64Array(x.data);
  if (zeroPoint === undefined) return result;
  forEachRun(x.shape, zeroPoint.shape, axis, (start, end, index) => {
    const zero = elementAt(zeroPoint, index);
    for (let i = start; i < end; i++) result[i] -= zero;
  });
  return result;
}
