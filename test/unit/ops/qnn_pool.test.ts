/** Pools and softmax against ONNX Runtime, through every attribute it has. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GraphBuilder, interpret } from '../../../src/ir/index.ts';
import { poolShape } from '../../../src/ir/ops/pool_geometry.ts';
import { qnnAveragePool } from '../../../src/ir/ops/qnn_average_pool.op.ts';
import { qnnGlobalAveragePool } from '../../../src/ir/ops/qnn_global_average_pool.op.ts';
import { qnnSoftmax } from '../../../src/ir/ops/qnn_softmax.op.ts';
import { type ITensor, scalar, tensor, zeros } from '../../../src/tensors/tensor.ts';
import { ortOutput } from '../numerics/ort.ts';
import { type Byte, bytes, elementOf, elements, evaluate, scaleBetween, tensorOf } from './qnn_support.ts';

const parameters = (dtype: Byte, leastScale = 0.001) =>
  fc
    .tuple(scaleBetween(0.001, 0.1), elementOf(dtype), scaleBetween(leastScale, 0.1), elementOf(dtype))
    .map(([sx, zx, sy, zy]) => [scalar('f32', sx), scalar(dtype, zx), scalar('f32', sy), scalar(dtype, zy)]);

const axis = fc
  .record({ kernel: fc.integer({ min: 1, max: 4 }), stride: fc.integer({ min: 1, max: 3 }), room: fc.nat(4) })
  .chain((a) =>
    fc.record({ begin: fc.nat(a.kernel - 1), end: fc.nat(a.kernel - 1) }).map(({ begin, end }) => ({
      ...{ ...a, begin, end },
      input: a.room + Math.max(1, a.kernel - begin - end),
    })),
  );

const pools = fc
  .record({
    axes: fc.array(axis, { minLength: 1, maxLength: 3 }),
    whole: fc.boolean(),
    batch: fc.integer({ min: 1, max: 2 }),
    channels: fc.integer({ min: 1, max: 3 }),
    dtype: bytes,
    ceilMode: fc.boolean(),
    countIncludePad: fc.boolean(),
  })
  .map(({ axes, whole, ...rest }) => ({
    ...rest,
    axes: whole ? axes.map((a) => ({ ...a, kernel: a.input, begin: 0, end: 0 })) : axes,
  }))
  .chain((p) =>
    fc.record({
      pool: fc.constant(p),
      x: tensorOf(p.dtype, [p.batch, p.channels, ...p.axes.map((a) => a.input)]),
      q: parameters(p.dtype),
    }),
  );

const theirs = async (op: string, attrs: Record<string, number | readonly number[]>, operands: readonly ITensor[]) =>
  Array.from(
    (await ortOutput({
      ...{ op, domain: 'com.microsoft', attrs, outputs: [operands[0].dtype] },
      inputs: operands.map((t) => ({ tensor: t })),
    })) as Uint8Array,
  );

test('qnn.average_pool equals QLinearAveragePool', async () => {
  await fc.assert(
    fc.asyncProperty(pools, async ({ pool: { axes, ceilMode, countIncludePad }, x, q }) => {
      const kernel = axes.map((a) => a.kernel);
      const strides = axes.map((a) => a.stride);
      const pads = [...axes.map((a) => a.begin), ...axes.map((a) => a.end)];
      const ours = { kernel, strides, pads, dilations: axes.map(() => 1), ceilMode, countIncludePad };
      expect(elements(qnnAveragePool, [x, ...q], ours)).toEqual(
        await theirs(
          'QLinearAveragePool',
          {
            ...{ kernel_shape: kernel, strides, pads },
            ...{ ceil_mode: Number(ceilMode), count_include_pad: Number(countIncludePad) },
          },
          [x, ...q],
        ),
      );
    }),
    { numRuns: 150 },
  );
});

test('qnn.global_average_pool equals QLinearGlobalAveragePool', async () => {
  const cases = fc
    .tuple(bytes, fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 3, maxLength: 5 }))
    .chain(([dtype, shape]) => fc.tuple(tensorOf(dtype, shape), parameters(dtype)));
  await fc.assert(
    fc.asyncProperty(cases, async ([x, q]) => {
      const y = evaluate(qnnGlobalAveragePool, [x, ...q]);
      expect(y.shape).toEqual(x.shape.map((size, a) => (a < 2 ? size : 1)));
      expect(Array.from(y.data as Uint8Array)).toEqual(
        await theirs('QLinearGlobalAveragePool', { channels_last: 0 }, [x, ...q]),
      );
    }),
    { numRuns: 60 },
  );
});

test('qnn.softmax equals QLinearSoftmax along every axis', async () => {
  // sy ≥ 0.01: below 1/148 a row of one overflows in ONNX Runtime
  const cases = fc
    .tuple(bytes, fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }), fc.nat())
    .chain(([dtype, shape, n]) =>
      fc.tuple(tensorOf(dtype, shape), parameters(dtype, 0.01), fc.constant(n % shape.length)),
    );
  await fc.assert(
    fc.asyncProperty(cases, async ([x, q, a]) => {
      expect(elements(qnnSoftmax, [x, ...q], { axis: a })).toEqual(
        await theirs('QLinearSoftmax', { axis: a, opset: 13 }, [x, ...q]),
      );
    }),
    { numRuns: 150 },
  );
});

describe('the shape of a pool', () => {
  const fault = (message: string): never => {
    throw new Error(message);
  };
  const refuse = Object.assign(fault, { limit: fault });
  const attrs = { kernel: [3], strides: [2], pads: [0, 0], dilations: [1], ceilMode: false };

  test('ceil mode: the formula of ONNX, step by step', () => {
    const sizes = fc.record({
      ...{ kernel: fc.integer({ min: 1, max: 5 }), stride: fc.integer({ min: 1, max: 5 }) },
      ...{
        dilation: fc.integer({ min: 1, max: 3 }),
        begin: fc.nat(12),
        end: fc.nat(12),
        input: fc.integer({ min: 1, max: 20 }),
      },
    });
    fc.assert(
      fc.property(sizes, ({ kernel, stride, dilation, begin, end, input }) => {
        const extent = dilation * (kernel - 1) + 1;
        fc.pre(begin < extent && end < extent && input + begin + end >= extent);
        let expected = Math.ceil((input + begin + end - extent) / stride) + 1;
        if ((expected - 1) * stride >= input + begin) expected--;
        const geometry = {
          kernel: [kernel],
          strides: [stride],
          dilations: [dilation],
          pads: [begin, end],
          ceilMode: true,
        };
        expect(poolShape([1, 1, input], geometry, refuse)).toEqual([1, 1, expected]);
      }),
      { numRuns: 500 },
    );
  });

  test('symbols: inferred sizes, once bound, equal the sizes for the numbers', () => {
    for (const ceilMode of [false, true]) {
      const b = new GraphBuilder();
      const x = b.input('x', 'u8', [1, 1, 'L']);
      const [s, z] = [b.scalar('f32', 1), b.scalar('u8', 0)];
      const y = b.emit(qnnAveragePool, { x, sx: s, zx: z, sy: s, zy: z }, { ...attrs, ceilMode });
      const graph = b.finish([y]);
      for (const length of [3, 4, 5, 6]) {
        const result = Object.values(interpret(graph, { x: zeros('u8', [1, 1, length]) }))[0];
        expect(result.shape).toEqual(poolShape([1, 1, length], { ...attrs, ceilMode }, refuse));
      }
    }
  });

  test('refuses operands that do not fit', () => {
    const shape = (x: readonly number[], changes = {}) => expect(() => poolShape(x, { ...attrs, ...changes }, refuse));
    shape([1, 1, 2]).toThrow('a window of 3 does not fit into 2');
    shape([1, 5]).toThrow('has rank 2');
    shape([1, 1, 4, 4]).toThrow('kernel should have 2 entries for 2 spatial axes, but has 1');
    shape([1, 1, 9], { pads: [3, 0] }).toThrow('pads[0] = 3 should be less than the window of 3');
    shape([1, 1, 9], { strides: [0] }).toThrow('strides[0] should be positive, but is 0');
  });
});

test('refusals of parameters and axes', () => {
  const [x, s, z] = [zeros('u8', [1, 2, 3]), scalar('f32', 1), scalar('u8', 0)];
  expect(() => evaluate(qnnGlobalAveragePool, [x, tensor('f32', [1, 2]), z, s, z])).toThrow(
    "'sx' should be a scalar, but is f32[2]",
  );
  expect(() => evaluate(qnnGlobalAveragePool, [x, s, z, s, scalar('s8', 0)])).toThrow(
    "'zy' is of type s8, the data it belongs to of type u8",
  );
  expect(() => evaluate(qnnGlobalAveragePool, [zeros('u8', [1, 2]), s, z, s, z])).toThrow('at least one spatial axis');
  expect(() => evaluate(qnnSoftmax, [x, s, z, s, z], { axis: 3 })).toThrow('axis 3 is outside the input of rank 3');
});
