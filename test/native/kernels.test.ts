/** Every kernel but depthwise, in every version, against a few lines of its meaning. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Kernel } from '../../src/codegen/onednn/binding.ts';
import { byteKernel } from '../../src/codegen/onednn/lower/byte_binary.ts';
import {
  afterFloatSteps,
  clampTo,
  dequantize,
  dynamicQuantize,
  exp,
  fixedMultiplier,
  qlinearAdd,
  qlinearMul,
  quantizationOfRow,
  quantize,
  quantizeByReciprocalInto,
  requantizer,
  roundHalfAway,
  roundHalfEven,
  sumOfRun,
  torchAdd,
  torchDynamicParameters,
  torchMul,
  xnnpackAdd,
  xnnpackMul,
} from '../../src/numerics/index.ts';
import { newArray } from '../../src/tensors/index.ts';
import { stridesOf } from '../../src/tensors/tensor.ts';
import { draws } from '../support/draws.ts';
import { type Data, expectSame, kernelIsas, random, rangeOf, requantize, runKernel, typed } from './support.ts';

const int = (min: number, max: number) => fc.integer({ min, max });
const seed = fc.integer();
const byteType = fc.constantFrom('u8' as const, 's8' as const);
const threads = int(1, 2);
const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** The forms of quantization: both properties may be absent. */
const quantizing = fc.record(
  {
    arithmetic: fc.constantFrom('divide' as const, 'multiply' as const),
    rounding: fc.constantFrom('half-even' as const, 'half-away' as const),
  },
  { requiredKeys: [] },
);

/** Sizes around an axis of channels; sometimes large enough for two threads. */
const view = fc.oneof(
  fc.record({ outer: int(0, 9), channels: int(1, 70), inner: int(1, 40) }),
  fc.record({ outer: int(0, 60), channels: int(1, 70), inner: fc.constant(1) }),
  fc.record({ outer: fc.constant(3), channels: fc.constant(1), inner: int(1, 40000) }),
  fc.record({ outer: int(200, 400), channels: int(30, 70), inner: fc.constant(1) }),
);

/** `shape` of the result, and for each operand the strides with which it broadcasts. */
const broadcast = fc
  .array(fc.tuple(fc.oneof(int(1, 5), int(1, 70)), fc.boolean(), fc.boolean()), { minLength: 0, maxLength: 4 })
  .filter((axes) => product(axes.map(([size]) => size)) <= 20_000)
  .map((axes) => {
    const shape = axes.map(([size]) => size);
    const operand = (which: 1 | 2) => {
      const own = axes.map((axis) => (axis[which] ? 1 : axis[0]));
      const strides = stridesOf(own).map((stride, axis) => (own[axis] === 1 ? 0 : stride));
      return { strides, count: product(own) };
    };
    return { shape, a: operand(1), b: operand(2) };
  });

const offsetOf = (index: number, shape: readonly number[], strides: readonly number[]): number => {
  let offset = 0;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    offset += (index % shape[axis]) * strides[axis];
    index = Math.floor(index / shape[axis]);
  }
  return offset;
};

/** A new array of elements of a size. */
function elements(bytes: number, length: number, fill: (i: number) => number): Data {
  if (bytes === 1) return Uint8Array.from({ length }, (_, i) => fill(i));
  if (bytes === 2) return Uint16Array.from({ length }, (_, i) => fill(i));
  if (bytes === 4) return Uint32Array.from({ length }, (_, i) => fill(i));
  return BigUint64Array.from({ length }, (_, i) => BigInt(fill(i)));
}

const values = (type: 'u8' | 's8', count: number, next: () => number): Data => {
  const { low } = rangeOf(type);
  return typed(type, count, () => Math.floor(next() * 256) + low);
};

describe.each(kernelIsas)('%s', (isa) => {
  it('gather-channels', () => {
    fc.assert(
      fc.property(
        int(0, 400),
        int(1, 70),
        fc.array(fc.nat(), { minLength: 1, maxLength: 90 }),
        fc.boolean(),
        seed,
        threads,
        (rows, channels, drawn, flip, start, count) => {
          const lanes = drawn.map((value, lane) => (value % 3 === 0 ? value : lane) % channels);
          const source = values(flip ? 's8' : 'u8', rows * channels, random(start));
          const destination = new Uint8Array(rows * lanes.length);
          runKernel(
            { name: 'gather-channels', rows, channels, lanes, flip },
            { source },
            { destination },
            { isa, threads: count },
          );
          const expected = Array.from(
            destination,
            (_, i) =>
              Number(source[Math.floor(i / lanes.length) * channels + lanes[i % lanes.length]]) + (flip ? 128 : 0),
          );
          expectSame(destination, expected);
        },
      ),
    );
  });

  it('lut, into a slice of channels', () => {
    fc.assert(
      fc.property(
        int(0, 300),
        int(1, 140),
        int(0, 40),
        int(0, 40),
        seed,
        threads,
        (rows, channels, before, behind, s, t) => {
          const next = random(s);
          const count = rows * channels;
          const [source, table] = [values('u8', count, next), values('u8', 256, next)];
          const stride = before + channels + behind;
          const destination = new Uint8Array(rows * stride).fill(7);
          const slice = { offset: before, stride };
          runKernel({ name: 'lut', count, channels, slice }, { source, table }, { destination }, { isa, threads: t });
          const channelOf = (i: number): number => (i % stride) - before;
          const at = (i: number): number => Number(source[Math.floor(i / stride) * channels + channelOf(i)]);
          const isOwn = (i: number): boolean => channelOf(i) >= 0 && channelOf(i) < channels;
          expectSame(
            destination,
            Uint8Array.from(destination, (_, i) => (isOwn(i) ? Number(table[at(i)]) : 7)),
          );
        },
      ),
      draws(30),
    );
  });

  it('lut', () => {
    fc.assert(
      fc.property(int(0, 40_000), seed, threads, (count, s, t) => {
        const next = random(s);
        const source = values('u8', count, next);
        const table = values('u8', 256, next);
        const destination = new Uint8Array(count);
        runKernel({ name: 'lut', count }, { source, table }, { destination }, { isa, threads: t });
        expectSame(
          destination,
          Uint8Array.from(source as Uint8Array, (x) => Number(table[x])),
        );
      }),
      draws(20),
    );
  });

  it('quantize', () => {
    fc.assert(
      fc.property(view, byteType, seed, threads, fc.boolean(), quantizing, (v, type, s, t, hasZero, how) => {
        const next = random(s);
        const { low, high } = rangeOf(type);
        const count = v.outer * v.channels * v.inner;
        const special = [Number.NaN, Infinity, -Infinity, 0.5, 1.5, 2.5, -0.5, 1e30, -0];
        const scale = typed('f32', v.channels, () => (next() < 0.5 ? 2 ** Math.floor(next() * 4 - 3) : next() + 1e-3));
        const source = typed('f32', count, () =>
          next() < 0.1 ? special[Math.floor(next() * 9)] : (next() - 0.5) * 300,
        );
        const zeroPoint = typed('s32', v.channels, () => low + Math.floor(next() * 256));
        const destination = typed(type, count, () => 0);
        runKernel(
          { name: 'quantize', type, ...v, ...how },
          { source, scale, ...(hasZero && { zeroPoint }) },
          { destination },
          { isa, threads: t },
        );
        const expected = Array.from({ length: count }, (_, i) => {
          const c = Math.floor(i / v.inner) % v.channels;
          const [x, step, zero] = [Number(source[i]), Number(scale[c]), hasZero ? Number(zeroPoint[c]) : 0];
          if (how.arithmetic !== 'multiply' && how.rounding !== 'half-away') return quantize(x, step, zero, low, high);
          const steps = Math.fround(how.arithmetic === 'multiply' ? x * step : x / step);
          const round = how.rounding === 'half-away' ? roundHalfAway : roundHalfEven;
          return clampTo(low, high, round(steps) + zero);
        });
        expectSame(destination, expected);
      }),
      draws(60),
    );
  });

  it('dequantize', () => {
    fc.assert(
      fc.property(
        view,
        fc.constantFrom('u8' as const, 's8' as const, 's32' as const),
        seed,
        threads,
        (v, type, s, t) => {
          const next = random(s);
          const count = v.outer * v.channels * v.inner;
          const source =
            type === 's32'
              ? typed('s32', count, () => Math.floor((next() - 0.5) * 2 ** 32))
              : values(type, count, next);
          const scale = typed('f32', v.channels, () => next());
          const zeroPoint = typed('s32', v.channels, () => Math.floor((next() - 0.5) * 2 ** (type === 's32' ? 32 : 8)));
          const destination = new Float32Array(count);
          runKernel(
            { name: 'dequantize', type, ...v },
            { source, scale, zeroPoint },
            { destination },
            { isa, threads: t },
          );
          const expected = Float32Array.from({ length: count }, (_, i) => {
            const c = Math.floor(i / v.inner) % v.channels;
            return dequantize(Number(source[i]), Number(scale[c]), Number(zeroPoint[c]));
          });
          expectSame(destination, expected);
        },
      ),
      draws(30),
    );
  });

  it('requantize, in the arithmetic and the rounding of every system', () => {
    const config = fc.record({
      view,
      type: fc.constantFrom('u8' as const, 's8' as const),
      arithmetic: fc.constantFrom('f32' as const, 'f64' as const, 'fixed' as const),
      rounding: fc.constantFrom('half-even' as const, 'half-up' as const, 'half-away' as const),
      before: fc.boolean(),
      scale: fc.boolean(),
      offset: fc.boolean(),
      factor: fc.constantFrom(0.5, 2 ** -7, 2 ** -20, 0.0123, 1e-5, 3),
      seed,
      threads,
    });
    fc.assert(
      fc.property(config, (c) => {
        const next = random(c.seed);
        const { outer, channels, inner } = c.view;
        const count = outer * channels * inner;
        const wild = next() < 0.2 ? 2 ** 32 : 2 ** 14;
        // Half of them end in a half, if the factor is a power of two.
        const half = Number.isInteger(Math.log2(c.factor)) ? Math.max(1, 0.5 / c.factor) : 1;
        const source = typed('s32', count, () => {
          const step = next() < 0.5 ? half : 1;
          return Math.floor(((next() - 0.5) * wild) / step) * step;
        });
        const factors = Array.from({ length: channels }, () => c.factor * (1 + Math.floor(next() * 3)));
        const fixed = factors.map((factor) => fixedMultiplier(factor) as { mantissa: number; shift: number });
        const [scale, offset] = [
          Float32Array.from({ length: channels }, () => 0.5 + next()),
          Float32Array.from({ length: channels }, () => Math.floor((next() - 0.5) * 64) / 2),
        ];
        const zeroPointAt = c.before && c.arithmetic !== 'fixed' ? 'before' : 'after';
        const { low, high } = rangeOf(c.type);
        const zeroPoint = low + Math.floor(next() * 256);
        const limits = { low: next() < 0.5 ? low : zeroPoint, high };
        const destination = typed(c.type, count, () => 0);
        const steps = c.arithmetic === 'f32' ? { ...(c.scale && { scale }), ...(c.offset && { offset }) } : {};
        const multiplier =
          c.arithmetic === 'f32'
            ? Float32Array.from(factors)
            : c.arithmetic === 'f64'
              ? Float64Array.from(factors)
              : Int32Array.from(fixed, (m) => m.mantissa);
        runKernel(
          {
            name: 'requantize',
            type: c.type,
            ...c.view,
            groups: 1,
            mapRows: 0,
            zeroPoint,
            ...limits,
            arithmetic: c.arithmetic,
            rounding: c.rounding,
            zeroPointAt,
          },
          {
            source,
            multiplier,
            ...steps,
            ...(c.arithmetic === 'fixed' && { shift: Int32Array.from(fixed, (m) => m.shift) }),
          },
          { destination },
          { isa, threads: c.threads },
        );
        const mode = { arithmetic: c.arithmetic, rounding: c.rounding, zeroPointAt } as const;
        const stepOf = (k: number) =>
          afterFloatSteps(
            requantizer(
              mode,
              c.arithmetic === 'fixed'
                ? { arithmetic: 'fixed', ...fixed[k] }
                : { arithmetic: c.arithmetic, factor: multiplier[k] },
              zeroPoint,
              limits.low,
              limits.high,
            ),
            { scale: steps.scale?.[k], offset: steps.offset?.[k] },
          );
        const byChannel = factors.map((_, k) => stepOf(k));
        expectSame(
          destination,
          Array.from({ length: count }, (_, i) => byChannel[Math.floor(i / inner) % channels](Number(source[i]))),
        );
      }),
      draws(50),
    );
  });

  it('requantize', () => {
    const config = fc.record({
      view,
      type: fc.constantFrom('u8' as const, 's8' as const, 's32' as const),
      bias: fc.boolean(),
      map: fc.boolean(),
      row: fc.boolean(),
      groups: fc.constantFrom('one', 'two', 'all'),
      mapRows: int(1, 6),
      scale: fc.constantFrom(2 ** -7, 2 ** -20, 0.0123, 1e-5),
      seed,
      threads,
    });
    fc.assert(
      fc.property(config, (c) => {
        const next = random(c.seed);
        const groups = c.groups === 'all' ? c.view.channels : c.groups === 'two' && c.view.channels % 2 === 0 ? 2 : 1;
        const { outer, channels, inner } = c.view;
        const hasMap = c.map && inner === 1;
        const count = outer * channels * inner;
        const s32 = (n: number, size: number) => typed('s32', n, () => Math.floor((next() - 0.5) * size));
        const wild = next() < 0.2 ? 2 ** 32 : 2 ** 16;
        const source = s32(count, wild);
        const [bias, map] = [s32(channels, wild), s32(c.mapRows * channels, 1000)];
        const [row, column] = [s32(outer * groups, 300), s32(channels, 300)];
        const multiplier = typed('f32', channels, () => c.scale * (1 + Math.floor(next() * 3)));
        const { low, high } = rangeOf(c.type);
        const zeroPoint = c.type === 's32' ? 0 : low + Math.floor(next() * 256);
        const limits = c.type === 's32' ? { low: 0, high: 0 } : { low: next() < 0.5 ? low : zeroPoint, high };
        const destination = typed(c.type, count, () => 0);
        runKernel(
          {
            name: 'requantize',
            type: c.type,
            outer,
            channels,
            inner,
            groups,
            mapRows: hasMap ? c.mapRows : 0,
            zeroPoint,
            ...limits,
          },
          {
            source,
            ...(c.bias && { bias }),
            ...(hasMap && { map }),
            ...(c.row && { row, column }),
            ...(c.type !== 's32' && { multiplier }),
          },
          { destination },
          { isa, threads: c.threads },
        );
        const expected = Array.from({ length: count }, (_, i) => {
          const [o, k] = [Math.floor(i / inner / channels), Math.floor(i / inner) % channels];
          let sum = Number(source[i]);
          if (c.bias) sum += Number(bias[k]);
          if (hasMap) sum += Number(map[(o % c.mapRows) * channels + k]);
          if (c.row) sum += Number(row[o * groups + Math.floor((k * groups) / channels)]) * Number(column[k]);
          sum |= 0;
          return c.type === 's32' ? sum : requantize(sum, Number(multiplier[k]), zeroPoint, limits.low, limits.high);
        });
        expectSame(destination, expected);
      }),
      draws(75),
    );
  });

  it('copy, of any strides', () => {
    const axis = fc.record({
      size: fc.oneof(int(1, 5), int(1, 80)),
      sourceRank: int(0, 99),
      destinationRank: int(0, 99),
      backwards: fc.boolean(),
      gap: int(0, 2),
    });
    fc.assert(
      fc.property(
        fc.array(axis, { maxLength: 4 }),
        fc.constantFrom(1, 2, 4, 8),
        threads,
        seed,
        (axes, elementBytes, t, s) => {
          const shape = axes.map((a) => a.size);
          if (product(shape) > 30_000) return;
          // Dense strides over the axes in an order of their own, some gaps, some axes of the source backwards.
          const layout = (rank: 'sourceRank' | 'destinationRank') => {
            const strides = new Array<number>(axes.length);
            let stride = 1;
            for (const i of axes.map((_, i) => i).sort((x, y) => axes[x][rank] - axes[y][rank])) {
              strides[i] = stride;
              stride *= shape[i] + axes[i].gap;
            }
            return { strides, length: stride + 3 };
          };
          const [from, to] = [layout('sourceRank'), layout('destinationRank')];
          let sourceOffset = 2;
          const sourceStrides = from.strides.map((stride, i) => {
            if (!axes[i].backwards) return stride;
            sourceOffset += stride * (shape[i] - 1);
            return -stride;
          });
          const next = random(s);
          const source = elements(elementBytes, from.length, () => Math.floor(next() * 2 ** 32));
          const destination = elements(elementBytes, to.length, () => 0);
          const expected = destination.slice();
          for (let i = 0; i < product(shape); i++) {
            expected[1 + offsetOf(i, shape, to.strides)] = source[sourceOffset + offsetOf(i, shape, sourceStrides)];
          }
          const kernel: Kernel = {
            name: 'copy',
            elementBytes: elementBytes as 1,
            shape,
            sourceStrides,
            destinationStrides: to.strides,
            sourceOffset,
            destinationOffset: 1,
          };
          runKernel(kernel, { source }, { destination }, { isa, threads: t });
          expectSame(destination, expected);
        },
      ),
      draws(75),
    );
  });

  it.each([
    [1, [3, 130, 67]],
    [4, [2, 65, 70]],
    [2, [1, 64, 64]],
    [2, [2, 61, 75]],
    [8, [1, 33, 20]],
  ])('copy of %i-byte elements between channels first and channels last', (elementBytes, [n, c, p]) => {
    const source = elements(elementBytes, n * c * p, (i) => Math.imul(i, 2654435761) >>> 7);
    const last = source.slice();
    const kernel = (sourceStrides: number[], destinationStrides: number[]): Kernel => ({
      name: 'copy',
      elementBytes: elementBytes as 1,
      shape: [n, c, p],
      sourceStrides,
      destinationStrides,
      sourceOffset: 0,
      destinationOffset: 0,
    });
    runKernel(kernel([c * p, p, 1], [c * p, 1, c]), { source }, { destination: last }, { isa });
    for (let i = 0; i < source.length; i++) {
      const [b, k, x] = [Math.floor(i / c / p), Math.floor(i / p) % c, i % p];
      if (last[(b * p + x) * c + k] !== source[i]) throw new Error(`element ${i} went astray`);
    }
    const first = elements(elementBytes, source.length, () => 0);
    runKernel(kernel([c * p, 1, c], [c * p, p, 1]), { source: last }, { destination: first }, { isa });
    expectSame(first, source);
  });

  it('pad', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(int(0, 12), int(0, 3), int(0, 3)), { maxLength: 4 }),
        fc.constantFrom(1, 4),
        threads,
        int(-128, 255),
        (axes, elementBytes, t, value) => {
          const shape = axes.map(([size]) => size);
          const padded = axes.map(([size, begin, end]) => size + begin + end);
          const source = elements(elementBytes, product(shape), (i) => i * 37 + 1);
          const expected = elements(elementBytes, product(padded), () => value);
          const strides = stridesOf(padded);
          const first = axes.reduce((sum, [, begin], axis) => sum + begin * strides[axis], 0);
          for (let i = 0; i < source.length; i++) expected[first + offsetOf(i, shape, strides)] = source[i];
          const destination = elements(elementBytes, product(padded), () => 0);
          runKernel(
            {
              name: 'pad',
              elementBytes: elementBytes as 1,
              shape,
              padsBegin: axes.map((a) => a[1]),
              padsEnd: axes.map((a) => a[2]),
              value,
            },
            { source },
            { destination },
            { isa, threads: t },
          );
          expectSame(destination, expected);
        },
      ),
      draws(50),
    );
  });

  it.each(['qlinear-add', 'qlinear-mul'] as const)('%s', (name) => {
    const scale = fc.constantFrom(0.03125, 0.0625, 0.0078125, 0.0147, 0.3, 1.7);
    const anyScale = fc.oneof({ weight: 7, arbitrary: scale }, fc.constantFrom(4e9, 1e20)); // beyond the range of s32
    fc.assert(
      fc.property(
        broadcast,
        byteType,
        fc.tuple(anyScale, scale, scale),
        fc.tuple(int(0, 255), int(0, 255), int(0, 255)),
        seed,
        threads,
        (b, type, scales, zeros, s, t) => {
          const next = random(s);
          const { low } = rangeOf(type);
          const [source, source1] = [values(type, b.a.count, next), values(type, b.b.count, next)];
          const zeroPoints = zeros.map((zero) => zero + low) as [number, number, number];
          const [scaleA, scaleB, scaleC] = scales.map(Math.fround);
          const count = product(b.shape);
          const destination = typed(type, count, () => 0);
          runKernel(
            {
              name,
              sourceType: type,
              source1Type: type,
              type,
              shape: b.shape,
              sourceStrides: b.a.strides,
              source1Strides: b.b.strides,
              scales: [scaleA, scaleB, scaleC],
              zeroPoints,
            },
            { source, source1 },
            { destination },
            { isa, threads: t },
          );
          const q = {
            dtype: type,
            scaleA,
            scaleB,
            scaleC,
            zeroPointA: zeroPoints[0],
            zeroPointB: zeroPoints[1],
            zeroPointC: zeroPoints[2],
          };
          const at = (data: Data, strides: readonly number[]) =>
            Array.from({ length: count }, (_, i) => Number(data[offsetOf(i, b.shape, strides)]));
          const expected = typed(type, count, () => 0) as Uint8Array;
          (name === 'qlinear-add' ? qlinearAdd : qlinearMul)(
            q,
            at(source, b.a.strides),
            at(source1, b.b.strides),
            expected,
          );
          expectSame(destination, expected);
        },
      ),
      draws(75),
    );
  });

  it.each(['u8', 's8'] as const)('sums and products of all pairs of %s in the arithmetic of PyTorch', (type) => {
    const scale = fc.oneof(fc.double({ min: 1e-3, max: 2, noNaN: true }), fc.constantFrom(0.5, 0.25, 0.0078125));
    const anyScale = fc.oneof({ weight: 7, arbitrary: scale }, fc.constantFrom(1e9, 1e25)); // beyond the range of s32
    const zero = int(rangeOf(type).low, rangeOf(type).high);
    const [source, source1] = [8, 0].map((shift) => newArray(type, 65536).map((_, i) => i >> shift));
    const strides = { shape: [65536], sourceStrides: [1], source1Strides: [1] };
    const property = fc.property(fc.tuple(anyScale, scale, scale), fc.tuple(zero, zero, zero), (drawn, zeroPoints) => {
      const [scaleA, scaleB, scaleC] = drawn.map(Math.fround);
      const [zeroPointA, zeroPointB, zeroPointC] = zeroPoints;
      const q = { dtype: type, scaleA, zeroPointA, scaleB, zeroPointB, scaleC, zeroPointC };
      for (const name of ['qlinear-add', 'qlinear-mul'] as const) {
        const own = byteKernel(name, 'torch', q);
        if (own === undefined) continue; // factors beyond 2^14 have a table
        const [destination, expected] = [newArray(type, 65536), newArray(type, 65536)];
        runKernel({ ...own, type, ...strides }, { source, source1 }, { destination }, { isa });
        (name === 'qlinear-add' ? torchAdd : torchMul)(q, source, source1, expected);
        expectSame(destination, expected);
      }
    });
    fc.assert(property, draws(30));
  });

  it('qlinear-add and -mul of one type with another', () => {
    const [source, source1] = [
      Uint8Array.from({ length: 256 }, (_, i) => i),
      Int8Array.from({ length: 256 }, (_, i) => (i * 7) % 256),
    ];
    for (const name of ['qlinear-add', 'qlinear-mul'] as const) {
      const destination = new Int8Array(256);
      runKernel(
        {
          name,
          sourceType: 'u8',
          source1Type: 's8',
          type: 's8',
          shape: [256],
          sourceStrides: [1],
          source1Strides: [1],
          scales: [0.03125, 0.0625, 0.25],
          zeroPoints: [200, -3, 9],
        },
        { source, source1 },
        { destination },
        { isa },
      );
      const expected = new Int8Array(256);
      (name === 'qlinear-add' ? qlinearAdd : qlinearMul)(
        { dtype: 's8', scaleA: 0.03125, scaleB: 0.0625, scaleC: 0.25, zeroPointA: 200, zeroPointB: -3, zeroPointC: 9 },
        source,
        source1,
        expected,
      );
      expectSame(destination, expected);
    }
  });

  it.each(['qlinear-add', 'qlinear-mul'] as const)(
    'sums and products of bytes in the arithmetic of XNNPACK or PyTorch: %s',
    (name) => {
      const scale = fc.double({ min: 0.01, max: 2, noNaN: true }).map(Math.fround);
      const isAdd = name === 'qlinear-add';
      fc.assert(
        fc.property(
          broadcast,
          byteType,
          fc.tuple(scale, scale, scale),
          seed,
          threads,
          (b, type, [sa, sb, sy], s, t) => {
            const next = random(s);
            const [source, source1] = [values(type, b.a.count, next), values(type, b.b.count, next)];
            const [za, zb, zy] = Array.from(values(type, 3, next), Number);
            const q = {
              dtype: type,
              scaleA: sa,
              zeroPointA: za,
              scaleB: isAdd && s % 2 === 1 ? -sb : sb,
              zeroPointB: zb,
              scaleC: sy,
              zeroPointC: zy,
            };
            const isTorch = s % 3 === 1;
            const own = byteKernel(name, isTorch ? 'torch' : 'xnnpack', q);
            if (own === undefined) throw new Error('the kernel takes these scales');
            const destination = newArray(type, product(b.shape));
            runKernel(
              { ...own, type, shape: b.shape, sourceStrides: b.a.strides, source1Strides: b.b.strides },
              { source, source1 },
              { destination },
              { isa, threads: t },
            );
            const spread = (from: Data, strides: readonly number[]) =>
              Array.from(destination, (_, i) => Number(from[offsetOf(i, b.shape, strides)]));
            const [left, right] = [spread(source, b.a.strides), spread(source1, b.b.strides)];
            const expected = newArray(type, destination.length);
            const [sum, multiplied] = isTorch ? [torchAdd, torchMul] : [xnnpackAdd, xnnpackMul];
            (isAdd ? sum : multiplied)(q, left, right, expected);
            expectSame(destination, expected);
          },
        ),
        draws(30),
      );
    },
  );

  it('binary-table', () => {
    const table = Uint8Array.from({ length: 65536 }, (_, i) => (Math.imul(i, 2654435761) >>> 24) & 255);
    fc.assert(
      fc.property(broadcast, seed, threads, (b, s, t) => {
        const next = random(s);
        const [source, source1] = [values('u8', b.a.count, next), values('u8', b.b.count, next)];
        const destination = new Uint8Array(product(b.shape));
        runKernel(
          { name: 'binary-table', shape: b.shape, sourceStrides: b.a.strides, source1Strides: b.b.strides },
          { source, source1, table },
          { destination },
          { isa, threads: t },
        );
        expectSame(
          destination,
          destination.map(
            (_, i) =>
              table[
                Number(source[offsetOf(i, b.shape, b.a.strides)]) * 256 +
                  Number(source1[offsetOf(i, b.shape, b.b.strides)])
              ],
          ),
        );
      }),
      draws(30),
    );
  });

  it('global-average-pool', () => {
    fc.assert(
      fc.property(
        int(0, 3),
        int(0, 60),
        int(1, 150),
        byteType,
        fc.constantFrom('u8' as const, 's8' as const, 's32' as const),
        seed,
        threads,
        (batch, spatial, channels, sourceType, type, s, t) => {
          const next = random(s);
          const source = values(sourceType, batch * spatial * channels, next);
          const sourceZeroPoint = rangeOf(sourceType).low + Math.floor(next() * 256);
          const { low, high } = rangeOf(type);
          const zeroPoint = low + Math.floor(next() * 256);
          const multiplier = Math.fround(next() < 0.5 ? 1 / 64 : next() / 20);
          const destination = typed(type, batch * channels, () => 0);
          runKernel(
            {
              name: 'global-average-pool',
              sourceType,
              type,
              batch,
              spatial,
              channels,
              sourceZeroPoint,
              multiplier,
              zeroPoint,
            },
            { source },
            { destination },
            { isa, threads: t },
          );
          const expected = Array.from({ length: batch * channels }, (_, i) => {
            let sum = 0;
            for (let p = 0; p < spatial; p++)
              sum +=
                Number(source[(Math.floor(i / channels) * spatial + p) * channels + (i % channels)]) - sourceZeroPoint;
            return type === 's32' ? sum : requantize(sum, multiplier, zeroPoint, low, high);
          });
          expectSame(destination, expected);
        },
      ),
      draws(30),
    );
  });

  it('dynamic-quantize', () => {
    const value = fc.oneof(
      fc.float({ noNaN: true, min: -100, max: 100 }),
      fc.constantFrom(0, -0, Infinity, -Infinity, Number.NaN),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(value, { maxLength: 100 }),
          fc.array(fc.float({ noNaN: true, min: -3, max: 9 }), { minLength: 10_000, maxLength: 20_000 }),
          // ties: the scale is 1, and a little more or less
          fc
            .tuple(
              fc.constantFrom(1, 1.0000001, 0.1, 1e-35),
              fc.array(fc.integer({ min: -200, max: 310 }), { minLength: 300 }),
            )
            .map(([by, list]) => [...list, -200, 310].map((v) => (v / 2) * by)),
        ),
        threads,
        (data, t) => {
          const source = Float32Array.from(data);
          const [destination, scale, zeroPoint] = [
            new Uint8Array(source.length),
            new Float32Array(1),
            new Uint8Array(1),
          ];
          runKernel(
            { name: 'dynamic-quantize', rows: 1, length: source.length },
            { source },
            { destination, scale, zeroPoint },
            { isa, threads: t },
          );
          const expected = dynamicQuantize(source, 'u8');
          expect([scale[0], zeroPoint[0]]).toEqual([expected.scale, expected.zeroPoint]);
          expectSame(destination, expected.data);
        },
      ),
      draws(20),
    );
  });

  it('dynamic-quantize by the recipe of PyTorch, and row by row by those of TensorFlow Lite', () => {
    const value = fc.oneof(
      fc.float({ noNaN: true, min: -100, max: 100 }),
      fc.integer({ min: -127, max: 127 }).map((v) => v / 2),
      fc.constantFrom(0, -0, 1e-38, Infinity, -Infinity, Number.NaN),
    );
    const rowRecipe = fc.constantFrom('symmetric' as const, 'asymmetric' as const, 'xnnpack' as const);
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 400 }), rowRecipe, threads, (data, recipe, t) => {
        const source = Float32Array.from(data);
        const [scale, zeroPoint, bytes] = [new Float32Array(1), new Uint8Array(1), new Uint8Array(source.length)];
        for (const high of [127, 255]) {
          runKernel(
            { name: 'dynamic-quantize', recipe: 'torch', high, rows: 1, length: source.length },
            { source },
            { destination: bytes, scale, zeroPoint },
            { isa, threads: t },
          );
          const expected = torchDynamicParameters(source, high);
          const integers = new Uint8Array(source.length);
          quantizeByReciprocalInto(source, expected.scale, expected.zeroPoint, 'u8', integers);
          expect([scale[0], zeroPoint[0]]).toEqual([expected.scale, expected.zeroPoint]);
          expectSame(bytes, integers);
        }
        const length = Math.max(1, Math.floor(source.length / 3));
        const rows = Math.floor(source.length / length);
        const of = {
          rows: new Int8Array(rows * length),
          scale: new Float32Array(rows),
          zeroPoint: new Int8Array(rows),
        };
        runKernel(
          { name: 'dynamic-quantize', recipe, rows, length },
          { source: source.subarray(0, rows * length) },
          { destination: of.rows, scale: of.scale, zeroPoint: of.zeroPoint },
          { isa, threads: t },
        );
        for (let row = 0; row < rows; row++) {
          const own = source.subarray(row * length, (row + 1) * length);
          const expected = quantizationOfRow(recipe, own);
          expect([of.scale[row], of.zeroPoint[row]]).toEqual([expected.scale, expected.zeroPoint]);
          expectSame(of.rows.subarray(row * length, (row + 1) * length), Int8Array.from(own, expected.quantize));
        }
      }),
      draws(50),
    );
  });

  const special = [
    Number.NaN,
    Infinity,
    -Infinity,
    -0,
    0,
    3.4e38,
    -3.4e38,
    1e-40,
    2 ** 31,
    -(2 ** 31) - 256,
    2 ** 63,
    1.5,
    -1.5,
    255.7,
  ];
  const floats = (count: number, next: () => number): Float32Array =>
    Float32Array.from({ length: count }, () =>
      next() < 0.3 ? special[Math.floor(next() * special.length)] : (next() - 0.5) * 2 ** Math.floor(next() * 40 - 4),
    );

  it('softmax', () => {
    fc.assert(
      fc.property(
        int(1, 5),
        fc.oneof(int(1, 40), int(250, 600)),
        int(1, 5),
        fc.boolean(),
        seed,
        threads,
        (outer, length, inner, wild, start, n) => {
          const next = random(start);
          const all = floats(outer * length * inner, next);
          const source = wild ? all : Float32Array.from(all, () => (next() - 0.5) * 40);
          const found = new Float32Array(source.length);
          runKernel(
            { name: 'softmax', operation: 'softmax', outer, length, inner },
            { source },
            { destination: found },
            { isa, threads: n },
          );
          for (let lane = 0; lane < outer * inner; lane++) {
            const at = (i: number) => (Math.floor(lane / inner) * length + i) * inner + (lane % inner);
            const x = Array.from({ length }, (_, i) => source[at(i)]);
            const most = Math.max(...x);
            const powers = x.map((v) => exp(Math.fround(v - most)));
            const factor = 1 / sumOfRun(powers, 0, length);
            const expected = powers.map((power) => Math.fround(power * factor));
            expect(x.map((_, i) => found[at(i)])).toEqual(expected);
          }
        },
      ),
    );
  });
});
