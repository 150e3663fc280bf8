/** Tensors that the code makes of numbers: stored ones where their size is known. */

import { isFloat } from '../../../ir/dtype.ts';
import { nnExpand } from '../../../ir/index.ts';
import { sizeOf } from '../../../ir/tensor.ts';
import type { Dim, Shape } from '../../../ir/types.ts';
import { isStatic } from '../../../ir/types.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import { type ScalarType, scalarTypeOfCode, scalarTypes, TorchTensor } from '../pickle/index.ts';
import type { TorchValue } from '../values.ts';

const MOST_ELEMENTS = 2 ** 20;

/** The type that is asked for, else that of the numbers. */
function typeOf(ctx: TorchContext, args: Arguments, values: readonly number[]): ScalarType {
  if (!args.has('dtype')) return values.every(Number.isInteger) ? scalarTypes.int64 : scalarTypes.float32;
  const code = args.int('dtype');
  const type = scalarTypeOfCode(code);
  return type && !type.isQuantized ? type : ctx.unsupported(`a tensor of the element type ${code}`);
}

/** A stored tensor of numbers; integers are cut off, as PyTorch does. */
function made(ctx: TorchContext, type: ScalarType, values: readonly number[], shape?: readonly number[]): TorchTensor {
  // halves are kept as bits, which the number is not
  if (type.dtype === 'f16' || type.dtype === 'bf16')
    return values.every((value) => value === 0)
      ? TorchTensor.of(type, values, shape)
      : ctx.unsupported(`numbers as a tensor of ${type.name}`);
  if (isFloat(type.dtype)) return TorchTensor.of(type, values, shape);
  if (!values.every(Number.isFinite)) return ctx.unsupported(`a tensor of ${type.name} of what is no integer`);
  return TorchTensor.of(type, values.map(Math.trunc), shape);
}

function filled(ctx: TorchContext, shape: Shape, value: number, type: ScalarType): TorchValue {
  for (const dim of shape)
    if (typeof dim === 'number' && !(Number.isSafeInteger(dim) && dim >= 0)) ctx.refuse(`a size of ${dim}`, 'U2005');
  if (isStatic(shape) && sizeOf(shape) <= MOST_ELEMENTS)
    return made(ctx, type, Array<number>(sizeOf(shape)).fill(value), shape);
  const one = ctx.graph(made(ctx, type, [value], [])).value;
  return ctx.result(ctx.emit(nnExpand, { x: one }, { shape }));
}

/** Numbers in nested lists, and the shape of the nesting. */
function flattened(ctx: TorchContext, value: TorchValue): { values: number[]; shape: number[] } {
  if (!Array.isArray(value)) {
    const number = typeof value === 'boolean' ? Number(value) : value;
    return {
      values: [typeof number === 'number' ? number : ctx.unsupported('a tensor of what is no number')],
      shape: [],
    };
  }
  const parts = value.map((item) => flattened(ctx, item));
  if (parts.some(({ shape }) => String(shape) !== String(parts[0].shape))) ctx.unsupported('a list of uneven lists');
  return { values: parts.flatMap(({ values }) => values), shape: [parts.length, ...(parts[0]?.shape ?? [])] };
}

const isTruth = (value: TorchValue): boolean =>
  Array.isArray(value) ? value.every(isTruth) : typeof value === 'boolean';

function range(ctx: TorchContext, args: Arguments, [start, end, step]: readonly number[]): TorchValue {
  const count = Math.max(0, Math.ceil((end - start) / step));
  if (!(count <= MOST_ELEMENTS)) ctx.unsupported(`a range of ${count} numbers`);
  const values = Array.from({ length: count }, (_, i) => start + i * step);
  return made(ctx, typeOf(ctx, args, [start, end, step]), values);
}

/** Where and how PyTorch would keep the tensor. */
const kept = 'int? dtype=None, any layout=None, any device=None, any pin_memory=None';
const size = (args: Arguments): readonly Dim[] => args.dims('size');

const constant = (name: string, value: number): readonly TorchOp[] => [
  ...defineTorchOp({
    schema: `aten::${name}(int[] size, *, ${kept})`,
    import: (ctx, args) =>
      filled(ctx, size(args), value, args.has('dtype') ? typeOf(ctx, args, []) : scalarTypes.float32),
  }),
  ...defineTorchOp({
    schema: [
      `aten::${name}_like(Tensor self, *, ${kept}, any memory_format=None)`,
      `aten::new_${name}(Tensor self, int[] size, *, ${kept})`,
    ],
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      return filled(
        ctx,
        args.has('size') ? size(args) : x.shape,
        value,
        args.has('dtype') ? typeOf(ctx, args, []) : x.type,
      );
    },
  }),
];

/** Memory that nobody has written to yet: what it holds PyTorch does not say. */
const empty: readonly TorchOp[] = [
  ...defineTorchOp({
    schema: `aten::empty(int[] size, *, ${kept}, any memory_format=None)`,
    import: (ctx, args) => filled(ctx, size(args), 0, args.has('dtype') ? typeOf(ctx, args, []) : scalarTypes.float32),
  }),
  ...defineTorchOp({
    schema: [
      `aten::empty_permuted(int[] size, int[] physical_layout, ${kept})`,
      `aten::empty_strided(int[] size, int[] stride, *, ${kept})`,
    ],
    import: (ctx, args) => filled(ctx, size(args), 0, args.has('dtype') ? typeOf(ctx, args, []) : scalarTypes.float32),
  }),
  ...defineTorchOp({
    schema: [
      `aten::empty_like(Tensor self, *, ${kept}, any memory_format=None)`,
      `aten::new_empty(Tensor self, int[] size, *, ${kept})`,
    ],
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      if (x.quantization) return ctx.unsupported('new memory of a quantized tensor');
      const shape = args.has('size') ? size(args) : x.shape;
      return filled(ctx, shape, 0, args.has('dtype') ? typeOf(ctx, args, []) : x.type);
    },
  }),
];

export const createOps: readonly TorchOp[] = [
  ...constant('zeros', 0),
  ...constant('ones', 1),
  ...empty,
  ...defineTorchOp({
    schema: `aten::full(int[] size, Scalar fill_value, *, ${kept})`,
    import: (ctx, args) =>
      filled(ctx, size(args), args.number('fill_value'), typeOf(ctx, args, [args.number('fill_value')])),
  }),
  ...defineTorchOp({
    schema: `aten::full_like(Tensor self, Scalar fill_value, *, ${kept}, any memory_format=None)`,
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      return filled(ctx, x.shape, args.number('fill_value'), args.has('dtype') ? typeOf(ctx, args, []) : x.type);
    },
  }),
  ...defineTorchOp({
    schema: [
      'aten::tensor(any data, *, int? dtype=None, any device=None, bool requires_grad=False)',
      `aten::scalar_tensor(any data, *, ${kept})`,
    ],
    import(ctx, args) {
      const data = args.value('data');
      if (data instanceof TorchTensor) return data;
      const { values, shape } = flattened(ctx, data);
      const type = !args.has('dtype') && isTruth(data) ? scalarTypes.bool : typeOf(ctx, args, values);
      return made(ctx, type, values, shape);
    },
  }),
  ...defineTorchOp({
    schema: `aten::arange(Scalar end, *, ${kept})`,
    import: (ctx, args) => range(ctx, args, [0, args.number('end'), 1]),
  }),
  ...defineTorchOp({
    schema: [
      `aten::arange(Scalar start, Scalar end, *, ${kept})`,
      `aten::arange(Scalar start, Scalar end, Scalar step, *, ${kept})`,
    ],
    import: (ctx, args) =>
      range(ctx, args, [args.number('start'), args.number('end'), args.has('step') ? args.number('step') : 1]),
  }),
  ...defineTorchOp({
    schema: `aten::linspace(Scalar start, Scalar end, int steps, *, ${kept})`,
    import(ctx, args) {
      const [start, end, steps] = [args.number('start'), args.number('end'), args.int('steps')];
      if (!(steps >= 0 && steps <= MOST_ELEMENTS)) ctx.unsupported(`a range of ${steps} numbers`);
      const step = (end - start) / Math.max(1, steps - 1);
      // the second half counts from the end
      const at = (i: number) => (i < steps / 2 ? start + step * i : end - step * (steps - 1 - i));
      return made(
        ctx,
        args.has('dtype') ? typeOf(ctx, args, []) : scalarTypes.float32,
        Array.from({ length: steps }, (_, i) => at(i)),
      );
    },
  }),
  ...defineTorchOp({
    schema: `aten::eye(int n, *, ${kept})`,
    import(ctx, args) {
      const n = args.int('n');
      if (!(n >= 0 && n * n <= MOST_ELEMENTS)) ctx.unsupported(`a matrix of ${n} rows`);
      const type = args.has('dtype') ? typeOf(ctx, args, []) : scalarTypes.float32;
      return TorchTensor.of(
        type,
        Array.from({ length: n * n }, (_, i) => Number(i % (n + 1) === 0)),
        [n, n],
      );
    },
  }),
];
