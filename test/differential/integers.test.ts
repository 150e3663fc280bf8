/**
 * Integer operators written for ONNX Runtime, with numbers from all over their types. ONNX Runtime 1.30 compares s64 by
 * halves and the low halves with a sign (SSE2 of its Eigen; ONNX Runtime #25280, #32475): Min, Max, Clip, Relu and Sign of
 * s64 are wrong for many numbers beyond 2^31. What the exporter spells in a wider type must not go that way.
 */
import { describe, expect, it } from 'vitest';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import {
  type DType,
  dtypes,
  type Graph,
  GraphBuilder,
  type ITensor,
  interpret,
  tensor,
  type Value,
} from '../../src/ir/index.ts';
import * as binary from '../../src/ir/ops/nn_elementwise_binary.op.ts';
import * as unary from '../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnReduceMax, nnReduceMin } from '../../src/ir/ops/nn_reduce.op.ts';
import { qnnRequantize } from '../../src/ir/ops/qnn_requantize.op.ts';
import { requantizeModes } from '../../src/numerics/index.ts';
import { differenceOf, runOnnx } from '../unit/onnx_export/support.ts';

const types = ['u8', 's8', 'u16', 's16', 'u32', 's32'] as const;

/** Ends, neighbours of powers of two, and numbers between, both signs. */
function numbers(dtype: DType): ITensor {
  const { min, max } = dtypes[dtype as 's32'];
  const all = new Set([min, min + 1, max - 1, max]);
  for (let bit = 0; bit < 32; bit++)
    for (const v of [2 ** bit - 1, 2 ** bit, 2 ** bit + 1, Math.floor(2 ** bit * 1.37)]) all.add(v).add(-v);
  const list = [...all].filter((v) => v >= min && v <= max);
  return tensor(dtype, list, [list.length]);
}

async function expectSameOnOrt(graph: Graph, feeds: Record<string, ITensor>): Promise<void> {
  const bytes = exportOnnx(graph);
  const expected = interpret(graph, feeds);
  for (const level of ['disabled', 'all'] as const)
    expect(differenceOf(await runOnnx(bytes, feeds, level), expected), level).toBeUndefined();
}

type Emit = (b: GraphBuilder, x: Value<'s32'>, y: Value<'s32'>) => Value;
const cases: Record<string, Emit> = {
  max: (b, x, y) => b.emit(binary.nnMax, { a: x, b: y }),
  min: (b, x, y) => b.emit(binary.nnMin, { a: x, b: y }),
  add: (b, x, y) => b.emit(binary.nnAdd, { a: x, b: y }),
  sub: (b, x, y) => b.emit(binary.nnSub, { a: x, b: y }),
  mul: (b, x, y) => b.emit(binary.nnMul, { a: x, b: y }),
  greater: (b, x, y) => b.emit(binary.nnGreater, { a: x, b: y }),
  less_or_equal: (b, x, y) => b.emit(binary.nnLessOrEqual, { a: x, b: y }),
  equal: (b, x, y) => b.emit(binary.nnEqual, { a: x, b: y }),
  relu: (b, x) => b.emit(unary.nnRelu, { x }),
  sign: (b, x) => b.emit(unary.nnSign, { x }),
  abs: (b, x) => b.emit(unary.nnAbs, { x }),
  neg: (b, x) => b.emit(unary.nnNeg, { x }),
  clip: (b, x) => b.emit(unary.nnClip, { x }, { min: 3, max: 100 }),
  reduce_max: (b, x) => b.emit(nnReduceMax, { x }, { axes: [1] }),
  reduce_min: (b, x) => b.emit(nnReduceMin, { x }, { axes: [1] }),
};

describe('elementwise, every number with every other', () => {
  for (const [name, emit] of Object.entries(cases))
    for (const dtype of types)
      it(`${name} of ${dtype}`, async () => {
        const x = numbers(dtype);
        const n = x.data.length;
        const b = new GraphBuilder();
        const rows = b.input('x', dtype, [n, 1]) as Value<'s32'>;
        const columns = b.input('y', dtype, [1, n]) as Value<'s32'>;
        const whole = name.startsWith('reduce')
          ? (b.emit(binary.nnAdd, { a: rows, b: columns }) as Value<'s32'>)
          : rows;
        const y = emit(b, whole, columns);
        await expectSameOnOrt(b.finish([y]), {
          x: { ...x, shape: [n, 1] } as ITensor,
          y: { ...x, shape: [1, n] } as ITensor,
        });
      });
});

describe('requantize, accumulators from all of int32', () => {
  const shifts = [-31, -9, -1, 0, 1, 2, 9, 30];
  const mantissas = [2 ** 30, 1227133568, 2 ** 31 - 1, 0];
  it.each(['u8', 's8'] as const)('fixed, to %s', async (to) => {
    const x = numbers('s32');
    const pairs = shifts.flatMap((shift) => mantissas.map((mantissa) => ({ shift, mantissa })));
    const b = new GraphBuilder();
    const n = x.data.length;
    const acc = b.input('x', 's32', [n, 1]) as Value<'s32'>;
    const spread = b.emit(binary.nnAdd, {
      a: acc,
      b: b.constant({ dtype: 's32', shape: [1, pairs.length], data: new Int32Array(pairs.length) }),
    });
    const column = (of: (p: (typeof pairs)[number]) => number) =>
      b.constant(tensor('s32', pairs.map(of), [pairs.length]));
    const y = b.emit(
      qnnRequantize,
      { x: spread, multiplier: column((p) => p.mantissa), zy: b.scalar(to, 5), second: column((p) => p.shift) },
      { ...requantizeModes.tflite, axis: 1 },
    );
    await expectSameOnOrt(b.finish([y]), { x: { ...x, shape: [n, 1] } as ITensor });
  });
});
