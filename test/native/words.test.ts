/** Arithmetic of s32 and f32 tensors that broadcast, requantization to s32, and casts: on the addon as on the interpreter. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Feeds, type Graph, GraphBuilder, sizeOf, tensor } from '../../src/ir/index.ts';
import { nnAdd, nnCast, nnClip, nnDiv, nnMul, nnSub, nnTranspose } from '../../src/ir/ops/nn_ops.ts';
import { qnnRescale } from '../../src/ir/ops/qnn_ops.ts';
import { clampTo, fixedMultiplier, multiplyWide, requantizer, wideFactors } from '../../src/numerics/index.ts';
import { expectSame } from '../differential/support.ts';
import { draws } from '../support/draws.ts';
import { expectSame as expectSameData, kernelIsas, random, runKernel } from './support.ts';

const LEAST = -(2 ** 31);
const MOST = 2 ** 31 - 1;
const shapes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 4 });
const threads = fc.constantFrom(1, 2);

/** Integers of every magnitude, the ends of s32 among them. */
function integers(count: number, seed: number): Int32Array {
  const next = random(seed);
  return Int32Array.from({ length: count }, () => {
    const ends = next() < 0.05 ? [LEAST, MOST, 0][Math.floor(next() * 3)] : undefined;
    return ends ?? Math.floor((next() - 0.5) * 2 ** Math.floor(next() * 33));
  });
}

async function expectNative(graph: Graph, feeds: Feeds, count: number): Promise<void> {
  const model = await expectSame(graph, feeds, { threads: count });
  expect(model.fallbacks).toEqual([]);
  model.dispose();
}

describe('on the addon', () => {
  const operations = { add: nnAdd, sub: nnSub, mul: nnMul, div: nnDiv } as const;
  const names = ['add', 'sub', 'mul', 'div'] as const;

  it.each(['s32', 'f32'] as const)('%s tensors, however they broadcast', async (dtype) => {
    const own = fc.tuple(shapes, fc.nat(15), fc.nat(15), fc.nat(3));
    await fc.assert(
      fc.asyncProperty(
        own,
        fc.constantFrom(...names.slice(0, dtype === 's32' ? 3 : 4)),
        fc.boolean(),
        fc.nat(),
        threads,
        async ([shape, keptA, keptB, missing], name, isLast, seed, count) => {
          const part = (kept: number) => shape.map((size, axis) => ((kept >> axis) % 2 === 0 ? 1 : size));
          const [left, right] = [part(keptA), part(keptB).slice(missing % shape.length)];
          const b = new GraphBuilder();
          const fed = isLast && left.length === 4 ? [0, 2, 3, 1].map((axis) => left[axis]) : left;
          const given = b.input('a', dtype, fed);
          const a = fed === left ? given : b.emit(nnTranspose, { x: given }, { perm: [0, 3, 1, 2] });
          const values = (of: readonly number[], from: number) =>
            tensor(
              dtype,
              Array.from(integers(sizeOf(of), from), (v) => (dtype === 'f32' ? v / 1024 : v)),
              of,
            );
          const y = b.emit(operations[name], { a, b: b.input('b', dtype, right) });
          await expectNative(b.finish([y]), { a: values(fed, seed), b: values(right, seed + 1) }, count);
        },
      ),
      draws(75),
    );
  });

  it('s32 tensors within limits', async () => {
    const limit = fc.oneof(fc.integer({ min: -300, max: 300 }), fc.constantFrom(LEAST, MOST, -Infinity, Infinity));
    await fc.assert(
      fc.asyncProperty(shapes, limit, limit, fc.nat(), threads, async (shape, min, max, seed, count) => {
        fc.pre(min !== Infinity && max !== -Infinity);
        const b = new GraphBuilder();
        const y = b.emit(nnClip, { x: b.input('x', 's32', shape) }, { min, max });
        await expectNative(b.finish([y]), { x: tensor('s32', integers(sizeOf(shape), seed), shape) }, count);
      }),
      draws(40),
    );
  });

  it('casts to and from 16 bits', async () => {
    const dtypes = fc.constantFrom('u8' as const, 's8' as const, 's16' as const, 's32' as const, 'f32' as const);
    await fc.assert(
      fc.asyncProperty(dtypes, dtypes, fc.nat(), async (from, to, seed) => {
        const b = new GraphBuilder();
        const y = b.emit(nnCast, { x: b.input('x', from, [50]) }, { to });
        const x = tensor(
          from,
          Array.from(integers(50, seed), (v) => (from === 'f32' ? v / 3 : v)),
          [50],
        );
        await expectNative(b.finish([y]), { x }, 1);
      }),
      draws(40),
    );
  });

  it('requantization to every type', async () => {
    const types: fc.Arbitrary<'u8' | 's8' | 's16' | 's32'> = fc.constantFrom('u8', 's8', 's16', 's32');
    const roundings = fc.constantFrom('half-even' as const, 'half-up' as const, 'half-away' as const);
    await fc.assert(
      fc.asyncProperty(
        shapes,
        types,
        roundings,
        fc.boolean(),
        fc.boolean(),
        fc.nat(3),
        fc.nat(),
        async (shape, to, rounding, isFixed, byChannel, at, seed) => {
          const b = new GraphBuilder();
          const axis = at % shape.length;
          const next = random(seed);
          const count = byChannel ? shape[axis] : 1;
          const factors = Array.from(
            { length: count },
            () => 2 ** (Math.floor(next() * 24) - 22) * (next() < 0.5 ? 1 : next()),
          );
          const dims = byChannel ? [count] : [];
          const fixed = factors.map((factor) => fixedMultiplier(factor));
          const zero = { u8: 100, s8: -7, s16: -1234, s32: 0 }[to];
          const operands = {
            x: b.input('x', 's32', shape),
            multiplier: isFixed
              ? b.constant(
                  tensor(
                    's32',
                    fixed.map(({ mantissa }) => mantissa),
                    dims,
                  ),
                )
              : b.constant(tensor('f64', factors, dims)),
            zy: b.scalar(to, zero),
            ...(isFixed && {
              second: b.constant(
                tensor(
                  's32',
                  fixed.map(({ shift }) => shift),
                  dims,
                ),
              ),
            }),
          };
          const attrs = { axis, arithmetic: isFixed ? 'fixed' : 'f64', rounding, low: -70_000, high: 70_000 } as const;
          const graph = b.finish([b.emit(qnnRescale, operands, attrs)]);
          await expectNative(graph, { x: tensor('s32', integers(sizeOf(shape), seed), shape) }, 1);
        },
      ),
      draws(75),
    );
  });

  it('leaves other requantizations to the interpreter', async () => {
    const reasonOf = async (zero: number, arithmetic: 'fixed' | 'fixed-wide', shift = 0) => {
      const b = new GraphBuilder();
      const operands = {
        x: b.input('x', 's32', [3]),
        multiplier: b.scalar('s32', 2 ** 30),
        second: b.scalar('s32', shift),
        zy: b.scalar('s32', zero),
      };
      const model = await expectSame(b.finish([b.emit(qnnRescale, operands, { arithmetic })]), {
        x: tensor('s32', [5, -70, 1000]),
      });
      const [reason] = model.fallbacks.map((fallback) => fallback.reason);
      model.dispose();
      return reason;
    };
    expect(await reasonOf(0, 'fixed')).toBeUndefined();
    expect(await reasonOf(1, 'fixed')).toBe('its zero point leads beyond 32 bits');
    expect(await reasonOf(0, 'fixed-wide')).toBeUndefined();
    expect(await reasonOf(0, 'fixed-wide', 101)).toBe('its shifts');
  });
});

describe.each(kernelIsas)('%s', (isa) => {
  it('rescale, in every arithmetic', () => {
    const arithmetics = [
      ['s32', 'fixed'],
      ['s32', 'f64'],
      ['s64', 'f64'],
      ['s32', 'fixed-wide'],
      ['s64', 'fixed-wide'],
    ] as const;
    fc.assert(
      fc.property(
        fc.record({
          outer: fc.integer({ min: 0, max: 40 }),
          channels: fc.integer({ min: 1, max: 70 }),
          inner: fc.constantFrom(1, 1, 3, 20),
        }),
        fc.constantFrom('half-even' as const, 'half-up' as const, 'half-away' as const),
        fc.constantFrom(...arithmetics),
        fc.nat(),
        threads,
        (view, rounding, [sourceType, arithmetic], seed, count) => {
          const next = random(seed);
          const sums = integers(view.outer * view.channels * view.inner, seed);
          // Sums of words have up to 47 bits, and whatever a graph feeds up to 64.
          const source =
            sourceType === 's32' ? sums : BigInt64Array.from(sums, (v) => BigInt(v) << BigInt(Math.floor(next() * 33)));
          const factors = Array.from({ length: view.channels }, () =>
            next() < 0.3 ? 2 ** -9 : (next() * 2 ** (next() * 40)) / 2 ** 36,
          );
          const fixed = factors.map((factor) => fixedMultiplier(factor));
          const wide = fixed.map(({ mantissa, shift }) => wideFactors(mantissa, shift));
          const [zeroPoint, low, high] = [77, -40_000, 50_000];
          const destination = new Int32Array(source.length);
          const numbersOf: Readonly<Record<typeof arithmetic, Parameters<typeof runKernel>[1]>> = {
            f64: { multiplier: Float64Array.from(factors) },
            fixed: {
              multiplier: Int32Array.from(fixed, ({ mantissa }) => mantissa),
              shift: Int32Array.from(fixed, ({ shift }) => shift),
            },
            'fixed-wide': {
              multiplier: Float64Array.from(wide, ({ multiplier }) => multiplier),
              divisor: Float64Array.from(wide, ({ divisor }) => divisor),
            },
          };
          runKernel(
            { name: 'rescale', sourceType, ...view, zeroPoint, low, high, arithmetic, rounding },
            { source, ...numbersOf[arithmetic] },
            { destination },
            { isa, threads: count },
          );
          const steps = fixed.map(({ mantissa, shift }, c) => {
            if (arithmetic === 'fixed-wide')
              return (sum: number) => clampTo(low, high, multiplyWide(sum, mantissa, shift) + zeroPoint);
            const own =
              arithmetic === 'f64' ? ({ arithmetic, factor: factors[c] } as const) : { arithmetic, mantissa, shift };
            return requantizer({ arithmetic, rounding, zeroPointAt: 'after' }, own, zeroPoint, low, high);
          });
          const expected = Array.from<number | bigint, number>(source, (v, i) =>
            steps[Math.floor(i / view.inner) % view.channels](Number(v)),
          );
          expectSameData(destination, expected);
        },
      ),
      draws(100),
    );
  });
});

it('refuses what it cannot compute', () => {
  const source = new Int32Array(1);
  const run = (kernel: Parameters<typeof runKernel>[0], more: Parameters<typeof runKernel>[1]) =>
    runKernel(kernel, { source, ...more }, { destination: new Int32Array(1) });
  const rescale = {
    name: 'rescale',
    sourceType: 's32',
    ...{ outer: 1, channels: 1, inner: 1 },
    ...{ zeroPoint: 1, low: LEAST, high: 0 },
    rounding: 'half-even',
  } as const;
  expect(() => run({ ...rescale, arithmetic: 'f64' }, { multiplier: new Float64Array(1) })).toThrow('32 bits');
  const fixed = { ...rescale, low: 0, arithmetic: 'fixed' } as const;
  expect(() => run(fixed, { multiplier: new Int32Array(1) })).toThrow('shift');
});
