/** Weights of few bits in blocks: rows of tables, and products, whose weights stay packed, in the order in which the kernel reads them. */
import { bytesOf, type ITensor, type qnnBlockGather, type qnnBlockMatmul, sizeOf } from '../../../ir/index.ts';
import { codeAt, isCodeBits } from '../../../numerics/index.ts';
import { KeptConstants } from '../kept_constants.ts';
import type { Recorder } from '../recorder.ts';
import type { Lowering } from './lowering.ts';

export const blockMatmul: Lowering<typeof qnnBlockMatmul> = {
  refuses: ({ b, scale, zp }, graph) => graph.needsConstants(b, scale, zp),
  lower({ a, b, scale, zp, y, attrs }, r) {
    const { block, bits, activations } = attrs;
    const shape = r.shape(a);
    const depth = shape[shape.length - 1];
    const given = {
      codes: r.constantOf(b, 'u8'),
      scales: r.constantOf(scale, 'f32'),
      zeros: r.constant(zp),
      bits,
      depth,
      block,
    };
    r.kernel(
      {
        name: 'block-product',
        rows: sizeOf(shape.slice(0, -1)),
        depth,
        columns: given.codes.shape[0],
        block,
        bits: isCodeBits(bits) ? bits : 8,
        zero: zp === undefined ? 'middle' : given.zeros?.dtype === 'f32' ? 'floats' : 'bytes',
        activations,
      },
      { source: r.use(a, 'row-major'), weights: weightsOf(r, given), destination: r.define(y, 'row-major') },
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

interface Blocks {
  readonly codes: ITensor<'u8'>;
  readonly scales: ITensor<'f32'>;
  readonly zeros: ITensor | undefined;
  readonly bits: number;
  readonly depth: number;
  readonly block: number;
}

/** Arranged once for the same codes, scales and zero points. */
function weightsOf(r: Recorder, given: Blocks) {
  const within = (kept: KeptConstants, of: object) => kept.once(of, 'blocks', () => new KeptConstants());
  const { codes, scales, zeros, bits, depth, block } = given;
  const kept = within(within(r.kept, codes.data), scales.data);
  const purpose = `${zeros === undefined} ${bits} ${depth} ${block}`;
  return r.memory(kept.once(zeros?.data ?? scales.data, purpose, () => r.binding.memory(arranged(given))));
}

/** Columns of a panel, and panels of a group. */
const LANES = 16;
const GROUP = 4;

/**
 * Panels of 16 columns; native/kernels/block_weights.h describes them. The codes of a block are words of 32 bits, which lie as they do in
 * the file, those of 16 columns side by side.
 */
function arranged({ codes, scales, zeros, bits, block }: Blocks): Uint8Array {
  const [columns, blocks] = codes.shape;
  const panels = Math.ceil(columns / LANES);
  const words = (block * bits) / 32;
  const own = (words + 1) * LANES;
  const ownZeros = zeros === undefined ? 0 : zeros.dtype === 'f32' ? LANES : LANES / 4;
  const groupOf = (count: number) => Math.ceil((count * blocks * (own + ownZeros)) / LANES) * LANES;
  const to = new Uint32Array(Math.floor(panels / GROUP) * groupOf(GROUP) + groupOf(panels % GROUP));
  const floats = new Float32Array(to.buffer);
  const bytes = new Uint8Array(to.buffer);
  const from = wordsOf(bytesOf(codes.data));
  for (let column = 0; column < columns; column++) {
    const lane = column % LANES;
    const panel = (column - lane) / LANES;
    const group = Math.floor(panel / GROUP);
    const count = Math.min(GROUP, panels - group * GROUP);
    const start = group * groupOf(GROUP);
    for (let b = 0; b < blocks; b++) {
      const record = b * count + (panel % GROUP);
      let [at, next] = [start + record * own + lane, (column * blocks + b) * words];
      for (let word = 0; word < words; word++, at += LANES) to[at] = from[next++];
      floats[at] = scales.data[column * blocks + b];
      const behind = start + count * blocks * own + record * ownZeros;
      if (zeros?.dtype === 'f32') floats[behind + lane] = Number(zeros.data[column * blocks + b]);
      else if (zeros) bytes[4 * behind + lane] = codeAt(lineOf(zeros, column), b, bits);
    }
  }
  return bytes;
}

const wordsOf = (bytes: Uint8Array): Uint32Array => {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Uint32Array(buffer, byteOffset, byteLength / 4);
};

const lineOf = (zeros: ITensor, column: number): Uint8Array => {
  const length = zeros.shape[1];
  return bytesOf(zeros.data).subarray(column * length, (column + 1) * length);
};
