/** The maximum of floats, in every version, against the interpreter: NaN, infinities and windows that miss the input. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nnMaxPool } from '../../src/ir/ops/nn_pool.op.ts';
import { sizeOf, tensor } from '../../src/tensors/tensor.ts';
import { evaluate } from '../unit/ops/qnn_support.ts';
import { expectSame, kernelIsas, random, runKernel } from './support.ts';

const axis = fc
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

/** The element at [n, c, p] of a tensor as [n, p, c]. */
const channelsLast = (values: ArrayLike<number>, channels: number, size: number): Float32Array =>
  Float32Array.from({ length: values.length }, (_, i) => {
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
        const [kernel, strides, dilations] = (['kernel', 'stride', 'dilation'] as const).map((of) =>
          a.map((_) => _[of]),
        );
        const [padsBegin, padsEnd] = [0, 1].map((side) => a.map(({ pads }) => pads[side]));
        const y = evaluate(nnMaxPool, [x], { kernel, strides, dilations, pads: [...padsBegin, ...padsEnd] });
        alone += Array.from(y.data as Float32Array).filter(Number.isNaN).length;
        const destination = new Float32Array(y.data.length);
        const output = y.shape.slice(2);
        const three = (sizes: readonly number[]) => sizes as [number, number, number];
        runKernel(
          {
            name: 'float-pool',
            operation: 'max',
            batch,
            channels: c,
            input: three(input),
            output: three(output),
            kernel: three(kernel),
            strides: three(strides),
            dilations: three(dilations),
            padsBegin: three(padsBegin),
            padsEnd: three(padsEnd),
          },
          { source: channelsLast(x.data as Float32Array, c, sizeOf(input)) },
          { destination },
          { isa, threads: t },
        );
        expectSame(destination, channelsLast(y.data as Float32Array, c, sizeOf(output)));
      }),
      { numRuns: 60 },
    );
    expect(alone).toBeGreaterThan(100);
  });
});
