import { lookUp } from '../../numerics/index.ts';
import { type ByteType, byteTypes, type ITensor, newArray, tensor, zeros } from '../../tensors/index.ts';
import { defineOp, tensorOf } from '../define_op.ts';
import { formatType } from '../types.ts';
import { broadcastShape, broadcastTo } from './broadcast.ts';
import { byte } from './operand_types.ts';

/** Any function of one 8-bit value: sigmoid, leaky ReLU, requantization of an operand of a concatenation. */
export const qnnLut = defineOp({
  name: 'qnn.lut',
  doc: 'y = table[x & 255]: the index is the byte of x taken as unsigned, so that for s8 the entries of −128…−1 follow those of 0…127. table: [256], y of its type.',
  operands: { x: byte, table: byte },
  attrs: {},
  results: { y: { like: 'table' } },
  traits: ['quantized', 'elementwise'],
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

const PAIRS = 256 * 256;

/** Any function of two 8-bit values: a slope times a number, a quotient, a comparison of numbers in other steps. */
export const qnnPairLut = defineOp({
  name: 'qnn.pair_lut',
  doc: 'y = table[(a & 255)·256 + (b & 255)], the bytes taken as unsigned as in qnn.lut. a and b broadcast as in numpy; table: [65536], y of its type.',
  operands: { a: byte, b: byte, table: tensorOf(...byteTypes, 'bool') },
  attrs: {},
  results: { y: { like: 'table' } },
  traits: ['quantized', 'elementwise'],
  infer({ a, b, table }, _attrs, refuse) {
    if (table.shape.length !== 1 || table.shape[0] !== PAIRS)
      refuse(`'table' should have shape [${PAIRS}], but is ${formatType(table)}`, 'table');
    return { dtype: table.dtype, shape: broadcastShape([a.shape, b.shape], refuse) };
  },
  evaluate({ a, b, table }, _attrs, [{ shape }]) {
    const y = zeros(table.dtype, shape);
    const [left, right] = [broadcastTo(a, y.shape).data, broadcastTo(b, y.shape).data];
    for (let i = 0; i < y.data.length; i++) y.data[i] = table.data[((left[i] & 255) << 8) | (right[i] & 255)];
    return y;
  },
});

/** The table of `f` for pairs of type `from`; the results of `f` must fit into `to`. */
export function pairLutOf<D extends ByteType | 'bool'>(
  from: ByteType,
  to: D,
  f: (a: number, b: number) => number,
): ITensor<D> {
  const table = newArray(to, PAIRS);
  const signed = (byte: number): number => (from === 's8' && byte > 127 ? byte - 256 : byte);
  for (let i = 0; i < PAIRS; i++) table[i] = f(signed(i >> 8), signed(i & 255));
  return tensor(to, table);
}

/** The table of `f` for inputs of type `from`; the results of `f` must fit into `to`. */
export function lutOf<D extends ByteType>(from: ByteType, to: D, f: (x: number) => number): ITensor<D> {
  const table = newArray(to, 256);
  for (let byte = 0; byte < 256; byte++) table[byte] = f(from === 's8' && byte > 127 ? byte - 256 : byte);
  return tensor(to, table);
}
