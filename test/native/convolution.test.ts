import fc from 'fast-check';
import { describe, it } from 'vitest';
import {
  byteSteps,
  byteStepsOf,
  expectSame,
  floatEndOf,
  kernelIsas,
  random,
  runKernel,
  typed,
  zeroPointsOf,
} from './support.ts';

const pair = (min: number, max: number) => fc.tuple(fc.integer({ min, max }), fc.integer({ min, max }));
const usual = (value: number, max: number) => fc.oneof(fc.constant([value, value] as [number, number]), pair(1, max));

/** Windows of one position, which have a loop of their own, and weights too many for parts to take them all in turn. */
const special = {
  pointwise: { kernel: [1, 1], strides: [1, 1], padsBegin: [0, 0], padsEnd: [0, 0] },
  one: { kernel: [1, 1], strides: [1, 1], padsBegin: [0, 0], padsEnd: [0, 0], input: [1, 1], batch: 1, inputs: 12 },
  heavy: { kernel: [1, 1], inputs: 160, outputs: 420, groups: 1 },
} as const;

const config = fc
  .record({
    special: fc.constantFrom('none', 'none', 'none', 'pointwise', 'pointwise', 'one', 'heavy'),
    sourceType: fc.constantFrom('u8' as const, 's8' as const),
    weightsType: fc.constantFrom('u8' as const, 's8' as const),
    weightsZeroPoints: fc.constantFrom('none', 'one', 'each', 'ends'),
    type: fc.constantFrom('u8' as const, 's8' as const, 's32' as const),
    batch: fc.integer({ min: 1, max: 2 }),
    inputs: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(4, 8, 16)),
    outputs: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(16, 32, 48, 64, 80, 96, 128, 144)),
    groups: fc.constantFrom(1, 1, 1, 2, 3),
    channelsFirst: fc.boolean(),
    // Rows that have room for several steps of positions, too.
    input: fc.oneof(pair(1, 9), fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 14, max: 40 }))),
    kernel: fc.oneof(pair(1, 4), fc.constantFrom([1, 1] as [number, number], [3, 3] as [number, number])),
    strides: usual(1, 3),
    dilations: usual(1, 3),
    padsBegin: pair(0, 3),
    padsEnd: pair(0, 3),
    hasBias: fc.boolean(),
    // All sources, weights and zero points at an end of their ranges: the largest sums there are.
    isExtreme: fc.boolean(),
    scale: fc.constantFrom(0.5, 0.25, 0.0078125, 0.00173, 1e9),
    threads: fc.integer({ min: 1, max: 2 }),
    seed: fc.integer(),
    zeroPoints: pair(0, 255),
    relu: fc.boolean(),
    // A source zero point of the run.
    ofRun: fc.boolean(),
    floats: fc.constantFrom('none', 'plain', 'relu', 'clip' as const),
    bytes: byteSteps,
    // Results of bytes among other channels: so many in front, and behind.
    besides: fc.option(pair(0, 40)),
  })
  .map((drawn) => {
    const c = drawn.special === 'none' ? drawn : { ...drawn, ...special[drawn.special] };
    const output = c.input.map((size, i) => {
      const room = size + c.padsBegin[i] + c.padsEnd[i] - (c.kernel[i] - 1) * c.dilations[i] - 1;
      return room < 0 ? 0 : Math.floor(room / c.strides[i]) + 1;
    }) as [number, number];
    return { ...c, output };
  });

describe('convolution', () => {
  it.each(kernelIsas)('%s computes the sum, padding as the zero point', (isa) => {
    fc.assert(
      fc.property(config, (c) => {
        const next = random(c.seed);
        const byte = () => (c.isExtreme ? (next() < 0.9 ? 255 : 0) : Math.floor(next() * 256));
        const [sourceLow, low] = [c.sourceType === 's8' ? -128 : 0, c.type === 's8' ? -128 : 0];
        const sourceZeroPoint = c.zeroPoints[0] + sourceLow;
        const zeroPoint = c.type === 's32' ? 0 : c.zeroPoints[1] + low;
        const limits = { low: c.relu ? zeroPoint : low, high: low + 255 };
        const [channels, outputs, taps] = [c.groups * c.inputs, c.groups * c.outputs, c.kernel[0] * c.kernel[1]];
        const source = typed(c.sourceType, c.batch * c.input[0] * c.input[1] * channels, () => byte() + sourceLow);
        const weightsLow = c.weightsType === 's8' ? -128 : 0;
        const weights = typed(c.weightsType, outputs * c.inputs * taps, () => byte() + weightsLow);
        const weightsZeroPoint = typed(c.weightsType, outputs, zeroPointsOf(c.weightsZeroPoints, next, weightsLow));
        const bias = Int32Array.from({ length: outputs }, () => Math.floor((next() - 0.5) * 20000));
        const multiplier = Float32Array.from({ length: outputs }, () => c.scale * (next() < 0.5 ? 1 : next()));
        const end = floatEndOf(c.type === 's32' ? c.floats : 'none', outputs, next);
        const bytes = byteStepsOf(c.bytes, outputs, next);
        const isFloat = 'floats' in end.field;
        const [before, behind] = c.type === 's32' ? [0, 0] : (c.besides ?? [0, 0]);
        const stride = before + outputs + behind;
        const written = typed(isFloat ? 'f32' : c.type, c.batch * c.output[0] * c.output[1] * stride, () => 7);
        const channelsFirst = c.channelsFirst && c.groups === 1;
        const { sourceType, weightsType, type, batch, groups, input, output, kernel, strides, dilations, padsBegin } =
          c;
        const geometry = { batch, groups, input, output, kernel, strides, dilations, padsBegin };
        runKernel(
          {
            name: 'convolution',
            ...{ sourceType, weightsType, type, channelsFirst, channels, outputChannels: outputs, ...geometry },
            ...(c.ofRun ? {} : { sourceZeroPoint }),
            ...{ zeroPoint, ...limits, ...end.field, ...(type !== 's32' && bytes.field) },
            ...(c.type !== 's32' && c.besides && { slice: { offset: before, stride } }),
          },
          { source, ...end.inputs, ...(c.ofRun && { sourceZeroPoint: typed(c.sourceType, 1, () => sourceZeroPoint) }) },
          { destination: written },
          {
            isa,
            threads: c.threads,
            constants: {
              weights,
              ...(c.weightsZeroPoints !== 'none' && { weightsZeroPoint }),
              ...(c.hasBias && { bias }),
              ...(type !== 's32' && { multiplier, ...bytes.constants }),
            },
          },
        );
        const weightOf = (i: number, o: number): number =>
          Number(weights[i]) - (c.weightsZeroPoints === 'none' ? 0 : Number(weightsZeroPoint[o]));
        const expected: number[] = [];
        for (let position = 0; position < batch * output[0] * output[1]; position++) {
          const n = Math.floor(position / output[0] / output[1]);
          const y = (Math.floor(position / output[1]) % output[0]) * strides[0] - padsBegin[0];
          const x = (position % output[1]) * strides[1] - padsBegin[1];
          for (let o = 0; o < outputs; o++) {
            let sum = c.hasBias ? bias[o] : 0;
            for (let t = 0; t < taps; t++) {
              const [iy, ix] = [y + Math.floor(t / kernel[1]) * dilations[0], x + (t % kernel[1]) * dilations[1]];
              if (iy < 0 || iy >= input[0] || ix < 0 || ix >= input[1]) continue;
              const at = ((n * input[0] + iy) * input[1] + ix) * channels + Math.floor(o / c.outputs) * c.inputs;
              for (let i = 0; i < c.inputs; i++)
                sum +=
                  (Number(source[at + i]) - sourceZeroPoint) *
                  weightOf(channelsFirst ? (i * outputs + o) * taps + t : (o * c.inputs + i) * taps + t, o);
            }
            expected.push(
              type === 's32'
                ? end.finish(sum, o)
                : bytes.finish(sum, o, multiplier[o], zeroPoint, limits.low, limits.high),
            );
          }
        }
        const channelOf = (i: number): number => (i % stride) - before;
        const isOwn = (i: number): boolean => channelOf(i) >= 0 && channelOf(i) < outputs;
        expectSame(
          written,
          Array.from({ length: written.length }, (_, i) =>
            isOwn(i) ? expected[Math.floor(i / stride) * outputs + channelOf(i)] : 7,
          ),
        );
      }),
      { numRuns: process.env.UNSKEW_DEEP ? 3000 : 80 },
    );
  });
});
