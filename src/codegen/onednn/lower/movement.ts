/** Operators that move elements: views when possible, else copies. */
import { assert } from '../../../diagnostics/index.ts';
import {
  byteLengthOf,
  type ITensor,
  isStatic,
  type nnConcat,
  type nnExpand,
  type nnPad,
  type nnTranspose,
  type OpWith,
  sizeOf,
  stridesOf,
  type ValueId,
} from '../../../ir/index.ts';
import { inMemoryOrder, type PlainLayout, plainStrides } from '../layout.ts';
import type { Recorder } from '../recorder.ts';
import type { Lowering } from './lowering.ts';
import { padByPosition, refusesLength } from './positions.ts';

const elementBytes = (r: Recorder, id: ValueId) => byteLengthOf(r.dtype(id), 1);

/** The same bytes under another name or shape. */
export const alias: Lowering<OpWith<'x'>> = {
  lower: ({ x, y }, r) => r.alias(y, x),
};

/** The same bytes with other strides: products of floats read them as they lie, and [N, H, W, C] row major is [N, C, H, W] with channels last. */
export const transpose: Lowering<typeof nnTranspose> = {
  lower({ x, y, attrs: { perm } }, r) {
    const { buffer, strides } = r.strided(x);
    r.view(y, { buffer, strides: perm.map((axis) => strides[axis]) });
  },
};

const nonEmpty = (shape: readonly number[], sourceStrides: readonly number[], destinationStrides: readonly number[]) =>
  shape.length === 0
    ? { shape: [1], sourceStrides: [1], destinationStrides: [1] }
    : { shape, sourceStrides, destinationStrides };

export const expand: Lowering<typeof nnExpand> = {
  lower({ x, y }, r) {
    const shape = r.shape(y);
    const from = [...Array(shape.length - r.shape(x).length).fill(1), ...r.shape(x)];
    const strides = stridesOf(from).map((s, axis) => (from[axis] === 1 ? 0 : s));
    r.kernel(
      {
        name: 'copy',
        elementBytes: elementBytes(r, x),
        ...nonEmpty(shape, strides, stridesOf(shape)),
        sourceOffset: 0,
        destinationOffset: 0,
      },
      { source: r.use(x, 'row-major'), destination: r.define(y, 'row-major') },
    );
  },
};

export const concat: Lowering<typeof nnConcat> = {
  lower({ xs: all, y, attrs }, r) {
    const shape = r.shape(y);
    const xs = all.filter((x) => sizeOf(r.shape(x)) > 0);
    const axis = (attrs.axis + shape.length) % shape.length;
    const layout = r.isBegun(y) ? 'channels-last' : r.preferredLayout(xs[0]);
    if (xs.length === 1) {
      r.alias(y, xs[0], layout, layout);
      return;
    }
    const strides = plainStrides(layout, shape);
    const destination = r.defineWhole(y, layout);
    let destinationOffset = 0;
    for (const x of xs) {
      if (!r.isSettled(x)) {
        r.kernel(
          {
            name: 'copy',
            elementBytes: elementBytes(r, x),
            shape: inMemoryOrder(layout, r.shape(x)),
            sourceStrides: inMemoryOrder(layout, plainStrides(layout, r.shape(x))),
            destinationStrides: inMemoryOrder(layout, strides),
            sourceOffset: 0,
            destinationOffset,
          },
          { source: r.use(x, layout), destination },
        );
      }
      destinationOffset += r.shape(x)[axis] * strides[axis];
    }
  },
};

export const pad: Lowering<typeof nnPad> = {
  refuses({ y, value, attrs: { pads, mode } }, graph) {
    if (!isStatic(pads)) return 'a shape depends on run-time values';
    if (mode !== 'constant') return refusesLength(graph.shape(y));
    const isCrop = pads.some((p) => p < 0);
    if (isCrop && pads.every((p) => p <= 0)) return refusesLength(graph.shape(y));
    if (value === undefined) return undefined;
    const constant = graph.constant(value);
    if (!constant) return 'its value is computed at run time';
    return Number.isSafeInteger(bitsOf(constant)) ? undefined : 'the bits of its value exceed 53';
  },
  lower(view, r) {
    const { x, value, y, attrs } = view;
    const { pads, mode } = attrs;
    const shape = r.shape(x);
    assert(isStatic(pads), `%${y} has pads that are not known`);
    if (mode !== 'constant' || (pads.some((p) => p < 0) && pads.every((p) => p <= 0))) {
      padByPosition(view, r);
      return;
    }
    const layout = r.preferredLayout(x);
    const { source, left } = cropped(x, pads, layout, r);
    const around = pads.map((p) => Math.max(p, 0));
    const constant = r.constant(value);
    r.kernel(
      {
        name: 'pad',
        elementBytes: elementBytes(r, x),
        shape: inMemoryOrder(layout, left),
        padsBegin: inMemoryOrder(layout, around.slice(0, shape.length)),
        padsEnd: inMemoryOrder(layout, around.slice(shape.length)),
        value: constant ? bitsOf(constant) : 0,
      },
      { source, destination: r.define(y, layout) },
    );
  },
};

/** The part of a tensor that negative pads leave; the whole tensor where no pad is negative. */
function cropped(x: ValueId, pads: readonly number[], layout: PlainLayout, r: Recorder) {
  const shape = r.shape(x);
  const rank = shape.length;
  const source = r.use(x, layout);
  const left = shape.map((size, axis) => size + Math.min(pads[axis], 0) + Math.min(pads[axis + rank], 0));
  if (pads.every((p) => p >= 0)) return { source, left };
  const strides = plainStrides(layout, shape);
  const destination = r.scratch(elementBytes(r, x) * sizeOf(left));
  r.kernel(
    {
      name: 'copy',
      elementBytes: elementBytes(r, x),
      shape: inMemoryOrder(layout, left),
      sourceStrides: inMemoryOrder(layout, strides),
      destinationStrides: inMemoryOrder(layout, plainStrides(layout, left)),
      sourceOffset: strides.reduce((offset, stride, axis) => offset - Math.min(pads[axis], 0) * stride, 0),
      destinationOffset: 0,
    },
    { source, destination },
  );
  return { source: destination, left };
}

/** The bits of the first element as a non-negative number. */
function bitsOf({ data }: ITensor): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const bytes = data.BYTES_PER_ELEMENT;
  return bytes === 1
    ? view.getUint8(0)
    : bytes === 2
      ? view.getUint16(0, true)
      : bytes === 4
        ? view.getUint32(0, true)
        : Number(view.getBigUint64(0, true));
}
