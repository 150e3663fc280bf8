/** Operators that move elements: views where that is possible, copies else. */
import { dtypes, stridesOf, type ValueId } from '../../../ir/index.ts';
import { inMemoryOrder, plainStrides } from '../layout.ts';
import type { Recorder } from '../recorder.ts';
import { type Lowering, operandsOf } from './lowering.ts';

type ElementBytes = 1 | 2 | 4 | 8;
const elementBytes = (r: Recorder, id: ValueId): ElementBytes => dtypes[r.dtype(id)].bytes as ElementBytes;

/** The same bytes under another name or shape. */
export const view: Lowering = {
  lower: (node, r) => r.alias(node.results[0], node.operands[0] as ValueId),
};

export const transpose: Lowering = {
  lower(node, r) {
    const [x] = node.operands as [ValueId];
    const [y] = node.results;
    const perm = node.attrs.perm as readonly number[];
    const strides = plainStrides(r.preferredLayout(x), r.shape(x));
    copy(
      r,
      x,
      y,
      r.shape(y),
      perm.map((axis) => strides[axis]),
      stridesOf(r.shape(y)),
      0,
      0,
    );
  },
};

/** A gather by strides into a dense row-major result. */
function copy(
  r: Recorder,
  x: ValueId,
  y: ValueId,
  shape: readonly number[],
  sourceStrides: readonly number[],
  destinationStrides: readonly number[],
  sourceOffset: number,
  destinationOffset: number,
): void {
  r.kernel(
    {
      name: 'copy',
      elementBytes: elementBytes(r, x),
      ...nonEmpty(shape, sourceStrides, destinationStrides),
      sourceOffset,
      destinationOffset,
    },
    { source: r.use(x, r.preferredLayout(x)), destination: r.define(y, 'row-major') },
  );
}

const nonEmpty = (shape: readonly number[], sourceStrides: readonly number[], destinationStrides: readonly number[]) =>
  shape.length === 0
    ? { shape: [1], sourceStrides: [1], destinationStrides: [1] }
    : { shape, sourceStrides, destinationStrides };

export const expand: Lowering = {
  lower(node, r) {
    const [x] = node.operands as [ValueId];
    const [y] = node.results;
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

export const concat: Lowering = {
  lower(node, r) {
    const [y] = node.results;
    const shape = r.shape(y);
    const axis = ((node.attrs.axis as number) + shape.length) % shape.length;
    const inputs = operandsOf(node) as ValueId[];
    const layout = r.preferredLayout(inputs[0]);
    const strides = plainStrides(layout, shape);
    const destination = r.define(y, layout);
    let destinationOffset = 0;
    for (const x of inputs) {
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
      destinationOffset += r.shape(x)[axis] * strides[axis];
    }
  },
};

export const pad: Lowering = {
  refuses(node, view) {
    const { pads, mode } = node.attrs as { pads: readonly number[]; mode: string };
    if (mode !== 'constant') return `padding of mode ${mode}`;
    if (pads.some((p) => p < 0)) return 'negative pads';
    return node.operands[1] == null || view.constant(node.operands[1])
      ? undefined
      : 'its value is computed at run time';
  },
  lower(node, r) {
    const [x, value] = operandsOf(node) as [ValueId, ValueId | undefined];
    const [y] = node.results;
    const shape = r.shape(x);
    const pads = node.attrs.pads as readonly number[];
    const layout = r.preferredLayout(x);
    const constant = value ? r.constant(value) : undefined;
    r.kernel(
      {
        name: 'pad',
        elementBytes: elementBytes(r, x),
        shape: inMemoryOrder(layout, shape),
        padsBegin: inMemoryOrder(layout, pads.slice(0, shape.length)),
        padsEnd: inMemoryOrder(layout, pads.slice(shape.length)),
        value: constant ? bitsOf(constant.data) : 0,
      },
      { source: r.use(x, layout), destination: r.define(y, layout) },
    );
  },
};

/** The bits of the first element as a non-negative number. */
function bitsOf(data: ArrayBufferView): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const bytes = data.byteLength / (data as unknown as { length: number }).length;
  return bytes === 1
    ? view.getUint8(0)
    : bytes === 2
      ? view.getUint16(0, true)
      : bytes === 4
        ? view.getUint32(0, true)
        : Number(view.getBigUint64(0, true));
}
