/** Linear Resize under the profile `ort` equals ONNX Runtime, bit for bit; under the others it is exact. */
import fc from 'fast-check';
import ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { dtypes, interpret, sizeOf, tensor } from '../../../src/ir/index.ts';
import { writeModel } from '../../support/onnx.ts';

const coordinates = ['half_pixel', 'pytorch_half_pixel', 'asymmetric', 'align_corners'] as const;
/** The resized axes of each layout. */
const layouts = [
  [1, 1],
  [1, 1, 1],
  [0, 0, 1, 1],
  [0, 1, 1, 0],
  [0, 0, 1, 1, 1],
] as const;

const resizes = fc.record({
  layout: fc.constantFrom(...layouts),
  dims: fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 5, maxLength: 5 }),
  factors: fc.array(
    fc.oneof(fc.constantFrom(1, 2, 3, 0.5), fc.double({ min: 0.4, max: 3.5, noNaN: true }).map(Math.fround)),
    { minLength: 5, maxLength: 5 },
  ),
  bySizes: fc.boolean(),
  how: fc.constantFrom(...coordinates),
  dtype: fc.constantFrom('f32', 'f32', 'u8', 's8', 's32'),
  seed: fc.nat(),
});
type Resize = typeof resizes extends fc.Arbitrary<infer R> ? R : never;

function modelOf({ layout, dims, factors, bySizes, how, dtype }: Resize) {
  const shape = layout.map((_, axis) => dims[axis]);
  const scales = layout.map((resized, axis) => (resized ? factors[axis] : 1));
  const to = shape.map((dim, axis) => Math.floor(Math.fround(dim * scales[axis])));
  if (to.some((dim) => dim === 0)) return undefined;
  const type = dtypes[dtype as 'f32'].onnx;
  const sizes = { name: 'k', tensor: tensor('s64', BigInt64Array.from(to, BigInt), [to.length]) };
  const factorsTensor = { name: 'k', tensor: tensor('f32', scales, [scales.length]) };
  const bytes = writeModel({
    nodes: [
      {
        op: 'Resize',
        inputs: bySizes ? ['x', '', '', 'k'] : ['x', '', 'k'],
        outputs: ['y'],
        attrs: { mode: 'linear', coordinate_transformation_mode: how },
      },
    ],
    inputs: [{ name: 'x', type, dims: shape }],
    outputs: [{ name: 'y', type }],
    initializers: [bySizes ? sizes : factorsTensor],
  });
  return { bytes, shape, type };
}

function inputOf({ dtype, seed }: Resize, shape: readonly number[]) {
  const { storage, min, max } = dtypes[dtype as 'u8'];
  let state = seed | 1;
  const next = () => ((state = Math.imul(state, 0x2c1b3c6d) + 0x9e3779b9) >>> 8) / 2 ** 24;
  const data = Array.from({ length: sizeOf(shape) }, () =>
    dtype === 'f32'
      ? Math.fround(next() * 4 - 2)
      : Math.floor(dtype === 's32' ? next() * 1e5 - 5e4 : min + next() * (max - min + 1)),
  );
  return (storage as unknown as { from(values: number[]): Uint8Array }).from(data);
}

describe('linear Resize', () => {
  it('equals ONNX Runtime: every type, layout and way to place positions', async () => {
    await fc.assert(
      fc.asyncProperty(resizes, async (resize) => {
        const model = modelOf(resize);
        if (model === undefined) return;
        const { bytes, shape, type } = model;
        const data = inputOf(resize, shape);
        const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 4 });
        const expected = await session.run({ x: new ort.Tensor(type as 'uint8', data, shape) });
        await session.release();
        const found = interpret(importOnnx(bytes), { x: tensor(resize.dtype as 'u8', data, shape) });
        expect(found.y.shape).toEqual([...expected.y.dims]);
        expect(Array.from(found.y.data as Float32Array)).toEqual(Array.from(expected.y.data as Float32Array));
      }),
      { numRuns: 300 },
    );
  });

  it('is exact and rounded once under onnx-spec', () => {
    const bytes = modelOf({
      layout: [1, 1],
      dims: [1, 3],
      factors: [1, 3],
      bySizes: true,
      how: 'half_pixel',
      dtype: 'f32',
    } as never);
    const x = tensor('f32', [0.1, 0.7, 0.3], [1, 3]);
    const { y } = interpret(importOnnx((bytes as { bytes: Uint8Array }).bytes, { profile: 'onnx-spec' }), { x });
    const [a, b] = [x.data[0], x.data[1]];
    const at = (i: number) => Math.fround(Math.fround((i + 0.5) / 3) - 0.5);
    expect(y.data[2]).toBe(Math.fround((1 - at(2)) * a + at(2) * b));
  });
});
