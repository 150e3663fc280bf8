/** SLICE and STRIDED_SLICE. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import { nnSlice, type Shape } from '../../../ir/index.ts';
import { FAR, type Laid, laid, regrouped } from '../axes.ts';
import { defineTfliteOp, type TfliteOp } from '../define_tflite_op.ts';
import type { OperatorContext } from '../operator_context.ts';

/** The positions that are taken along an axis of the file's tensor; positions as in nn.slice. */
interface Taken {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** All positions of an axis need no slice. */
const isWhole = ({ start, end, step }: Taken): boolean => start === 0 && end === FAR && step === 1;

function sliced(ctx: OperatorContext, { value, layout, order }: Laid, all: readonly Taken[]): Laid {
  const taken = all.filter((one) => !isWhole(one));
  if (taken.length === 0) return { value, layout, order };
  const attrs = {
    starts: taken.map(({ start }) => start),
    ends: taken.map(({ end }) => end),
    axes: taken.map(({ axis }) => order.indexOf(axis)),
    steps: taken.map(({ step }) => step),
  };
  return { value: ctx.emit(nnSlice, { x: value }, attrs), layout, order };
}

/** `size` positions from `begin` on; a size of -1 reaches to the end. */
const slice = defineTfliteOp({
  name: 'SLICE',
  inputs: ['x', 'begin', 'size'],
  import(ctx) {
    const x = ctx.get('x');
    const [begin, size] = [ctx.integers(ctx.get('begin')), ctx.integers(ctx.get('size'))];
    if (begin.length !== x.shape.length || size.length !== x.shape.length)
      ctx.refuse(`begin [${begin}] and size [${size}] do not fit a tensor of rank ${x.shape.length}`, 'U2005');
    const wrong = begin.findIndex((at, axis) => at < 0 || size[axis] < -1 || isBeyond(at + size[axis], x.shape[axis]));
    if (wrong >= 0) ctx.refuse(`[${begin}] and [${size}] reach beyond axis ${wrong} of [${x.shape}]`, 'U2005');
    return sliced(
      ctx,
      laid(ctx, x),
      begin.map((start, axis) => ({ axis, start, end: size[axis] === -1 ? FAR : start + size[axis], step: 1 })),
    );
  },
});

const isBeyond = (end: number, size: Shape[number]): boolean => typeof size === 'number' && end > size;

/** Slices of tensors, and the axes of the result: each an axis of x, or a new one of one position. */
interface Plan {
  readonly taken: readonly Taken[];
  readonly axes: readonly (number | undefined)[];
}

/**
 * Reads begin, end and strides entry by entry as numpy reads x[begin:end:stride, …, newaxis, i]: an ellipsis stands for all axes that
 * no entry is about, a new axis for none of x, and an axis that shrinks gives its position `begin` alone.
 */
function planOf(ctx: OperatorContext, shape: Shape, entries: readonly Entry[]): Plan {
  const about = entries.filter(({ kind }) => kind === 'one' || kind === 'range').length;
  // the kernel takes an ellipsis for at least one axis
  if (about === shape.length && entries.some(({ kind }) => kind === 'ellipsis'))
    ctx.unsupported('an ellipsis that stands for no axis');
  if (about > shape.length) ctx.refuse(`${about} ranges do not fit a tensor of rank ${shape.length}`, 'U2005');
  const taken: Taken[] = [];
  const axes: (number | undefined)[] = [];
  let axis = 0;
  const keepAll = (count: number) => {
    for (const end = axis + count; axis < end; axis++) axes.push(axis);
  };
  for (const entry of entries) {
    if (entry.kind === 'ellipsis') keepAll(shape.length - about);
    else if (entry.kind === 'new') axes.push(undefined);
    else {
      taken.push({ axis, ...rangeOf(ctx, entry) });
      if (entry.kind === 'range') axes.push(axis);
      axis++;
    }
  }
  keepAll(shape.length - axis);
  return { taken, axes };
}

/** An entry of begin, end and strides, with its bits of the masks. An absent begin or end is that of the axis. */
interface Entry {
  readonly kind: 'range' | 'one' | 'new' | 'ellipsis';
  readonly begin: number | undefined;
  readonly end: number | undefined;
  readonly step: number;
}

function rangeOf(ctx: OperatorContext, { kind, begin, end, step }: Entry) {
  if (step === 0 || (kind === 'one' && step < 0)) return ctx.refuse(`a stride of ${step}`);
  const start = begin ?? (step > 0 ? 0 : FAR);
  if (kind === 'one') return { start, end: start === -1 ? FAR : start + 1, step: 1 };
  return { start, end: end ?? (step > 0 ? FAR : -FAR), step };
}

/** Ends that are counted from the begins, as ends. The kernel looks neither at masks nor at the sizes of axes for them. */
function endsOfLengths(ctx: OperatorContext, entries: readonly Entry[], shape: Shape): readonly Entry[] {
  if (entries.length !== shape.length) ctx.unsupported('a slice by lengths that does not name every axis');
  return entries.map((entry, axis) => {
    const { kind, begin, end, step } = entry;
    const [size] = ctx.staticShape([shape[axis]], 'a slice by lengths');
    if (kind === 'one') return entry;
    if (kind !== 'range' || begin === undefined || end === undefined || step < 0)
      return ctx.unsupported('a slice by lengths with masks');
    const start = begin < 0 ? begin + size : begin;
    if (start < 0 || end < 0 || start + end > size) ctx.unsupported('a slice by lengths beyond its axis');
    return { ...entry, begin: start, end: start + end };
  });
}

const has = (mask: number, i: number): boolean => ((mask >> i) & 1) === 1;

const stridedSlice = defineTfliteOp({
  name: 'STRIDED_SLICE',
  inputs: ['x', 'begin', 'end', 'strides'],
  options: tfliteOptions.stridedSliceOptions,
  import(ctx, { beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask, offset }) {
    const x = ctx.get('x');
    const [begins, ends, steps] = ['begin', 'end', 'strides'].map((name) => ctx.integers(ctx.get(name)));
    if (ends.length !== begins.length || steps.length !== begins.length)
      ctx.refuse(`begin [${begins}], end [${ends}] and strides [${steps}] should be as many of each`, 'U2005');
    const kindOf = (i: number) =>
      has(ellipsisMask, i) ? 'ellipsis' : has(newAxisMask, i) ? 'new' : has(shrinkAxisMask, i) ? 'one' : 'range';
    const entries = begins.map(
      (begin, i): Entry => ({
        kind: kindOf(i),
        begin: has(beginMask, i) ? undefined : begin,
        end: has(endMask, i) ? undefined : ends[i],
        step: steps[i],
      }),
    );
    const { taken, axes } = planOf(ctx, x.shape, offset ? endsOfLengths(ctx, entries, x.shape) : entries);
    const part = sliced(ctx, laid(ctx, x), taken);
    const dropped = part.order.filter((axis) => !axes.includes(axis));
    if (dropped.some((axis) => part.value.type.shape[part.order.indexOf(axis)] !== 1))
      ctx.unsupported('a position outside of its axis');
    return regrouped(ctx, part, axes);
  },
});

export const sliceOps: readonly TfliteOp[] = [slice, stridedSlice];
