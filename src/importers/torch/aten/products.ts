/** Convolutions and products of matrices, of floats. */

import { TorchTensor } from '../../../formats/torch/index.ts';
import { nnAdd, nnConv, nnConvTranspose, nnMatmul, nnMul, qnnMatmul, type Value } from '../../../ir/index.ts';
import { transposed } from '../../../tensors/index.ts';
import { einsum } from '../../kit/einsum.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import type { GraphTensor } from '../values.ts';
import { batched } from './pool.ts';
import { times } from './unary.ts';

/** The operand of this name as floats. */
export const real = (ctx: TorchContext, args: Arguments, name: string): Value => ctx.real(args.tensor(name));

export const optional = (ctx: TorchContext, args: Arguments, name: string): Value | undefined =>
  args.has(name) ? real(ctx, args, name) : undefined;

function conv(ctx: TorchContext, args: Arguments, isTransposed: boolean): GraphTensor {
  const w = real(ctx, args, 'weight');
  const rank = w.type.shape.length - 2;
  if (rank < 1) return ctx.refuse(`weights of ${rank + 2} axes for a convolution`, 'U2005', { input: 'weight' });
  const group = args.int('groups');
  const [first, second, ...kernel] = ctx.staticShape(w.type.shape, 'a filter');
  const attrs = {
    strides: args.ints('stride', rank),
    pads: paddingOf(ctx, args, kernel),
    dilations: args.ints('dilation', rank),
    group,
  };
  const bias = optional(ctx, args, 'bias');
  return batched(ctx, ctx.image(args.tensor('input'), isTransposed ? first : second * group, rank), rank, (given) => {
    const x = ctx.real(given);
    const y = isTransposed
      ? ctx.emit(nnConvTranspose, { x, w, bias }, { ...attrs, outputPadding: args.ints('output_padding', rank) })
      : ctx.emit(nnConv, { x, w, bias }, attrs);
    return ctx.result(y, given);
  });
}

/** Numbers, `valid`, or `same`, whose odd pad goes to the end. */
function paddingOf(ctx: TorchContext, args: Arguments, kernel: readonly number[]): readonly number[] {
  const rank = kernel.length;
  const given = args.value('padding');
  if (typeof given !== 'string') {
    const padding = args.ints('padding', rank);
    return [...padding, ...padding];
  }
  if (given === 'valid') return Array<number>(2 * rank).fill(0);
  if (given !== 'same')
    return ctx.refuse(`'padding' should be valid or same, but is ${given}`, 'U2004', { input: 'padding' });
  const totals = args.ints('dilation', rank).map((dilation, i) => dilation * (kernel[i] - 1));
  return [...totals.map((total) => Math.floor(total / 2)), ...totals.map((total) => Math.ceil(total / 2))];
}

/** x·wᵀ + b; stored weights are transposed now. */
function linear(ctx: TorchContext, args: Arguments): GraphTensor {
  const given = args.tensor('weight');
  const { shape, dtype } = ctx.graph(given);
  const inputs = shape.at(-1);
  const x = ctx.real(typeof inputs === 'number' ? ctx.rows(args.tensor('input'), inputs) : args.tensor('input'));
  const w =
    given instanceof TorchTensor && given.shape.length === 2
      ? ctx.lazy({ dtype, shape: [given.shape[1], given.shape[0]] }, () => transposed(given.tensor(), [1, 0]), 'weight')
      : shape.length === 2
        ? ctx.transpose(ctx.real(given), [1, 0])
        : ctx.real(given);
  const y = ctx.emit(nnMatmul, { a: x, b: w });
  const bias = optional(ctx, args, 'bias');
  return ctx.result(bias ? ctx.emit(nnAdd, { a: y, b: bias }) : y);
}

/** β·self + α·(a·b) */
const addProduct = (name: string, a: string, b: string): readonly TorchOp[] =>
  defineTorchOp({
    schema: `aten::${name}(Tensor self, Tensor ${a}, Tensor ${b}, *, Scalar beta=1, Scalar alpha=1)`,
    import(ctx, args) {
      const operands = { a: real(ctx, args, a), b: real(ctx, args, b) };
      const product = times(ctx, ctx.emit(nnMatmul, operands), args.number('alpha'));
      const beta = args.number('beta');
      if (beta === 0) return ctx.result(product);
      return ctx.result(ctx.emit(nnAdd, { a: product, b: times(ctx, real(ctx, args, 'self'), beta) }));
    },
  });

const convParameters = (padding: string): string =>
  `Tensor input, Tensor weight, Tensor? bias=None, int[] stride=1, ${padding}, int[] dilation=1, int groups=1`;
const transposedParameters =
  'Tensor input, Tensor weight, Tensor? bias=None, int[] stride=1, int[] padding=0, int[] output_padding=0, int groups=1, int[] dilation=1';
const generalParameters =
  'Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, bool transposed, int[] output_padding, int groups';

export const productOps: readonly TorchOp[] = [
  ...[1, 2, 3].flatMap((rank) => [
    ...defineTorchOp({
      schema: [
        `aten::conv${rank}d(${convParameters('int[] padding=0')})`,
        `aten::conv${rank}d.padding(${convParameters('str padding="valid"')})`,
      ],
      import: (ctx, args) => conv(ctx, args, false),
    }),
    ...defineTorchOp({
      schema: `aten::conv_transpose${rank}d${rank === 1 ? '' : '.input'}(${transposedParameters})`,
      import: (ctx, args) => conv(ctx, args, true),
    }),
  ]),
  ...defineTorchOp({
    schema: [
      `aten::_convolution(${generalParameters}, bool benchmark, bool deterministic, bool cudnn_enabled, bool allow_tf32)`,
      `aten::_convolution.deprecated(${generalParameters}, bool benchmark, bool deterministic, bool cudnn_enabled)`,
      `aten::convolution(${generalParameters})`,
    ],
    import: (ctx, args) => conv(ctx, args, args.bool('transposed')),
  }),
  ...defineTorchOp({
    schema:
      'aten::_convolution_mode(Tensor input, Tensor weight, Tensor? bias, int[] stride, str padding, int[] dilation, int groups)',
    import: (ctx, args) => conv(ctx, args, false),
  }),
  ...defineTorchOp({ schema: 'aten::linear(Tensor input, Tensor weight, Tensor? bias=None)', import: linear }),
  ...defineTorchOp({
    schema: [
      'aten::matmul(Tensor self, Tensor other)',
      'aten::mm(Tensor self, Tensor mat2)',
      'aten::bmm(Tensor self, Tensor mat2)',
      'aten::mv(Tensor self, Tensor vec)',
      'aten::dot(Tensor self, Tensor tensor)',
    ],
    import(ctx, args) {
      const [a, b] = args.names.map((name) => real(ctx, args, name));
      return ctx.result(ctx.emit(nnMatmul, { a, b }));
    },
  }),
  ...defineTorchOp({
    schema: 'aten::_int_mm(Tensor self, Tensor mat2)',
    import(ctx, args) {
      const [a, b] = args.names.map((name) => ctx.plain(args.tensor(name)));
      return ctx.result(ctx.emit(qnnMatmul, { a, b }));
    },
  }),
  ...defineTorchOp({
    schema: ['outer', 'ger'].map((name) => `aten::${name}(Tensor self, Tensor vec2)`),
    import(ctx, args) {
      const [a, b] = args.names.map((name) => real(ctx, args, name));
      return ctx.result(ctx.emit(nnMul, { a: ctx.reshape(a, [...a.type.shape, 1]), b }));
    },
  }),
  ...defineTorchOp({
    schema: 'aten::einsum(str equation, Tensor[] tensors, any path=None)',
    import: (ctx, args) =>
      ctx.result(
        einsum(
          ctx,
          args.string('equation'),
          args.tensors('tensors').map((x) => ctx.real(x)),
        ),
      ),
  }),
  ...addProduct('addmm', 'mat1', 'mat2'),
  ...addProduct('baddbmm', 'batch1', 'batch2'),
  ...addProduct('addmv', 'mat', 'vec'),
];
