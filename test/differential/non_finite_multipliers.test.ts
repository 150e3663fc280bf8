/** Requantization by multipliers that are not numbers, infinite, zero or negative, behind every product: the addon is the interpreter. */
import { describe, it } from 'vitest';
import { GraphBuilder, type ITensor, sizeOf, tensor, type Value } from '../../src/ir/index.ts';
import { qnnConv } from '../../src/ir/ops/qnn_conv.op.ts';
import { qnnConvTranspose } from '../../src/ir/ops/qnn_conv_transpose.op.ts';
import { qnnMatmul } from '../../src/ir/ops/qnn_matmul.op.ts';
import { qnnRequantize } from '../../src/ir/ops/qnn_requantize.op.ts';
import { expectSame } from './support.ts';

const bytes = (dtype: 'u8' | 's8', shape: readonly number[], by: number): ITensor =>
  tensor(
    dtype,
    Array.from({ length: sizeOf(shape) }, (_, i) => ((i * by) % 251) - (dtype === 'u8' ? 0 : 125)),
    shape,
  );

type Product = (b: GraphBuilder, x: Value<'u8'>) => Value<'s32'>;
const window = { strides: [1, 1], pads: [1, 0, 0, 1], dilations: [1, 1] };
const weights = (b: GraphBuilder, shape: readonly number[]) => b.constant(bytes('s8', shape, 73)) as Value<'s8'>;
const zx = (b: GraphBuilder) => b.scalar('u8', 77) as Value<'u8'>;

const products: Readonly<Record<string, Product>> = {
  conv: (b, x) => b.emit(qnnConv, { x, w: weights(b, [4, 4, 2, 2]), zx: zx(b) }, { ...window, group: 1 }),
  'depthwise conv': (b, x) => b.emit(qnnConv, { x, w: weights(b, [4, 1, 2, 2]), zx: zx(b) }, { ...window, group: 4 }),
  'conv of groups': (b, x) => b.emit(qnnConv, { x, w: weights(b, [4, 2, 2, 2]) }, { ...window, group: 2 }),
  'transposed conv': (b, x) =>
    b.emit(
      qnnConvTranspose,
      { x, w: weights(b, [4, 4, 2, 2]) },
      { ...window, pads: [0, 0, 0, 0], outputPadding: [0, 0], group: 1 },
    ),
  matmul: (b, x) => b.emit(qnnMatmul, { a: x, b: weights(b, [4, 4]), za: zx(b) }),
};

const multipliers: Readonly<Record<string, readonly number[]>> = {
  NaN: [Number.NaN],
  infinite: [Infinity],
  'infinite and negative': [-Infinity],
  zero: [0],
  negative: [-0.01],
  'by channel': [0.01, Number.NaN, Infinity, 3e38],
};

describe.each(Object.keys(products))('%s', (name) => {
  it.each(Object.keys(multipliers).flatMap((m) => (['u8', 's8'] as const).map((to) => [m, to] as const)))(
    'by a multiplier that is %s, to %s',
    async (m, to) => {
      const b = new GraphBuilder();
      const shape = name === 'matmul' ? [3, 4] : [1, 4, 5, 5];
      const sum = products[name](b, b.input('x', 'u8', shape) as Value<'u8'>);
      const given = multipliers[m];
      const multiplier = b.constant(tensor('f32', given, given.length === 1 ? [] : [4])) as Value<'f32'>;
      const zy = b.scalar(to, to === 'u8' ? 100 : 5);
      const y = b.emit(qnnRequantize, { x: sum, multiplier, zy }, { axis: 1 });
      (await expectSame(b.finish([y]), { x: bytes('u8', shape, 89) }, { threads: 1 })).dispose();
    },
  );
});
