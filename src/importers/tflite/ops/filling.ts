/** Operators whose results follow from sizes and single numbers. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import { isStatic, nnCumsum, nnExpand, nnGather, nnShape } from '../../../ir/index.ts';
import { isBig, isFloat, isHalf, tensor } from '../../../tensors/index.ts';
import { axisOf, laid } from '../axes.ts';
import { defineTfliteOp, last, type TfliteOp } from '../define_tflite_op.ts';

const shape = defineTfliteOp({
  name: 'SHAPE',
  inputs: ['x'],
  import(ctx) {
    const x = ctx.get('x');
    const dtype = ctx.outputType();
    if (isStatic(x.shape)) return last(ctx.cast(ctx.constant(tensor('s64', x.shape.map(BigInt)), 'sizes'), dtype));
    const { value, order } = laid(ctx, x);
    const sizes = ctx.emit(nnShape, { x: value });
    const places = order.map((_, axis) => order.indexOf(axis));
    const sorted = places.every((place, axis) => place === axis)
      ? sizes
      : ctx.emit(nnGather, { x: sizes, indices: ctx.constant(tensor('s32', places), 'places') });
    return last(ctx.cast(sorted, dtype));
  },
});

const rank = defineTfliteOp({
  name: 'RANK',
  inputs: ['x'],
  import: (ctx) => last(ctx.scalar(ctx.outputType(), ctx.get('x').shape.length, 'rank')),
});

const fill = defineTfliteOp({
  name: 'FILL',
  inputs: ['sizes', 'value'],
  import: (ctx) =>
    last(ctx.emit(nnExpand, { x: ctx.last(ctx.get('value')) }, { shape: ctx.integers(ctx.get('sizes')) })),
});

const zerosLike = defineTfliteOp({
  name: 'ZEROS_LIKE',
  inputs: ['x'],
  import: (ctx) =>
    last(ctx.emit(nnExpand, { x: ctx.scalar(ctx.outputType(), 0, 'zero') }, { shape: ctx.get('x').shape })),
});

/** start, start + delta, … before limit; every sum of floats is rounded to the type, as the kernel adds them one by one. */
const range = defineTfliteOp({
  name: 'RANGE',
  inputs: ['start', 'limit', 'delta'],
  import(ctx) {
    const dtype = ctx.outputType();
    const [start, limit, delta] = ['start', 'limit', 'delta'].map((name) => ctx.known(ctx.get(name)));
    if ([start, limit, delta].some((t) => t.dtype !== dtype || isHalf(t.dtype) || t.data.length !== 1))
      ctx.unsupported(`a range of ${dtype} from ${start.dtype}`);
    const [first, end, step] = [start, limit, delta].map(({ data }) => Number(data[0]));
    if (!(step !== 0) || (end - first) / step < 0) ctx.refuse(`a range from ${first} to ${end} by ${step}`, 'U2005');
    const isReal = isFloat(dtype);
    const count = Math.ceil(isReal && dtype === 'f32' ? Math.fround((end - first) / step) : (end - first) / step);
    const numbers: number[] = [];
    for (let value = first; numbers.length < count; value = dtype === 'f32' ? Math.fround(value + step) : value + step)
      numbers.push(value);
    return last(ctx.constant(tensor(dtype, isBig(start) ? numbers.map(BigInt) : numbers), 'range'));
  },
});

const cumsum = defineTfliteOp({
  name: 'CUMSUM',
  inputs: ['x', 'axis'],
  options: tfliteOptions.cumsumOptions,
  import(ctx, { exclusive, reverse }) {
    const { value, layout, order } = laid(ctx, ctx.get('x'));
    const axis = order.indexOf(axisOf(ctx, ctx.get('axis'), order.length));
    return { value: ctx.emit(nnCumsum, { x: value }, { axis, exclusive, reverse }), layout };
  },
});

export const fillingOps: readonly TfliteOp[] = [shape, rank, fill, zerosLike, range, cumsum];
