/** Products with weights that are dequantized by blocks along the depth, or nearly so. */
import * as fc from 'fast-check';
import {
  type Graph,
  GraphBuilder,
  nnMatmul,
  nnTranspose,
  qnnBlockDequantize,
  qnnDequantize,
  type Value,
} from '../../ir/index.ts';
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

/** Products with weights that have one scale, or one for each column, or nearly so. */
export const columnProducts: fc.Arbitrary<Graph> = fc
  .record({
    dtype: fc.constantFrom('u8' as const, 's8' as const),
    /** Numbers of as many bits. */
    bits: fc.constantFrom(4, 8),
    rows: int(1, 4),
    depth: fc.oneof(int(1, 80), fc.constantFrom(64, 256, 300)),
    columns: int(1, 10),
    scales: fc.constantFrom('one' as const, 'by column' as const, 'by column' as const, 'by row' as const),
    zero: fc.constantFrom('none' as const, 'middle' as const, 'any' as const),
    seed: fc.nat(0xffff),
  })
  .map(({ dtype, bits, rows, depth, columns, scales, zero, seed }) => {
    const next = randomSource(seed);
    const b = new GraphBuilder();
    const least = dtype === 's8' ? -(2 ** (bits - 1)) : 0;
    const integers = (shape: readonly number[], make: () => number) =>
      b.constant(tensor(dtype, Array.from({ length: sizeOf(shape) }, make), [...shape])) as Value<'s8'>;
    const any = () => least + Math.floor(2 ** bits * next());
    const axis = scales === 'by row' ? 0 : 1;
    const shape = scales === 'one' ? [] : [axis === 0 ? depth : columns];
    const scale = Array.from({ length: sizeOf(shape) }, () => (next() + 0.1) / 8);
    const w = b.emit(
      qnnDequantize,
      {
        x: integers([depth, columns], any),
        scale: b.constant(tensor('f32', scale, shape)),
        ...(zero !== 'none' && { zp: integers(shape, zero === 'any' ? any : () => least + 2 ** (bits - 1)) }),
      },
      { axis },
    );
    return b.finish([b.emit(nnMatmul, { a: b.input('a', 'f32', [rows, depth]), b: w })]);
  });
