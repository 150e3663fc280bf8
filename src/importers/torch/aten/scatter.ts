/**
 * A tensor with some of its elements replaced: the functional forms of `copy_`, `fill_`, `index_put_`, `scatter_` and
 * their kin. Positions have to be known; positions from truth values may be computed when one value fills all of them.
 */

import { isStatic, nnExpand, nnSlice, nnWhere, type Shape, type Value } from '../../../ir/index.ts';
import { quantizeByReciprocal, reciprocal32 } from '../../../numerics/index.ts';
import { dtypes, isFloat, sizeOf } from '../../../tensors/index.ts';
import { written } from '../memory/place.ts';
import { type Builder, diagonal, FAR, placedAlong, type Region, selected, sliced, whole } from '../memory/region.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import { numbersOf, quantizedPerTensor } from '../quantized/quantize.ts';
import { GraphTensor, isUnderstood, numberOf, type TensorLike, type TorchValue } from '../values.ts';
import { axisOf } from './parts.ts';
import { isMask } from './positions.ts';

export const builderOf = (ctx: TorchContext): Builder => ({
  emit: ctx.emit.bind(ctx),
  constant: (value, name) => ctx.constant(value, name),
  refuse: (message) => ctx.refuse(message, 'U2008'),
});

/** One number as an element of x: quantized, truncated if PyTorch does so, or a truth value, depending on x. */
function element(ctx: TorchContext, x: GraphTensor, value: TorchValue, isCut = false): Value {
  const number = numberOf(value) ?? known(ctx, value);
  if (number === undefined) {
    if (!isUnderstood(value)) return ctx.unsupported('a number that depends on the size of an input');
    const tensor = ctx.graph(value);
    if (tensor.shape.some((dim) => dim !== 1)) ctx.unsupported(`a filling of shape [${tensor.shape}]`);
    return ctx.reshape(like(ctx, x, tensor).value, []);
  }
  if (x.quantization) {
    const { min, max } = dtypes[x.dtype];
    const { scale, zeroPoint } = ctx.quantized(x).quantization;
    const q = quantizeByReciprocal(Math.fround(number), reciprocal32(Math.fround(scale)), zeroPoint, min, max);
    return ctx.scalar(x.dtype, q, 'filling');
  }
  if (isFloat(x.dtype)) return ctx.scalar(x.dtype, number, 'filling');
  return ctx.scalar(
    x.dtype,
    x.dtype === 'bool' ? Number(number !== 0) : isCut ? Math.trunc(number) : number,
    'filling',
  );
}

/** The one element of a constant of the graph. */
function known(ctx: TorchContext, value: TorchValue): number | undefined {
  if (!(value instanceof GraphTensor) || value.quantization || value.dtype === 'f16' || value.dtype === 'bf16')
    return undefined;
  const constant = ctx.constantOf(value.value);
  return constant?.data.length === 1 ? Number(constant.data[0]) : undefined;
}

/** Elements for x, in its type. Integers of quantized tensors are taken as they are: the result has their parameters. */
function like(ctx: TorchContext, x: GraphTensor, given: TensorLike): GraphTensor {
  const source = ctx.graph(given);
  if (x.quantization && !source.quantization)
    return quantizedPerTensor(ctx, source, x.type, ctx.quantized(x).quantization);
  if (!x.quantization && source.quantization) return ctx.refuse('a quantized tensor is copied into one that is not');
  if (!x.quantization) return new GraphTensor(ctx.cast(source.value, x.dtype), x.type);
  return source.type === x.type ? source : ctx.refuse(`${source.type.name} is copied into ${x.type.name}`);
}

function spreadOver(ctx: TorchContext, value: Value, shape: Shape): Value {
  const given = value.type.shape;
  const surplus = given.slice(0, Math.max(0, given.length - shape.length));
  const fitting = given.slice(surplus.length);
  const lead = shape.length - fitting.length;
  const fits = surplus.every((dim) => dim === 1) && fitting.every((dim, i) => dim === 1 || dim === shape[lead + i]);
  if (!fits) ctx.refuse(`[${given.join(', ')}] does not broadcast to [${shape.join(', ')}]`, 'U2005');
  const x = ctx.reshape(value, fitting);
  return String(fitting) === String(shape) ? x : ctx.emit(nnExpand, { x }, { shape });
}

function copied(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = ctx.graph(args.tensor('self'));
  const source = args.value('src');
  if (!isUnderstood(source)) return ctx.moved(spreadOver(ctx, element(ctx, x, source, true), x.shape), x);
  const y = like(ctx, x, source);
  return new GraphTensor(spreadOver(ctx, y.value, x.shape), x.type, {
    quantization: y.quantization,
    channelsLast: x.channelsLast,
  });
}

const filled = (name: string, value: (args: Arguments) => TorchValue, parameters = ''): readonly TorchOp[] =>
  defineTorchOp({
    schema: `aten::${name}(Tensor self${parameters})`,
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      return ctx.moved(spreadOver(ctx, element(ctx, x, value(args), true), x.shape), x);
    },
  });

function maskFilled(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = ctx.graph(args.tensor('self'));
  const mask = ctx.cast(ctx.graph(args.tensor('mask')).value, 'bool');
  return ctx.moved(ctx.emit(nnWhere, { cond: mask, a: element(ctx, x, args.value('value')), b: x.value }), x);
}

// ---- positions

/** Positions of which each occurs once; negative ones count from the end. */
function positionsOf(ctx: TorchContext, at: TensorLike, size: number, mayRepeat: boolean): readonly number[] {
  const positions = numbersOf(ctx, at, 'positions to write to').map((i) => (i < 0 ? i + size : i));
  const wrong = positions.find((i) => !(i >= 0 && i < size));
  if (wrong !== undefined) ctx.refuse(`the position ${wrong} is outside of an axis of ${size}`, 'U2005');
  if (!mayRepeat && new Set(positions).size !== positions.length) ctx.unsupported('positions that are written twice');
  return positions;
}

const axisSize = (ctx: TorchContext, shape: Shape, axis: number): number =>
  ctx.staticShape([shape[axis]], 'a write to positions along an axis')[0];

function indexPut(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = ctx.graph(args.tensor('self'));
  if (args.bool('accumulate')) return ctx.unsupported('sums at positions');
  const given = args.optionalTensors('indices').flatMap((at, axis) => (at === null ? [] : [{ at, axis }]));
  if (given.length === 1 && isMask(given[0].at)) return putWhere(ctx, x, given[0].at, given[0].axis, args);
  if (given.length === 0 || given.some(({ at }) => isMask(at))) return ctx.unsupported('several kinds of positions');
  return putAt(ctx, x, given, args);
}

/** x where the mask does not hold, one value where it does; the mask has the axes from `axis` on. */
function putWhere(ctx: TorchContext, x: GraphTensor, at: TensorLike, axis: number, args: Arguments): GraphTensor {
  const mask = ctx.graph(at);
  const rest = x.shape.length - axis - mask.shape.length;
  const value = args.tensor('values');
  const { shape } = ctx.graph(value);
  // [lead…, one for each that holds, rest…]: of the middle one all have to get the same
  const middle = shape.length - 1 - rest;
  if (middle >= 0 && shape[middle] !== 1) return ctx.unsupported('different values where truth values hold');
  const single = shape.every((dim) => dim === 1) ? element(ctx, x, value) : like(ctx, x, value).value;
  const ones = Array<number>(mask.shape.length).fill(1);
  const wide =
    middle < 0 ? single : ctx.reshape(single, [...shape.slice(0, middle), ...ones, ...shape.slice(middle + 1)]);
  const condition = ctx.reshape(ctx.cast(mask.value, 'bool'), [...mask.shape, ...Array<number>(rest).fill(1)]);
  return ctx.moved(
    ctx.emit(nnWhere, { cond: condition, a: shape.every((dim) => dim === 1) ? single : wide, b: x.value }),
    x,
  );
}

interface At {
  readonly at: TensorLike;
  readonly axis: number;
}

/** Lists of positions of neighbouring axes, which become one. */
function putAt(ctx: TorchContext, x: GraphTensor, given: readonly At[], args: Arguments): GraphTensor {
  const [{ axis }] = given;
  if (given.some((item, i) => item.axis !== axis + i)) return ctx.unsupported('positions of axes that are apart');
  const value = args.tensor('values');
  const isOne = ctx.graph(value).shape.every((dim) => dim === 1);
  const sizes = given.map((item) => axisSize(ctx, x.shape, item.axis));
  const shapes = given.map(({ at }) => ctx.staticShape(ctx.graph(at).shape, 'positions'));
  const rank = Math.max(...shapes.map((shape) => shape.length));
  const common = Array.from({ length: rank }, (_, i) =>
    Math.max(...shapes.map((shape) => shape[i - rank + shape.length] ?? 1)),
  );
  const lists = given.map(({ at }, i) => broadcast(positionsOf(ctx, at, sizes[i], true), shapes[i], common));
  const places = lists[0].map((_, k) => lists.reduce((sum, list, i) => sum * sizes[i] + list[k], 0));
  if (!isOne && new Set(places).size !== places.length) ctx.unsupported('positions that are written twice');
  const [lead, rest] = [x.shape.slice(0, axis), x.shape.slice(axis + given.length)];
  const source = isOne ? element(ctx, x, value) : like(ctx, x, value).value;
  const part = ctx.reshape(spreadOver(ctx, source, [...lead, ...common, ...rest]), [...lead, places.length, ...rest]);
  const flat = ctx.reshape(x.value, [...lead, sizeOf(sizes), ...rest]);
  return ctx.moved(ctx.reshape(placedAlong(builderOf(ctx), flat, part, axis, places), x.shape), x);
}

function broadcast(list: readonly number[], shape: readonly number[], to: readonly number[]): readonly number[] {
  const lead = to.length - shape.length;
  return Array.from({ length: sizeOf(to) }, (_, i) => {
    let [rest, at, step] = [i, 0, 1];
    for (let axis = to.length - 1; axis >= 0; axis--) {
      const size = shape[axis - lead] ?? 1;
      if (size !== 1) at += (rest % to[axis]) * step;
      step *= size;
      rest = Math.floor(rest / to[axis]);
    }
    return list[at];
  });
}

/** The part of x at positions along one axis, filled or copied. */
const along = (schema: string, name: 'value' | 'source'): readonly TorchOp[] =>
  defineTorchOp({
    schema,
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      const axis = ctx.axis(args.int('dim'), x.shape.length);
      const positions = positionsOf(ctx, args.tensor('index'), axisSize(ctx, x.shape, axis), name === 'value');
      const shape = x.shape.map((dim, i) => (i === axis ? positions.length : dim));
      const source = name === 'value' ? element(ctx, x, args.value(name)) : like(ctx, x, args.tensor(name)).value;
      return ctx.moved(placedAlong(builderOf(ctx), x.value, spreadOver(ctx, source, shape), axis, positions), x);
    },
  });

/** y[index[i, j], j] = src[i, j] along the first axis, and so along the others. */
function scattered(ctx: TorchContext, args: Arguments, name: 'src' | 'value'): GraphTensor {
  const [x, index] = [ctx.graph(args.tensor('self')), args.tensor('index')];
  const axis = ctx.axis(args.int('dim'), x.shape.length);
  const shape = ctx.staticShape(x.shape, 'a write to positions');
  const part = ctx.staticShape(ctx.graph(index).shape, 'positions');
  const isOne = name === 'value';
  const at = positionsOf(ctx, index, shape[axis], true);
  const places = at.map((position, k) => {
    let [rest, place, step] = [k, 0, 1];
    for (let a = shape.length - 1; a >= 0; a--) {
      place += (a === axis ? position : rest % part[a]) * step;
      step *= shape[a];
      rest = Math.floor(rest / part[a]);
    }
    return place;
  });
  if (!isOne && new Set(places).size !== places.length) ctx.unsupported('positions that are written twice');
  const source = isOne
    ? spreadOver(ctx, element(ctx, x, args.value(name)), part)
    : part.reduce(
        (y, size, a) => ctx.emit(nnSlice, { x: y }, { starts: [0], ends: [size], axes: [a], steps: [1] }),
        like(ctx, x, args.tensor(name)).value,
      );
  const flat = ctx.reshape(x.value, [sizeOf(shape)]);
  return ctx.moved(
    ctx.reshape(placedAlong(builderOf(ctx), flat, ctx.reshape(source, [places.length]), 0, places), shape),
    x,
  );
}

const wholeOf = ({ shape }: GraphTensor): Region => whole(shape, undefined);

/** `slice_scatter` and its kin: a copy of x with a view of it overwritten. */
const viewWritten = (schema: string, of: (ctx: TorchContext, x: GraphTensor, args: Arguments) => Region | undefined) =>
  defineTorchOp({
    schema,
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      const region = of(ctx, x, args);
      if (region === undefined) return ctx.unsupported('a part of unknown size');
      const part = spreadOver(ctx, like(ctx, x, args.tensor('src')).value, region.shape);
      return ctx.moved(written(builderOf(ctx), x.value, region.steps, part), x);
    },
  });

export const scatterOps: readonly TorchOp[] = [
  ...defineTorchOp({ schema: 'aten::copy(Tensor self, any src, bool non_blocking=False)', import: copied }),
  ...filled('fill', (args) => args.value('value'), ', any value'),
  ...filled('zero', () => 0),
  ...defineTorchOp({ schema: 'aten::masked_fill(Tensor self, Tensor mask, any value)', import: maskFilled }),
  ...defineTorchOp({
    schema: ['index_put', '_unsafe_index_put'].map(
      (name) => `aten::${name}(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False)`,
    ),
    import: indexPut,
  }),
  ...along('aten::index_fill(Tensor self, int dim, Tensor index, any value)', 'value'),
  ...along('aten::index_copy(Tensor self, int dim, Tensor index, Tensor source)', 'source'),
  ...defineTorchOp({
    schema: 'aten::scatter.value(Tensor self, int dim, Tensor index, Scalar value)',
    import: (ctx, args) => scattered(ctx, args, 'value'),
  }),
  ...defineTorchOp({
    schema: 'aten::scatter.src(Tensor self, int dim, Tensor index, Tensor src)',
    import: (ctx, args) => scattered(ctx, args, 'src'),
  }),
  ...viewWritten(
    'aten::slice_scatter(Tensor self, Tensor src, int dim=0, int? start=None, int? end=None, int step=1)',
    (ctx, x, args) => {
      const axis = axisOf(ctx, x, args);
      const end = args.has('end') ? args.dim('end') : FAR;
      const last = end === x.shape[axis] ? FAR : end;
      if (typeof last === 'string') return undefined;
      const start = args.has('start') ? args.int('start') : 0;
      return sliced(wholeOf(x), axis, start, Math.min(last, FAR), args.int('step'));
    },
  ),
  ...viewWritten('aten::select_scatter(Tensor self, Tensor src, int dim, int index)', (ctx, x, args) =>
    selected(wholeOf(x), axisOf(ctx, x, args), args.int('index')),
  ),
  ...viewWritten(
    'aten::diagonal_scatter(Tensor self, Tensor src, int offset=0, int dim1=0, int dim2=1)',
    (ctx, x, args) =>
      diagonal(wholeOf(x), args.int('offset'), axisOf(ctx, x, args, 'dim1'), axisOf(ctx, x, args, 'dim2')),
  ),
  ...defineTorchOp({
    schema: 'aten::fill_diagonal(Tensor self, Scalar fill_value, bool wrap=False)',
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      const [rows, columns] = x.shape;
      if (x.shape.length !== 2 || !isStatic(x.shape) || (args.bool('wrap') && Number(rows) > Number(columns)))
        return ctx.unsupported(`the diagonal of [${x.shape}]`);
      const region = diagonal(wholeOf(x), 0, 0, 1);
      if (region === undefined) return ctx.unsupported('a diagonal of unknown size');
      const part = spreadOver(ctx, element(ctx, x, args.value('fill_value')), region.shape);
      return ctx.moved(written(builderOf(ctx), x.value, region.steps, part), x);
    },
  }),
];
