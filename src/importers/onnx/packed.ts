/** Integers of 4 and 2 bits: several in a byte, the lowest bits first. As constants they are integers of 8 bits. */

import type { OnnxTensor } from '../../formats/onnx/index.ts';
import { type ITensor, sizeOf, tensor } from '../../tensors/index.ts';

interface Packing {
  readonly bits: 2 | 4;
  readonly dtype: 'u8' | 's8';
}

/** By the element type of ONNX. */
const packings: Readonly<Record<number, Packing>> = {
  21: { bits: 4, dtype: 'u8' },
  22: { bits: 4, dtype: 's8' },
  25: { bits: 2, dtype: 'u8' },
  26: { bits: 2, dtype: 's8' },
};

/** The type that a packed initializer is unpacked to. */
export const unpackedType = ({ onnxType }: OnnxTensor): Packing['dtype'] | undefined => packings[onnxType]?.dtype;

export function unpacked({ onnxType, dims, raw }: OnnxTensor): ITensor<'u8' | 's8'> {
  const { bits, dtype } = packings[onnxType];
  const bytes = raw();
  const [each, mask, sign] = [8 / bits, (1 << bits) - 1, 1 << (bits - 1)];
  const values = Int16Array.from({ length: sizeOf(dims) }, (_, i) => {
    const value = (bytes[Math.floor(i / each)] >> (bits * (i % each))) & mask;
    return dtype === 's8' && value >= sign ? value - 2 * sign : value;
  });
  return tensor(dtype, values, dims);
}
