import { bytesOfCodes, codeAt, isBlock, isCodeBits } from '../../numerics/index.ts';
import { sizeOf, zeros } from '../../tensors/index.ts';
import { attr, defineOp, optional, tensorOf } from '../define_op.ts';
import { formatType, type Shape, sameShape, type TensorType } from '../types.ts';

/** GatherBlockQuantized of com.microsoft: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.GatherBlockQuantized */
export const qnnBlockGather = defineOp({
  name: 'qnn.block_gather',
  doc: 'Rows of a table of codes of 2, 4 or 8 bits, as floats: y[…,k] = fl(fl(code − zp)·scale) of row indices[…], in blocks along k. x: [V, K·bits/8], the lowest bits first; scale: [V, ⌈K/block⌉]; zp: likewise, packed as x is; absent it is 2^(bits−1). Negative indices count from the end; those outside give zeros.',
  traits: ['quantized'],
  operands: {
    x: tensorOf('u8'),
    indices: tensorOf('s32', 's64'),
    scale: tensorOf('f32'),
    zp: optional(tensorOf('u8')),
  },
  attrs: { bits: attr.int(4), block: attr.int() },
  results: { y: ['f32'] },
  infer({ x, indices, scale, zp }, { bits, block }, refuse) {
    if (!isCodeBits(bits)) refuse(`codes have 2, 4 or 8 bits, not ${bits}`);
    if (!isBlock(block)) refuse(`a block holds a power of 2 from 16 to 65536, not ${block}`);
    const [rows, bytes] = x.shape;
    if (x.shape.length !== 2 || typeof bytes !== 'number')
      return refuse.limit(`'x' should be rows of bytes of a known number, but is ${formatType(x)}`, 'x');
    const length = (bytes * 8) / bits;
    const blocks = Math.ceil(length / block);
    const check = (type: TensorType, wanted: Shape, name: string) => {
      if (!sameShape(type.shape, wanted))
        refuse(`'${name}' should be of shape [${wanted.join(', ')}], but is ${formatType(type)}`, name);
    };
    check(scale, [rows, blocks], 'scale');
    if (zp) check(zp, [rows, bytesOfCodes(blocks, bits)], 'zp');
    return { dtype: 'f32', shape: [...indices.shape, length] };
  },
  evaluate({ x, indices, scale, zp }, { bits, block }, [{ shape }]) {
    const y = zeros('f32', shape);
    const [rows, bytes] = x.shape;
    const length = shape[shape.length - 1];
    const [blocks, zeroBytes] = [scale.shape[1], zp?.shape[1] ?? 0];
    for (let i = 0; i < sizeOf(indices.shape); i++) {
      const given = Number(indices.data[i]);
      const row = given < 0 ? given + rows : given;
      if (row < 0 || row >= rows) continue;
      const codes = x.data.subarray(row * bytes, (row + 1) * bytes);
      const own = zp?.data.subarray(row * zeroBytes, (row + 1) * zeroBytes);
      for (let k = 0; k < length; k++) {
        const at = Math.floor(k / block);
        const zero = own ? codeAt(own, at, bits) : 2 ** (bits - 1);
        y.data[i * length + k] = (codeAt(codes, k, bits) - zero) * scale.data[row * blocks + at];
      }
    }
    return y;
  },
});
