/** Slices, gathers, lookups and positions of maxima: on the addon as on the interpreter. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DType, GraphBuilder, type ITensor, sizeOf, tensor, type Value } from '../../src/ir/index.ts';
import { nnArgMax, nnCast, nnClip, nnGather, nnSlice, nnTranspose } from '../../src/ir/ops/nn_ops.ts';
import { qnnRescale } from '../../src/ir/ops/qnn_ops.ts';
import { toPublic } from '../../src/tensors/tensor.ts';
import { expectSame } from '../differential/support.ts';
import { draws } from '../support/draws.ts';
import { expectSame as expectSameData, kernelIsas, random, runKernel } from './support.ts';

const shapes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 4 });
const dtypes = fc.constantFrom('u8' as const, 's8' as const, 's32' as const, 'f32' as const);

type Narrow = 'u8' | 's8' | 's32' | 'f32';

/** Few different numbers, so that maxima are met several times. */
function filled(dtype: DType, shape: readonly number[], seed: number): ITensor {
  const next = random(seed);
  const numbers = Array.from({ length: sizeOf(shape) }, () => Math.floor(next() * 12) - (dtype === 'u8' ? 0 : 6));
  return tensor(dtype, dtype === 's64' ? numbers.map(BigInt) : numbers, shape);
}

/** Input x, held channels last where it has four axes and is asked to be. */
function inputOf(b: GraphBuilder, dtype: Narrow, shape: readonly number[], isLast: boolean) {
  if (!isLast || shape.length !== 4) return { value: b.input('x', dtype, shape), fed: shape };
  const [n, c, h, w] = shape;
  const fed = [n, h, w, c];
  return { value: b.emit(nnTranspose, { x: b.input('x', dtype, fed) }, { perm: [0, 3, 1, 2] }), fed };
}

describe('on the addon', () => {
  const drawn = fc.record({
    shape: shapes,
    dtype: dtypes,
    isLast: fc.boolean(),
    axis: fc.nat(3),
    seed: fc.nat(),
    threads: fc.constantFrom(1, 2),
  });
  type Drawn = typeof drawn extends fc.Arbitrary<infer D> ? D : never;

  /** One operator on x, left to the interpreter only when there is nothing to compute. */
  async function expectNative(
    { shape, dtype, isLast, seed, threads }: Drawn,
    emit: (b: GraphBuilder, x: Value<Narrow>) => Value,
  ): Promise<void> {
    const b = new GraphBuilder();
    const { value, fed } = inputOf(b, dtype, shape, isLast);
    const graph = b.finish([emit(b, value)]);
    const model = await expectSame(graph, { x: filled(dtype, fed, seed) }, { threads });
    const isEmpty = (await model.run({ x: toPublic(filled(dtype, fed, seed)) }))[graph.outputs[0]].data.length === 0;
    expect(model.fallbacks.length).toBe(isEmpty ? 1 : 0);
    model.dispose();
  }

  it('slices', async () => {
    const limits = fc.integer({ min: -8, max: 8 });
    const slices = fc.array(fc.tuple(limits, limits, fc.constantFrom(1, 2, 3, -1, -2)), { minLength: 4, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(drawn, slices, (d, all) => {
        const taken = all.slice(0, d.shape.length);
        const axes = taken.map((_, axis) => (axis % 2 === 0 ? axis : axis - d.shape.length));
        const [starts, ends, steps] = [0, 1, 2].map((i) => taken.map((slice) => slice[i]));
        return expectNative(d, (b, x) => b.emit(nnSlice, { x }, { starts, ends, axes, steps }));
      }),
      draws(60),
    );
  });

  it('gathers', async () => {
    const indices = fc.array(fc.nat(), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(drawn, indices, fc.boolean(), fc.boolean(), (d, positions, isWide, isMatrix) => {
        const axis = d.axis % d.shape.length;
        const size = d.shape[axis];
        const at = positions.map((p) => (p % (2 * size)) - size);
        const list = tensor(
          isWide ? 's64' : 's32',
          isWide ? at.map(BigInt) : at,
          isMatrix ? [at.length, 1] : [at.length],
        );
        return expectNative(d, (b, x) =>
          b.emit(nnGather, { x, indices: b.constant(list) }, { axis: axis - d.shape.length }),
        );
      }),
      draws(60),
    );
  });

  it('finds maxima, as 64 bits or 32', async () => {
    await fc.assert(
      fc.asyncProperty(drawn, fc.boolean(), fc.boolean(), fc.boolean(), (d, keepdims, selectLast, isCut) =>
        expectNative(d, (b, x) => {
          const y = b.emit(nnArgMax, { x }, { axis: d.axis % d.shape.length, keepdims, selectLast });
          return isCut ? b.emit(nnCast, { x: y }, { to: 's32' }) : y;
        }),
      ),
      draws(60),
    );
  });

  it('looks positions up that stay inside of the list', async () => {
    const from = fc.constantFrom('s16' as const, 'clip' as const, 'rescale' as const);
    await fc.assert(
      fc.asyncProperty(drawn, from, async ({ shape, seed, threads }, how) => {
        const b = new GraphBuilder();
        const table = tensor(
          's16',
          Int16Array.from({ length: 65536 }, (_, i) => Math.imul(i, 40503) >> 3),
        );
        const small = tensor('s16', Array.from(filled('s32', shape, seed).data, Number), shape);
        const wide = tensor(
          's32',
          Array.from(small.data, (v) => Number(v) * 9999),
          shape,
        );
        const limits = how === 'rescale' ? [-100, 99] : [-32768, 32767];
        const positions = {
          s16: () => b.emit(nnCast, { x: b.input('x', 's16', shape) }, { to: 's32' }),
          clip: () => b.emit(nnClip, { x: b.input('x', 's32', shape) }, { min: limits[0], max: limits[1] }),
          rescale: () => {
            const operands = {
              x: b.input('x', 's32', shape),
              multiplier: b.scalar('f64', 0.01),
              zy: b.scalar('s32', 3),
            };
            return b.emit(qnnRescale, operands, { arithmetic: 'f64', low: limits[0], high: limits[1] });
          },
        }[how]();
        const list = how === 'rescale' ? tensor('s16', table.data.slice(0, 100)) : table;
        const y = b.emit(nnGather, { x: b.constant(list), indices: positions }, { axis: 0 });
        const model = await expectSame(b.finish([y]), { x: how === 's16' ? small : wide }, { threads });
        expect(model.fallbacks).toEqual([]);
        model.dispose();
      }),
      draws(30),
    );
  });

  it('gathers at computed positions, those that may lie outside too', async () => {
    const expectNative = async (shape: readonly number[], limit: number | undefined) => {
      const b = new GraphBuilder();
      const given = b.input('i', 's32', [2]);
      const indices = limit === undefined ? given : b.emit(nnClip, { x: given }, { min: 0, max: limit });
      const y = b.emit(nnGather, { x: b.input('x', 'u8', shape), indices }, { axis: 0 });
      const model = await expectSame(b.finish([y]), { x: filled('u8', shape, 1), i: tensor('s32', [3, 1]) });
      expect(model.fallbacks).toEqual([]);
      model.dispose();
    };
    await expectNative([9], 8);
    await expectNative([9], 9);
    await expectNative([9], undefined);
    await expectNative([9, 2], 8);
  });
});

describe.each(kernelIsas)('%s', (isa) => {
  it('gather, with rows of any size, on one thread and two', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 2, 4, 8),
        fc.integer({ min: 0, max: 5 }),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 0, max: 40 }),
        fc.array(fc.nat(), { maxLength: 400 }),
        fc.constantFrom(1, 2),
        (elementBytes, outer, size, inner, drawn, threads) => {
          const positions = drawn.map((p) => p % size);
          const row = inner * elementBytes;
          const source = Uint8Array.from({ length: outer * size * row }, (_, i) => Math.imul(i, 40503) >>> 7);
          const destination = new Uint8Array(outer * positions.length * row);
          const kernel = { name: 'gather', elementBytes, outer, size, inner, positions } as const;
          runKernel(kernel, { source }, { destination }, { isa, threads });
          const expected = destination.map((_, i) => {
            const [at, byte] = [Math.floor(i / row), i % row];
            const o = Math.floor(at / positions.length);
            return source[(o * size + positions[at % positions.length]) * row + byte];
          });
          expectSameData(destination, expected);
        },
      ),
      draws(75),
    );
  });

  it('arg-max of few long rows, of many short ones, and of columns', () => {
    const arrays = {
      f32: Float32Array,
      f64: Float64Array,
      s32: Int32Array,
      u16: Uint16Array,
      s8: Int8Array,
      u8: Uint8Array,
    } as const;
    fc.assert(
      fc.property(
        fc.constantFrom(...(Object.keys(arrays) as (keyof typeof arrays)[])),
        fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 200, max: 600 })),
        fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 250, max: 270 })),
        fc.constantFrom(1, 1, 2, 19),
        fc.constantFrom(3, 200),
        fc.boolean(),
        fc.boolean(),
        fc.constantFrom(1, 2),
        fc.integer(),
        (type, outer, length, inner, kinds, largest, last, threads, seed) => {
          const next = random(seed);
          const isFloat = type === 'f32' || type === 'f64';
          const source = new arrays[type](outer * length * inner).map(() => {
            const value = Math.floor(next() * kinds);
            return isFloat && value === 0 ? Number.NaN : value - (isFloat || type[0] === 's' ? 100 : 0);
          });
          const destination = new Float64Array(outer * inner);
          const kernel = { name: 'arg-max', type, outer, length, inner, largest, last } as const;
          runKernel(kernel, { source }, { destination }, { isa, threads });
          const expected = Array.from({ length: outer * inner }, (_, i) => {
            const at = (k: number) => source[(Math.floor(i / inner) * length + k) * inner + (i % inner)];
            let best = 0;
            for (let k = 1; k < length; k++) {
              const [x, y] = largest ? [at(k), at(best)] : [at(best), at(k)];
              if (x > y || (last && x === y)) best = k;
            }
            return best;
          });
          expect(Array.from(new BigInt64Array(destination.buffer), Number)).toEqual(expected);
        },
      ),
      draws(50),
    );
  });

  it('arg-max of floats keeps to the first NaN only at the start', () => {
    const { NaN: none } = Number;
    const source = Float32Array.from([none, 5, 7, 1, 3, none, 7, 7]);
    const destination = new Float64Array(2);
    const kernel = { name: 'arg-max', type: 'f32', outer: 2, length: 4, inner: 1, largest: true, last: false } as const;
    runKernel(kernel, { source }, { destination }, { isa });
    expect(Array.from(new BigInt64Array(destination.buffer), Number)).toEqual([0, 2]);
    runKernel({ ...kernel, largest: true, last: true }, { source }, { destination }, { isa });
    expect(Array.from(new BigInt64Array(destination.buffer), Number)).toEqual([0, 3]);
  });
});

it('a lookup reads nothing outside of its table', () => {
  const destination = new Uint8Array(5);
  runKernel(
    { name: 'lookup', elementBytes: 1, size: 3, count: 5 },
    { source: Int32Array.from([2, 3, -3, -4, 2 ** 31 - 1]), table: Uint8Array.from([10, 11, 12]) },
    { destination },
  );
  expect(Array.from(destination)).toEqual([12, 12, 10, 10, 12]);
});

it('refuses positions outside of the axis, and an empty axis', () => {
  const gather = { name: 'gather', elementBytes: 1, outer: 1, size: 3, inner: 1 } as const;
  const run = (positions: readonly number[]) =>
    runKernel({ ...gather, positions }, { source: new Uint8Array(3) }, { destination: new Uint8Array(1) });
  expect(() => run([3])).toThrow('outside of the axis');
  expect(() => run([-1])).toThrow('positions');
  const argMax = { name: 'arg-max', type: 'u8', outer: 1, length: 0, inner: 1, largest: true, last: false } as const;
  expect(() => runKernel(argMax, { source: new Uint8Array(1) }, { destination: new Float64Array(1) })).toThrow(
    'length',
  );
});
