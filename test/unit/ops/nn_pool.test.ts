import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as pool from '../../../src/ir/ops/nn_pool.op.ts';
import { type ITensor, tensor } from '../../../src/tensors/tensor.ts';
import { evaluate, indicesOf, listOf, read, tensorOf } from './nn_support.ts';

interface Case {
  readonly shape: number[];
  readonly attrs: { kernel: number[]; strides: number[]; pads: number[]; dilations: number[]; ceilMode: boolean };
}

const geometry: fc.Arbitrary<Case> = fc
  .record({
    batch: fc.integer({ min: 1, max: 2 }),
    channels: fc.integer({ min: 1, max: 2 }),
    ceilMode: fc.boolean(),
    axes: fc.array(
      fc.record({
        extra: fc.integer({ min: 0, max: 4 }),
        kernel: fc.integer({ min: 1, max: 3 }),
        stride: fc.integer({ min: 1, max: 4 }),
        dilation: fc.integer({ min: 1, max: 2 }),
        begin: fc.nat(4),
        end: fc.nat(4),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  })
  .map(({ batch, channels, ceilMode, axes }) => {
    const extents = axes.map(({ kernel, dilation }) => dilation * (kernel - 1) + 1);
    const pad = (side: 'begin' | 'end') => axes.map((axis, i) => axis[side] % extents[i]);
    const [begins, ends] = [pad('begin'), pad('end')];
    return {
      shape: [batch, channels, ...axes.map(({ extra }, i) => extra + Math.max(1, extents[i] - begins[i] - ends[i]))],
      attrs: {
        kernel: axes.map((axis) => axis.kernel),
        strides: axes.map((axis) => axis.stride),
        pads: [...begins, ...ends],
        dilations: axes.map((axis) => axis.dilation),
        ceilMode,
      },
    };
  });

/** The starts of windows along one axis, found by trying every multiple of the stride. */
function starts({ shape, attrs }: Case, axis: number): number[] {
  const { kernel, strides, pads, dilations, ceilMode } = attrs;
  const [begin, end, size] = [pads[axis], pads[axis + kernel.length], shape[axis + 2]];
  const extent = dilations[axis] * (kernel[axis] - 1) + 1;
  const all: number[] = [];
  for (let start = -begin; start < size + end; start += strides[axis]) {
    const whole = start + extent <= size + end;
    const previousEndsBefore = start - strides[axis] + extent < size + end; // something is left for a partial window
    if (whole || (ceilMode && previousEndsBefore && start < size)) all.push(start);
  }
  return all;
}

/** The taps of every window: index tuples, inside the input or not. */
function windows(c: Case): number[][][] {
  const axes = c.attrs.kernel.map((_, axis) => starts(c, axis));
  return indicesOf(axes.map((list) => list.length)).map((p) =>
    indicesOf(c.attrs.kernel).map((k) => k.map((tap, axis) => axes[axis][p[axis]] + tap * c.attrs.dilations[axis])),
  );
}

const inside = (c: Case, at: readonly number[], withPads = false) =>
  at.every((i, axis) => {
    const [begin, end] = withPads ? [c.attrs.pads[axis], c.attrs.pads[axis + c.attrs.kernel.length]] : [0, 0];
    return i >= -begin && i < c.shape[axis + 2] + end;
  });

/** One value per window and plane, from the values inside and the number of taps that count. */
function byDefinition(
  c: Case,
  x: ITensor,
  withPads: boolean,
  f: (values: number[], count: number) => number,
): number[] {
  return indicesOf(c.shape.slice(0, 2)).flatMap((plane) =>
    windows(c).map((taps) => {
      const values = taps.filter((at) => inside(c, at)).map((at) => Number(read(x, [...plane, ...at])));
      return f(values, taps.filter((at) => inside(c, at, withPads)).length);
    }),
  );
}

const caseWith = (...dtypes: readonly ('u8' | 's8' | 'f32' | 'f64')[]) =>
  fc
    .tuple(geometry, fc.constantFrom(...dtypes))
    .chain(([c, dtype]) => fc.record({ c: fc.constant(c), x: tensorOf(dtype, c.shape) }));

const outputShape = (c: Case) => [...c.shape.slice(0, 2), ...c.attrs.kernel.map((_, axis) => starts(c, axis).length)];

describe('nn.max_pool', () => {
  it('is the maximum of the elements that each window has inside', () => {
    fc.assert(
      fc.property(caseWith('u8', 's8', 'f32', 'f64'), ({ c, x }) => {
        const y = evaluate(pool.nnMaxPool, [x], c.attrs);
        expect(y.shape).toEqual(outputShape(c));
        const lowest = { u8: 0, s8: -128 }[x.dtype as string] ?? -Infinity;
        expect(listOf(y)).toEqual(byDefinition(c, x, false, (values) => Math.max(lowest, ...values)));
      }),
    );
  });
  it('passes over NaN for any number, and is NaN for a window without numbers', () => {
    const withNaN = fc.tuple(caseWith('f32', 'f64'), fc.integer({ min: 1, max: 3 }), fc.nat(100));
    let alone = 0;
    fc.assert(
      fc.property(withNaN, ([{ c, x }, outOf, seed]) => {
        const values = listOf(x).map((v, i) => ((i * 37 + seed) % 4 < outOf ? Number.NaN : (v as number)));
        const holed = tensor(x.dtype, values, x.shape);
        const maximum = (window: number[]) => {
          const numbers = window.filter((v) => !Number.isNaN(v));
          if (numbers.length === 0 && window.length > 0) alone++;
          return numbers.length > 0 || window.length === 0 ? Math.max(...numbers) : Number.NaN;
        };
        expect(listOf(evaluate(pool.nnMaxPool, [holed], c.attrs))).toEqual(byDefinition(c, holed, false, maximum));
      }),
    );
    expect(alone).toBeGreaterThan(100);
  });
  it('refuses windows that do not fit and pads as large as the window', () => {
    const call = (kernel: number, pads: number[]) => () =>
      evaluate(pool.nnMaxPool, [tensor('u8', [1, 2], [1, 1, 2])], {
        kernel: [kernel],
        strides: [1],
        pads,
        dilations: [1],
      });
    expect(call(3, [0, 0])).toThrow(/does not fit/);
    expect(call(2, [2, 0])).toThrow(/should be less than the window/);
  });
});

describe('nn.average_pool', () => {
  it('divides by the taps inside, or inside the padded input with countIncludePad', () => {
    fc.assert(
      fc.property(caseWith('f32', 'f64'), fc.boolean(), ({ c, x }, countIncludePad) => {
        const y = evaluate(pool.nnAveragePool, [x], { ...c.attrs, countIncludePad });
        expect(y.shape).toEqual(outputShape(c));
        const round = x.dtype === 'f32' ? Math.fround : (v: number) => v;
        const mean = (values: number[], count: number) => round(values.reduce((a, b) => a + b, 0) / count);
        expect(listOf(y)).toEqual(byDefinition(c, x, countIncludePad, mean));
      }),
    );
  });
});

describe('nn.lp_pool', () => {
  it('is the p-norm of each window', () => {
    fc.assert(
      fc.property(caseWith('f64'), fc.integer({ min: 1, max: 3 }), ({ c, x }, p) => {
        const norm = (values: number[]) => values.reduce((sum, v) => sum + Math.abs(v) ** p, 0) ** (1 / p);
        expect(listOf(evaluate(pool.nnLpPool, [x], { ...c.attrs, p }))).toEqual(byDefinition(c, x, false, norm));
      }),
    );
  });
});

describe('global pools', () => {
  it('are the pools whose window is the whole input', () => {
    fc.assert(
      fc.property(caseWith('f32'), ({ c, x }) => {
        const kernel = c.shape.slice(2);
        const ones = kernel.map(() => 1);
        const attrs = { kernel, strides: ones, pads: [...ones, ...ones].map(() => 0), dilations: ones };
        expect(evaluate(pool.nnGlobalMaxPool, [x])).toEqual(evaluate(pool.nnMaxPool, [x], attrs));
        expect(evaluate(pool.nnGlobalAveragePool, [x])).toEqual(evaluate(pool.nnAveragePool, [x], attrs));
      }),
    );
    const greatest = (values: readonly number[]) =>
      listOf(evaluate(pool.nnGlobalMaxPool, [tensor('f32', values, [1, 1, values.length])]));
    expect(listOf(evaluate(pool.nnGlobalMaxPool, [tensor('s8', [-5, -3], [1, 1, 2])]))).toEqual([-3]);
    expect(greatest([Number.NaN, -Infinity, Number.NaN])).toEqual([-Infinity]);
    expect(greatest([Number.NaN, Number.NaN])).toEqual([Number.NaN]);
    expect(greatest([])).toEqual([-Infinity]);
  });
});
