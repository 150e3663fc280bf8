/** The float functions of the addon equal those of TypeScript bit for bit, in every version. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Kernel } from '../../src/codegen/onednn/binding.ts';
import * as binary32 from '../../src/numerics/binary32_functions.ts';
import * as functions from '../../src/numerics/float_functions.ts';
import { power32 } from '../../src/numerics/float_power.ts';
import { roundHalfEven } from '../../src/numerics/rounding.ts';
import { draws } from '../support/draws.ts';
import { expectSame, kernelIsas, runKernel } from './support.ts';

const { fround } = Math;
type Meaning = (alpha: number, beta: number) => (x: number) => number;

const meanings = {
  relu: () => (x) => Math.max(0, x),
  leaky_relu: functions.leakyRelu,
  clip: (low, high) => (x) => Math.min(Math.max(x, low), high),
  exp: () => binary32.exp,
  log: () => functions.log,
  sqrt: () => (x) => fround(Math.sqrt(x)),
  reciprocal: () => (x) => fround(1 / x),
  floor: () => Math.floor,
  ceil: () => Math.ceil,
  round: () => (x) => roundHalfEven(x) || x * 0,
  sigmoid: () => binary32.sigmoid,
  tanh: () => binary32.tanh,
  erf: () => binary32.erf,
  softplus: () => functions.softplus,
  softsign: () => functions.softsign,
  mish: () => functions.mish,
  gelu: () => binary32.gelu,
  gelu_tanh: () => binary32.geluTanh,
  elu: functions.elu,
  selu: functions.selu,
  celu: functions.celu,
  thresholded_relu: (alpha) => (x) => (x > alpha ? x : 0),
  hard_sigmoid: functions.hardSigmoid,
  hard_swish: () => functions.hardSwish,
  neg: () => (x) => -x,
  abs: () => Math.abs,
  pow: (exponent) => (x) => fround(power32(x, exponent)),
  sin: () => functions.sin,
  cos: () => functions.cos,
} satisfies Readonly<Record<string, Meaning>>;
const names = Object.keys(meanings) as (keyof typeof meanings)[];

const specials = Float32Array.of(
  ...[0, -0, 1, -1, 0.5, -0.5, 1.5, -2.5, 2, 3, 88.7, -103.97, 127, -150, 2 ** -149, -(2 ** -126), 2 ** 20, -(2 ** 24)],
  ...[3.4028234663852886e38, -3.4028234663852886e38, Number.NaN, Infinity, -Infinity],
);

/** Every stride-th pattern of the binary32 numbers behind `start`, and the special ones. */
function patterns(count: number, start: number): Float32Array {
  const bits = Uint32Array.from({ length: count }, (_, i) => start + Math.floor((i / count) * 2 ** 32));
  const values = new Float32Array(bits.buffer);
  values.set(specials.subarray(0, count));
  return values;
}

const seed = fc.nat(2 ** 32 - 1);

describe.each(kernelIsas)('%s', (isa) => {
  it.each(names)('%s', (name) => {
    const meaning: Meaning = meanings[name];
    const parameter = fc.constantFrom(
      0,
      -0,
      0.5,
      -1,
      1,
      2,
      3,
      1.5,
      -2,
      6,
      -Infinity,
      Infinity,
      fround(1 / 3),
      2 ** -20,
    );
    fc.assert(
      fc.property(
        parameter,
        parameter,
        fc.constantFrom(5, 301, 20_000),
        seed,
        fc.nat(1),
        (alpha, beta, count, start, more) => {
          const source = patterns(count, start);
          const found = new Float32Array(count);
          // the exponent of a power is an operand: one number for all elements
          const isPower = name === 'pow';
          const exponent = { type: 'f32', strides: [0] } as const;
          const kernel: Kernel = {
            name: 'elementwise',
            shape: [count],
            sources: [{ type: 'f32', strides: [1] }, ...(isPower ? [exponent] : [])],
            instructions: [
              { operation: `${name}.f32`, operands: isPower ? [0, 1] : [0], parameters: isPower ? [] : [alpha, beta] },
            ],
            destinations: [isPower ? 2 : 1],
          };
          const sources = { source0: source, ...(isPower ? { source1: Float32Array.of(alpha) } : {}) };
          runKernel(kernel, sources, { destination0: found }, { isa, threads: 1 + more });
          // expectSame takes −0 for 0
          const expected = Float32Array.from(source, meaning(alpha, beta));
          expectSame(found, expected);
          expect(found.findIndex((v, i) => !Object.is(v, expected[i]))).toBe(-1);
        },
      ),
      draws(20),
    );
  });
});
