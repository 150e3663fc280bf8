/** Convolutions, matrix products and normalizations of floats. */

import type { Value } from '../../../ir/define_op.ts';
import { elementsOf } from '../../../ir/dims.ts';
import { isFloat } from '../../../ir/dtype.ts';
import {
  nnAdd,
  nnBatchNorm,
  nnConv,
  nnConvTranspose,
  nnGroupNorm,
  nnInstanceNorm,
  nnLayerNorm,
  nnLogSoftmax,
  nnMatmul,
  nnSoftmax,
  nnTranspose,
  qnnMatmul,
} from '../../../ir/index.ts';
import type { Dim } from '../../../ir/types.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import { TorchTensor } from '../pickle/index.ts';
import { transposed } from '../quantized/linear.ts';
import type { GraphTensor, TensorLike } from '../values.ts';

/** A float tensor: quantized ones are another operator. */
function real(ctx: TorchContext, x: TensorLike): GraphTensor {
  const tensor = ctx.graph(x);
  if (tensor.quantization) return ctx.unsupported('a quantized operand');
  return isFloat(tensor.dtype) ? tensor : ctx.result(ctx.cast(tensor.value, 'f32'), tensor);
}

const optional = (ctx: TorchContext, args: Arguments, name: string): Value | undefined =>
  args.has(name) ? real(ctx, args.tensor(name)).value : undefined;

function conv(ctx: TorchContext, args: Arguments, isTransposed: boolean): GraphTensor {
  const w = real(ctx, args.tensor('weight'));
  const rank = w.shape.length - 2;
  if (rank < 1) return ctx.refuse(`weights of ${w.shape.length} axes for a convolution`, 'U2005');
  const groups = args.int('groups');
  const sizes = ctx.staticShape(w.shape, 'the weights of a convolution');
  const [first, second] = sizes;
  const x = real(ctx, ctx.image(args.tensor('input'), isTransposed ? first : second * groups, rank));
  const padding = paddingOf(ctx, args, sizes, rank);
  const attrs = {
    strides: args.ints('stride', rank),
    pads: padding,
    dilations: args.ints('dilation', rank),
    group: groups,
  };
  const operands = { x: x.value, w: w.value, bias: optional(ctx, args, 'bias') };
  const y = isTransposed
    ? ctx.emit(nnConvTranspose, operands, { ...attrs, outputPadding: args.ints('output_padding', rank) })
    : ctx.emit(nnConv, operands, attrs);
  return ctx.result(y, x);
}

/** Numbers, `valid`, or `same`, whose odd pad goes to the end. */
function paddingOf(ctx: TorchContext, args: Arguments, shape: readonly number[], rank: number): readonly number[] {
  const given = args.value('padding');
  if (typeof given !== 'string') {
    const padding = args.ints('padding', rank);
    return [...padding, ...padding];
  }
  if (given === 'valid') return Array<number>(2 * rank).fill(0);
  if (given !== 'same') return ctx.unsupported(`the padding '${given}'`);
  const totals = args.ints('dilation', rank).map((d, i) => d * (shape[i + 2] - 1));
  return [...totals.map((t) => Math.floor(t / 2)), ...totals.map((t) => Math.ceil(t / 2))];
}

/** x·wᵀ + b; stored weights are transposed now. */
function linear(ctx: TorchContext, args: Arguments): GraphTensor {
  const given = args.tensor('weight');
  const [, inputs] = ctx.staticShape(ctx.graph(given).shape, 'the weights of a linear layer');
  const x = real(ctx, ctx.rows(args.tensor('input'), inputs));
  const w =
    given instanceof TorchTensor && given.shape.length === 2
      ? ctx.lazy(
          { dtype: given.type.dtype, shape: [given.shape[1], given.shape[0]] },
          () => transposed(given.tensor()),
          'weight',
        )
      : ctx.emit(nnTranspose, { x: real(ctx, given).value }, { perm: [1, 0] });
  const y = ctx.emit(nnMatmul, { a: x.value, b: w });
  const bias = optional(ctx, args, 'bias');
  return ctx.result(bias ? ctx.emit(nnAdd, { a: y, b: bias }) : y);
}

/** A convolution or a normalization with parameters that may be absent. */
function batchNorm(ctx: TorchContext, args: Arguments): GraphTensor {
  if (args.bool('training'))
    ctx.refuse(
      'the model was saved in training mode: the batch decides the normalization',
      'U2008',
      'call model.eval() before saving',
    );
  const x = real(ctx, args.tensor('input'));
  const channels = ctx.staticShape([x.shape[1]], 'a normalization')[0];
  const filled = (value: number, name: string) =>
    ctx.floats(Array<number>(ctx.bounded(channels, 'parameters')).fill(value), name);
  const operands = {
    x: x.value,
    scale: optional(ctx, args, 'weight') ?? filled(1, 'scale'),
    bias: optional(ctx, args, 'bias') ?? filled(0, 'bias'),
    mean: optional(ctx, args, 'running_mean') ?? filled(0, 'mean'),
    variance: optional(ctx, args, 'running_var') ?? filled(1, 'variance'),
  };
  return ctx.result(ctx.emit(nnBatchNorm, operands, { epsilon: args.number('eps') }), x);
}

function layerNorm(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = real(ctx, args.tensor('input'));
  const shape = args.ints('normalized_shape');
  const axis = x.shape.length - shape.length;
  const scale =
    optional(ctx, args, 'weight') ??
    ctx.reshape(
      ctx.floats(
        Array<number>(
          ctx.bounded(
            shape.reduce((a, b) => a * b, 1),
            'parameters',
          ),
        ).fill(1),
        'scale',
      ),
      shape,
    );
  const y = ctx.emit(
    nnLayerNorm,
    { x: x.value, scale, bias: optional(ctx, args, 'bias') },
    {
      axis,
      epsilon: args.number('eps'),
    },
  );
  return ctx.result(y);
}

/** Scale and bias of each channel. */
function affine(ctx: TorchContext, args: Arguments, x: GraphTensor): { readonly scale: Value; readonly bias: Value } {
  const channels = ctx.staticShape([x.shape[1]], 'a normalization')[0];
  const filled = (value: number, name: string) =>
    ctx.floats(Array<number>(ctx.bounded(channels, 'parameters')).fill(value), name);
  const scale = optional(ctx, args, 'weight') ?? filled(1, 'scale');
  return { scale, bias: optional(ctx, args, 'bias') ?? filled(0, 'bias') };
}

function groupNorm(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = real(ctx, args.tensor('input'));
  return ctx.result(
    ctx.emit(
      nnGroupNorm,
      { x: x.value, ...affine(ctx, args, x) },
      {
        groups: args.int('num_groups'),
        epsilon: args.number('eps'),
      },
    ),
    x,
  );
}

const softmax = (name: string, op: typeof nnSoftmax | typeof nnLogSoftmax): readonly TorchOp[] =>
  defineTorchOp({
    schema: [
      `aten::${name}(Tensor self, int dim, any dtype=None)`,
      `aten::_${name}(Tensor self, int dim, bool half_to_float)`,
    ],
    import(ctx, args) {
      const x = real(ctx, args.tensor('self'));
      return ctx.result(ctx.emit(op, { x: x.value }, { axis: ctx.axis(args.int('dim'), x.shape.length) }));
    },
  });

/** `bhid,bhjd->bhij`: two operands, as one matrix product with batches. */
function einsum(ctx: TorchContext, args: Arguments): GraphTensor {
  const equation = args.string('equation').replaceAll(' ', '');
  const match = /^([a-zA-Z]+),([a-zA-Z]+)->([a-zA-Z]*)$/.exec(equation);
  const operands = args.tensors('tensors').map((x) => real(ctx, x));
  const lists = match?.slice(1).map((letters) => [...letters]);
  if (lists === undefined || operands.length !== 2 || lists.some((l) => new Set(l).size !== l.length))
    return ctx.unsupported(`einsum of '${equation}'`);
  const [left, right, out] = lists;
  const sizes = new Map<string, Dim>();
  [left, right].forEach((letters, i) => {
    if (letters.length !== operands[i].shape.length) ctx.refuse(`'${equation}' does not fit its operands`, 'U2005');
    for (const [axis, letter] of letters.entries()) sizes.set(letter, operands[i].shape[axis]);
  });
  const size = (letter: string): Dim => sizes.get(letter) ?? ctx.unsupported(`einsum of '${equation}'`);
  const isIn = (list: readonly string[]) => (letter: string) => list.includes(letter);
  const batch = left.filter((l) => right.includes(l) && out.includes(l));
  const inner = left.filter((l) => right.includes(l) && !out.includes(l));
  const [rows, columns] = [left.filter((l) => !isIn(right)(l)), right.filter((l) => !isIn(left)(l))];
  if (![...rows, ...columns].every(isIn(out)) || !out.every((l) => sizes.has(l)))
    ctx.unsupported(`einsum of '${equation}'`);
  const arrange = (x: Value, from: readonly string[], first: readonly string[], last: readonly string[]): Value => {
    const perm = [...batch, ...first, ...last].map((letter) => from.indexOf(letter));
    const moved = perm.every((axis, i) => axis === i) ? x : ctx.emit(nnTranspose, { x }, { perm });
    const joined = (letters: readonly string[]) => elementsOf(letters.map(size));
    return ctx.reshape(moved, [...batch.map(size), joined(first), joined(last)]);
  };
  const product = ctx.emit(nnMatmul, {
    a: arrange(operands[0].value, left, rows, inner),
    b: arrange(operands[1].value, right, inner, columns),
  });
  const natural = [...batch, ...rows, ...columns];
  const wide = ctx.reshape(product, natural.map(size));
  const perm = out.map((letter) => natural.indexOf(letter));
  return ctx.result(perm.every((axis, i) => axis === i) ? wide : ctx.emit(nnTranspose, { x: wide }, { perm }));
}

const plainConv = 'Tensor input, Tensor weight, Tensor? bias=None, int[] stride=1';
const matmul = defineTorchOp({
  schema: [
    'aten::matmul(Tensor self, Tensor other)',
    'aten::bmm(Tensor self, Tensor other)',
    'aten::mm(Tensor self, Tensor other)',
  ],
  import: (ctx, args) =>
    ctx.result(
      ctx.emit(nnMatmul, { a: real(ctx, args.tensor('self')).value, b: real(ctx, args.tensor('other')).value }),
    ),
});

export const floatProductOps: readonly TorchOp[] = [
  ...[1, 2, 3].flatMap((rank) => [
    ...defineTorchOp({
      schema: `aten::conv${rank}d(${plainConv}, any padding=0, int[] dilation=1, int groups=1)`,
      import: (ctx, args) => conv(ctx, args, false),
    }),
    ...defineTorchOp({
      schema: `aten::conv_transpose${rank}d(${plainConv}, int[] padding=0, int[] output_padding=0, int groups=1, int[] dilation=1)`,
      import: (ctx, args) => conv(ctx, args, true),
    }),
  ]),
  ...defineTorchOp({
    schema: [
      'aten::_convolution(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, bool transposed, int[] output_padding, int groups, bool benchmark, bool deterministic, bool cudnn_enabled, bool allow_tf32)',
      'aten::_convolution(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, bool transposed, int[] output_padding, int groups, bool benchmark, bool deterministic, bool cudnn_enabled)',
      'aten::convolution(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, bool transposed, int[] output_padding, int groups)',
    ],
    import: (ctx, args) => conv(ctx, args, args.bool('transposed')),
  }),
  ...defineTorchOp({
    schema: `aten::_convolution_mode(${plainConv}, str padding, int[] dilation, int groups)`,
    import: (ctx, args) => conv(ctx, args, false),
  }),
  ...defineTorchOp({ schema: 'aten::linear(Tensor input, Tensor weight, Tensor? bias=None)', import: linear }),
  ...matmul,
  ...defineTorchOp({
    schema: 'aten::_int_mm(Tensor self, Tensor mat2)',
    import(ctx, args) {
      const [a, b] = ['self', 'mat2'].map((name) => ctx.graph(args.tensor(name)).value);
      return ctx.result(ctx.emit(qnnMatmul, { a, b }));
    },
  }),
  ...defineTorchOp({ schema: 'aten::einsum(str equation, Tensor[] tensors, any path=None)', import: einsum }),
  ...defineTorchOp({
    schema:
      'aten::batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps, bool cudnn_enabled)',
    import: batchNorm,
  }),
  ...defineTorchOp({
    schema:
      'aten::layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=0.00001, bool cudnn_enable=True)',
    import: layerNorm,
  }),
  ...defineTorchOp({
    schema:
      'aten::group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=0.00001, bool cudnn_enabled=True)',
    import: groupNorm,
  }),
  ...defineTorchOp({
    schema:
      'aten::instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool use_input_stats, float momentum, float eps, bool cudnn_enabled)',
    import(ctx, args) {
      if (!args.bool('use_input_stats')) return ctx.unsupported('running statistics');
      const x = real(ctx, args.tensor('input'));
      return ctx.result(
        ctx.emit(nnInstanceNorm, { x: x.value, ...affine(ctx, args, x) }, { epsilon: args.number('eps') }),
        x,
      );
    },
  }),
  ...softmax('softmax', nnSoftmax),
  ...softmax('log_softmax', nnLogSoftmax),
];
