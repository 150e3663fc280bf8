import { lookUp } from '../../numerics/index.ts';
import { type ByteType, type ITensor, newArray, tensor, zeros } from '../../tensors/index.ts';
import { defineOp } from '../define_op.ts';
import { formatType } from '../types.ts';
import { byte } from './operand_types.ts';

/** Any function of one 8-bit value: sigmoid, leaky ReLU, requantization of an operand of a concatenation. */
export const qnnLut = defineOp({
  name: 'qnn.lut',
  doc: 'y = table[x & 255]: the index is the byte of x taken as unsigned, so that for s8 the entries of −128…−1 follow those of 0…127. table: [256], y of its type.',
  operands: { x: byte, table: byte },
  attrs: {},
  results: { y: { like: 'table' } },
  traits: ['elementwise'],
  infer({ x, table }, _attrs, refuse) {
    if (table.shape.length !== 1 || table.shape[0] !== 256)
      refuse(`'table' should have shape [256], but is ${formatType(table)}`, 'table');
    return { dtype: table.dtype, shape: x.shape };
  },
  evaluate({ x, table }) {
    const y = zeros(table.dtype, x.shape);
    lookUp(x.data, table.data, y.data);
    return y;
  },
});

/** The table of `f` for inputs of type `from`; the results of `f` must fit into `to`. */
export function lutOf<D extends ByteType>(from: ByteType, to: D, f: (x: number) => number): ITensor<D> {
  const table = newArray(to, 256);
  for (let byte = 0; byte < 256; byte++) table[byte] = f(from === 's8' && byte > 127 ? byte - 256 : byte);
  return tensor(to, table);
}
