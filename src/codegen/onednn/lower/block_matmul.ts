/** Weights of few bits in blocks: rows of tables, and products, whose weights stay packed, in the order in which the kernel reads them. */
import { type qnnBlockGather, type qnnBlockMatmul, sizeOf } from '../../../ir/index.ts';
import { isCodeBits } from '../../../numerics/index.ts';
import type { Lowering } from './lowering.ts';

export const blockMatmul: Lowering<typeof qnnBlockMatmul> = {
  refuses: ({ b, scale, zp }, graph) => graph.needsConstants(b, scale, zp),
  lower({ a, b, scale, zp, y, attrs: { block, bits, activations, levels } }, r) {
    const shape = r.shape(a);
    r.kernel(
      {
        name: 'block-product',
        rows: sizeOf(shape.slice(0, -1)),
        depth: shape[shape.length - 1],
        columns: r.shape(b)[0],
        ...{ block, bits: isCodeBits(bits) ? bits : 8, activations, levels },
        zero: zp === undefined ? 'middle' : r.dtype(zp) === 'f32' ? 'floats' : 'bytes',
      },
      {
        source: r.use(a, 'row-major'),
        weights: r.use(b, 'row-major'),
        scale: r.use(scale, 'row-major'),
        zeroPoint: zp && r.use(zp, 'row-major'),
        destination: r.define(y, 'row-major'),
      },
    );
  },
};

export const blockGather: Lowering<typeof qnnBlockGather> = {
  lower({ x, indices, scale, zp, y, attrs: { bits, block } }, r) {
    r.kernel(
      {
        name: 'block-gather',
        rows: r.shape(x)[0],
        length: r.shape(y)[r.shape(y).length - 1],
        ...{ block, bits: isCodeBits(bits) ? bits : 8 },
        count: sizeOf(r.shape(indices)),
        indexType: r.dtypeOf(indices, 's32', 's64'),
      },
      {
        source: r.use(x, 'row-major'),
        indices: r.use(indices, 'row-major'),
        scale: r.use(scale, 'row-major'),
        zeroPoint: zp && r.use(zp, 'row-major'),
        destination: r.define(y, 'row-major'),
      },
    );
  },
};
