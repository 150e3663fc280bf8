import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { qnnAdd, qnnMul } from '../../../src/ir/ops/qnn_binary.op.ts';
import { lutOf, qnnLut } from '../../../src/ir/ops/qnn_lut.op.ts';
import { dtypes } from '../../../src/tensors/dtype.ts';
import { type ITensor, scalar, tensor, zeros } from '../../../src/tensors/tensor.ts';
import { ortOutput } from '../numerics/ort.ts';
import { bytes, elementOf, elements, evaluate, indicesOf, scaleBetween, tensorOf } from './qnn_support.ts';

/** Two shapes that broadcast. */
const shapes = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.constantFrom('both', 'a', 'b')), { maxLength: 4 })
  .chain((axes) =>
    fc.tuple(fc.nat(axes.length), fc.boolean()).map(([dropped, fromA]) => {
      const shapeOf = (which: 'a' | 'b') => axes.map(([size, has]) => (has === 'both' || has === which ? size : 1));
      const [a, b] = [shapeOf('a'), shapeOf('b')];
      return fromA ? [a.slice(dropped), b] : [a, b.slice(dropped)];
    }),
  );

const scale = scaleBetween(0.001, 0.1);
const cases = fc
  .tuple(bytes, shapes)
  .chain(([dtype, [a, b]]) =>
    fc.tuple(
      ...[
        tensorOf(dtype, a),
        scale,
        elementOf(dtype),
        tensorOf(dtype, b),
        scale,
        elementOf(dtype),
        scale,
        elementOf(dtype),
      ],
    ),
  ) as fc.Arbitrary<[ITensor<'u8'>, number, number, ITensor<'u8'>, number, number, number, number]>;

const operandsOf = ([a, sa, za, b, sb, zb, sy, zy]: [
  ITensor,
  number,
  number,
  ITensor,
  number,
  number,
  number,
  number,
]) => [
  ...[a, scalar('f32', sa), scalar(a.dtype, za), b, scalar('f32', sb), scalar(a.dtype, zb)],
  ...[scalar('f32', sy), scalar(a.dtype, zy)],
];

describe.each([
  ['add', qnnAdd, (a: number, b: number) => a + b],
  ['mul', qnnMul, (a: number, b: number) => a * b],
] as const)('qnn.%s', (name, op, combine) => {
  test('is the real result within half a step, over every broadcast', () => {
    fc.assert(
      fc.property(cases, (c) => {
        const [a, sa, za, b, sb, zb, sy, zy] = c;
        const y = evaluate(op, operandsOf(c)) as ITensor<'u8'>;
        const { min, max } = dtypes[a.dtype];
        const valueAt = (t: ITensor<'u8'>, index: readonly number[]) => {
          const own = index.slice(index.length - t.shape.length).map((i, axis) => (t.shape[axis] === 1 ? 0 : i));
          return t.data[own.reduce((flat, i, axis) => flat * t.shape[axis] + i, 0)];
        };
        indicesOf(y.shape).forEach((index, i) => {
          const real = combine(sa * (valueAt(a, index) - za), sb * (valueAt(b, index) - zb)) / sy + zy;
          const missed = y.data[i] - Math.min(max, Math.max(min, real));
          // binary32 in between: some ulps of the greatest term
          const terms = ((Math.abs(sa) + Math.abs(sb)) * 255) / sy + 256;
          expect(Math.abs(missed)).toBeLessThanOrEqual(0.5 + terms * 2 ** -20);
        });
      }),
      { numRuns: 300 },
    );
  });

  test('equals ONNX Runtime, over every broadcast', async () => {
    const op_type = name === 'add' ? 'QLinearAdd' : 'QLinearMul';
    await fc.assert(
      fc.asyncProperty(cases, async (c) => {
        const operands = operandsOf(c);
        const theirs = await ortOutput({
          ...{ op: op_type, domain: 'com.microsoft', outputs: [c[0].dtype] },
          inputs: operands.map((t) => ({ tensor: t as ITensor })),
        });
        expect(elements(op, operands)).toEqual(Array.from(theirs as Uint8Array));
      }),
      { numRuns: 60 },
    );
  });

  test('refuses parameters of other types and shapes', () => {
    const [a, s, z] = [zeros('u8', [2, 3]), scalar('f32', 1), scalar('u8', 0)];
    const refused = (...operands: ITensor[]) => expect(() => evaluate(op, operands));
    refused(a, s, z, zeros('s8', [3]), s, z, s, z).toThrow("'a' is of type u8, 'b' of type s8");
    refused(a, s, z, a, s, scalar('s8', 0), s, z).toThrow("'zb' is of type s8, the data it belongs to of type u8");
    refused(a, tensor('f32', [1, 2]), z, a, s, z, s, z).toThrow("'sa' should be a scalar, but is f32[2]");
    refused(a, s, z, a, s, z, s, tensor('u8', [1, 2])).toThrow("'zy' should be a scalar, but is u8[2]");
    refused(a, s, z, zeros('u8', [2]), s, z, s, z).toThrow('do not broadcast');
  });
});

describe('qnn.lut', () => {
  test('applies the function the table was made of to all 256 values', () => {
    for (const from of ['u8', 's8'] as const) {
      const { min } = dtypes[from];
      const all = tensor(
        from,
        Array.from({ length: 256 }, (_, i) => i + min),
      );
      const mirrored = (x: number) => Math.max(-128, Math.min(127, 1 - x));
      expect(elements(qnnLut, [all, lutOf(from, 's8', mirrored)])).toEqual(Array.from(all.data, mirrored));
    }
  });

  test('recentres between u8 and s8', () => {
    const x = tensor('s8', [-128, -1, 0, 127], [2, 2]);
    expect(evaluate(qnnLut, [x, lutOf('s8', 'u8', (v) => v + 128)])).toEqual(tensor('u8', [0, 127, 128, 255], [2, 2]));
  });

  test('refuses a table that has not 256 entries', () => {
    expect(() => evaluate(qnnLut, [zeros('u8', [2]), zeros('u8', [255])])).toThrow(
      "'table' should have shape [256], but is u8[255]",
    );
  });
});
