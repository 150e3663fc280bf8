/** Softmax of bytes on the addon, in every recipe: for every axis, type and length, and every version of the kernels. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ByteType, GraphBuilder, newArray, sizeOf, tensor } from '../../src/ir/index.ts';
import { qnnSoftmax } from '../../src/ir/ops/qnn_softmax.op.ts';
import { fixedExponentials, floatExponentials, tfliteSoftmax } from '../../src/numerics/index.ts';
import { expectSame } from '../differential/support.ts';
import { draws } from '../support/draws.ts';
import { expectSame as expectSameBytes, kernelIsas, random, rangeOf, runKernel } from './support.ts';

const dtype = fc.constantFrom('u8' as const, 's8' as const);
const fraction = fc.integer({ min: 1, max: 3000 }).map((n) => Math.fround(n / 8191));
const step = fc.constantFrom(1 / 256, 1 / 255, 1 / 128, 0.0051, 0.3, 2);

/** Bytes from a few neighbours, or from all. */
function bytes(type: ByteType, count: number, seed: number): Uint8Array | Int8Array {
  const next = random(seed);
  const { low } = rangeOf(type);
  const [start, width] = seed % 2 === 0 ? [0, 256] : [Math.floor(next() * 200), 1 + Math.floor(next() * 50)];
  const data = newArray(type, count);
  for (let i = 0; i < count; i++) data[i] = low + start + Math.floor(next() * width);
  return data;
}

describe('on the addon', () => {
  const softmaxes = fc.record({
    dtype,
    recipe: fc.constantFrom('ort' as const, 'litert' as const, 'tflite' as const),
    shape: fc.oneof(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
      fc.constantFrom([3, 300], [2, 257, 3], [1, 1], [4, 2, 64, 64], [1, 1001], [8191]),
    ),
    axis: fc.nat(3),
    sx: fraction,
    beta: fc.constantFrom(1, 0.5, 3),
    sy: step,
    zy: fc.nat(255),
    seed: fc.nat(),
    threads: fc.constantFrom(1, 2),
    isWide: fc.boolean(),
  });

  it('equals the interpreter, and nothing is left to it', async () => {
    await fc.assert(
      fc.asyncProperty(softmaxes, async ({ dtype, recipe, shape, axis, sx, beta, sy, zy, seed, threads, isWide }) => {
        const b = new GraphBuilder();
        const { low } = rangeOf(dtype);
        const operands = {
          x: b.input('x', dtype, shape),
          sx: b.scalar('f32', sx),
          zx: b.scalar(dtype, 3),
          sy: b.scalar('f32', isWide ? sy / 256 : sy),
          zy: isWide && recipe !== 'ort' ? b.scalar('s16', zy * 257 - 32768) : b.scalar(dtype, zy + low),
        };
        const attrs = { axis: axis % shape.length, recipe, beta: recipe === 'ort' ? 1 : beta };
        const graph = b.finish([b.emit(qnnSoftmax, operands, attrs)]);
        const x = tensor(dtype, bytes(dtype, sizeOf(shape), seed), shape);
        const model = await expectSame(graph, { x }, { threads });
        expect(model.fallbacks).toEqual([]);
        model.dispose();
      }),
      draws(75),
    );
  });

  it('leaves sums beyond 32 bits, and parameters that are computed, to the interpreter', async () => {
    const reasonOf = async (length: number, isComputed: boolean) => {
      const b = new GraphBuilder();
      const zero = () => b.scalar('u8', 0);
      const sx = isComputed ? b.input('sx', 'f32', []) : b.scalar('f32', 0.1);
      const operands = { x: b.input('x', 'u8', [length]), sx, zx: zero(), sy: b.scalar('f32', 1 / 256), zy: zero() };
      const graph = b.finish([b.emit(qnnSoftmax, operands, { axis: 0, recipe: 'tflite' })]);
      const x = tensor('u8', bytes('u8', length, 2), [length]);
      const model = await expectSame(graph, { x, ...(isComputed && { sx: tensor('f32', [0.1], []) }) });
      const reasons = model.fallbacks.map(({ reason }) => reason);
      model.dispose();
      return reasons;
    };
    expect(await reasonOf(8192, false)).toEqual(['rows of more than 8191 bytes']);
    expect(await reasonOf(9, true)).toEqual(['its quantization parameters are computed at run time']);
  });
});

describe.each(kernelIsas)('%s', (isa) => {
  const lanes = fc.record({
    type: dtype,
    outer: fc.integer({ min: 0, max: 4 }),
    length: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(255, 256, 257, 1001)),
    inner: fc.constantFrom(1, 1, 2, 7),
    sx: fraction,
    sy: step,
    zeroPoint: fc.nat(255),
    seed: fc.nat(),
    threads: fc.constantFrom(1, 2),
    isWide: fc.boolean(),
  });

  it.each(['litert', 'tflite'] as const)('the kernel of the recipe %s equals its numerics', (recipe) => {
    fc.assert(
      fc.property(lanes, ({ type: sourceType, outer, length, inner, sx, sy, zeroPoint, seed, threads, isWide }) => {
        const type: 's16' | 'u8' | 's8' = isWide ? 's16' : sourceType;
        const zy = isWide ? zeroPoint * 257 - 32768 : zeroPoint + rangeOf(sourceType).low;
        const source = bytes(sourceType, outer * length * inner, seed);
        const destination = newArray(type, source.length);
        const common = { sourceType, type, outer, length, inner } as const;
        const [kernel, table] =
          recipe === 'litert'
            ? [
                { name: 'float-byte-softmax', ...common, scale: Math.fround(sy), zeroPoint: zy } as const,
                floatExponentials({ sx, beta: 1 }),
              ]
            : [{ name: 'fixed-byte-softmax', ...common } as const, fixedExponentials({ sx, beta: 1 })];
        runKernel(kernel, { source, table }, { destination }, { isa, threads });
        const expected = newArray(type, source.length);
        for (let o = 0; o < outer; o++)
          for (let i = 0; i < inner; i++) {
            const at = (k: number) => (o * length + k) * inner + i;
            const row = newArray(sourceType, length);
            for (let k = 0; k < length; k++) row[k] = source[at(k)];
            const result = newArray(type, length);
            tfliteSoftmax(recipe, { dtype: type, sx, beta: 1, sy: Math.fround(sy), zy }, length, row, result);
            for (let k = 0; k < length; k++) expected[at(k)] = result[k];
          }
        expectSameBytes(destination, expected);
      }),
      draws(60),
    );
  });
});

it('refuses arguments that it cannot compute with', () => {
  const source = new Uint8Array(8192);
  const run = (kernel: Parameters<typeof runKernel>[0], table: Float32Array | Int32Array) =>
    runKernel(kernel, { source, table }, { destination: new Uint8Array(8192) });
  const fixed = { name: 'fixed-byte-softmax', sourceType: 'u8', type: 'u8', outer: 1, length: 8192, inner: 1 } as const;
  expect(() => run(fixed, new Int32Array(256))).toThrow('below 2^32');
  const float = { ...fixed, name: 'float-byte-softmax', scale: 1 } as const;
  expect(() => run({ ...float, zeroPoint: 256 }, new Float32Array(256))).toThrow('zeroPoint');
  expect(() => run({ ...float, zeroPoint: 0 }, new Float32Array(255))).toThrow('table');
  expect(() => run({ ...float, zeroPoint: 0, type: 's8' }, new Float32Array(256))).toThrow('the type of the source');
});
