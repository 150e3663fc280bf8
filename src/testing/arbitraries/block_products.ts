/** Products with weights that are dequantized by blocks along the depth, or nearly so. */
import * as fc from 'fast-check';
import { type Graph, GraphBuilder, nnMatmul, nnTranspose, qnnBlockDequantize, type Value } from '../../ir/index.ts';
import { type DType, dtypes, type ITensor, isPackedType, packed, sizeOf, tensor } from '../../tensors/index.ts';
import { randomSource } from '../contents.ts';

const int = (min: number, max: number) => fc.integer({ min, max });
const types = ['s4', 'u4', 'u8', 's8', 'u2', 's2'] as const;

/** Integers of any type, those of less than a byte packed. */
export function randomIntegers(dtype: (typeof types)[number], shape: readonly number[], next: () => number): ITensor {
  const { min, max } = dtypes[dtype];
  const values = Array.from({ length: sizeOf(shape) }, () => min + Math.floor((max - min + 1) * next()));
  return isPackedType(dtype) ? packed(dtype, values, shape) : tensor(dtype, values, shape);
}

export const blockProducts: fc.Arbitrary<Graph> = fc
  .record({
    dtype: fc.constantFrom(...types),
    rows: int(1, 4),
    depth: int(1, 80),
    columns: int(1, 10),
    /** 24 is a size that products of blocks do not take. */
    block: fc.constantFrom(16, 32, 16, 64, 24),
    isTurned: fc.boolean(),
    hasZeros: fc.boolean(),
    isAlongDepth: fc.constantFrom(true, true, true, true, false),
    seed: fc.nat(0xffff),
  })
  .map(({ dtype, rows, depth, columns, block, isTurned, hasZeros, isAlongDepth, seed }) => {
    const next = randomSource(seed);
    const b = new GraphBuilder();
    const shape = isTurned ? [columns, depth] : [depth, columns];
    const axis = isTurned === isAlongDepth ? 1 : 0;
    const blocks = shape.map((size, i) => (i === axis ? Math.ceil(size / block) : size));
    const constant = <D extends DType>(t: ITensor<D>): Value<D> => b.constant(t);
    const w = b.emit(
      qnnBlockDequantize,
      {
        x: constant(randomIntegers(dtype, shape, next)) as Value<'s4'>,
        scale: constant(
          tensor(
            'f32',
            Array.from({ length: sizeOf(blocks) }, () => next() / 8),
            blocks,
          ),
        ),
        ...(hasZeros && { zp: constant(randomIntegers(dtype, blocks, next)) as Value<'s4'> }),
      },
      { axis, block },
    );
    const right = isTurned ? b.emit(nnTranspose, { x: w }, { perm: [1, 0] }) : w;
    return b.finish([b.emit(nnMatmul, { a: b.input('a', 'f32', [rows, depth]), b: right })]);
  });
