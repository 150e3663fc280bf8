/** Operators of ATen: the result of each, on tensors small enough to compute by hand. */
import { describe, expect, it } from 'vitest';
import { torchOps } from '../../../src/importers/torch/op_table.ts';
import type { DType } from '../../../src/tensors/dtype.ts';
import { type ITensor, numbersOf, tensor } from '../../../src/tensors/tensor.ts';
import { dtype, evaluate, f, type Json } from './programs.ts';

const x = (values: readonly number[], shape = [values.length]) => tensor('f32', values, shape);
const ints = (values: readonly number[], shape = [values.length]) => tensor('s64', values, shape);
const bools = (values: readonly number[]) => tensor('bool', values, [values.length]);
/** 0, 1, 2, … */
const upTo = (...shape: readonly number[]) =>
  x(
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
    [...shape],
  );

type Args = Readonly<Record<string, Json | ITensor | readonly ITensor[]>>;
type Case = readonly [
  target: string,
  args: Args,
  expected: readonly number[],
  shape?: readonly number[],
  dtype?: DType,
];

const round = (values: readonly number[]) => values.map((v) => Number(v.toPrecision(6)) + 0);

const cases: readonly Case[] = [
  // convolutions
  [
    'aten.conv1d.default',
    { input: x([1, 2, 3], [1, 1, 3]), weight: x([1, 10], [1, 1, 2]), padding: [1] },
    [10, 21, 32, 3],
    [1, 1, 4],
  ],
  [
    'aten.conv1d.default',
    { input: x([1, 2, 3], [1, 3]), weight: x([1, 10], [1, 1, 2]), bias: x([100]) },
    [121, 132],
    [1, 2],
  ],
  [
    'aten.conv1d.padding',
    { input: x([1, 2, 3], [1, 1, 3]), weight: x([1, 10], [1, 1, 2]), padding: 'same' },
    [21, 32, 3],
    [1, 1, 3],
  ],
  [
    'aten.conv2d.default',
    { input: upTo(1, 1, 3, 3), weight: x([1, 0, 0, 1], [1, 1, 2, 2]), stride: [2], padding: 1 },
    [0, 2, 6, 12],
    [1, 1, 2, 2],
  ],
  [
    'aten.conv2d.default',
    { input: upTo(1, 2, 1, 2), weight: x([2, 3], [2, 1, 1, 1]), groups: 2 },
    [0, 2, 6, 9],
    [1, 2, 1, 2],
  ],
  [
    'aten.convolution.default',
    {
      input: upTo(1, 1, 2),
      weight: x([1, 5], [1, 1, 2]),
      bias: null,
      stride: [2],
      padding: [0],
      dilation: [1],
      transposed: true,
      output_padding: [1],
      groups: 1,
    },
    [0, 0, 1, 5, 0],
    [1, 1, 5],
  ],
  [
    'aten.conv_transpose2d.input',
    { input: upTo(1, 1, 1, 2), weight: x([1, 5], [1, 1, 1, 2]), stride: [1, 2] },
    [0, 0, 1, 5],
    [1, 1, 1, 4],
  ],
  // products
  [
    'aten.linear.default',
    { input: upTo(2, 2), weight: x([1, 0, 1, 1, 0, 1], [3, 2]), bias: x([0, 10, 20]) },
    [0, 11, 21, 2, 15, 23],
    [2, 3],
  ],
  [
    'aten.addmm.default',
    { self: x([1, 2]), mat1: upTo(1, 2), mat2: upTo(2, 2), beta: f(2), alpha: 3 },
    [8, 13],
    [1, 2],
  ],
  ['aten.mm.default', { self: upTo(1, 2), mat2: upTo(2, 2) }, [2, 3], [1, 2]],
  ['aten.bmm.default', { self: upTo(2, 1, 2), mat2: upTo(2, 2, 1) }, [1, 13], [2, 1, 1]],
  [
    'aten.scaled_dot_product_attention.default',
    { query: x([1, 1], [1, 2, 1]), key: x([0, 0], [1, 2, 1]), value: x([4, 8], [1, 2, 1]) },
    [6, 6],
    [1, 2, 1],
  ],
  [
    'aten.scaled_dot_product_attention.default',
    { query: x([1, 1], [1, 2, 1]), key: x([0, 0], [1, 2, 1]), value: x([4, 8], [1, 2, 1]), is_causal: true },
    [4, 6],
    [1, 2, 1],
  ],
  // pools
  ['aten.max_pool2d.default', { self: upTo(1, 1, 2, 4), kernel_size: [2, 2] }, [5, 7], [1, 1, 1, 2]],
  [
    'aten.max_pool2d.default',
    { self: upTo(1, 1, 1, 5), kernel_size: [1, 2], stride: [1, 2], ceil_mode: true },
    [1, 3, 4],
    [1, 1, 1, 3],
  ],
  [
    'aten.avg_pool2d.default',
    { self: x([2, 4], [1, 1, 1, 2]), kernel_size: [1, 2], stride: [1, 1], padding: [0, 1] },
    [1, 3, 2],
    [1, 1, 1, 3],
  ],
  [
    'aten.avg_pool2d.default',
    { self: x([2, 4], [1, 1, 1, 2]), kernel_size: [1, 2], stride: [1, 1], padding: [0, 1], count_include_pad: false },
    [2, 3, 4],
    [1, 1, 1, 3],
  ],
  [
    'aten.avg_pool2d.default',
    { self: x([2, 4], [1, 1, 1, 2]), kernel_size: [1, 2], divisor_override: 3 },
    [2],
    [1, 1, 1, 1],
  ],
  ['aten.avg_pool1d.default', { self: x([2, 4], [1, 2]), kernel_size: [2] }, [3], [1, 1]],
  ['aten.adaptive_avg_pool2d.default', { self: upTo(1, 2, 2, 2), output_size: [1, 1] }, [1.5, 5.5], [1, 2, 1, 1]],
  ['aten.adaptive_avg_pool2d.default', { self: upTo(1, 1, 2, 4), output_size: [1, 2] }, [2.5, 4.5], [1, 1, 1, 2]],
  ['aten.adaptive_avg_pool2d.default', { self: upTo(1, 1, 1, 5), output_size: [1, 3] }, [0.5, 2, 3.5], [1, 1, 1, 3]],
  ['aten._adaptive_avg_pool2d.default', { self: upTo(1, 1, 3, 2), output_size: [2, 1] }, [1.5, 3.5], [1, 1, 2, 1]],
  // activations
  ['aten.relu.default', { self: x([-1, 2]) }, [0, 2]],
  ['aten.relu6.default', { self: x([-1, 9]) }, [0, 6]],
  ['aten.hardtanh.default', { self: x([-3, 0.5, 9]), min_val: f(0), max_val: f(6) }, [0, 0.5, 6]],
  ['aten.clamp.default', { self: x([-3, 9]), min: -1 }, [-1, 9]],
  ['aten.clamp_max.default', { self: x([-3, 9]), max: 2 }, [-3, 2]],
  ['aten.leaky_relu.default', { self: x([-10, 10]) }, [-0.1, 10]],
  ['aten.hardswish.default', { self: x([-4, 0, 3]) }, [0, 0, 3]],
  ['aten.hardsigmoid.default', { self: x([-4, 0, 1.5]) }, [0, 0.5, 0.75]],
  ['aten.sigmoid.default', { self: x([0]) }, [0.5]],
  ['aten.silu.default', { self: x([0, 1]) }, [0, 0.731059]],
  ['aten.gelu.default', { self: x([1]) }, [0.841345]],
  ['aten.gelu.default', { self: x([1]), approximate: 'tanh' }, [0.841192]],
  ['aten.elu.default', { self: x([-1]) }, [-0.632121]],
  ['aten.softplus.default', { self: x([0]) }, [Math.LN2]],
  ['aten.prelu.default', { self: x([-1, -2], [1, 2, 1]), weight: x([10, 20]) }, [-10, -40], [1, 2, 1]],
  ['aten.rsqrt.default', { self: x([4]) }, [0.5]],
  ['aten.pow.Tensor_Scalar', { self: x([3]), exponent: 2 }, [9]],
  ['aten.pow.Scalar', { self: 2, exponent: x([3]) }, [8]],
  ['aten.logical_not.default', { self: x([0, 3]) }, [1, 0], [2], 'bool'],
  // two tensors
  ['aten.add.Tensor', { self: x([1, 2]), other: x([10]) }, [11, 12]],
  ['aten.add.Tensor', { self: x([1, 2]), other: x([10]), alpha: 2 }, [21, 22]],
  ['aten.add.Tensor', { self: ints([1]), other: x([0.5]) }, [1.5]],
  ['aten.add.Tensor', { self: ints([1]), other: 2 }, [3], [1], 's64'],
  ['aten.add.Tensor', { self: ints([1]), other: 0.5 }, [1.5]],
  ['aten.add.Tensor', { self: tensor('u8', [250]), other: tensor('s8', [-1]) }, [249], [1], 's16'],
  ['aten.sub.Tensor', { self: x([1]), other: x([3]), alpha: 2 }, [-5]],
  ['aten.rsub.Scalar', { self: x([1]), other: 3 }, [2]],
  ['aten.mul.Scalar', { self: x([1.5]), other: 2 }, [3]],
  ['aten.div.Tensor', { self: ints([1]), other: ints([2]) }, [0.5]],
  ['aten.div.Tensor_mode', { self: ints([-7]), other: ints([2]), rounding_mode: 'floor' }, [-4], [1], 's64'],
  ['aten.div.Tensor_mode', { self: ints([-7]), other: ints([2]), rounding_mode: 'trunc' }, [-3], [1], 's64'],
  ['aten.div.Tensor_mode', { self: x([-7]), other: x([2]), rounding_mode: 'floor' }, [-4]],
  ['aten.remainder.Scalar', { self: ints([-7]), other: 3 }, [2], [1], 's64'],
  ['aten.maximum.default', { self: x([1, 5]), other: x([3]) }, [3, 5]],
  ['aten.ge.Scalar', { self: x([1, 2]), other: 2 }, [0, 1], [2], 'bool'],
  ['aten.ne.Tensor', { self: x([1, 2]), other: x([2]) }, [1, 0], [2], 'bool'],
  ['aten.logical_or.default', { self: bools([1, 0]), other: bools([0, 0]) }, [1, 0], [2], 'bool'],
  ['aten.where.self', { condition: bools([1, 0]), self: x([1, 2]), other: x([3, 4]) }, [1, 4]],
  ['aten.masked_fill.Scalar', { self: x([1, 2]), mask: bools([1, 0]), value: f(-Infinity) }, [-Infinity, 2]],
  // reductions
  ['aten.mean.dim', { self: upTo(2, 2), dim: [-1] }, [0.5, 2.5]],
  ['aten.mean.dim', { self: upTo(2, 2), dim: null, keepdim: true }, [1.5], [1, 1]],
  ['aten.mean.default', { self: upTo(2, 2) }, [1.5], []],
  ['aten.sum.dim_IntList', { self: ints([1, 2], [1, 2]), dim: [1] }, [3], [1], 's64'],
  ['aten.amax.default', { self: upTo(2, 2), dim: [0], keepdim: true }, [2, 3], [1, 2]],
  ['aten.argmax.default', { self: x([1, 9, 3]), dim: 0 }, [1], [], 's64'],
  ['aten.var.correction', { self: x([1, 2, 3]), dim: [0], correction: 1 }, [1], []],
  ['aten.cumsum.default', { self: x([1, 2, 3]), dim: 0 }, [1, 3, 6]],
  // normalizations
  [
    'aten.batch_norm.default',
    {
      input: x([1, 2], [1, 2]),
      weight: x([1, 2]),
      bias: x([0, 1]),
      running_mean: x([1, 1]),
      running_var: x([1, 1]),
      training: false,
      momentum: 0.1,
      eps: f(0),
      cudnn_enabled: true,
    },
    [0, 3],
    [1, 2],
  ],
  ['aten.layer_norm.default', { input: x([1, 3], [1, 2]), normalized_shape: [2], eps: f(0) }, [-1, 1], [1, 2]],
  [
    'aten.layer_norm.default',
    { input: x([1, 3], [1, 2]), normalized_shape: [2], weight: x([2, 2]), bias: x([1, 1]), eps: f(0) },
    [-1, 3],
    [1, 2],
  ],
  ['aten.rms_norm.default', { input: x([3, 3], [1, 2]), normalized_shape: [2], eps: f(0) }, [1, 1], [1, 2]],
  ['aten.group_norm.default', { input: x([1, 3], [1, 2, 1]), num_groups: 1, eps: f(0) }, [-1, 1], [1, 2, 1]],
  ['aten.softmax.int', { self: x([0, 0], [1, 2]), dim: -1 }, [0.5, 0.5], [1, 2]],
  [
    'aten._log_softmax.default',
    { self: x([0, 0], [1, 2]), dim: 1, half_to_float: false },
    [-Math.LN2, -Math.LN2],
    [1, 2],
  ],
  // shapes
  ['aten.view.default', { self: upTo(2, 3), size: [-1, 2] }, [0, 1, 2, 3, 4, 5], [3, 2]],
  ['aten.flatten.using_ints', { self: upTo(2, 1, 3), start_dim: 1 }, [0, 1, 2, 3, 4, 5], [2, 3]],
  ['aten.unflatten.int', { self: upTo(4), dim: 0, sizes: [2, -1] }, [0, 1, 2, 3], [2, 2]],
  ['aten.unsqueeze.default', { self: upTo(2), dim: -1 }, [0, 1], [2, 1]],
  ['aten.squeeze.dim', { self: upTo(1, 2, 1), dim: 2 }, [0, 1], [1, 2]],
  ['aten.squeeze.default', { self: upTo(1, 2, 1) }, [0, 1], [2]],
  ['aten.to.dtype', { self: x([1.5]), dtype: dtype('s64') }, [1], [1], 's64'],
  [
    'aten._to_copy.default',
    { self: x([1.5]), dtype: dtype('s32'), device: { as_device: { type: 'cpu', index: null } } },
    [1],
    [1],
    's32',
  ],
  ['aten.clone.default', { self: x([7]), memory_format: { as_memory_format: 4 } }, [7]],
  ['aten.dropout.default', { input: x([7]), p: 0.5, train: false }, [7]],
  // movements
  ['aten.permute.default', { self: upTo(1, 2, 2), dims: [0, 2, -2] }, [0, 2, 1, 3], [1, 2, 2]],
  ['aten.transpose.int', { self: upTo(2, 2), dim0: 0, dim1: -1 }, [0, 2, 1, 3], [2, 2]],
  ['aten.t.default', { self: upTo(2, 2) }, [0, 2, 1, 3], [2, 2]],
  ['aten.cat.default', { tensors: [upTo(1, 2), upTo(1, 1)], dim: -1 }, [0, 1, 0], [1, 3]],
  ['aten.stack.default', { tensors: [upTo(2), upTo(2)], dim: 1 }, [0, 0, 1, 1], [2, 2]],
  ['aten.slice.Tensor', { self: upTo(5), dim: 0, start: 1, end: 2 ** 53, step: 2 }, [1, 3]],
  ['aten.slice.Tensor', { self: upTo(5), dim: 0, start: -2 }, [3, 4]],
  ['aten.select.int', { self: upTo(2, 2), dim: 1, index: -1 }, [1, 3], [2]],
  ['aten.narrow.default', { self: upTo(5), dim: 0, start: 1, length: 2 }, [1, 2]],
  ['aten.expand.default', { self: upTo(2, 1), size: [3, -1, 2] }, [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1], [3, 2, 2]],
  ['aten.repeat.default', { self: upTo(2), repeats: [2, 1] }, [0, 1, 0, 1], [2, 2]],
  ['aten.flip.default', { self: upTo(2, 2), dims: [0, 1] }, [3, 2, 1, 0], [2, 2]],
  ['aten.constant_pad_nd.default', { self: upTo(1, 2), pad: [1, 0], value: f(9) }, [9, 0, 1], [1, 3]],
  ['aten.pad.default', { self: upTo(1, 3), pad: [1, 1], mode: 'reflect' }, [1, 0, 1, 2, 1], [1, 5]],
  ['aten.embedding.default', { weight: upTo(3, 2), indices: ints([2, 0]) }, [4, 5, 0, 1], [2, 2]],
  ['aten.index_select.default', { self: upTo(2, 2), dim: 1, index: ints([1]) }, [1, 3], [2, 1]],
  ['aten.gather.default', { self: upTo(2, 2), dim: 1, index: ints([1, 0], [2, 1]) }, [1, 2], [2, 1]],
  ['aten.channel_shuffle.default', { self: upTo(1, 4, 1), groups: 2 }, [0, 2, 1, 3], [1, 4, 1]],
  ['aten.pixel_shuffle.default', { self: upTo(1, 4, 1, 1), upscale_factor: 2 }, [0, 1, 2, 3], [1, 1, 2, 2]],
  [
    'aten.upsample_nearest2d.vec',
    { input: upTo(1, 1, 1, 2), output_size: null, scale_factors: { as_floats: [1, 2] } },
    [0, 0, 1, 1],
    [1, 1, 1, 4],
  ],
  ['aten.upsample_nearest2d.default', { self: upTo(1, 1, 1, 2), output_size: [1, 3] }, [0, 0, 1], [1, 1, 1, 3]],
  [
    'aten.upsample_bilinear2d.vec',
    { input: upTo(1, 1, 1, 2), output_size: [1, 3], align_corners: true, scale_factors: null },
    [0, 0.5, 1],
    [1, 1, 1, 3],
  ],
  // constants
  ['aten.full_like.default', { self: upTo(2), fill_value: 3 }, [3, 3]],
  ['aten.ones_like.default', { self: upTo(2), dtype: dtype('s64') }, [1, 1], [2], 's64'],
];

describe('operators of ATen', () => {
  it.each(cases.map((c) => [c[0], c] as const))('%s (%#)', async (_target, [target, args, expected, ...more]) => {
    const [shape = [expected.length], type = 'f32'] = more;
    const [y] = await evaluate(target, args, [type as 'f32', shape]);
    expect({ dtype: y.dtype, shape: y.shape, values: round(numbersOf(y)) }).toEqual({
      dtype: type,
      shape,
      values: round(expected),
    });
  });

  it('with several results', async () => {
    const parts = await evaluate(
      'aten.split.Tensor',
      { self: upTo(5), split_size: 2 },
      ['f32', [2]],
      ['f32', [2]],
      ['f32', [1]],
    );
    expect(parts.map(numbersOf)).toEqual([[0, 1], [2, 3], [4]]);
    const chunks = await evaluate('aten.chunk.default', { self: upTo(5), chunks: 2 }, ['f32', [3]], ['f32', [2]]);
    expect(chunks.map(numbersOf)).toEqual([
      [0, 1, 2],
      [3, 4],
    ]);
    const rows = await evaluate('aten.unbind.int', { self: upTo(2, 2) }, ['f32', [2]], ['f32', [2]]);
    expect(rows.map(numbersOf)).toEqual([
      [0, 1],
      [2, 3],
    ]);
    const most = await evaluate('aten.max.dim', { self: upTo(2, 2), dim: 1 }, ['f32', [2]], ['s64', [2]]);
    expect(most.map(numbersOf)).toEqual([
      [1, 3],
      [1, 1],
    ]);
    const sized = await evaluate(
      'aten.split_with_sizes.default',
      { self: upTo(3), split_sizes: [1, 2] },
      ['f32', [1]],
      ['f32', [2]],
    );
    expect(sized.map(numbersOf)).toEqual([[0], [1, 2]]);
  });

  it.each([
    [
      'aten.batch_norm.default',
      {
        input: upTo(1, 2),
        weight: null,
        bias: null,
        running_mean: null,
        running_var: null,
        training: true,
        momentum: 0.1,
        eps: 0.1,
        cudnn_enabled: true,
      },
      'training mode',
    ],
    ['aten.dropout.default', { input: upTo(1, 2), p: 0.5, train: true }, 'training mode'],
    [
      'aten.avg_pool2d.default',
      {
        self: upTo(1, 1, 1, 2),
        kernel_size: [1, 2],
        padding: [0, 1],
        ceil_mode: true,
        stride: [1, 3],
        divisor_override: 2,
      },
      'a divisor of its own',
    ],
    ['aten.elu.default', { self: upTo(1, 2), alpha: 1, scale: 2 }, 'an ELU with scales'],
    ['aten.bitwise_not.default', { self: ints([1], [1, 1]) }, 'a complement of int64'],
    ['aten.nonsense.default', { self: upTo(1, 2) }, 'the operator is not known'],
    ['aten.relu.default', { self: upTo(1, 2), other: 3 }, "the argument 'other'"],
  ] as const)('%s is opaque where it is not understood', async (target, args, reason) => {
    await expect(evaluate(target, args as Args, ['f32', [1, 2]])).rejects.toThrow(reason);
  });

  it('are each declared once', () => {
    const names = torchOps.map(({ name, overload }) => `${name}.${overload}`);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  });
});
