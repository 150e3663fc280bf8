/** Integers of 4 and 2 bits: several in a byte, the lowest bits first. As constants they are integers of 8 bits. */

import type { OnnxTensor } from '../../formats/onnx/index.ts';
import { type ByteType, elementTypes, type ITensor, keysOf, sizeOf, tensor } from '../../tensors/index.ts';

/** The integers of 8 bits that hold those of less. */
const wider = { u4: 'u8', s4: 's8', u2: 'u8', s2: 's8' } as const;

interface Unpacked {
  readonly dtype: ByteType;
  readonly read: () => ITensor;
}

/** A packed tensor as integers of 8 bits; undefined for a tensor of any other type. */
export function unpacked({ onnxType, dims, raw }: OnnxTensor): Unpacked | undefined {
  const packed = keysOf(wider).find((type) => elementTypes[type].onnxCode === onnxType);
  if (packed === undefined) return undefined;
  const [dtype, { bits, kind }] = [wider[packed], elementTypes[packed]];
  const [each, mask, sign] = [8 / bits, (1 << bits) - 1, 1 << (bits - 1)];
  const read = () => {
    const bytes = raw();
    const values = Int16Array.from({ length: sizeOf(dims) }, (_, i) => {
      const value = (bytes[Math.floor(i / each)] >> (bits * (i % each))) & mask;
      return kind === 'signed' && value >= sign ? value - 2 * sign : value;
    });
    return tensor(dtype, values, dims);
  };
  return { dtype, read };
}
