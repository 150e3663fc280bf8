import fc from 'fast-check';
import { describe, it } from 'vitest';
import { draws } from '../support/draws.ts';
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

const config = fc
  .record({
    sourceType: fc.constantFrom('u8' as const, 's8' as const),
    weightsType: fc.constantFrom('u8' as const, 's8' as const),
    weightsZeroPoints: fc.constantFrom('none', 'one', 'each', 'ends'),
    type: fc.constantFrom('u8' as const, 's8' as const, 's32' as const),
    batch: fc.integer({ min: 1, max: 2 }),
    channels: fc.oneof(fc.integer({ min: 1, max: 140 }), fc.constantFrom(16, 32, 64, 96, 128)),
    multiplier: fc.constantFrom(1, 1, 1, 2, 3),
    input: pair(1, 12),
    kernel: fc.oneof(pair(1, 6), fc.constantFrom([3, 3] as [number, number], [5, 5] as [number, number])),
    strides: pair(1, 3),
    dilations: fc.oneof(fc.constant([1, 1] as [number, number]), pair(1, 3)),
    padsBegin: pair(0, 3),
    padsEnd: pair(0, 3),
    hasBias: fc.boolean(),
    scale: fc.constantFrom(0.5, 0.25, 0.0078125, 0.00173, 0.02, 1e9),
    threads: fc.integer({ min: 1, max: 2 }),
    seed: fc.integer(),
    zeroPoints: pair(0, 255),
    relu: fc.boolean(),
    // A source zero point of the run.
    ofRun: fc.boolean(),
    floats: fc.constantFrom('none', 'plain', 'relu', 'clip' as const),
    bytes: byteSteps,
  })
  .map((c) => {
    const spans = c.kernel.map((k, i) => (k - 1) * c.dilations[i] + 1);
    const output = c.input.map((size, i) => {
      const room = size + c.padsBegin[i] + c.padsEnd[i] - spans[i];
      return room < 0 ? 0 : Math.floor(room / c.strides[i]) + 1;
    }) as [number, number];
    return { ...c, output };
  });

describe('depthwise', () => {
  it.each(kernelIsas)('%s computes the sum, padding as the zero point', (isa) => {
    fc.assert(
      fc.property(config, (c) => {
        const next = random(c.seed);
        const [sourceLow, low] = [c.sourceType === 's8' ? -128 : 0, c.type === 's8' ? -128 : 0];
        const sourceZeroPoint = c.zeroPoints[0] + sourceLow;
        const zeroPoint = c.type === 's32' ? 0 : c.zeroPoints[1] + low;
        const limits = { low: c.relu ? zeroPoint : low, high: low + 255 };
        const outputs = c.channels * c.multiplier;
        const source = typed(
          c.sourceType,
          c.batch * c.input[0] * c.input[1] * c.channels,
          () => Math.floor(next() * 256) + sourceLow,
        );
        const taps = c.kernel[0] * c.kernel[1];
        const weightsLow = c.weightsType === 's8' ? -128 : 0;
        const weights = typed(c.weightsType, outputs * taps, () => Math.floor(next() * 256) + weightsLow);
        const weightsZeroPoint = typed(c.weightsType, outputs, zeroPointsOf(c.weightsZeroPoints, next, weightsLow));
        const weightOf = (o: number, t: number): number =>
          Number(weights[o * taps + t]) - (c.weightsZeroPoints === 'none' ? 0 : Number(weightsZeroPoint[o]));
        const bias = Int32Array.from({ length: outputs }, () => Math.floor((next() - 0.5) * 20000));
        const multiplier = Float32Array.from({ length: outputs }, () => c.scale * (next() < 0.5 ? 1 : next()));
        const length = c.batch * c.output[0] * c.output[1] * outputs;
        const end = floatEndOf(c.type === 's32' ? c.floats : 'none', outputs, next);
        const bytes = byteStepsOf(c.bytes, outputs, next);
        const destination = typed('floats' in end.field ? 'f32' : c.type, length, () => 0);
        runKernel(
          {
            name: 'depthwise',
            sourceType: c.sourceType,
            weightsType: c.weightsType,
            type: c.type,
            batch: c.batch,
            channels: c.channels,
            multiplier: c.multiplier,
            input: c.input,
            output: c.output,
            kernel: c.kernel as [number, number],
            strides: c.strides,
            dilations: c.dilations,
            padsBegin: c.padsBegin,
            ...(c.ofRun ? {} : { sourceZeroPoint }),
            zeroPoint,
            ...limits,
            ...end.field,
            ...(c.type !== 's32' && bytes.field),
          },
          { source, ...end.inputs, ...(c.ofRun && { sourceZeroPoint: typed(c.sourceType, 1, () => sourceZeroPoint) }) },
          { destination },
          {
            isa,
            threads: c.threads,
            constants: {
              weights,
              ...(c.weightsZeroPoints !== 'none' && { weightsZeroPoint }),
              ...(c.hasBias && { bias }),
              ...(c.type !== 's32' && { multiplier, ...bytes.constants }),
            },
          },
        );
        const expected: number[] = [];
        for (let n = 0; n < c.batch; n++) {
          for (let y = 0; y < c.output[0]; y++) {
            for (let x = 0; x < c.output[1]; x++) {
              for (let o = 0; o < outputs; o++) {
                let sum = c.hasBias ? bias[o] : 0;
                for (let t = 0; t < taps; t++) {
                  const iy = y * c.strides[0] - c.padsBegin[0] + Math.floor(t / c.kernel[1]) * c.dilations[0];
                  const ix = x * c.strides[1] - c.padsBegin[1] + (t % c.kernel[1]) * c.dilations[1];
                  if (iy < 0 || iy >= c.input[0] || ix < 0 || ix >= c.input[1]) continue;
                  const at = ((n * c.input[0] + iy) * c.input[1] + ix) * c.channels + Math.floor(o / c.multiplier);
                  sum += (Number(source[at]) - sourceZeroPoint) * weightOf(o, t);
                }
                expected.push(
                  c.type === 's32'
                    ? end.finish(sum, o)
                    : bytes.finish(sum, o, multiplier[o], zeroPoint, limits.low, limits.high),
                );
              }
            }
          }
        }
        expectSame(destination, expected);
      }),
      draws(75),
    );
  });
});
