/** reference-convolution: the kernel over N-D windows. */
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { draws } from '../support/draws.ts';
import { expectSame, kernelIsas, random, rangeOf, runKernel, typed } from './support.ts';

type Triple = [number, number, number];
const int = (min: number, max: number) => fc.integer({ min, max });
const triple = (min: number, max: number) => fc.tuple(int(min, max), int(min, max), int(min, max));

const geometry = fc.record({
  batch: int(1, 2),
  groups: int(1, 3),
  input: triple(1, 5),
  kernel: triple(1, 3),
  strides: triple(1, 3),
  dilations: triple(1, 2),
  padsBegin: triple(0, 2),
  padsEnd: triple(0, 2),
  sourceType: fc.constantFrom('u8' as const, 's8' as const),
  weightsType: fc.constantFrom('u8' as const, 's8' as const),
  channels: int(1, 40),
  outputs: int(1, 3),
  transposed: fc.boolean(),
  perChannel: fc.boolean(),
  seed: fc.integer(),
  threads: int(1, 2),
});

const forward = (g: {
  input: Triple;
  kernel: Triple;
  strides: Triple;
  dilations: Triple;
  padsBegin: Triple;
  padsEnd: Triple;
}) =>
  g.input.map((size, i) => {
    const room = size + g.padsBegin[i] + g.padsEnd[i] - (g.kernel[i] - 1) * g.dilations[i] - 1;
    return room < 0 ? 0 : Math.floor(room / g.strides[i]) + 1;
  }) as Triple;

/** Calls `visit` with [output position, input position, tap] for every tap inside the input. */
function taps(
  g: { input: Triple; kernel: Triple; strides: Triple; dilations: Triple; padsBegin: Triple },
  output: Triple,
  visit: (out: number, at: number, tap: number) => void,
): void {
  const flat = (index: Triple, shape: Triple) => (index[0] * shape[1] + index[1]) * shape[2] + index[2];
  const each = (shape: Triple, body: (index: Triple) => void) => {
    for (let i = 0; i < shape[0]; i++)
      for (let j = 0; j < shape[1]; j++) for (let k = 0; k < shape[2]; k++) body([i, j, k]);
  };
  each(output, (o) =>
    each(g.kernel, (t) => {
      const at = o.map((x, i) => x * g.strides[i] - g.padsBegin[i] + t[i] * g.dilations[i]) as Triple;
      if (at.every((x, i) => x >= 0 && x < g.input[i])) visit(flat(o, output), flat(at, g.input), flat(t, g.kernel));
    }),
  );
}

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

describe.each(kernelIsas)('%s', (isa) => {
  it('reference-convolution, transposed or not', () => {
    fc.assert(
      fc.property(geometry, (g) => {
        const next = random(g.seed);
        const wanted = g.transposed
          ? (g.input.map(
              (size, i) =>
                (size - 1) * g.strides[i] + (g.kernel[i] - 1) * g.dilations[i] + 1 - g.padsBegin[i] - g.padsEnd[i],
            ) as Triple)
          : forward(g);
        if (wanted.some((size) => size < 0)) return;
        const [perGroup, outPerGroup] = [Math.min(g.channels, 5), g.outputs];
        const [inputs, outputs] = [perGroup * g.groups, outPerGroup * g.groups];
        const [positions, places, size] = [product(g.input), product(wanted), product(g.kernel)];
        const low = (type: 'u8' | 's8') => rangeOf(type).low;
        const source = typed(
          g.sourceType,
          g.batch * inputs * positions,
          () => Math.floor(next() * 256) + low(g.sourceType),
        );
        const weights = typed(
          g.weightsType,
          inputs * outPerGroup * size,
          () => Math.floor(next() * 256) + low(g.weightsType),
        );
        const sourceZeroPoint = Int32Array.of(low(g.sourceType) + Math.floor(next() * 256));
        const weightsZeroPoints = g.perChannel ? outputs : 1;
        const weightsZeroPoint = Int32Array.from(
          { length: weightsZeroPoints },
          () => low(g.weightsType) + Math.floor(next() * 256),
        );
        const destination = new Int32Array(g.batch * outputs * places);
        const { batch, groups, input, kernel, strides, dilations, padsBegin, sourceType, weightsType, transposed } = g;
        runKernel(
          {
            name: 'reference-convolution',
            sourceType,
            weightsType,
            batch,
            inputChannels: inputs,
            outputChannels: outputs,
            groups,
            weightsZeroPoints,
            input,
            output: wanted,
            kernel,
            strides,
            dilations,
            padsBegin,
            transposed,
          },
          { source, weights, sourceZeroPoint, weightsZeroPoint },
          { destination },
          { isa, threads: g.threads },
        );
        const expected = new Int32Array(destination.length);
        // A transposed convolution is a convolution read from its output to its input.
        const [from, to] = transposed ? [{ ...g, input: wanted }, input] : [g, wanted];
        for (let n = 0; n < batch; n++) {
          taps(from, to, (a, b, tap) => {
            const [place, at] = transposed ? [b, a] : [a, b];
            for (let o = 0; o < outputs; o++) {
              const group = Math.floor(o / outPerGroup);
              for (let c = 0; c < perGroup; c++) {
                const weightRow = transposed
                  ? (group * perGroup + c) * outPerGroup + (o % outPerGroup)
                  : o * perGroup + c;
                const x = Number(source[(n * inputs + group * perGroup + c) * positions + at]) - sourceZeroPoint[0];
                const w = Number(weights[weightRow * size + tap]) - weightsZeroPoint[g.perChannel ? o : 0];
                expected[(n * outputs + o) * places + place] += x * w;
              }
            }
          });
        }
        expectSame(destination, expected);
      }),
      draws(40),
    );
  });
});
