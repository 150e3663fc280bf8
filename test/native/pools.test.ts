/** Maxima of floats and bytes and means of bytes over windows, in every version, against the interpreter: NaN, infinities and windows that miss the input. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nnMaxPool } from '../../src/ir/ops/nn_pool.op.ts';
import { qnnAveragePool } from '../../src/ir/ops/qnn_average_pool.op.ts';
import { type ITensor, sizeOf, tensor } from '../../src/tensors/tensor.ts';
import { draws } from '../support/draws.ts';
import { evaluate } from '../unit/ops/qnn_support.ts';
import { expectSame, kernelIsas, random, runKernel } from './support.ts';

interface Axis {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly size: number;
  readonly pads: readonly number[];
}

const axis: fc.Arbitrary<Axis> = fc
  .record({
    kernel: fc.integer({ min: 1, max: 3 }),
    stride: fc.integer({ min: 1, max: 2 }),
    dilation: fc.integer({ min: 1, max: 3 }),
    extra: fc.integer({ min: 0, max: 3 }),
    begin: fc.nat(4),
    end: fc.nat(4),
  })
  .map(({ begin, end, extra, ...rest }) => {
    const extent = rest.dilation * (rest.kernel - 1) + 1;
    const pads = [begin % extent, end % extent];
    return { ...rest, pads, size: extra + Math.max(1, extent - pads[0] - pads[1]) };
  });
const axes = fc.tuple(axis, axis, axis);

const arrayOf = (type: 'u8' | 's8', values: readonly number[]) =>
  type === 'u8' ? Uint8Array.from(values) : Int8Array.from(values);

const three = (sizes: readonly number[]) => sizes as [number, number, number];

/** The attributes of windows along three axes, and the fields of a kernel that pools `x` to `y`. */
function windowsOf(a: readonly Axis[]) {
  const [kernel, strides, dilations] = (['kernel', 'stride', 'dilation'] as const).map((of) => a.map((_) => _[of]));
  const [padsBegin, padsEnd] = [0, 1].map((side) => a.map(({ pads }) => pads[side]));
  return {
    attrs: { kernel, strides, dilations, pads: [...padsBegin, ...padsEnd] },
    padsEnd: three(padsEnd),
    fields: (x: ITensor, y: ITensor) => ({
      batch: x.shape[0],
      channels: x.shape[1],
      input: three(x.shape.slice(2)),
      output: three(y.shape.slice(2)),
      kernel: three(kernel),
      strides: three(strides),
      dilations: three(dilations),
      padsBegin: three(padsBegin),
    }),
  };
}

/** The element at [n, c, p] of a tensor as [n, p, c]. */
const channelsLast = (values: ArrayLike<number>, channels: number, size: number): number[] =>
  Array.from({ length: values.length }, (_, i) => {
    const [image, at] = [Math.floor(i / (channels * size)), i % (channels * size)];
    return values[image * channels * size + (at % channels) * size + Math.floor(at / channels)];
  });

describe.each(kernelIsas)('%s', (isa) => {
  it('float-pool: the maximum', () => {
    let alone = 0;
    fc.assert(
      fc.property(axes, fc.integer({ min: 1, max: 70 }), fc.integer(), fc.integer({ min: 1, max: 2 }), (a, c, s, t) => {
        const next = random(s);
        const [batch, input] = [2, a.map(({ size }) => size)];
        const special = [Number.NaN, Number.NaN, Number.NaN, -Infinity, Infinity, -0, 0];
        const x = tensor(
          'f32',
          Array.from({ length: batch * c * sizeOf(input) }, () =>
            next() < 0.7 ? special[Math.floor(next() * special.length)] : next() - 0.5,
          ),
          [batch, c, ...input],
        );
        const windows = windowsOf(a);
        const y = evaluate(nnMaxPool, [x], windows.attrs);
        alone += Array.from(y.data as Float32Array).filter(Number.isNaN).length;
        const destination = new Float32Array(y.data.length);
        const output = y.shape.slice(2);
        runKernel(
          {
            name: 'float-pool',
            operation: 'max',
            ...windows.fields(x, y),
            padsEnd: windows.padsEnd,
          },
          { source: Float32Array.from(channelsLast(x.data as Float32Array, c, sizeOf(input))) },
          { destination },
          { isa, threads: t },
        );
        expectSame(destination, channelsLast(y.data as Float32Array, c, sizeOf(output)));
      }),
      draws(60),
    );
    expect(alone).toBeGreaterThan(100);
  });

  it('byte-max-pool', () => {
    let empty = 0;
    const types = fc.constantFrom('u8' as const, 's8' as const);
    fc.assert(
      fc.property(
        axes,
        types,
        fc.integer({ min: 1, max: 200 }),
        fc.integer(),
        fc.boolean(),
        (a, type, c, s, several) => {
          const next = random(s);
          const [batch, input] = [2, a.map(({ size }) => size)];
          const least = type === 'u8' ? 0 : -128;
          const draw = () => least + 1 + Math.floor(next() * 255);
          const x = tensor(type, Array.from({ length: batch * c * sizeOf(input) }, draw), [batch, c, ...input]);
          const windows = windowsOf(a);
          const y = evaluate(nnMaxPool, [x], windows.attrs);
          const expected = channelsLast(y.data as Uint8Array, c, sizeOf(y.shape.slice(2)));
          empty += expected.filter((v) => v === least).length;
          const destination = arrayOf(type, Array(y.data.length).fill(0));
          runKernel(
            {
              name: 'byte-max-pool',
              type,
              ...windows.fields(x, y),
            },
            { source: arrayOf(type, channelsLast(x.data as Uint8Array, c, sizeOf(input))) },
            { destination },
            { isa, threads: several ? 2 : 1 },
          );
          expectSame(destination, expected);
        },
      ),
      draws(60),
    );
    expect(empty).toBeGreaterThan(100);
  });

  it('byte-average-pool', () => {
    const types = fc.constantFrom('u8' as const, 's8' as const);
    const recipes = fc.constantFrom('ort' as const, 'tflite' as const);
    const scales = fc.constantFrom(0.01, 0.3, 1, 7).map(Math.fround);
    const parameters = fc.record({
      type: types,
      recipe: recipes,
      countIncludePad: fc.boolean(),
      sx: scales,
      sy: scales,
    });
    const channels = fc.integer({ min: 1, max: 150 });
    fc.assert(
      fc.property(axes, parameters, channels, fc.integer(), fc.boolean(), (a, given, c, s, several) => {
        const { type, recipe, sx, sy } = given;
        const countIncludePad = given.countIncludePad && recipe === 'ort';
        const next = random(s);
        const [batch, input] = [2, a.map(({ size }) => size)];
        const least = type === 'u8' ? 0 : -128;
        const draw = () => least + Math.floor(next() * 256);
        const [zx, zy] = [draw(), draw()];
        const x = tensor(type, Array.from({ length: batch * c * sizeOf(input) }, draw), [batch, c, ...input]);
        const windows = windowsOf(a);
        if (
          windows.attrs.kernel.every((taps, at) => taps === input[at]) &&
          windows.attrs.pads.every((pad) => pad === 0)
        )
          return;
        const scalar = (value: number) => tensor('f32', [value], []);
        const zero = (value: number) => tensor(type, [value], []);
        const y = evaluate(qnnAveragePool, [x, scalar(sx), zero(zx), scalar(sy), zero(zy)], {
          ...windows.attrs,
          countIncludePad,
          recipe,
        });
        const destination = arrayOf(type, Array(y.data.length).fill(0));
        runKernel(
          {
            name: 'byte-average-pool',
            type,
            ...windows.fields(x, y),
            countsPadding: countIncludePad,
            ...(recipe === 'ort' && { sourceScale: sx, sourceZeroPoint: zx, scale: sy, zeroPoint: zy }),
          },
          { source: arrayOf(type, channelsLast(x.data as Uint8Array, c, sizeOf(input))) },
          { destination },
          { isa, threads: several ? 2 : 1 },
        );
        expectSame(destination, channelsLast(y.data as Uint8Array, c, sizeOf(y.shape.slice(2))));
      }),
      draws(80),
    );
  });
});
