import {
  type BlockColumns,
  byteBlockSums,
  bytesOfCodes,
  codeAt,
  floatsOfBlocks,
  isBlock,
  isCodeBits,
  type Levels,
  levelTables,
} from '../../numerics/index.ts';
import { type ITensor, sizeOf } from '../../tensors/index.ts';
import { attr, defineOp, optional, type Refuse, tensorOf } from '../define_op.ts';
import { formatType, type Shape, sameShape, type TensorType } from '../types.ts';
import { fusedMatmulSum } from './matmul_sum.ts';

/** MatMulNBits and MatMulBnb4 of com.microsoft: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBits */
export const qnnBlockMatmul = defineOp({
  name: 'qnn.block_matmul',
  doc: 'y[…,n] = Σ_k a[…,k]·w[n,k], w = fl(fl(code − zp)·scale), codes of 2, 4 or 8 bits in blocks along k. b: [N, ⌈K/block⌉, block·bits/8], the lowest bits first; scale: [N, ⌈K/block⌉]; zp: likewise as f32, or packed as b is, row by row; absent it is 2^(bits−1). `fp4` and `nf4`: w = fl(level·scale), the level of the code in the table of bitsandbytes, and whole blocks along k. `f32`: from +0 on, each product is added in the order of k and rounded together with the sum before it, as in nn.matmul; `s8`: each block of a is quantized to bytes first (numerics/blocks.ts), and sums within a block are exact.',
  traits: ['quantized'],
  operands: { a: tensorOf('f32'), b: tensorOf('u8'), scale: tensorOf('f32'), zp: optional(tensorOf('u8', 'f32')) },
  attrs: {
    bits: attr.int(4),
    block: attr.int(),
    activations: attr.oneOfOr('f32', 'f32', 's8'),
    levels: attr.oneOfOr('affine', 'affine', 'fp4', 'nf4'),
  },
  results: { y: ['f32'] },
  infer({ a, b, scale, zp }, { bits, block, activations, levels }, refuse) {
    const depth = a.shape.at(-1);
    if (!isCodeBits(bits)) refuse(`codes have 2, 4 or 8 bits, not ${bits}`);
    if (!isBlock(block)) refuse(`a block holds a power of 2 from 16 to 65536, not ${block}`);
    if (typeof depth !== 'number') return refuse.limit("the last size of 'a' is not known", 'a');
    const [columns, blocks] = [b.shape[0], Math.ceil(depth / block)];
    checkShape(b, [columns, blocks, bytesOfCodes(block, bits)], 'b', refuse);
    checkShape(scale, [columns, blocks], 'scale', refuse);
    if (zp) checkShape(zp, [columns, zp.dtype === 'f32' ? blocks : bytesOfCodes(blocks, bits)], 'zp', refuse);
    if (zp?.dtype === 'f32' && activations === 's8') refuse('zero points of products of integers are integers', 'zp');
    if (levels !== 'affine') {
      if (bits !== 4) refuse(`a table has 16 levels, for codes of 4 bits, not of ${bits}`);
      if (zp || activations === 's8') refuse('levels of a table are floats without zero points', zp ? 'zp' : 'a');
      if (depth % block !== 0) refuse(`blocks of ${block} levels do not fill the depth of ${depth}`, 'a');
    }
    return { dtype: 'f32', shape: [...a.shape.slice(0, -1), columns] };
  },
  evaluate({ a, b, scale, zp }, { bits, block, activations, levels }, [{ shape }]) {
    const weights = columnsOf(b, scale, zp, { bits, block, depth: a.shape[a.shape.length - 1], levels });
    if (activations === 's8')
      return { dtype: 'f32', shape, data: byteBlockSums(a.data, sizeOf(a.shape.slice(0, -1)), weights) };
    const bShape = [weights.depth, weights.columns];
    return {
      dtype: 'f32',
      shape,
      data: fusedMatmulSum({ a: a.data, aShape: a.shape, b: floatsOfBlocks(weights), bShape }),
    };
  },
});

interface Packing {
  readonly bits: number;
  readonly block: number;
  readonly depth: number;
  readonly levels: Levels;
}

/** Columns whose codes and zero points are read from packed bytes. */
function columnsOf(
  b: ITensor<'u8'>,
  scale: ITensor<'f32'>,
  zp: ITensor<'u8' | 'f32'> | undefined,
  { bits, block, depth, levels }: Packing,
): BlockColumns {
  const [columns, blocks, bytes] = b.shape;
  const line = (data: Uint8Array, n: number, length: number) => data.subarray(n * length, (n + 1) * length);
  const packed = zp?.dtype === 'u8' ? (zp.data as Uint8Array) : undefined;
  return {
    ...{ depth, columns, block, scales: scale.data },
    codes: (n, k) => codeAt(line(b.data, n, blocks * bytes), k, bits),
    zero: (n, at) =>
      packed
        ? codeAt(line(packed, n, bytesOfCodes(blocks, bits)), at, bits)
        : zp
          ? zp.data[n * blocks + at]
          : 2 ** (bits - 1),
    ...(levels !== 'affine' && { table: levelTables[levels] }),
  };
}

function checkShape(type: TensorType, wanted: Shape, name: string, refuse: Refuse): void {
  if (!sameShape(type.shape, wanted))
    refuse(`'${name}' should be of shape [${wanted.join(', ')}], but is ${formatType(type)}`, name);
}
