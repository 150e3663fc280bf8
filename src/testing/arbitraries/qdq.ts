/** Groups of float operators between dequantize and quantize, as quantizers write them. */
import * as fc from 'fast-check';
import {
  type Graph,
  GraphBuilder,
  nnAdd,
  nnAveragePool,
  nnExp,
  nnGlobalAveragePool,
  nnHardSwish,
  nnLeakyRelu,
  nnMul,
  nnNeg,
  nnReduceMean,
  nnRelu,
  nnSigmoid,
  nnSoftmax,
  nnTanh,
  type qnnAdd,
  type qnnMul,
  type Shape,
  shiftBetween,
  tensor,
  type Value,
} from '../../ir/index.ts';
import { filled, randomSource } from '../contents.ts';
import { contents, eight } from './basic.ts';
import { poolOf } from './movements.ts';
import { movedQuantize } from './qdq_movements.ts';
import { product } from './qdq_products.ts';
import { emitDequantize, emitEnd, endOf, mostly, type Quantization, quantization, shape4 } from './quantization.ts';

/** Everything of one 8-bit type in most draws. */
const sameType = (first: Quantization, other: Quantization, mixed: boolean): Quantization =>
  mixed ? other : { ...other, dtype: first.dtype };

const binary = (op: typeof nnAdd | typeof nnMul): fc.Arbitrary<Graph> =>
  fc
    .record({
      shape: shape4,
      a: quantization(mostly(false, 12)),
      b: quantization(),
      form: fc.constantFrom('same', 'same', 'channels', 'row', 'constant'),
      contents,
      mixed: mostly(false),
      end: endOf(false),
    })
    .map((spec) => {
      const b = new GraphBuilder();
      const { n, c, h, w } = spec.shape;
      const other = sameType(spec.a, spec.b, spec.mixed);
      const shape =
        spec.form === 'same' || spec.form === 'constant' ? [n, c, h, w] : spec.form === 'row' ? [w] : [c, 1, 1];
      const right =
        spec.form === 'constant'
          ? b.constant(filled(other.dtype, shape, spec.contents), 'b')
          : b.input('b', other.dtype, shape);
      const v = b.emit(op, {
        a: emitDequantize(b, b.input('a', spec.a.dtype, [n, c, h, w]), spec.a),
        b: emitDequantize(b, right, other),
      });
      return emitEnd(b, v, { ...spec.end, y: sameType(spec.a, spec.end.y, spec.mixed) });
    });

const pool = (kind: 'average' | 'global' | 'mean'): fc.Arbitrary<Graph> =>
  fc
    .record({
      shape: shape4,
      x: quantization(mostly(false, 12)),
      choice: fc.nat(0xffff),
      mixed: mostly(false),
      end: endOf(false),
    })
    .map((spec) => {
      const b = new GraphBuilder();
      const { n, c, h, w } = spec.shape;
      const random = randomSource(spec.choice);
      const x = emitDequantize(b, b.input('x', spec.x.dtype, [n, c, h, w]), spec.x);
      const attrs = poolOf([h, w], (limit) => Math.floor(random() * limit));
      const v =
        kind === 'average'
          ? b.emit(nnAveragePool, { x }, { ...attrs, countIncludePad: random() < 0.5 })
          : kind === 'global'
            ? b.emit(nnGlobalAveragePool, { x })
            : b.emit(nnReduceMean, { x }, { axes: random() < 0.8 ? [2, -1] : [1, 2], keepdims: random() < 0.5 });
      return emitEnd(b, v, { ...spec.end, y: sameType(spec.x, spec.end.y, spec.mixed) });
    });

const softmax: fc.Arbitrary<Graph> = fc
  .record({
    shape: shape4,
    x: quantization(mostly(false, 12)),
    axis: fc.constantFrom(1, -1, 2),
    mixed: mostly(false),
    end: endOf(false),
  })
  .map(({ shape: { n, c, h, w }, x: q, axis, mixed, end }) => {
    const b = new GraphBuilder();
    const x = emitDequantize(b, b.input('x', q.dtype, [n, c, h, w]), q);
    return emitEnd(b, b.emit(nnSoftmax, { x }, { axis }), { ...end, y: sameType(q, end.y, mixed) });
  });

/** Quantized sums and products with one constant for all, on either side, or of a tensor with itself. */
export const ofOneTensor = (op: typeof qnnAdd | typeof qnnMul): fc.Arbitrary<Graph> =>
  fc
    .record({
      shape: fc.constantFrom<Shape>([2, 3], ['N', 4, 1], ['N'], [5, 1, 1]),
      dtype: eight,
      side: fc.constantFrom('left', 'right', 'both'),
      scales: fc.array(
        fc.integer({ min: 1, max: 4000 }).map((n) => Math.fround(n / 8191)),
        { minLength: 3, maxLength: 3 },
      ),
      zeroPoints: fc.array(fc.nat(255), { minLength: 4, maxLength: 4 }),
    })
    .map(({ shape, dtype, side, scales, zeroPoints }) => {
      const g = new GraphBuilder();
      const x = g.input('x', dtype, shape);
      const [constant, ...zeros] = zeroPoints.map((z) => g.scalar(dtype, z + shiftBetween('u8', dtype)));
      const [sa, sb, sy] = scales.map((s) => g.scalar('f32', s));
      const [a, b] = side === 'both' ? [x, x] : side === 'left' ? [constant, x] : [x, constant];
      const y = g.emit(op, { a, sa, za: zeros[0], b, sb, zb: zeros[1], sy, zy: zeros[2] });
      return g.finish([y]);
    });

const steps = [
  'sigmoid',
  'tanh',
  'relu',
  'leaky_relu',
  'hard_swish',
  'neg',
  'exp',
  'shift',
  'square',
  'channels',
] as const;

/** Functions, constants added and multiplied, the tensor with itself. */
const functions: Readonly<Record<(typeof steps)[number], (b: GraphBuilder, x: Value<'f32'>) => Value<'f32'>>> = {
  sigmoid: (b, x) => b.emit(nnSigmoid, { x }),
  tanh: (b, x) => b.emit(nnTanh, { x }),
  relu: (b, x) => b.emit(nnRelu, { x }),
  leaky_relu: (b, x) => b.emit(nnLeakyRelu, { x }),
  hard_swish: (b, x) => b.emit(nnHardSwish, { x }),
  neg: (b, x) => b.emit(nnNeg, { x }),
  exp: (b, x) => b.emit(nnExp, { x }),
  shift: (b, x) => b.emit(nnAdd, { a: x, b: b.scalar('f32', 3) }),
  square: (b, x) => b.emit(nnMul, { a: x, b: x }),
  channels(b, x) {
    const count = Number(x.type.shape[1]);
    const factors = Array.from({ length: count }, (_, i) => 1 + i);
    return b.emit(nnMul, { a: x, b: b.constant(tensor('f32', factors, [count, 1, 1])) });
  },
};

/** Elementwise chains over one tensor. */
const table: fc.Arbitrary<Graph> = fc
  .record({
    shape: shape4,
    x: quantization(mostly(false, 12)),
    steps: fc.array(fc.constantFrom(...steps), { maxLength: 3 }),
    end: endOf(false),
  })
  .map(({ shape: { n, c, h, w }, x: q, steps, end }) => {
    const b = new GraphBuilder();
    const x = emitDequantize(b, b.input('x', q.dtype, [n, c, h, w]), q);
    const y = steps.reduce((v, step) => functions[step](b, v), x);
    return emitEnd(b, y, end);
  });

/** Groups that end in a quantize. */
export const groups = {
  conv: product('conv', false),
  'conv transpose': product('conv_transpose', false),
  matmul: product('matmul', false),
  add: binary(nnAdd),
  mul: binary(nnMul),
  'average pool': pool('average'),
  'global average pool': pool('global'),
  'mean over space': pool('mean'),
  softmax,
  table,
  moved: movedQuantize(),
} as const;

/** Products of dequantized operands whose result stays float. */
export const floatProducts = {
  conv: product('conv', true),
  'conv transpose': product('conv_transpose', true),
  matmul: product('matmul', true),
} as const;
