import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GraphBuilder, interpret } from '../../../src/ir/index.ts';
import { qnnDequantize } from '../../../src/ir/ops/qnn_dequantize.op.ts';
import { qnnDynamicQuantize } from '../../../src/ir/ops/qnn_dynamic_quantize.op.ts';
import { qnnQuantize } from '../../../src/ir/ops/qnn_quantize.op.ts';
import { type DType, dtypes } from '../../../src/tensors/dtype.ts';
import { type ITensor, scalar, sizeOf, tensor, zeros } from '../../../src/tensors/tensor.ts';
import { elementOf, elements, evaluate, evaluateAll, scaleBetween, tensorOf } from './qnn_support.ts';

const written = fc.constantFrom('u8', 's8', 'u16', 's16');
const scales = scaleBetween(2 ** -60, 2 ** 60);

test('quantize undoes dequantize, for every scale and zero point', () => {
  const cases = written.chain((dtype) => fc.tuple(tensorOf(dtype, [40]), scales, elementOf(dtype)));
  fc.assert(
    fc.property(cases, ([q, s, z]) => {
      const [scale, zp] = [scalar('f32', s), scalar(q.dtype, z)];
      const x = evaluate(qnnDequantize, [q, scale, zp]);
      expect(evaluate(qnnQuantize, [x, scale, zp], { dtype: q.dtype })).toEqual(q);
    }),
    { numRuns: 300 },
  );
});

test('dequantize is off the number given to quantize by at most half a step, and by more only where it saturates', () => {
  const cases = written.chain((dtype) =>
    fc.tuple(fc.constant(dtype), scales, elementOf(dtype), fc.double({ min: -1e5, max: 1e5, noNaN: true })),
  );
  fc.assert(
    fc.property(cases, ([dtype, s, z, steps]) => {
      const x = tensor('f32', [steps * s]);
      const [scale, zp] = [scalar('f32', s), scalar(dtype, z)];
      const q = evaluate(qnnQuantize, [x, scale, zp], { dtype });
      const [back] = elements(qnnDequantize, [q, scale, zp]);
      const { min, max } = dtypes[dtype];
      const inside = Math.min((max - z) * s, Math.max((min - z) * s, x.data[0]));
      expect(Math.abs(back - inside)).toBeLessThanOrEqual(s * (0.5 + 2 ** -6));
    }),
    { numRuns: 500 },
  );
});

test('ties go to even before the zero point is added', () => {
  const x = tensor('f32', [0.5, 1.5, 2.5, -0.5, -1.5, 1e30, -1e30, Number.NaN]);
  expect(elements(qnnQuantize, [x, scalar('f32', 1), scalar('s8', 1)], { dtype: 's8' })).toEqual([
    ...[1, 3, 3, 1, -1],
    ...[127, -128, -128],
  ]);
  expect(elements(qnnQuantize, [x, scalar('f32', 1)])).toEqual([0, 2, 2, 0, 0, 255, 0, 0]);
});

/** The slice of x at `index` along `axis`, as if it were alone. */
function slice(x: ITensor, axis: number, index: number): ITensor {
  const inner = sizeOf(x.shape.slice(axis + 1));
  const numbers = Array.from(x.data as ArrayLike<number>);
  const values = numbers.filter((_, i) => Math.floor(i / inner) % x.shape[axis] === index);
  return tensor(x.dtype as DType, values, [values.length]);
}

describe('parameters per axis', () => {
  const cases = fc
    .tuple(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }), fc.nat())
    .chain(([shape, n]) => {
      const axis = n % shape.length;
      const scale = fc.array(scaleBetween(0.01, 10), { minLength: shape[axis], maxLength: shape[axis] });
      return fc.record({
        axis: fc.constant(axis),
        q: tensorOf('s8', shape),
        scale: scale.map((values) => tensor('f32', values)),
        zp: tensorOf('s8', [shape[axis]]),
      });
    });

  test('apply to every slice along it', () => {
    fc.assert(
      fc.property(cases, ({ axis, q, scale, zp }) => {
        const x = evaluate(qnnDequantize, [q, scale, zp], { axis });
        const back = evaluate(qnnQuantize, [x, scale, zp], { axis, dtype: 's8' });
        for (let i = 0; i < q.shape[axis]; i++) {
          const [s, z] = [scalar('f32', scale.data[i]), scalar('s8', zp.data[i])];
          expect(slice(x, axis, i)).toEqual(evaluate(qnnDequantize, [slice(q, axis, i), s, z]));
          expect(slice(back, axis, i)).toEqual(evaluate(qnnQuantize, [slice(x, axis, i), s, z], { dtype: 's8' }));
        }
      }),
      { numRuns: 200 },
    );
  });

  test('are the same written in the rank of x, where 1 is repeated', () => {
    fc.assert(
      fc.property(cases, ({ axis, q, scale, zp }) => {
        const shape = q.shape.map((size, a) => (a === axis ? size : 1));
        const full = [q, { ...scale, shape }, { ...zp, shape }];
        expect(evaluate(qnnDequantize, full, { axis: 0 })).toEqual(evaluate(qnnDequantize, [q, scale, zp], { axis }));
      }),
      { numRuns: 100 },
    );
  });

  test('two axes at once: blocks of a matrix', () => {
    const q = tensor('s8', [1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]);
    const scale = tensor('f32', [1, 10, 100, 1000], [2, 2, 1]);
    const zp = tensor('s8', [0, 1, 2, 3], [2, 2, 1]);
    expect(elements(qnnDequantize, [q, scale, zp])).toEqual([1, 2, 20, 30, 300, 400, 4000, 5000]);
  });
});

test('dequantize subtracts in int32', () => {
  const x = tensor('s32', [-(2 ** 31), 2 ** 24 + 1]);
  expect(elements(qnnDequantize, [x, scalar('f32', 0.5), scalar('s32', 0)])).toEqual([-(2 ** 30), 2 ** 23]);
});

test('dynamic_quantize has three results, and zero is exact', () => {
  // far below 1e-30 the scale underflows to 0, in ONNX Runtime too
  const value = fc
    .float({ min: Math.fround(-1e6), max: Math.fround(1e6), noNaN: true })
    .map((v) => (Math.abs(v) < 1e-30 ? 0 : v));
  fc.assert(
    fc.property(fc.array(value, { maxLength: 20 }), (values) => {
      const x = tensor('f32', [...values, 0]);
      const [y, scale, zp] = evaluateAll(qnnDynamicQuantize, [x]);
      expect([y.shape, scale.shape, zp.shape]).toEqual([x.shape, [], []]);
      expect(y.data[values.length]).toBe(zp.data[0]);
      expect(y).toEqual(evaluate(qnnQuantize, [x, scale, zp]));
    }),
  );
  expect(evaluateAll(qnnDynamicQuantize, [zeros('f32', [2])]).map((t) => [...t.data])).toEqual([[0, 0], [1], [0]]);
});

test('a builder gives the results of dynamic_quantize by name', () => {
  const b = new GraphBuilder();
  const x = b.input('x', 'f32', ['N', 2]);
  const { y, scale, zp } = b.emit(qnnDynamicQuantize, { x });
  const back = b.emit(qnnDequantize, { x: y, scale, zp });
  const feed = tensor('f32', [-1, 0, 1.5, 1.55], [2, 2]);
  const [result] = Object.values(interpret(b.finish([back]), { x: feed }));
  Array.from(feed.data, (v, i) => expect(Math.abs(Number(result.data[i]) - v)).toBeLessThan(0.006));
});

describe('refusals name the fault', () => {
  const x = zeros('f32', [2, 3, 4]);
  const one = scalar('f32', 1);
  const refused = (operands: Parameters<typeof evaluate>[1], attrs = {}) =>
    expect(() => evaluate(qnnQuantize, operands, attrs));

  test('scales, zero points, axes', () => {
    refused([x, tensor('f32', [1, 2])]).toThrow("'scale' has 2 elements, axis 1 of the input has 3");
    refused([x, tensor('f32', [1, 2]), null], { axis: 3 }).toThrow('axis 3 is outside the input of rank 3');
    refused([x, tensor('f32', [1, 2, 3], [3, 1])]).toThrow("'scale' of shape [3, 1] does not fit");
    refused([x, zeros('f32', [1, 2, 1])]).toThrow("'scale' of shape [1, 2, 1] does not fit");
    refused([x, one, scalar('s8', 0)]).toThrow("'zp' is of type s8, the data it belongs to of type u8");
    refused([x, one, tensor('u8', [1, 2, 3])]).toThrow("'zp' should be a scalar, but is u8[3]");
    refused([x, one], { dtype: 's32' }).toThrow("'dtype' should be one of u8, s8, u16, s16");
    expect(() => evaluate(qnnDequantize, [zeros('s8', [2]), one, scalar('u8', 0)])).toThrow(
      "'zp' is of type u8, the data it belongs to of type s8",
    );
  });

  test('a per-tensor scale needs no axis, and sizes that are symbols are trusted until they are known', () => {
    expect(elements(qnnQuantize, [tensor('f32', [3]), one])).toEqual([3]);
    const b = new GraphBuilder();
    const value = b.input('x', 'f32', [1, 'C']);
    const y = b.emit(qnnQuantize, { x: value, scale: b.constant(tensor('f32', [1, 2])) });
    const graph = b.finish([y]);
    expect([...Object.values(interpret(graph, { x: tensor('f32', [4, 4], [1, 2]) }))[0].data]).toEqual([4, 2]);
    expect(() => interpret(graph, { x: zeros('f32', [1, 3]) })).toThrow("'scale' has 2 elements, axis 1");
  });
});
