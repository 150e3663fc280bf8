/** Operators that work element by element: the recipes in every reader of them, and every recorded case. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import {
  type Graph,
  GraphBuilder,
  type ITensor,
  interpret,
  pairLutOf,
  qnnAdd,
  qnnMul,
  qnnPairLut,
  qnnQuantize,
  qnnRequantize,
  tensor,
} from '../../src/ir/index.ts';
import { expectSame } from '../differential/support.ts';
import { itWhole } from '../support/corpus.ts';
import { draws } from '../support/draws.ts';
import { runOnnx } from '../unit/onnx_export/support.ts';
import { sameEverywhere } from './everywhere.ts';
import { operatorCases, outcomeOf } from './operator_cases.ts';

/** The recorded cases that are equal at least: all of 8-bit integers and floats. */
const equalCases = {
  ...{ ADD: 36, SUB: 23, MUL: 29 },
  ...{ LOGISTIC: 12, TANH: 12, RELU: 5, RELU6: 5, RELU_N1_TO_1: 4, LEAKY_RELU: 15, HARD_SWISH: 18 },
  ...{ GELU: 5, EXP: 2, ABS: 3, RSQRT: 3 },
  ...{ SQUARED_DIFFERENCE: 12, MINIMUM: 5, MAXIMUM: 5, PRELU: 14, EQUAL: 2, LESS: 4, GREATER_EQUAL: 2 },
  ...{ QUANTIZE: 58, DEQUANTIZE: 10 },
} as const;

/** Every fifth byte, both ends among them: operands of shape [52, 1] and [1, 52]. */
const COUNT = 52;
function someBytes(dtype: 'u8' | 's8', shape: readonly number[]): ITensor {
  const bytes = Uint8Array.from({ length: COUNT }, (_, i) => 5 * i);
  return tensor(dtype, dtype === 'u8' ? bytes : bytes.map((byte) => byte ^ 0x80), shape);
}

interface Drawn {
  readonly dtype: 'u8' | 's8';
  readonly scales: readonly [number, number, number];
  readonly zeros: readonly [number, number, number];
}

const scale = fc.oneof(
  fc.integer({ min: -8, max: 0 }).map((e) => 2 ** e),
  fc.float({ min: Math.fround(2 ** -8), max: 1, noNaN: true }),
);
const zero = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 128, 255));
const drawn: fc.Arbitrary<Drawn> = fc
  .record({
    dtype: fc.constantFrom('u8' as const, 's8' as const),
    scales: fc.tuple(scale, scale, scale),
    zeros: fc.tuple(zero, zero, zero),
  })
  .map(({ dtype, scales, zeros: [a, b, c] }) => {
    const least = dtype === 'u8' ? 0 : -128;
    return { dtype, scales, zeros: [a + least, b + least, c + least] };
  });

function pairGraph(
  op: typeof qnnAdd | typeof qnnMul,
  recipe: 'tflite' | 'xnnpack',
  sign: 1 | -1,
  { dtype, scales: [sa, sb, sy], zeros: [za, zb, zy] }: Drawn,
): Graph {
  const g = new GraphBuilder();
  const [a, b] = [g.input('a', dtype, [COUNT, 1]), g.input('b', dtype, [1, COUNT])];
  const real = (value: number) => g.scalar('f32', value);
  const integer = (value: number) => g.scalar(dtype, value);
  const sides = { a, sa: real(sa), za: integer(za), b, sb: real(sign * sb), zb: integer(zb) };
  const [y] = g.emitList(op, Object.values({ ...sides, sy: real(sy), zy: integer(zy) }), { recipe });
  return g.finish([y]);
}

describe.each([
  ['ADD', qnnAdd, 1],
  ['SUB', qnnAdd, -1],
  ['MUL', qnnMul, 1],
] as const)('%s', (_, op, sign) => {
  it.each(['tflite', 'xnnpack'] as const)('in the recipe %s: one meaning for all who read it', async (recipe) => {
    await fc.assert(
      fc.asyncProperty(drawn, async (parameters) => {
        const graph = pairGraph(op, recipe, sign, parameters);
        const feeds = { a: someBytes(parameters.dtype, [COUNT, 1]), b: someBytes(parameters.dtype, [1, COUNT]) };
        const expected = interpret(graph, feeds);
        const bytes = exportOnnx(graph);
        expect(interpret(importOnnx(bytes), feeds)).toEqual(expected);
        expect(await runOnnx(bytes, feeds, 'all')).toEqual(expected);
        (await expectSame(graph, feeds)).dispose();
      }),
      draws(10),
    );
  });
});

describe('a table of pairs', () => {
  const dtypes = ['u8', 's8'] as const;
  const types = dtypes.flatMap((a) =>
    dtypes.flatMap((b) => [...dtypes, 'bool' as const].map((y) => [a, b, y] as const)),
  );
  it.each(types)('of %s and %s to %s: one meaning for all who read it', async (a, b, to) => {
    const g = new GraphBuilder();
    const table = g.constant(pairLutOf('u8', to, (p, q) => (to === 'bool' ? Number(p > q) : (p * 37 + q * 11) % 100)));
    const y = g.emit(qnnPairLut, { a: g.input('a', a, [COUNT, 1]), b: g.input('b', b, [1, COUNT]), table });
    const graph = g.finish([y]);
    const feeds = { a: someBytes(a, [COUNT, 1]), b: someBytes(b, [1, COUNT]) };
    const expected = interpret(graph, feeds);
    const bytes = exportOnnx(graph);
    expect(interpret(importOnnx(bytes), feeds)).toEqual(expected);
    expect(await runOnnx(bytes, feeds, 'all')).toEqual(expected);
    const model = await expectSame(graph, feeds);
    expect(model.fallbacks.length).toBe(to === 'bool' ? 1 : 0);
    model.dispose();
  });
});

describe('floats in steps of a scale', () => {
  const special = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0];
  const floats = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { maxLength: 40 });
  /** Ties of a factor, beside others. */
  const oddFloats = (factor: number, more: readonly number[]): ITensor => {
    const ties = Array.from({ length: 80 }, (_, i) => Math.fround((i - 40.5) / factor));
    const all = [...ties, ...more, ...special];
    return tensor('f32', all, [all.length]);
  };

  it.each(['half-even', 'half-away'] as const)('rounded %s: one meaning for all who read it', async (rounding) => {
    await fc.assert(
      fc.asyncProperty(drawn, floats, async ({ dtype, scales: [factor], zeros: [zy] }, more) => {
        const x = oddFloats(factor, more);
        const g = new GraphBuilder();
        const operands = { multiplier: g.scalar('f32', factor), zy: g.scalar(dtype, zy) };
        const y = g.emit(qnnRequantize, { x: g.input('x', 'f32', x.shape), ...operands }, { rounding });
        const { fallbacks } = await sameEverywhere(g.finish([y]), { x });
        expect(fallbacks).toEqual([]);
      }),
      draws(15),
    );
  });

  it('by reciprocals of scales, or by factors, one for each channel', async () => {
    await fc.assert(
      fc.asyncProperty(drawn, floats, fc.boolean(), async ({ dtype, scales, zeros: [zy] }, more, isFactor) => {
        const row = oddFloats(scales[0], more);
        const x = tensor(
          'f32',
          scales.flatMap(() => [...row.data].map(Number)),
          [3, ...row.shape],
        );
        const g = new GraphBuilder();
        const [from, zero] = [g.input('x', 'f32', x.shape), g.scalar(dtype, zy)];
        const steps = g.constant(tensor('f32', scales, [3]));
        const y = isFactor
          ? g.emit(qnnRequantize, { x: from, multiplier: steps, zy: zero }, { axis: 0 })
          : g.emit(
              qnnQuantize,
              { x: from, scale: steps, zp: g.constant(tensor(dtype, [zy, zy, zy], [3])) },
              { axis: 0, dtype, arithmetic: 'reciprocal' },
            );
        const model = await expectSame(g.finish([y]), { x });
        expect(model.fallbacks).toEqual([]);
        model.dispose();
      }),
      draws(15),
    );
  });

  it('of other roundings: on the interpreter', async () => {
    const x = oddFloats(0.3, []);
    type Attrs = { rounding?: 'half-up'; zeroPointAt?: 'before'; low?: number };
    const reasonOf = async (attrs: Attrs) => {
      const b = new GraphBuilder();
      const operands = { multiplier: b.scalar('f32', 0.3), zy: b.scalar('u8', 7) };
      const y = b.emit(qnnRequantize, { x: b.input('x', 'f32', x.shape), ...operands }, attrs);
      const model = await expectSame(b.finish([y]), { x });
      const reasons = model.fallbacks.map(({ reason }) => reason);
      model.dispose();
      return reasons;
    };
    expect(await reasonOf({ rounding: 'half-up' })).toEqual(['it rounds floats in another way']);
    expect(await reasonOf({ zeroPointAt: 'before' })).toEqual(['it rounds floats in another way']);
    expect(await reasonOf({ low: 1 })).toEqual(['it limits floats that it rounds']);
  });
});

describe.each(['tflite', 'xnnpack'] as const)('every recorded case under the profile %s', (profile) => {
  for (const [operator, least] of Object.entries(equalCases))
    itWhole(`${operator}: none is wrong`, async () => {
      let equal = 0;
      for (const c of operatorCases(operator)) {
        const { status, ...outcome } = await outcomeOf(c, profile, async (graph, feeds) => interpret(graph, feeds));
        if (status === 'wrong') expect.fail(`${c.id}: ${JSON.stringify(outcome)}`);
        if (status === 'equal') equal++;
      }
      expect(equal).toBeGreaterThanOrEqual(least);
    });
});
