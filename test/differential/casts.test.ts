/** Casts between all pairs of types, alone, behind arithmetic in f32, and back: the addon, the interpreter and ONNX Runtime. */
import { describe, expect, it } from 'vitest';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import {
  allDTypes,
  type DType,
  dtypes,
  GraphBuilder,
  type ITensor,
  interpret,
  isFloat,
  tensor,
  type Value,
} from '../../src/ir/index.ts';
import { nnCast } from '../../src/ir/ops/nn_cast.op.ts';
import { nnAdd, nnMul, nnSub } from '../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnClip } from '../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnGather } from '../../src/ir/ops/nn_gather.op.ts';
import { numberToBfloat16, numberToHalf } from '../../src/numerics/half.ts';
import { differenceOf, runOnnx } from '../unit/onnx_export/support.ts';
import { expectSame } from './support.ts';

/** Ends, halves, both signs and both sides of every power of two that the type holds. */
function valuesOf(dtype: DType, within = Infinity): ITensor {
  if (dtype === 'bool') return tensor('bool', [0, 1]);
  const all = new Set<number>([0, 0.5, -0.5, 1, -1, 1.5, -1.5, 2.75, -200.75, 254.99]);
  for (const bits of [7, 8, 9, 15, 16, 17, 31, 32])
    for (const d of [-1, 0, 1]) all.add(2 ** bits + d).add(-(2 ** bits) + d);
  const { min, max } = dtypes[dtype];
  const list = [...all].filter(
    (v) => v >= min && v <= max && Math.abs(v) <= within && (isFloat(dtype) || Number.isInteger(v)),
  );
  if (dtype === 'f16' || dtype === 'bf16')
    return tensor(dtype, list.map(dtype === 'f16' ? numberToHalf : numberToBfloat16));
  return tensor(dtype, list);
}

const pairs = allDTypes.flatMap((from) => allDTypes.map((to) => [from, to] as const));

describe('casts', () => {
  it.each(pairs)('%s to %s', async (from, to) => {
    const b = new GraphBuilder();
    const x = valuesOf(from);
    const y = b.emit(nnCast, { x: b.input('x', from, x.shape) }, { to });
    (await expectSame(b.finish([y]), { x })).dispose();
  });

  // Casts that C++ leaves undefined: floats beyond int32 to smaller integers, beyond 64 bits, and negative floats to unsigned
  // types.
  it.each(pairs.filter(([from, to]) => from !== 'bf16' && to !== 'bf16'))(
    '%s to %s as ONNX Runtime',
    async (from, to) => {
      const b = new GraphBuilder();
      const isOpen = isFloat(from) && !isFloat(to);
      const given = valuesOf(from, isOpen ? 2 ** 31 - 128 : Infinity);
      const isNegative = (v: number) => (from === 'f16' ? v >= 0x8000 : v < 0);
      const x =
        isOpen && dtypes[to].bits >= 32 && dtypes[to].kind === 'unsigned'
          ? tensor(
              from,
              Array.from(given.data as Float32Array).filter((v) => !isNegative(v)),
            )
          : given;
      const graph = b.finish([b.emit(nnCast, { x: b.input('x', from, x.shape) }, { to })]);
      expect(
        differenceOf(await runOnnx(exportOnnx(graph), { x }, 'disabled'), interpret(graph, { x })),
      ).toBeUndefined();
    },
  );

  const narrow = ['u8', 's8', 's32'] as const;
  const between = {
    nothing: (_b: GraphBuilder, x: Value<'f32'>) => x,
    'a sum': (b: GraphBuilder, x: Value<'f32'>) => b.emit(nnAdd, { a: x, b: x }),
    'a difference': (b: GraphBuilder, x: Value<'f32'>) => b.emit(nnSub, { a: x, b: b.scalar('f32', 77.5) }),
    'a product': (b: GraphBuilder, x: Value<'f32'>) => b.emit(nnMul, { a: x, b: b.scalar('f32', -3.25) }),
    'a clamp': (b: GraphBuilder, x: Value<'f32'>) => b.emit(nnClip, { x }, { min: -140, max: 300 }),
  };
  const chains = narrow.flatMap((from) =>
    narrow.flatMap((to) => Object.keys(between).map((what) => [from, what as keyof typeof between, to] as const)),
  );
  it.each(chains)('%s, f32 with %s, %s', async (from, what, to) => {
    const b = new GraphBuilder();
    const { min, max } = from === 's32' ? { min: -2000, max: 2000 } : dtypes[from];
    const x = tensor(
      from,
      Array.from({ length: max - min + 1 }, (_, i) => min + i),
    );
    const f = b.emit(nnCast, { x: b.input('x', from, x.shape) }, { to: 'f32' }) as Value<'f32'>;
    const graph = b.finish([b.emit(nnCast, { x: between[what](b, f) as Value<'f32'> }, { to })]);
    const model = await expectSame(graph, { x });
    expect(model.fallbacks).toEqual([]);
    expect(differenceOf(await runOnnx(exportOnnx(graph), { x }, 'disabled'), interpret(graph, { x }))).toBeUndefined();
    model.dispose();
  });

  it('indices that were bytes', async () => {
    const b = new GraphBuilder();
    const x = tensor('u8', [3, 0, 200, 255]);
    const table = tensor(
      'f32',
      Float32Array.from({ length: 512 }, (_, i) => i / 3),
      [256, 2],
    );
    const indices = b.emit(nnCast, { x: b.input('x', 'u8', [4]) }, { to: 's64' }) as Value<'s64'>;
    await expectSame(b.finish([b.emit(nnGather, { x: b.constant(table, 't'), indices }, { axis: 0 })]), { x });
  });
});
