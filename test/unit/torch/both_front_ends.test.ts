/** One call in TorchScript and in a program of torch.export: both compute PyTorch's result, in its element type. */
import { describe, expect, it } from 'vitest';
import { interpret } from '../../../src/ir/interpret.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import type { DType } from '../../../src/tensors/dtype.ts';
import { type ITensor, numbersOf, tensor } from '../../../src/tensors/tensor.ts';
import { dtype, evaluate, f, type Json } from '../torch_export/programs.ts';
import { forward, script } from './archives.ts';

const x = tensor('f32', [-1.5, 2, 3], [3]);
const ints = (values: readonly number[], shape: readonly number[] = [values.length]) => tensor('s64', values, shape);
const floats = (values: readonly number[], shape: readonly number[]) => tensor('f32', values, shape);

type Arguments = Readonly<Record<string, Json | ITensor | readonly ITensor[]>>;
type Case = readonly [
  code: string,
  target: string,
  args: Arguments,
  type: DType,
  values: readonly number[],
  shape?: readonly number[],
];

/** `i` is [-7, 2, 3] of int64, `n` the same of int32, `h` [1, 2.25, 3] of float16. */
const prelude = [
  'i = torch.tensor([-7, 2, 3], dtype=4)',
  'n = torch.to(i, 3)',
  'h = torch.tensor([1., 2.25, 3.], dtype=5)',
];
const i = ints([-7, 2, 3]);
const n = tensor('s32', [-7, 2, 3], [3]);

async function ofScript(code: string): Promise<ITensor> {
  const bytes = script({ code: forward(...prelude, `y = ${code}`, 'return y') });
  const graph = await importModel(bytes, { inputShapes: { x: [3] } });
  expect(graph.origin?.unsupported).toEqual([]);
  return interpret(graph, { x }).output;
}

const cases: readonly Case[] = [
  // integers stay integers
  ['torch.neg(i)', 'aten.neg.default', { self: i }, 's64', [7, -2, -3]],
  ['torch.abs(n)', 'aten.abs.default', { self: n }, 's32', [7, 2, 3]],
  ['torch.round(i)', 'aten.round.default', { self: i }, 's64', [-7, 2, 3]],
  ['torch.square(i)', 'aten.square.default', { self: i }, 's64', [49, 4, 9]],
  ['torch.clamp(i, 0, 2)', 'aten.clamp.default', { self: i, min: 0, max: 2 }, 's64', [0, 2, 2]],
  ['torch.pow(i, 2)', 'aten.pow.Tensor_Scalar', { self: i, exponent: 2 }, 's64', [49, 4, 9]],
  ['torch.cumsum(i, 0)', 'aten.cumsum.default', { self: i, dim: 0 }, 's64', [-7, -5, -2]],
  [
    'torch.bitwise_not(torch.lt(x, 0))',
    'aten.bitwise_not.default',
    { self: tensor('bool', [1, 0, 0]) },
    'bool',
    [0, 1, 1],
  ],
  // quotients
  [
    'torch.div(i, 2, rounding_mode="floor")',
    'aten.div.Scalar_mode',
    { self: i, other: 2, rounding_mode: 'floor' },
    's64',
    [-4, 1, 1],
  ],
  [
    'torch.div(i, 2, rounding_mode="trunc")',
    'aten.div.Scalar_mode',
    { self: i, other: 2, rounding_mode: 'trunc' },
    's64',
    [-3, 1, 1],
  ],
  ['torch.floor_divide(i, 2)', 'aten.floor_divide.default', { self: i, other: 2 }, 's64', [-4, 1, 1]],
  // promotion
  [
    'torch.mul(torch.lt(x, 0), torch.gt(x, -2))',
    'aten.mul.Tensor',
    { self: tensor('bool', [1, 0, 0]), other: tensor('bool', [1, 1, 1]) },
    'bool',
    [1, 0, 0],
  ],
  [
    'torch.add(i, torch.tensor(2., dtype=6))',
    'aten.add.Tensor',
    { self: i, other: floats([2], []) },
    'f32',
    [-5, 4, 5],
  ],
  [
    'torch.where(torch.lt(x, 0), 1, 0)',
    'aten.where.Scalar',
    { condition: tensor('bool', [1, 0, 0]), self: 1, other: 0 },
    's64',
    [1, 0, 0],
  ],
  ['torch.cat([i, x])', 'aten.cat.default', { tensors: [i, x] }, 'f32', [-7, 2, 3, -1.5, 2, 3]],
  ['torch.cat([x, torch.zeros([0])])', 'aten.cat.default', { tensors: [x, floats([], [0])] }, 'f32', [-1.5, 2, 3]],
  ['torch.stack([n, i])', 'aten.stack.default', { tensors: [n, i] }, 's64', [-7, 2, 3, -7, 2, 3], [2, 3]],
  // reductions
  ['torch.sum(n)', 'aten.sum.default', { self: n }, 's64', [-2], []],
  [
    'torch.sum(x, [0], False, dtype=7)',
    'aten.sum.dim_IntList',
    { self: x, dim: [0], dtype: dtype('f64') },
    'f64',
    [3.5],
    [],
  ],
  ['torch.mean(i)', 'aten.mean.default', { self: i, dtype: dtype('f32') }, 'f32', [Math.fround(-2 / 3)], []],
  [
    'torch.softmax(torch.mul(i, 0), 0, 7)',
    'aten.softmax.int',
    { self: ints([0, 0, 0]), dim: 0, dtype: dtype('f64') },
    'f64',
    [1 / 3, 1 / 3, 1 / 3],
  ],
  // ranges and fillings
  ['torch.arange(1, 4, dtype=4)', 'aten.arange.start', { start: 1, end: 4 }, 's64', [1, 2, 3]],
  ['torch.full([2], 2.)', 'aten.full.default', { size: [2], fill_value: f(2) }, 'f32', [2, 2]],
  ['torch.new_full(i, [2], 3)', 'aten.new_full.default', { self: i, size: [2], fill_value: 3 }, 's64', [3, 3]],
  // types of others
  ['torch.to(x, i)', 'aten.to.other', { self: x, other: i }, 's64', [-1, 2, 3]],
  // shapes
  [
    'torch.reshape(torch.expand(x, [2, -1, -1]), [-1])',
    'aten.expand.default',
    { self: x, size: [2, -1, -1] },
    'f32',
    [-1.5, 2, 3, -1.5, 2, 3],
  ],
  ['torch.narrow(x, 0, -2, 2)', 'aten.narrow.default', { self: x, dim: 0, start: -2, length: 2 }, 'f32', [2, 3]],
  [
    'torch.index(torch.reshape(i, [3, 1]), [torch.tensor([2, 0]), torch.tensor([0, 0])])',
    'aten.index.Tensor',
    { self: ints([-7, 2, 3], [3, 1]), indices: [ints([2, 0]), ints([0, 0])] },
    's64',
    [3, -7],
  ],
  [
    'torch.conv1d(torch.reshape(x, [1, 3]), torch.ones([1, 1, 2]))',
    'aten.conv1d.default',
    { input: floats([-1.5, 2, 3], [1, 3]), weight: floats([1, 1], [1, 1, 2]) },
    'f32',
    [0.5, 5],
    [1, 2],
  ],
  [
    'torch.avg_pool1d(torch.reshape(x, [1, 1, 3]), [2], [2], [0], True)',
    'aten.avg_pool1d.default',
    { self: floats([-1.5, 2, 3], [1, 1, 3]), kernel_size: [2], stride: [2], ceil_mode: true },
    'f32',
    [0.25, 3],
    [1, 1, 2],
  ],
  [
    'torch.avg_pool2d(torch.reshape(x, [1, 1, 3]), [1, 2], [1, 2], [0, 1], False, False, 4)',
    'aten.avg_pool2d.default',
    {
      self: floats([-1.5, 2, 3], [1, 1, 3]),
      kernel_size: [1, 2],
      stride: [1, 2],
      padding: [0, 1],
      count_include_pad: false,
      divisor_override: 4,
    },
    'f32',
    [-0.375, 1.25],
    [1, 1, 2],
  ],
];

describe('a call', () => {
  it.each(cases.map((c) => [c[0], c] as const))('%s', async (_title, c) => {
    const [code, target, args, type, values, shape = [values.length]] = c;
    const ofCode = await ofScript(code);
    expect({ type: ofCode.dtype, values: numbersOf(ofCode) }).toEqual({ type, values });
    const [ofProgram] = await evaluate(target, args, [type as 'f32', target.includes('expand') ? [2, 1, 3] : shape]);
    expect({ type: ofProgram.dtype, values: numbersOf(ofProgram) }).toEqual({ type, values });
  });
});

describe('in TorchScript', () => {
  it('floats of 16 bits are computed in binary32 and rounded', async () => {
    const y = await ofScript('torch.to(torch.mul(torch.exp(torch.mul(h, 0)), h), 6)');
    expect(numbersOf(y)).toEqual([1, 2.25, 3]);
  });

  it.each([
    ['torch.elu(x, 1., 2.)', 'an ELU with scales'],
    ['torch.softplus(x, 1, 3)', 'a softplus with a low threshold'],
    ['torch.dropout(x, 0.5, True)', 'training mode'],
    [
      'torch.batch_norm(torch.reshape(x, [1, 3]), None, None, None, None, False, 0.1, 0.1, False)',
      'statistics of the batch',
    ],
    ['torch.add(n, n, alpha=0.5)', 'the number 0.5 as s32'],
  ])('%s is opaque', async (code, reason) => {
    const bytes = script({ code: forward(...prelude, `return ${code}`) });
    const graph = await importModel(bytes, { inputShapes: { x: [3] } });
    expect(graph.origin?.unsupported[0].reason).toContain(reason);
  });
});

describe('in programs', () => {
  it.each<readonly [string, Arguments, DType, readonly number[]]>([
    ['aten.add.Scalar', { self: i, other: f(2) }, 'f32', [-5, 4, 5]],
    ['aten.mul.Tensor', { self: i, other: 2 }, 's64', [-14, 4, 6]],
    ['aten.norm.Scalar', { self: floats([3, 4], [2]), p: 2 }, 'f32', [5]],
  ])('%s', async (target, args, type, values) => {
    const [y] = await evaluate(target, args, [type as 'f32', values.length === 1 ? [] : [values.length]]);
    expect({ type: y.dtype, values: numbersOf(y) }).toEqual({ type, values });
  });

  it('parts have their sizes by the name of the schema', async () => {
    const parts = await evaluate('aten.split.sizes', { self: x, split_size: [1, 2] }, ['f32', [1]], ['f32', [2]]);
    expect(parts.map(numbersOf)).toEqual([[-1.5], [2, 3]]);
  });

  it.each([
    ['aten.roll.default', { self: x, shifts: 'one', dims: [0] }, "'shifts' should be int[], but is a string"],
    ['aten.conv1d.default', { input: x }, "the argument 'weight' is missing"],
  ] as const)('%s of %j is refused', async (target, args, message) => {
    await expect(evaluate(target, args, ['f32', [3]])).rejects.toMatchObject({
      code: 'U2004',
      message: expect.stringContaining(message),
    });
  });
});
