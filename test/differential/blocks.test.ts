/** Products with weights in blocks: on the addon as on the interpreter, written and read back, and near ONNX Runtime. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPeer, type Feeds } from '../../src/cli/onnxruntime.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { GraphBuilder, type ITensor, interpret } from '../../src/ir/index.ts';
import { nnMatmul } from '../../src/ir/ops/nn_ops.ts';
import { qnnBlockDequantize, qnnBlockGather, qnnBlockMatmul } from '../../src/ir/ops/qnn_ops.ts';
import { bytesOfCodes, codeAt } from '../../src/numerics/index.ts';
import { sizeOf, tensor, toPublic } from '../../src/tensors/tensor.ts';
import { kernelIsas, random } from '../native/support.ts';
import { draws } from '../support/draws.ts';
import { runOnnx } from '../unit/onnx_export/support.ts';
import { expectAgreementOn } from './agreement.ts';

const int = (min: number, max: number) => fc.integer({ min, max });
const setting = fc.record({ isa: fc.constantFrom(...kernelIsas), threads: int(1, 2) });
const product = fc.record({
  batch: fc.constantFrom<number[]>([], [1], [2], [2, 1]),
  rows: fc.oneof(int(1, 5), int(6, 40)),
  depth: fc.oneof(int(1, 70), int(71, 600)),
  columns: fc.oneof(int(1, 20), int(21, 150)),
  bits: fc.constantFrom(2, 4, 8),
  block: fc.constantFrom(16, 32, 64, 128),
  zero: fc.constantFrom('middle' as const, 'u8' as const, 'f32' as const),
  activations: fc.constantFrom('f32' as const, 's8' as const),
  /** A row that has no largest number: zeros, a NaN, an infinity, or numbers next to zero. */
  odd: fc.constantFrom(undefined, 0, Number.NaN, Number.POSITIVE_INFINITY, 1e-44),
  seed: fc.nat(0xffff),
});
type Product = typeof product extends fc.Arbitrary<infer D> ? D : never;

function partsOf({ batch, rows, depth, columns, bits, block, zero, odd, seed }: Product) {
  const next = random(seed);
  const floats = (shape: number[], make: () => number) =>
    tensor('f32', Float32Array.from({ length: sizeOf(shape) }, make), shape);
  const bytes = (shape: number[]) =>
    tensor(
      'u8',
      Uint8Array.from({ length: sizeOf(shape) }, () => Math.floor(256 * next())),
      shape,
    );
  const blocks = Math.ceil(depth / block);
  const a = floats([...batch, rows, depth], () => 4 * (next() - 0.5));
  if (odd !== undefined) a.data.fill(odd, 0, Math.min(a.data.length, depth));
  const b = bytes([columns, blocks, bytesOfCodes(block, bits)]);
  const scale = floats([columns, blocks], () => 0.1 * (next() - 0.3));
  const zp =
    zero === 'middle'
      ? undefined
      : zero === 'u8'
        ? bytes([columns, bytesOfCodes(blocks, bits)])
        : floats([columns, blocks], () => 2 ** bits * next());
  return { a, b, scale, zp };
}

function graphOf(drawn: Product) {
  const { a, b, scale, zp } = partsOf(drawn);
  const g = new GraphBuilder();
  const y = g.emit(
    qnnBlockMatmul,
    {
      a: g.input('a', 'f32', a.shape),
      b: g.constant(b),
      scale: g.constant(scale),
      zp: zp && g.constant<'u8' | 'f32'>(zp),
    },
    {
      bits: drawn.bits,
      block: drawn.block,
      activations: drawn.zero === 'f32' ? 'f32' : drawn.activations,
    },
  );
  return { graph: g.finish([y]), feeds: { a } as Record<string, ITensor>, y: y.id };
}

it('on the addon as on the interpreter', () => {
  fc.assert(
    fc.property(product, setting, (drawn, by) => {
      const { graph, feeds } = graphOf(drawn);
      expectAgreementOn(graph, feeds, by);
    }),
    draws(75),
  );
});

it('of floats is the product with dequantized weights, to the bit', () => {
  fc.assert(
    fc.property(product, (any) => {
      const drawn = { ...any, activations: 'f32' as const };
      const { graph, feeds, y } = graphOf(drawn);
      const { a, b, scale, zp } = partsOf(drawn);
      const { depth, columns, bits, block } = drawn;
      const [, blocks, bytes] = b.shape;
      const w = new Float32Array(depth * columns);
      for (let n = 0; n < columns; n++)
        for (let k = 0; k < depth; k++) {
          const at = Math.floor(k / block);
          const line = bytesOfCodes(blocks, bits);
          const zero =
            zp === undefined
              ? 2 ** (bits - 1)
              : zp.dtype === 'f32'
                ? zp.data[n * blocks + at]
                : codeAt((zp.data as Uint8Array).subarray(n * line, (n + 1) * line), at, bits);
          const code = codeAt(b.data.subarray(n * blocks * bytes, (n + 1) * blocks * bytes), k, bits);
          w[k * columns + n] = Math.fround(Math.fround(code - zero) * scale.data[n * blocks + at]);
        }
      const g = new GraphBuilder();
      const plain = g.emit(nnMatmul, {
        a: g.input('a', 'f32', a.shape),
        b: g.constant(tensor('f32', w, [depth, columns])),
      });
      expect(interpret(graph, feeds)[y].data).toEqual(interpret(g.finish([plain]), feeds)[plain.id].data);
    }),
    draws(30),
  );
});

it('written and read back', () => {
  fc.assert(
    fc.property(product, (drawn) => {
      const { graph, feeds } = graphOf(drawn);
      expect(interpret(importOnnx(exportOnnx(graph)), feeds)).toEqual(interpret(graph, feeds));
    }),
    draws(20),
  );
});

/**
 * Sums of other orders differ by less than depth·2^-24·Σ|a·w|. ONNX Runtime rounds a to bytes by other formulas, so that some bytes differ by
 * one, which is 1/127 of the largest |a| of a block.
 */
const bound = ({ depth, activations }: Product, magnitude: number): number =>
  magnitude * (activations === 's8' ? 1 / 127 : depth * 2 ** -23) + 1e-30;

it('near ONNX Runtime', async () => {
  const finite = product.filter(
    ({ odd, zero, rows }) => (odd === undefined || odd === 0) && zero !== 'f32' && rows > 0,
  );
  await fc.assert(
    fc.asyncProperty(finite, async (drawn) => {
      const { graph, feeds, y } = graphOf(drawn);
      const expected = interpret(graph, feeds)[y];
      const peer = await createPeer(exportOnnx(graph), { threads: 1 });
      const results = await peer.run({ a: toPublic(feeds.a) } as unknown as Feeds);
      await peer.dispose();
      const actual = results[y].data as Float32Array;
      const largest = Math.max(...Array.from(feeds.a.data as Float32Array, Math.abs));
      const weight = 2 ** drawn.bits * 0.07;
      for (let i = 0; i < actual.length; i++)
        expect(Math.abs(actual[i] - Number(expected.data[i]))).toBeLessThanOrEqual(
          bound(drawn, largest * weight * drawn.depth),
        );
    }),
    draws(30),
  );
});

describe('rows of tables', () => {
  const gather = fc.record({
    rows: int(1, 9),
    bytes: fc.oneof(int(1, 40), int(41, 200)),
    bits: fc.constantFrom(2, 4, 8),
    block: fc.constantFrom(16, 32, 64, 128),
    hasZeros: fc.boolean(),
    isWide: fc.boolean(),
    shape: fc.constantFrom<number[]>([], [1], [5], [2, 3]),
    /** Beyond the rows, where the result is zeros. */
    isOutside: fc.boolean(),
    seed: fc.nat(0xffff),
  });

  function gatherOf({
    rows,
    bytes,
    bits,
    block,
    hasZeros,
    isWide,
    shape,
    isOutside,
    seed,
  }: typeof gather extends fc.Arbitrary<infer D> ? D : never) {
    const next = random(seed);
    const blocks = Math.ceil((bytes * 8) / bits / block);
    const drawn = (...sizes: number[]) =>
      tensor(
        'u8',
        Uint8Array.from({ length: sizeOf(sizes) }, () => Math.floor(256 * next())),
        sizes,
      );
    const reach = isOutside ? 2 * rows : rows;
    const indices = tensor(
      isWide ? 's64' : 's32',
      Array.from({ length: sizeOf(shape) }, () => Math.floor(2 * reach * next()) - reach),
      shape,
    );
    const scale = tensor(
      'f32',
      Float32Array.from({ length: rows * blocks }, () => next() - 0.4),
      [rows, blocks],
    );
    const g = new GraphBuilder();
    const y = g.emit(
      qnnBlockGather,
      {
        x: g.constant(drawn(rows, bytes)),
        indices: g.input('i', indices.dtype, shape),
        scale: g.constant(scale),
        ...(hasZeros && { zp: g.constant(drawn(rows, bytesOfCodes(blocks, bits))) }),
      },
      { bits, block },
    );
    return { graph: g.finish([y]), feeds: { i: indices } as Record<string, ITensor>, y: y.id };
  }

  it('on the addon as on the interpreter, and read back', () => {
    fc.assert(
      fc.property(gather, setting, (drawn, by) => {
        const { graph, feeds } = gatherOf(drawn);
        expectAgreementOn(graph, feeds, by);
        expect(interpret(importOnnx(exportOnnx(graph)), feeds)).toEqual(interpret(graph, feeds));
      }),
      draws(50),
    );
  });

  it('as ONNX Runtime', async () => {
    await fc.assert(
      fc.asyncProperty(gather, async (any) => {
        const { graph, feeds, y } = gatherOf({ ...any, isOutside: false, bits: any.bits === 2 ? 4 : any.bits });
        const peer = await createPeer(exportOnnx(graph), { threads: 1 });
        const results = await peer.run({ i: toPublic(feeds.i) } as unknown as Feeds);
        await peer.dispose();
        expect(results[y].data).toEqual(interpret(graph, feeds)[y].data);
      }),
      draws(20),
    );
  });
});

it('numbers in blocks along any axis, the last block shorter, are those of ONNX Runtime', async () => {
  const numbers = fc.record({
    dtype: fc.constantFrom('u8' as const, 's8' as const),
    shape: fc.array(int(1, 7), { minLength: 2, maxLength: 3 }),
    along: fc.nat(2),
    block: int(1, 4),
    hasZeros: fc.boolean(),
    seed: fc.nat(0xffff),
  });
  await fc.assert(
    fc.asyncProperty(numbers, async ({ dtype, shape, along, block, hasZeros, seed }) => {
      const next = random(seed);
      const bytes = (sizes: readonly number[]) =>
        tensor(
          dtype,
          Array.from({ length: sizeOf(sizes) }, () => Math.floor(256 * next()) - (dtype === 's8' ? 128 : 0)),
          sizes,
        );
      const axis = along % shape.length;
      const blocks = shape.with(axis, Math.ceil(shape[axis] / block));
      const scale = Float32Array.from({ length: sizeOf(blocks) }, () => next() - 0.3);
      const g = new GraphBuilder();
      const y = g.emit(
        qnnBlockDequantize,
        {
          x: g.input('x', dtype, shape),
          scale: g.constant(tensor('f32', scale, blocks)),
          ...(hasZeros && { zp: g.constant(bytes(blocks)) }),
        },
        { axis, block },
      );
      const [graph, feeds] = [g.finish([y]), { x: bytes(shape) }];
      const expected = interpret(graph, feeds)[y.id];
      expect(interpret(importOnnx(exportOnnx(graph)), feeds)[y.id].data).toEqual(expected.data);
      expect((await runOnnx(exportOnnx(graph), feeds))[y.id].data).toEqual(expected.data);
    }),
    { numRuns: 60 },
  );
});
