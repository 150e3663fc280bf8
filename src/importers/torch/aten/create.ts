/** Tensors that a model makes of numbers: stored ones where their size is known. */

import { type ScalarType, scalarTypes, TorchTensor } from '../../../formats/torch/index.ts';
import { isStatic, nnExpand, type Shape } from '../../../ir/index.ts';
import { numberToBfloat16, numberToHalf } from '../../../numerics/index.ts';
import { isFloat, sizeOf } from '../../../tensors/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import type { TorchValue } from '../values.ts';

const MOST_ELEMENTS = 2 ** 20;
/** More equal elements than these are repeated while the model runs. */
const MOST_STORED = 2 ** 16;

/** The requested type, else the given one. */
function typeOf(ctx: TorchContext, args: Arguments, otherwise: ScalarType): ScalarType {
  const type = args.scalarType('dtype') ?? otherwise;
  return type.isQuantized ? ctx.unsupported(`a tensor of ${type.name}`) : type;
}

/** The type of numbers: floats may have no fraction. */
const typeOfNumbers = (args: Arguments, names: readonly string[], values: readonly number[]): ScalarType =>
  values.every(Number.isInteger) && !names.some((name) => args.isFloat(name)) ? scalarTypes.int64 : scalarTypes.float32;

/** The stored form of elements: halves as bits, integers truncated, as PyTorch does. */
function elements(type: ScalarType, values: readonly number[]): readonly number[] {
  if (type.dtype === 'f16') return values.map(numberToHalf);
  if (type.dtype === 'bf16') return values.map(numberToBfloat16);
  if (type.dtype === 'bool') return values.map((value) => Number(value !== 0));
  return isFloat(type.dtype) ? values : values.map(Math.trunc);
}

function made(ctx: TorchContext, type: ScalarType, values: readonly number[], shape?: readonly number[]): TorchTensor {
  if (!isFloat(type.dtype) && !values.every(Number.isFinite))
    return ctx.unsupported(`a tensor of ${type.name} of numbers that are not integers`);
  return TorchTensor.of(type, elements(type, values), shape);
}

function filled(ctx: TorchContext, shape: Shape, value: number, type: ScalarType): TorchValue {
  for (const dim of shape)
    if (typeof dim === 'number' && !(Number.isSafeInteger(dim) && dim >= 0)) ctx.refuse(`a size of ${dim}`, 'U2005');
  if (isStatic(shape) && sizeOf(shape) <= MOST_STORED)
    return made(ctx, type, Array<number>(sizeOf(shape)).fill(value), shape);
  const one = ctx.graph(made(ctx, type, [value], [])).value;
  return ctx.result(ctx.emit(nnExpand, { x: one }, { shape }));
}

/** Numbers in nested lists, and the shape of the nesting. */
function flattened(ctx: TorchContext, value: TorchValue): { values: number[]; shape: number[] } {
  if (!Array.isArray(value)) {
    const number = typeof value === 'boolean' ? Number(value) : value;
    return {
      values: [typeof number === 'number' ? number : ctx.unsupported('a tensor of a value that is not a number')],
      shape: [],
    };
  }
  const parts = value.map((item) => flattened(ctx, item));
  if (parts.some(({ shape }) => String(shape) !== String(parts[0].shape))) ctx.unsupported('a list of uneven lists');
  return { values: parts.flatMap(({ values }) => values), shape: [parts.length, ...(parts[0]?.shape ?? [])] };
}

const isTruth = (value: TorchValue): boolean =>
  Array.isArray(value) ? value.every(isTruth) : typeof value === 'boolean';

/** start, start + step, … below end */
function range(ctx: TorchContext, args: Arguments): TorchValue {
  const [start, end, step] = [args.optionalNumber('start') ?? 0, args.number('end'), args.optionalNumber('step') ?? 1];
  const count = Math.max(0, Math.ceil((end - start) / step));
  if (!(count <= MOST_ELEMENTS)) ctx.unsupported(`a range of ${count} numbers`);
  const type = typeOf(ctx, args, typeOfNumbers(args, ['start', 'end', 'step'], [start, end, step]));
  return made(
    ctx,
    type,
    Array.from({ length: count }, (_, i) => start + i * step),
  );
}

/** Parameters that say where and how PyTorch keeps the tensor. */
const kept = 'ScalarType? dtype=None, any layout=None, any device=None, any pin_memory=None';
const keptLike = `${kept}, any memory_format=None`;

/** Creates a tensor with a given size, or with the size and the type of another tensor. */
const constant = (value: number, schema: readonly string[]): readonly TorchOp[] =>
  defineTorchOp({
    schema,
    import(ctx, args) {
      const x = args.has('self') ? ctx.graph(args.tensor('self')) : undefined;
      if (x?.quantization) return ctx.unsupported('new memory of a quantized tensor');
      const shape = x && !args.has('size') ? x.shape : args.dims('size');
      return filled(ctx, shape, value, typeOf(ctx, args, x?.type ?? scalarTypes.float32));
    },
  });

const family = (name: string, value: number): readonly TorchOp[] =>
  constant(value, [
    `aten::${name}(int[] size, *, ${name === 'empty' ? keptLike : kept})`,
    `aten::${name}_like(Tensor self, *, ${keptLike})`,
    `aten::new_${name}(Tensor self, int[] size, *, ${kept})`,
  ]);

/** The second half counts from the end. */
function linspace(ctx: TorchContext, args: Arguments): TorchValue {
  const [start, end, steps] = [args.number('start'), args.number('end'), args.int('steps')];
  if (!(steps >= 0 && steps <= MOST_ELEMENTS)) ctx.unsupported(`a range of ${steps} numbers`);
  const step = (end - start) / Math.max(1, steps - 1);
  const at = (i: number) => (i < steps / 2 ? start + step * i : end - step * (steps - 1 - i));
  return made(
    ctx,
    typeOf(ctx, args, scalarTypes.float32),
    Array.from({ length: steps }, (_, i) => at(i)),
  );
}

export const createOps: readonly TorchOp[] = [
  ...family('zeros', 0),
  ...family('ones', 1),
  // fresh memory: PyTorch does not say what it holds
  ...family('empty', 0),
  ...constant(0, [
    `aten::empty.memory_format(int[] size, *, ${keptLike})`,
    `aten::empty_permuted(int[] size, int[] physical_layout, *, ${kept})`,
    `aten::empty_strided(int[] size, int[] stride, *, ${kept})`,
  ]),
  ...defineTorchOp({
    schema: [
      `aten::full(int[] size, Scalar fill_value, *, ${kept})`,
      `aten::new_full(Tensor self, int[] size, Scalar fill_value, *, ${kept})`,
      `aten::full_like(Tensor self, Scalar fill_value, *, ${keptLike})`,
    ],
    import(ctx, args) {
      const value = args.number('fill_value');
      const x = args.has('self') ? ctx.graph(args.tensor('self')) : undefined;
      const type = typeOf(ctx, args, x?.type ?? typeOfNumbers(args, ['fill_value'], [value]));
      return filled(ctx, args.has('size') ? args.dims('size') : (x?.shape ?? []), value, type);
    },
  }),
  ...defineTorchOp({
    schema: 'aten::tensor(any data, *, ScalarType? dtype=None, any device=None, bool requires_grad=False)',
    import(ctx, args) {
      const data = args.value('data');
      if (data instanceof TorchTensor) return data;
      const { values, shape } = flattened(ctx, data);
      const type = isTruth(data) ? scalarTypes.bool : typeOfNumbers(args, [], values);
      return made(ctx, typeOf(ctx, args, type), values, shape);
    },
  }),
  ...defineTorchOp({
    schema: `aten::scalar_tensor(Scalar s, *, ${kept})`,
    import: (ctx, args) => made(ctx, typeOf(ctx, args, scalarTypes.float32), [args.number('s')], []),
  }),
  ...defineTorchOp({
    schema: [
      `aten::arange(Scalar end, *, ${kept})`,
      `aten::arange.start(Scalar start, Scalar end, *, ${kept})`,
      `aten::arange.start_step(Scalar start, Scalar end, Scalar step=1, *, ${kept})`,
    ],
    import: range,
  }),
  ...defineTorchOp({ schema: `aten::linspace(Scalar start, Scalar end, int steps, *, ${kept})`, import: linspace }),
  ...defineTorchOp({
    schema: `aten::eye(int n, *, ${kept})`,
    import(ctx, args) {
      const n = args.int('n');
      if (!(n >= 0 && n * n <= MOST_ELEMENTS)) ctx.unsupported(`a matrix of ${n} rows`);
      const ones = Array.from({ length: n * n }, (_, i) => Number(i % (n + 1) === 0));
      return made(ctx, typeOf(ctx, args, scalarTypes.float32), ones, [n, n]);
    },
  }),
];
